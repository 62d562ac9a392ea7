//! How many questions to an issuer may be on their way, and how many of one network: whoever makes tokens up must not take
//! every place from those who have real ones.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// All places of one issuer.
pub(super) struct Places {
    all: usize,
    taken: Mutex<Taken>,
}

/// Grows no further than there are places.
#[derive(Default)]
struct Taken {
    all: usize,
    by_network: HashMap<u128, usize>,
}

/// One question on its way; its end gives the place back.
pub(super) struct Place {
    places: Arc<Places>,
    network: Option<u128>,
}

/// Of two places, one network gets one: an application that calls for all its users has one address too.
const SHARE: usize = 2;

impl Places {
    pub(super) fn new(all: usize) -> Self {
        Self { all: all.clamp(1, 65_536), taken: Mutex::default() }
    }

    /// `None` when no place is free, or when the network has its share.
    pub(super) fn take(self: &Arc<Self>, network: Option<u128>) -> Option<Place> {
        let mut taken = self.taken.lock();
        if taken.all >= self.all {
            return None;
        }
        if let Some(network) = network {
            let share = (self.all / SHARE).max(1);
            let own = taken.by_network.get(&network).copied().unwrap_or(0);
            if own >= share {
                return None;
            }
            taken.by_network.insert(network, own.saturating_add(1));
        }
        taken.all = taken.all.saturating_add(1);
        Some(Place { places: Arc::clone(self), network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all = taken.all.saturating_sub(1);
        let Some(network) = self.network else { return };
        let left = taken.by_network.get(&network).map_or(0, |own| own.saturating_sub(1));
        if left == 0 {
            taken.by_network.remove(&network);
        } else {
            taken.by_network.insert(network, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_has_half_of_the_places_and_at_least_one() {
        for (all, share) in [(64, 32), (8, 4), (3, 1), (1, 1)] {
            let places = Arc::new(Places::new(all));
            let held: Vec<_> = std::iter::from_fn(|| places.take(Some(7))).collect();
            assert_eq!(held.len(), share);
            assert_eq!(places.take(Some(8)).is_some(), share < all, "others still have theirs");
            let rest: Vec<_> = std::iter::from_fn(|| places.take(None)).collect();
            assert_eq!(rest.len(), all - share, "of one that is no caller no share is counted");
            drop((held, rest));
            assert!(places.taken.lock().by_network.is_empty(), "nothing is kept of who has gone");
            assert!(places.take(Some(7)).is_some());
        }
    }
}

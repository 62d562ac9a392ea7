//! How many questions to an issuer may be on their way, and how many of one network: whoever makes tokens up must not take
//! every place from those who have real ones.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// All places of one issuer.
pub(super) struct Places {
    share: usize,
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

impl Places {
    /// `share` is as many as one network may have. Half as many again are kept for others, so that one network that has
    /// all of its share shuts nobody out.
    pub(super) fn new(share: usize) -> Self {
        Self { share: share.clamp(1, 65_536), taken: Mutex::default() }
    }

    /// `None` when no place is free, or when the network has its share.
    pub(super) fn take(self: &Arc<Self>, network: Option<u128>) -> Option<Place> {
        let mut taken = self.taken.lock();
        let Some(network) = network else {
            return (taken.all < self.share).then(|| self.given(&mut taken, None));
        };
        let own = taken.by_network.get(&network).copied().unwrap_or(0);
        let all = self.share.saturating_add(self.share.div_ceil(2));
        if own >= self.share || taken.all >= all {
            return None;
        }
        taken.by_network.insert(network, own.saturating_add(1));
        Some(self.given(&mut taken, Some(network)))
    }

    fn given(self: &Arc<Self>, taken: &mut Taken, network: Option<u128>) -> Place {
        taken.all = taken.all.saturating_add(1);
        Place { places: Arc::clone(self), network }
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
    fn one_network_has_its_share_and_others_have_places_besides() {
        for (share, others) in [(64, 32), (3, 2), (1, 1)] {
            let places = Arc::new(Places::new(share));
            let held: Vec<_> = std::iter::from_fn(|| places.take(Some(7))).collect();
            assert_eq!(held.len(), share);
            assert!(places.take(None).is_none(), "what is no caller waits for a share that is free");
            let rest: Vec<_> = std::iter::from_fn(|| places.take(Some(8))).collect();
            assert_eq!(rest.len(), others);
            drop((held, rest));
            assert!(places.taken.lock().by_network.is_empty(), "nothing is kept of who has gone");
            assert!(places.take(None).is_some());
        }
    }
}

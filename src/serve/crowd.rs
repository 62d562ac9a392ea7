//! How many client connections are open in the whole process, and how many of each address.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::observe::metrics::Crowded;

/// Counted when a connection opens and when it ends, never for a request; so a few locks are enough for all cores.
const SHARDS: usize = 16;

/// Bounds on open connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub all: usize,
    pub of_one_address: usize,
}

/// Everybody who is connected.
#[derive(Default)]
pub struct Crowd {
    all: AtomicUsize,
    hasher: RandomState,
    addresses: [Mutex<HashMap<IpAddr, usize>>; SHARDS],
}

impl Crowd {
    /// Lets one more in, unless there are too many. `address` is `None` for a peer that speaks for many.
    pub fn enter(&self, address: Option<IpAddr>, bounds: Bounds) -> Result<(), Crowded> {
        if self.all.fetch_add(1, Relaxed) >= bounds.all {
            self.all.fetch_sub(1, Relaxed);
            return Err(Crowded::All);
        }
        let Some(address) = address.map(subscriber) else { return Ok(()) };
        let Some(shard) = self.shard(address) else { return Ok(()) };
        let mut shard = shard.lock();
        let count = shard.entry(address).or_default();
        if *count >= bounds.of_one_address {
            self.all.fetch_sub(1, Relaxed);
            return Err(Crowded::Address);
        }
        *count += 1;
        Ok(())
    }

    /// One that was let in has gone.
    pub fn leave(&self, address: Option<IpAddr>) {
        self.all.fetch_sub(1, Relaxed);
        let Some(address) = address.map(subscriber) else { return };
        let Some(shard) = self.shard(address) else { return };
        let mut shard = shard.lock();
        if let Some(count) = shard.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                shard.remove(&address);
            }
        }
    }

    fn shard(&self, address: IpAddr) -> Option<&Mutex<HashMap<IpAddr, usize>>> {
        let hash = usize::try_from(self.hasher.hash_one(address) >> 32).unwrap_or(0);
        self.addresses.get(hash % SHARDS)
    }
}

/// Who counts as one: an IPv4 address however it is written, and the /64 that one subscriber of IPv6 has.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_fills_its_own_share_and_nobody_else_s() {
        let (crowd, bounds) = (Crowd::default(), Bounds { all: 100, of_one_address: 2 });
        let enter = |text: &str| crowd.enter(Some(text.parse().unwrap()), bounds).is_ok();
        assert!(enter("192.0.2.1") && enter("::ffff:192.0.2.1"));
        assert!(!enter("192.0.2.1") && enter("192.0.2.2"));
        assert!(enter("2001:db8::1") && enter("2001:db8::2:1"));
        assert!(!enter("2001:db8::3") && enter("2001:db8:0:1::1"));
        crowd.leave(Some("192.0.2.1".parse().unwrap()));
        assert!(enter("192.0.2.1"));
        for _ in 0..50 {
            assert!(crowd.enter(None, bounds).is_ok(), "a proxy speaks for many");
        }
    }

    #[test]
    fn one_address_that_has_too_many_is_no_want_of_room() {
        let (crowd, bounds) = (Crowd::default(), Bounds { all: 2, of_one_address: 1 });
        let enter = |last: u8| crowd.enter(Some([192, 0, 2, last].into()), bounds);
        assert_eq!([enter(1), enter(1)], [Ok(()), Err(Crowded::Address)]);
        assert_eq!([enter(2), enter(3)], [Ok(()), Err(Crowded::All)]);
    }

    #[test]
    fn all_together_have_a_bound_and_what_has_gone_is_forgotten() {
        let (crowd, bounds) = (Crowd::default(), Bounds { all: 3, of_one_address: 2 });
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        for round in 0..100 {
            for peer in [Some(address), None, Some(address)] {
                assert_eq!(crowd.enter(peer, bounds), Ok(()), "{round}");
            }
            for peer in [None, Some(address)] {
                assert_eq!(crowd.enter(peer, bounds), Err(Crowded::All), "{round}");
            }
            crowd.leave(Some(address));
            crowd.leave(None);
            crowd.leave(Some(address));
        }
        assert!(crowd.addresses.iter().all(|shard| shard.lock().is_empty()));
    }
}

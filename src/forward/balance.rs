//! Which server next.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::upstream::{Server, Upstream};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// One after the other.
    RoundRobin,
    /// The one that is answering the fewest requests.
    LeastRequest,
}

impl Upstream {
    /// The servers in the order in which they are to be tried: the chosen one first, shunned ones last.
    pub(super) fn order(&self, now_millis: impl FnOnce() -> u64) -> Cow<'_, [Arc<Server>]> {
        if self.servers.len() == 1 {
            return Cow::Borrowed(&self.servers);
        }
        let now_millis = now_millis();
        let turn = self.turn.fetch_add(1, Relaxed);
        let start = turn % self.servers.len().max(1);
        let mut servers: Vec<_> = self.servers.iter().cycle().skip(start).take(self.servers.len()).cloned().collect();
        // All workers change these figures meanwhile: each is looked at once, or there would be no order.
        if self.settings.balance == Balance::LeastRequest {
            servers.sort_by_cached_key(|server| server.in_flight.load(Relaxed));
        }
        servers.sort_by_cached_key(|server| server.is_shunned(now_millis));
        Cow::Owned(servers)
    }
}

impl Server {
    /// Whether a connection to it failed a moment ago.
    pub fn is_shunned(&self, now_millis: u64) -> bool {
        now_millis < self.shunned_until.load(Relaxed)
    }

    /// It has answered, so that it is there; kept connections alone would never say so. Nothing is written on the usual way,
    /// and a server that refuses new connections is tried last for its time all the same.
    pub(super) fn answers(&self, now_millis: impl FnOnce() -> u64) {
        let until = self.shunned_until.load(Relaxed);
        if until > 0 && until <= now_millis() {
            // Unless another worker has just failed to reach it.
            let _ = self.shunned_until.compare_exchange(until, 0, Relaxed, Relaxed);
        }
    }
}

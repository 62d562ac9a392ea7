//! How often may one place guess the secret of one client?
//!
//! Every attempt takes from a budget before the secret is looked at, and a right one gives back what it took: parallel
//! guesses all count, and a client that knows its secret never notices. That refund is why this is not `governor`; the
//! rule is the same GCRA. Keyed by client and source together, so that a stranger cannot lock a client out. Where gateways
//! share counters the fleet has a budget as well, by the same rule.

mod together;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::sync::Mutex;

use crate::ground::Digest;

pub(super) use together::Together;

/// Wrong secrets in a row that are answered at once.
pub(super) const BURST: u32 = 10;

/// One more after each of these.
pub(super) const INTERVAL: Duration = Duration::from_secs(6);

/// Pairs of client and source remembered; the bound of memory, about 10 MB.
const PAIRS: u64 = 50_000;

/// Budgets of all pairs that tried lately.
pub(super) struct Throttle {
    start: Instant,
    budgets: Cache<Pair, Arc<Budget>>,
}

/// What is known of a pair.
#[derive(Default)]
struct Budget {
    /// Millisecond since `start` at which it will be whole again.
    full: AtomicU64,
    /// Held by the one attempt whose secret a slow hash is looking at.
    hashing: Arc<Mutex<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    client: Digest,
    source: IpAddr,
}

impl Pair {
    /// One IPv6 subscriber has a /64, so that much is one source.
    pub(super) fn new(client_id: &str, source: IpAddr) -> Self {
        let source = match source.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
        };
        Self { client: Digest::of(client_id.as_bytes()), source }
    }

    /// The same on every gateway.
    fn digest(&self) -> Digest {
        let source = match self.source {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        Digest::of(&[b"secret".as_slice(), self.client.as_bytes(), &source].concat())
    }
}

/// One attempt whose cost has been taken.
pub(super) struct Attempt(Arc<Budget>);

impl Throttle {
    pub(super) fn new(start: Instant) -> Self {
        // Least recently used goes first, so that whoever guesses right now is not the one to be forgotten.
        let budgets = Cache::builder()
            .max_capacity(PAIRS)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(INTERVAL * BURST * 2)
            .build();
        Self { start, budgets }
    }

    /// Takes the cost of one attempt, or says how long to wait.
    pub(super) fn begin(&self, pair: Pair, now: Instant) -> Result<Attempt, Duration> {
        let budget = self.budgets.get_with(pair, Arc::default);
        let now = self.millis(now);
        let mut before = budget.full.load(Ordering::SeqCst);
        loop {
            let after = taken(before, now)?;
            match budget.full.compare_exchange(before, after, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Ok(Attempt(budget)),
                Err(changed) => before = changed,
            }
        }
    }

    /// Where attempts of the pair wait for a slow hash, one behind the other: of many right ones that come at once only the
    /// first is hashed, and what they hold of the budget between them is what that one holds.
    pub(super) fn hashing(&self, pair: Pair) -> Arc<Mutex<()>> {
        Arc::clone(&self.budgets.get_with(pair, Arc::default).hashing)
    }

    /// How many pairs are remembered.
    #[cfg(test)]
    pub(super) fn pairs(&self) -> u64 {
        self.budgets.run_pending_tasks();
        self.budgets.entry_count()
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Attempt {
    /// What came of it: whoever is proven gets the cost back.
    pub(super) fn settle<T>(self, proven: Option<T>) -> Option<T> {
        if proven.is_some() {
            self.give_back();
        }
        proven
    }

    /// Gives the cost back: the secret was right, or has not been looked at.
    pub(super) fn give_back(self) {
        // Never fails: the closure always has an answer.
        let _ = self.0.full.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |full| Some(full.saturating_sub(cost())));
    }
}

/// The budget after one more attempt at `now`.
fn taken(full: u64, now: u64) -> Result<u64, Duration> {
    let after = full.max(now).saturating_add(cost());
    let most = now.saturating_add(cost().saturating_mul(u64::from(BURST)));
    if after > most { Err(Duration::from_millis(after - most)) } else { Ok(after) }
}

fn cost() -> u64 {
    u64::try_from(INTERVAL.as_millis()).unwrap_or(u64::MAX)
}

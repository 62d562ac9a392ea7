//! How often may passwords be guessed? By account, by source and by both together.
//!
//! A stranger who hammers an account makes strangers wait, and not its owner: a browser that the account knows has a budget
//! of its own. Each wrong attempt doubles the wait, and time takes it back. Attempts hold a place in their budgets before they
//! are looked at, so that guesses at the same moment all count; right ones give it back. What is in flight refuses nobody:
//! whoever finds no place left waits until one is.
//!
//! Where gateways share counters, guesses are counted there as well, so that nobody has a fresh start on each of them. While
//! nobody answers there, what is counted here holds.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::ground::{Digest, SharedClock};
use crate::store::SharedCounters;
use crate::store::counters::Guess;

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Budgets remembered; about 20 MB.
const MOST: u64 = 100_000;

/// What one budget gives.
#[derive(Clone, Copy)]
struct Terms {
    /// Wrong attempts that cost nothing.
    free: u32,
    /// One wrong attempt is forgotten each time so much has passed.
    forget: Duration,
}

/// Of an account at one source, of one at a browser that it knows, and of a second factor.
const OF_ONE: Terms = Terms { free: 5, forget: Duration::from_secs(5 * 60) };
/// The same for an account as a whole, from everywhere.
const OF_ACCOUNT: Terms = Terms { free: 25, forget: Duration::from_secs(5 * 60) };
/// The same for a source as a whole: many people sit behind one address, and somebody among them always mistypes.
const OF_SOURCE: Terms = Terms { free: 50, forget: Duration::from_secs(60) };

/// Who tries to log in, and where.
#[derive(Clone, Copy)]
pub struct Attempting {
    /// Digest of the folded name, whether or not there is such a user.
    pub account: Digest,
    pub source: IpAddr,
    /// The mark of a browser that the account knows.
    pub device: Option<[u8; 32]>,
}

/// Budgets of everybody who tried lately.
pub struct LoginThrottle {
    budgets: Cache<Key, Arc<Entry>>,
    /// Held by the one attempt that is asking all gateways: what stands in its way is then known here.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Pair(Digest, IpAddr),
    Account(Digest),
    Source(IpAddr),
    Device(Digest, [u8; 32]),
    Code(Digest),
}

impl Key {
    /// The same on every gateway.
    fn digest(self) -> Digest {
        let source = |source: IpAddr| match source {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        let parts = match &self {
            Self::Pair(account, from) => [b"pair", account.as_bytes().as_slice(), &source(*from)].concat(),
            Self::Account(account) => [b"account", account.as_bytes().as_slice()].concat(),
            Self::Source(from) => [b"source", source(*from).as_slice()].concat(),
            Self::Device(account, device) => [b"device", account.as_bytes().as_slice(), device].concat(),
            Self::Code(user) => [b"code", user.as_bytes().as_slice()].concat(),
        };
        Digest::of(&parts)
    }
}

/// What is known of one key.
#[derive(Default)]
struct Entry {
    budget: Mutex<Budget>,
    /// Told whenever an attempt is not in flight any more.
    settled: Notify,
}

impl Entry {
    /// What to wait for before it is worth another try: nothing, if some attempt has come through since `before`. `None`:
    /// nothing of ours stands in the way.
    fn stands_in_the_way(&self, before: Option<&u64>) -> Option<Option<Notified<'_>>> {
        let budget = self.budget.lock();
        match (before == Some(&budget.settled), budget.together) {
            (false, _) => Some(None),
            (true, 0) => None,
            (true, _) => Some(Some(self.settled.notified())),
        }
    }
}

/// What an attempt has paid: a place in each of its budgets, until it is known whether it was right.
pub struct LoginAttempt {
    held: Vec<(Arc<Entry>, Terms)>,
    clock: SharedClock,
    stage: Stage,
    /// It has paid with all gateways too, as far as they could be asked.
    is_together: bool,
    /// What was paid for with all gateways, and where.
    together: Option<(SharedCounters, Vec<Digest>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nobody has looked at it.
    Paid,
    /// It is being looked at, or was wrong. Whoever hangs up meanwhile gets nothing back.
    Looked,
    Right,
}

impl Default for LoginThrottle {
    fn default() -> Self {
        let budgets = Cache::builder()
            .max_capacity(MOST)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(Duration::from_secs(24 * 3600))
            .build();
        Self { budgets, asking: tokio::sync::Mutex::default() }
    }
}

impl LoginThrottle {
    /// Pays for one attempt, or says how long to wait. Where only attempts that are in flight stand in the way, it waits for
    /// them: they may all be right.
    pub async fn begin(
        &self,
        attempting: &Attempting,
        clock: &SharedClock,
        counters: Option<&SharedCounters>,
    ) -> Result<LoginAttempt, Duration> {
        let Attempting { account, source, device } = *attempting;
        let source = network(source);
        match device {
            Some(device) => self.pay(&[(Key::Device(account, device), OF_ONE)], clock, counters).await,
            None => {
                let keys = [
                    (Key::Pair(account, source), OF_ONE),
                    (Key::Account(account), OF_ACCOUNT),
                    (Key::Source(source), OF_SOURCE),
                ];
                self.pay(&keys, clock, counters).await
            }
        }
    }

    /// The same for a code of the second factor, by user alone: the password was right already.
    pub async fn begin_code(
        &self,
        user: Digest,
        clock: &SharedClock,
        counters: Option<&SharedCounters>,
    ) -> Result<LoginAttempt, Duration> {
        self.pay(&[(Key::Code(user), OF_ONE)], clock, counters).await
    }

    async fn pay(
        &self,
        keys: &[(Key, Terms)],
        clock: &SharedClock,
        counters: Option<&SharedCounters>,
    ) -> Result<LoginAttempt, Duration> {
        let entries: Vec<_> =
            keys.iter().map(|(key, terms)| (self.budgets.get_with(*key, Arc::default), *terms)).collect();
        while let Err(full) = hold(&entries, clock.instant()) {
            match full {
                Full::For(wait) => return Err(wait),
                Full::UntilSettled(settled) => settled.await,
            }
        }
        let mut attempt = LoginAttempt {
            held: entries,
            clock: Arc::clone(clock),
            stage: Stage::Paid,
            is_together: false,
            together: None,
        };
        if let Some(counters) = counters {
            attempt.pay_together(keys, counters, &self.asking).await?;
        }
        Ok(attempt)
    }
}

/// Why there is no place now.
enum Full<'a> {
    /// Too many were wrong.
    For(Duration),
    /// What is in flight takes all that is left.
    UntilSettled(Notified<'a>),
}

/// Takes a place in all budgets or in none, in one act.
fn hold(entries: &[(Arc<Entry>, Terms)], now: Instant) -> Result<(), Full<'_>> {
    let mut settled = None;
    // Everybody locks them in the same order.
    let mut budgets = Vec::with_capacity(entries.len());
    for (entry, terms) in entries {
        let mut budget = entry.budget.lock();
        budget.forget(*terms, now);
        if let Some(wait) = budget.wait(*terms, now) {
            return Err(Full::For(wait));
        }
        if budget.in_flight >= terms.free.saturating_sub(budget.wrong).max(1) {
            // Made under the lock: nobody settles unheard.
            settled = Some(entry.settled.notified());
        }
        budgets.push(budget);
    }
    if let Some(settled) = settled {
        return Err(Full::UntilSettled(settled));
    }
    for budget in &mut budgets {
        budget.in_flight = budget.in_flight.saturating_add(1);
    }
    Ok(())
}

impl LoginAttempt {
    /// From now on it counts, unless it turns out to be right.
    pub fn is_looked_at(&mut self) {
        self.stage = Stage::Looked;
    }

    /// Pays back: it was right, or nobody could say whether it is.
    pub async fn right(mut self) {
        self.stage = Stage::Right;
        self.pay_back().await;
    }

    /// What was paid stays paid.
    pub fn wrong(mut self) {
        self.stage = Stage::Looked;
    }

    /// Pays with all gateways. Refused because of what is in flight here, it waits for that and tries again; its places here
    /// it keeps meanwhile, so that no more try at once than there are places.
    async fn pay_together(
        &mut self,
        keys: &[(Key, Terms)],
        counters: &SharedCounters,
        asking: &tokio::sync::Mutex<()>,
    ) -> Result<(), Duration> {
        self.together = Some((Arc::clone(counters), Vec::new()));
        loop {
            let alone = asking.lock().await;
            let before: Vec<u64> = self.held.iter().map(|(entry, _)| entry.budget.lock().settled).collect();
            let Err((index, wait)) = self.paid_by_all(keys, counters).await else {
                self.is_together = true;
                self.held.iter().for_each(|(entry, _)| entry.budget.lock().together += 1);
                return Ok(());
            };
            self.pay_back().await;
            drop(alone);
            let Some((entry, _)) = self.held.get(index) else { return Err(wait) };
            if let Some(settled) = entry.stands_in_the_way(before.get(index)).ok_or(wait)? {
                settled.await;
            }
        }
    }

    /// Pays once for each key, or says which one refused and for how long.
    async fn paid_by_all(&mut self, keys: &[(Key, Terms)], counters: &SharedCounters) -> Result<(), (usize, Duration)> {
        for (index, (key, Terms { free, forget })) in keys.iter().enumerate() {
            let key = key.digest();
            match counters.pay(Guess { key, free: *free, longest: LONGEST, forget: *forget }).await {
                Ok(Ok(())) => self.together.iter_mut().for_each(|(_, paid)| paid.push(key)),
                Ok(Err(wait)) => return Err((index, wait)),
                Err(fault) => {
                    tracing::debug!("guesses are counted by this gateway alone: {fault}");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn pay_back(&mut self) {
        let Some((counters, paid)) = &mut self.together else { return };
        for key in std::mem::take(paid) {
            // Not taken back is one wrong guess too many, and time forgets it.
            let _ = counters.pay_back(key).await;
        }
    }
}

/// However it ends, its places are free again.
impl Drop for LoginAttempt {
    fn drop(&mut self) {
        let now = self.clock.instant();
        for (entry, _) in &self.held {
            entry.budget.lock().settle(self.stage, self.is_together, now);
            entry.settled.notify_waiters();
        }
    }
}

#[derive(Default)]
struct Budget {
    wrong: u32,
    /// Attempts that may still turn out wrong.
    in_flight: u32,
    /// Those among them that have paid with all gateways.
    together: u32,
    /// Attempts that were in flight once.
    settled: u64,
    /// When the last one was wrong: waits begin there.
    last: Option<Instant>,
    /// From when on time has been forgetting the wrong ones that are left.
    since: Option<Instant>,
}

impl Budget {
    fn forget(&mut self, terms: Terms, now: Instant) {
        let Some(since) = self.since else { return };
        let passed = now.saturating_duration_since(since).as_secs();
        let forgotten = u32::try_from(passed / terms.forget.as_secs().max(1)).unwrap_or(u32::MAX);
        self.wrong = self.wrong.saturating_sub(forgotten);
        // What has passed of the next one counts on.
        self.since = (self.wrong > 0).then(|| since + terms.forget * forgotten);
    }

    /// How long the wrong ones so far make everybody wait.
    fn wait(&self, terms: Terms, now: Instant) -> Option<Duration> {
        let over = self.wrong.checked_sub(terms.free)?;
        let wait = Duration::from_secs(1 << over.min(10)).min(LONGEST);
        wait.checked_sub(now.saturating_duration_since(self.last?)).filter(|left| !left.is_zero())
    }

    fn settle(&mut self, stage: Stage, was_together: bool, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.together = self.together.saturating_sub(u32::from(was_together));
        self.settled += 1;
        match stage {
            Stage::Paid | Stage::Right => {}
            Stage::Looked => {
                self.wrong = self.wrong.saturating_add(1);
                self.last = Some(now);
                self.since.get_or_insert(now);
            }
        }
    }
}

/// One IPv6 subscriber has a /64.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

//! The same guesses, counted by all gateways of a fleet.
//!
//! A pair of client and source about which no gateway knew anything bad when it was last right is in good standing for a
//! while: nobody is asked about it. Every other pair pays into the fleet's budget before its secret is looked at, and is
//! paid back when that was right. So guesses find one budget on whichever gateway they are tried, and a client that knows
//! its secret waits for a round trip once in a while. A gateway lets one attempt of such a pair go at a time: right ones
//! that come at once then find the first one's good standing, and do not use up the budget between them.
//!
//! While nobody answers, what is counted here holds: to close then would lock out every client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{BURST, INTERVAL, PAIRS, Pair};
use crate::ground::Clock;
use crate::store::SharedCounters;
use crate::store::counters::{Bucket, Taken};

/// How long good standing lasts. All that it opens is one guess on each gateway, for whoever shares the client's address.
const STANDING: Duration = Duration::from_secs(3600);

/// How long the fleet's answer is waited for.
const PATIENCE: Duration = Duration::from_millis(250);

/// The fleet's budgets, and what is known of them here.
pub(in crate::authority) struct Together {
    start: Instant,
    /// `None`: this gateway is alone.
    counters: Option<SharedCounters>,
    places: Cache<Pair, Arc<Place>>,
}

/// What is known of a pair. Moments are milliseconds since `start`.
#[derive(Default)]
struct Place {
    turn: Arc<Mutex<()>>,
    trusted_until: AtomicU64,
    spent_until: AtomicU64,
}

/// Leave to look at a secret; whoever has it says what came of it.
pub(in crate::authority) enum Leave {
    /// Nobody else counts, or nobody answers.
    Alone,
    Asked(Box<Asked>),
}

/// The turn of one attempt.
pub(in crate::authority) struct Asked {
    counters: SharedCounters,
    bucket: Bucket,
    place: Arc<Place>,
    _turn: OwnedMutexGuard<()>,
    paid: Paid,
    /// How long good standing will last if the secret is right.
    standing_until: u64,
}

/// What an attempt has paid into the fleet's budget.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Paid {
    /// Nothing: in good standing.
    Nothing,
    /// As the only one of late.
    First,
    /// As one of several.
    More,
}

impl Together {
    pub(in crate::authority) fn new(start: Instant, counters: Option<SharedCounters>) -> Self {
        let places =
            Cache::builder().max_capacity(PAIRS).eviction_policy(EvictionPolicy::lru()).time_to_idle(STANDING).build();
        Self { start, counters, places }
    }

    pub(in crate::authority) fn is_alone(&self) -> bool {
        self.counters.is_none()
    }

    /// Whether the pair is in good standing.
    pub(in crate::authority) fn trusts(&self, pair: &Pair, now: Instant) -> bool {
        let place = self.places.get(pair);
        place.is_some_and(|place| place.trusted_until.load(Ordering::SeqCst) > self.millis(now))
    }

    /// It was wrong: good standing is lost.
    pub(in crate::authority) fn doubt(&self, pair: &Pair) {
        if let Some(place) = self.places.get(pair) {
            place.trusted_until.store(0, Ordering::SeqCst);
        }
    }

    /// Pays for one attempt with all gateways, or says how long to wait.
    pub(in crate::authority) async fn leave(&self, pair: Pair, clock: &dyn Clock) -> Result<Leave, Duration> {
        let Some(counters) = &self.counters else { return Ok(Leave::Alone) };
        let place = self.places.get_with(pair, Arc::default);
        place.check_spent(self.millis(clock.instant()))?;
        let turn = Arc::clone(&place.turn).lock_owned().await;
        let now = self.millis(clock.instant());
        place.check_spent(now)?;
        let bucket = bucket(&pair);
        let paid = if place.trusted_until.load(Ordering::SeqCst) > now {
            Paid::Nothing
        } else {
            let Some(taken) = ask(counters, &bucket, 0, 1).await else { return Ok(Leave::Alone) };
            if taken.granted == 0 {
                place.spent_until.store(now.saturating_add(millis(taken.wait)), Ordering::SeqCst);
                return Err(taken.wait);
            }
            if taken.left + 1 == BURST { Paid::First } else { Paid::More }
        };
        let standing_until = now.saturating_add(millis(STANDING));
        let counters = Arc::clone(counters);
        Ok(Leave::Asked(Box::new(Asked { counters, bucket, place, _turn: turn, paid, standing_until })))
    }

    fn millis(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.start))
    }
}

impl Place {
    fn check_spent(&self, now: u64) -> Result<(), Duration> {
        let left = self.spent_until.load(Ordering::SeqCst).saturating_sub(now);
        if left > 0 { Err(Duration::from_millis(left)) } else { Ok(()) }
    }
}

impl Leave {
    /// The secret was right. Good standing is won where no gateway has seen a failure of late.
    pub(in crate::authority) async fn right(self) {
        let Self::Asked(asked) = self else { return };
        if asked.paid == Paid::First {
            asked.place.trusted_until.store(asked.standing_until, Ordering::SeqCst);
        }
        asked.give_back().await;
    }

    /// What was paid stays paid; who has paid nothing owes it.
    pub(in crate::authority) async fn wrong(self) {
        let Self::Asked(asked) = self else { return };
        asked.place.trusted_until.store(0, Ordering::SeqCst);
        if asked.paid == Paid::Nothing {
            let _ = ask(&asked.counters, &asked.bucket, 1, 0).await;
        }
    }

    /// Nothing was looked at.
    pub(in crate::authority) async fn unused(self) {
        let Self::Asked(asked) = self else { return };
        asked.give_back().await;
    }
}

impl Asked {
    async fn give_back(&self) {
        if self.paid != Paid::Nothing {
            // Not given back is one failure too many, and time forgets it.
            let _ = ask(&self.counters, &self.bucket, -1, 0).await;
        }
    }
}

/// `None`: nobody answers.
async fn ask(counters: &SharedCounters, bucket: &Bucket, charged: i64, wanted: u32) -> Option<Taken> {
    let taken = counters.take(bucket, charged, wanted, PATIENCE).await;
    taken.inspect_err(|fault| tracing::debug!("guesses at secrets are counted by this gateway alone: {fault}")).ok()
}

/// The rule of one gateway, for all of them.
fn bucket(pair: &Pair) -> Bucket {
    Bucket { key: pair.digest(), each: u64::try_from(INTERVAL.as_nanos()).unwrap_or(u64::MAX), burst: BURST }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

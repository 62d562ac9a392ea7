//! This gateway's share of one bucket that a fleet counts together.
//!
//! Units are taken from the shared bucket ahead of their use, a few at a time, and given out here by plain atomics. What may
//! be out at once is bounded on every gateway: `Terms` has the bounds, and docs/shared-limits.md what follows from them.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64};
use std::time::Duration;

use tokio::sync::Notify;

use super::Verdict;
use super::terms::Terms;
use crate::ground::Digest;
use crate::store::counters::{Bucket, Taken};

/// For how long a share is to last at the present demand.
const HORIZON: u64 = 50_000_000;
/// How much a share may grow from one asking to the next.
const GROWTH: u32 = 4;
/// Before units that nobody uses are given back.
const IDLE: Duration = Duration::from_millis(250);
/// Before a server that was away is tried again.
const AWAY: Duration = Duration::from_millis(250);

/// Units of one bucket that are here. Times are nanoseconds of the fleet's clock in this process.
pub(super) struct Share {
    pub(super) terms: Arc<Terms>,
    key: Digest,
    /// To be given out without asking; below zero: given out on credit, and not charged yet.
    units: AtomicI64,
    /// At this many the keeper is told.
    low: AtomicI64,
    state: AtomicU8,
    /// In `DRAINED` and `AWAY`: when it is worth asking again.
    until: AtomicU64,
    /// In the shared bucket when it was last asked.
    left: AtomicU32,
    /// Refused since it was last asked.
    refused: AtomicU32,
    /// While nobody answers: when this gateway's part of the bucket is full again.
    own: AtomicU64,
    /// When it was last asked, how many units there were then, and how many were wanted.
    asked_at: AtomicU64,
    had: AtomicI64,
    wanted: AtomicU32,
    /// A message to the keeper is on its way.
    told: AtomicBool,
    /// The keeper looks at it again by itself.
    pub(super) watched: AtomicBool,
    /// An answer is being waited for.
    pub(super) asking: AtomicBool,
    /// Which of the keeper's appointments counts.
    pub(super) appointment: AtomicU32,
    touched: AtomicBool,
    /// Sweeps since anybody came.
    idle: AtomicU32,
    /// Told when an answer has come.
    pub(super) answered: Notify,
}

/// The bucket had what was wanted.
const OPEN: u8 = 0;
/// It had not.
const DRAINED: u8 = 1;
/// Nobody answered.
const LOST: u8 = 2;

/// What a request hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Here(Verdict),
    /// The shared bucket has to be asked first.
    Ask,
}

/// What the keeper asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) charged: i64,
    pub(super) wanted: u32,
    /// Part of `charged` that was counted here while nobody answered.
    own: i64,
}

/// What the keeper does with a share afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Forget,
    Look(Duration),
    AskAgain,
}

impl Share {
    pub(super) fn new(terms: Arc<Terms>, key: Digest) -> Self {
        let burst = terms.bucket.burst;
        Self {
            terms,
            key,
            units: AtomicI64::new(0),
            low: AtomicI64::new(0),
            state: AtomicU8::new(OPEN),
            until: AtomicU64::new(0),
            left: AtomicU32::new(burst),
            refused: AtomicU32::new(0),
            own: AtomicU64::new(0),
            asked_at: AtomicU64::new(0),
            had: AtomicI64::new(0),
            wanted: AtomicU32::new(0),
            told: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            asking: AtomicBool::new(false),
            appointment: AtomicU32::new(0),
            touched: AtomicBool::new(true),
            idle: AtomicU32::new(0),
            answered: Notify::new(),
        }
    }

    pub(super) fn bucket(&self) -> Bucket {
        Bucket { key: self.key, ..self.terms.bucket.clone() }
    }

    /// One request takes one unit. `now` is asked for only where it matters.
    pub(super) fn take(&self, nodes: u32, now: impl Fn() -> u64) -> Said {
        self.touched.store(true, Relaxed);
        match self.state.load(Acquire) {
            OPEN => self.take_down_to(-self.terms.credit(nodes)).map_or(Said::Ask, Said::Here),
            DRAINED => match self.take_down_to(0) {
                Some(verdict) => Said::Here(verdict),
                None => self.drained(now()),
            },
            _ => Said::Here(self.take_own(nodes, now())),
        }
    }

    fn take_down_to(&self, least: i64) -> Option<Verdict> {
        let before = self.units.fetch_update(AcqRel, Relaxed, |units| (units > least).then_some(units - 1)).ok()?;
        let left = u64::from(self.left.load(Relaxed)).saturating_add_signed(before - 1);
        let left = u32::try_from(left).unwrap_or(u32::MAX).min(self.terms.bucket.burst);
        Some(Verdict::Passed { left })
    }

    fn drained(&self, now: u64) -> Said {
        self.refused.fetch_add(1, Relaxed);
        let until = self.until.load(Relaxed);
        if now >= until && !self.watched.load(Relaxed) {
            return Said::Ask;
        }
        Said::Here(Verdict::Refused { wait: Duration::from_nanos(until.saturating_sub(now)) })
    }

    /// Counts here alone: this gateway's part of rate and burst.
    pub(super) fn take_own(&self, nodes: u32, now: u64) -> Verdict {
        let (each, burst) = self.terms.part(nodes);
        let span = each.saturating_mul(u64::from(burst));
        let mut full = self.own.load(Relaxed);
        loop {
            let after = full.max(now).saturating_add(each);
            if after > now.saturating_add(span) {
                return Verdict::Refused { wait: Duration::from_nanos(after - now - span) };
            }
            match self.own.compare_exchange_weak(full, after, Relaxed, Relaxed) {
                Ok(_) => {
                    let left = now.saturating_add(span).saturating_sub(after) / each.max(1);
                    return Verdict::Passed { left: u32::try_from(left).unwrap_or(u32::MAX) };
                }
                Err(changed) => full = changed,
            }
        }
    }

    /// Whether the keeper has to be told: few units are left and nobody has told it, or it is time to see whether somebody
    /// answers again.
    pub(super) fn is_to_be_told(&self, is_up: impl Fn() -> bool, now: impl Fn() -> u64) -> bool {
        let due = match self.state.load(Relaxed) {
            OPEN => self.units.load(Relaxed) <= self.low.load(Relaxed),
            DRAINED => false,
            _ => is_up() && now() >= self.until.load(Relaxed),
        };
        due && self.claim_telling()
    }

    /// `true` to one alone, until the keeper has asked.
    pub(super) fn claim_telling(&self) -> bool {
        !self.told.load(Relaxed) && !self.told.swap(true, AcqRel)
    }

    /// What is to be asked now: debts are charged, and what is wanted covers the next while; what is too much goes back.
    pub(super) fn question(&self, nodes: u32, now: u64) -> Question {
        self.told.store(false, Release);
        let wanted = self.demand(nodes, now);
        let units = self.units.load(Acquire);
        let mut question = Question { charged: 0, wanted: 0, own: 0 };
        if units < 0 {
            self.units.fetch_add(-units, AcqRel);
            question.charged = -units;
        }
        let want = i64::from(wanted) - units.max(0);
        if want >= 0 {
            question.wanted = u32::try_from(want).unwrap_or(u32::MAX);
        } else if self.units.fetch_update(AcqRel, Relaxed, |now| (now + want >= 0).then_some(now + want)).is_ok() {
            question.charged += want;
        }
        if self.state.load(Relaxed) == LOST {
            question.own = self.counted_alone(nodes, now);
            question.charged += question.own;
        }
        question
    }

    /// Units that this gateway gave out alone and that have not come back since.
    pub(super) fn counted_alone(&self, nodes: u32, now: u64) -> i64 {
        let (each, _) = self.terms.part(nodes);
        let own = self.own.load(Relaxed).saturating_sub(now).div_ceil(each.max(1));
        i64::try_from(own).unwrap_or(i64::MAX)
    }

    /// Units that the next while needs, by what was asked for lately.
    fn demand(&self, nodes: u32, now: u64) -> u32 {
        let before = self.asked_at.swap(now, Relaxed);
        let units = self.units.load(Acquire);
        let refused = i64::from(self.refused.swap(0, Relaxed));
        let used = u64::try_from(self.had.load(Relaxed) - units + refused).unwrap_or(0);
        let passed = now.saturating_sub(before).max(1_000_000);
        let (least, most) = self.terms.share(nodes);
        let last = self.wanted.load(Relaxed);
        let enough =
            if before == 0 { 0 } else { u32::try_from(used.saturating_mul(HORIZON) / passed).unwrap_or(u32::MAX) };
        let wanted = enough.min(last.max(least).saturating_mul(GROWTH)).clamp(least, most);
        self.wanted.store(wanted, Relaxed);
        wanted
    }

    /// The answer has come.
    pub(super) fn settle(&self, question: Question, taken: Taken, nodes: u32, now: u64) -> Next {
        self.told.store(false, Release);
        let units = self.units.fetch_add(i64::from(taken.granted), AcqRel) + i64::from(taken.granted);
        self.had.store(units, Relaxed);
        self.low.store(units / 2, Relaxed);
        self.left.store(taken.left, Relaxed);
        if question.own > 0 {
            self.own.store(0, Relaxed);
        }
        let short = taken.granted < question.wanted;
        let (least, _) = self.terms.share(nodes);
        let (soonest, latest) = self.terms.again();
        let again = taken.wait.clamp(soonest, latest);
        if short {
            self.until.store(now.saturating_add(nanos(again)), Relaxed);
        }
        self.state.store(if short { DRAINED } else { OPEN }, Release);
        if short {
            Next::Look(again)
        } else if units <= 0 {
            // All of it was used while the answer was on its way.
            Next::AskAgain
        } else if units > i64::from(least) {
            Next::Look(IDLE)
        } else {
            Next::Forget
        }
    }

    /// No answer has come: nothing of the question has happened as far as anybody knows.
    pub(super) fn lose(&self, question: Question, nodes: u32, now: u64) {
        self.told.store(false, Release);
        // What was given back may have arrived or not; it is not given out a second time.
        self.units.fetch_sub((question.charged - question.own).max(0), AcqRel);
        self.until.store(now.saturating_add(nanos(AWAY)), Relaxed);
        if self.state.swap(LOST, AcqRel) != LOST {
            let (each, burst) = self.terms.part(nodes);
            let known = i64::from(self.left.load(Relaxed) / nodes.max(1)) + self.units.load(Relaxed).max(0);
            let missing = i64::from(burst).saturating_sub(known);
            let missing = u64::try_from(missing).unwrap_or(0);
            self.own.store(now.saturating_add(each.saturating_mul(missing)), Relaxed);
            self.units.fetch_update(AcqRel, Relaxed, |units| Some(units.min(0))).ok();
        }
        self.had.store(self.units.load(Relaxed), Relaxed);
    }

    /// Whether anybody has come since it was last asked.
    pub(super) fn is_wanted(&self) -> bool {
        self.units.load(Relaxed) != self.had.load(Relaxed) || self.refused.load(Relaxed) > 0
    }

    /// More units than a share that nobody uses may keep.
    pub(super) fn has_too_many(&self, nodes: u32) -> bool {
        self.units.load(Relaxed) > i64::from(self.terms.share(nodes).0)
    }

    /// For limits that are asked about at each request: refused until then, if it is known.
    pub(super) fn refused_until(&self, now: u64) -> Option<Duration> {
        self.touched.store(true, Relaxed);
        let until = self.until.load(Relaxed);
        (self.state.load(Acquire) == DRAINED && now < until).then(|| Duration::from_nanos(until - now))
    }

    /// The same: what the shared bucket said about one request.
    pub(super) fn learn(&self, taken: Taken, now: u64) -> Verdict {
        self.left.store(taken.left, Relaxed);
        self.own.store(0, Relaxed);
        if taken.granted > 0 {
            self.state.store(OPEN, Release);
            return Verdict::Passed { left: taken.left };
        }
        self.until.store(now.saturating_add(nanos(taken.wait)), Relaxed);
        self.state.store(DRAINED, Release);
        Verdict::Refused { wait: taken.wait }
    }

    /// The same: nobody answered. This gateway's part begins with its part of what was left.
    pub(super) fn count_alone(&self, nodes: u32, now: u64) -> Verdict {
        if self.state.load(Acquire) != LOST {
            self.lose(Question { charged: 0, wanted: 0, own: 0 }, nodes, now);
        }
        self.take_own(nodes, now)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.state.load(Relaxed) == LOST
    }

    /// Once a second: whether it can be forgotten, because the bucket has long been full.
    pub(super) fn is_over(&self) -> bool {
        if self.touched.swap(false, Relaxed) {
            self.idle.store(0, Relaxed);
            return false;
        }
        let idle = self.idle.fetch_add(1, Relaxed);
        let busy = self.watched.load(Relaxed) || self.asking.load(Relaxed) || self.told.load(Relaxed);
        !busy && u64::from(idle) > self.terms.bucket.recovery() / 1_000_000_000 + 1
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

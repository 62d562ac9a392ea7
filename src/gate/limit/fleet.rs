//! One limit that a fleet counts together.
//!
//! In `lease` mode a request takes a unit of this gateway's share and waits for nobody, unless the share is used up before
//! the keeper has brought more. In `exact` mode each request asks the shared bucket. When nobody answers in time, both
//! count here: this gateway's part of the limit.

use std::hash::BuildHasher as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use tokio::sync::mpsc::UnboundedSender;

use super::share::{Said, Share};
use super::terms::Terms;
use super::who::Who;
use super::{MOST_KEYS, SHARED_BUCKETS, Verdict};
use crate::ground::{Digest, SharedClock};
use crate::store::counters::{Bucket, SharedCounters};

/// How a fleet counts one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Shares are taken ahead.
    Lease,
    /// Each request asks.
    Exact(WhenAway),
}

/// What an exact limit does while nobody answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenAway {
    /// Counts here, this gateway's part of the limit.
    CountHere,
    /// Refuses: what cannot be counted does not pass.
    Refuse,
}

/// What limits need to be counted together; one for the process.
#[derive(Clone)]
pub struct Together {
    pub(super) counters: SharedCounters,
    /// How long a request waits for an answer at most.
    pub(super) patience: Duration,
    pub(super) keeper: UnboundedSender<Arc<Share>>,
    pub(super) clock: SharedClock,
    pub(super) start: Instant,
    pub(super) figures: Arc<Figures>,
}

/// What became of limits that are counted together.
#[derive(Default)]
pub struct Figures {
    /// Units that were taken ahead, and those that were given back.
    pub leased: AtomicU64,
    pub returned: AtomicU64,
    /// Requests that waited for an answer.
    pub waited: AtomicU64,
    /// Requests that were counted here because nobody answered, and those that were refused for it.
    pub counted_alone: AtomicU64,
    pub refused: AtomicU64,
}

impl Together {
    /// Nanoseconds since the fleet's clock of this process began.
    pub(super) fn now(&self) -> u64 {
        let passed = self.clock.instant().saturating_duration_since(self.start);
        u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX).saturating_add(1)
    }

    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    pub fn counters(&self) -> &SharedCounters {
        &self.counters
    }
}

/// The buckets of one limit.
pub(super) struct Fleet {
    together: Together,
    mode: Mode,
    terms: Arc<Terms>,
    shares: DashMap<u64, Arc<Share>, foldhash::fast::RandomState>,
    seed: foldhash::quality::RandomState,
    full: AtomicBool,
}

/// A request that waits for an answer.
pub(super) type Asking = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// What a request hears at once.
pub(super) enum Step {
    Done(Verdict),
    Wait(Asking),
}

impl Fleet {
    pub(super) fn new(together: Together, mode: Mode, bucket: Bucket) -> Self {
        Self {
            together,
            mode,
            terms: Arc::new(Terms { bucket }),
            shares: DashMap::default(),
            seed: foldhash::quality::RandomState::default(),
            full: AtomicBool::new(false),
        }
    }

    /// Takes one request from the bucket of whoever `who` says.
    pub(super) fn take(&self, who: &Who<'_>) -> Step {
        let place = self.seed.hash_one(who);
        let known = self.shares.get(&place);
        let Some(share) = known.as_deref() else {
            drop(known);
            return self.first(place, who);
        };
        match self.mode {
            Mode::Lease => match self.take_of(share) {
                Said::Here(verdict) => Step::Done(verdict),
                Said::Ask => Step::Wait(self.wait(Arc::clone(share))),
            },
            Mode::Exact(when_away) => self.take_exactly(share, when_away),
        }
    }

    /// Somebody who was not here lately. When there are too many, all who are new fall into a fixed number of buckets.
    fn first(&self, place: u64, who: &Who<'_>) -> Step {
        let of = |name: &[u8]| {
            let name = [self.terms.bucket.key.as_bytes().as_slice(), name].concat();
            Arc::new(Share::new(Arc::clone(&self.terms), Digest::of(&name)))
        };
        let share = if self.full.load(Relaxed) {
            let place = place % SHARED_BUCKETS;
            Arc::clone(&self.shares.entry(place).or_insert_with(|| of(&place.to_be_bytes())))
        } else {
            Arc::clone(&self.shares.entry(place).or_insert_with(|| of(&who.bytes())))
        };
        match self.mode {
            Mode::Lease => match self.take_of(&share) {
                Said::Here(verdict) => Step::Done(verdict),
                Said::Ask => Step::Wait(self.wait(share)),
            },
            Mode::Exact(when_away) => self.take_exactly(&share, when_away),
        }
    }

    fn take_of(&self, share: &Arc<Share>) -> Said {
        let said = share.take(self.together.counters.nodes(), || self.together.now());
        if share.is_to_be_told(|| self.together.counters.is_up(), || self.together.now()) {
            self.tell(share);
        }
        if share.is_lost() && matches!(said, Said::Here(_)) {
            self.together.figures.counted_alone.fetch_add(1, Relaxed);
        }
        said
    }

    fn tell(&self, share: &Arc<Share>) {
        // The keeper ends with the process alone.
        let _ = self.together.keeper.send(Arc::clone(share));
    }

    /// Waits for the keeper's answer, for a while; who is told last that there is nothing is refused.
    fn wait(&self, share: Arc<Share>) -> Asking {
        if share.claim_telling() {
            self.tell(&share);
        }
        let together = self.together.clone();
        Box::pin(async move {
            together.figures.waited.fetch_add(1, Relaxed);
            let answered = async {
                loop {
                    let mut answer = std::pin::pin!(share.answered.notified());
                    answer.as_mut().enable();
                    if let Said::Here(verdict) = share.take(together.counters.nodes(), || together.now()) {
                        return verdict;
                    }
                    if share.claim_telling() {
                        let _ = together.keeper.send(Arc::clone(&share));
                    }
                    answer.await;
                }
            };
            match tokio::time::timeout(together.patience, answered).await {
                Ok(verdict) => verdict,
                Err(_) => {
                    together.figures.counted_alone.fetch_add(1, Relaxed);
                    share.count_alone(together.counters.nodes(), together.now())
                }
            }
        })
    }

    fn take_exactly(&self, share: &Arc<Share>, when_away: WhenAway) -> Step {
        if let Some(wait) = share.refused_until(self.together.now()) {
            return Step::Done(Verdict::Refused { wait });
        }
        let (share, together) = (Arc::clone(share), self.together.clone());
        Step::Wait(Box::pin(async move {
            together.figures.waited.fetch_add(1, Relaxed);
            let nodes = together.counters.nodes();
            let charged = if share.is_lost() { share.counted_alone(nodes, together.now()) } else { 0 };
            match together.counters.take(&share.bucket(), charged, 1, together.patience).await {
                Ok(taken) => share.learn(taken, together.now()),
                Err(_) => match when_away {
                    WhenAway::CountHere => {
                        together.figures.counted_alone.fetch_add(1, Relaxed);
                        share.count_alone(nodes, together.now())
                    }
                    WhenAway::Refuse => {
                        together.figures.refused.fetch_add(1, Relaxed);
                        Verdict::Unknown
                    }
                },
            }
        }))
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) fn keys(&self) -> usize {
        self.shares.len()
    }

    /// Forgets who has fully recovered.
    pub(super) fn sweep(&self) {
        self.shares.retain(|_, share| !share.is_over());
        self.full.store(self.shares.len() > MOST_KEYS, Relaxed);
    }
}

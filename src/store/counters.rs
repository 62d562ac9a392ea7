//! What the gateways of a fleet count and remember together, for a short while.
//!
//! Buckets of rate limits, guesses at passwords, and marks of what is good once. Nothing of it has to survive: whoever
//! asks says what holds when it is away. Keys are digests; no address, name or token stands in them in clear.

use std::sync::Arc;
use std::time::Duration;

use super::Act;
use crate::ground::Digest;

/// Counts for all gateways of a fleet. Each verb is one atomic act. While nobody answers they fail at once, and none takes
/// longer than it was given.
pub trait Counters: Send + Sync + 'static {
    /// Takes from a bucket: `charged` units in any case, because they are used already (negative: given back), and then as
    /// many of the `wanted` ones as there are. Waits no longer than `within`.
    fn take(&self, bucket: &Bucket, charged: i64, wanted: u32, within: Duration) -> Act<'_, Taken>;

    /// Pays for one guess, or says how long to wait before the next one.
    fn pay(&self, guess: Guess) -> Act<'_, Result<(), Duration>>;

    /// Takes one wrong guess back: it was right, or was never looked at.
    fn pay_back(&self, key: Digest) -> Act<'_, ()>;

    /// Remembers a mark for `span`: `true` once.
    fn mark(&self, mark: Digest, span: Duration) -> Act<'_, bool>;

    /// Gateways that were there lately, this one among them; at least 1. Stays as it was while nobody answers.
    fn nodes(&self) -> u32;

    /// Whether a verb is worth a try; asks nobody.
    fn is_up(&self) -> bool;

    /// How it is doing; asks nobody.
    fn status(&self) -> CountersStatus;
}

pub type SharedCounters = Arc<dyn Counters>;

/// A bucket of the generic cell rate algorithm. Whoever names the same key says the same of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub key: Digest,
    /// Nanoseconds until one unit has come back.
    pub each: u64,
    /// Units in a full bucket.
    pub burst: u32,
}

impl Bucket {
    /// Nanoseconds until an empty bucket is full.
    pub fn recovery(&self) -> u64 {
        self.each.saturating_mul(u64::from(self.burst))
    }
}

/// What was taken from a bucket, and what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Of the units that were wanted.
    pub granted: u32,
    /// Units that are left after it.
    pub left: u32,
    /// Until one more is there; zero when `left` is not.
    pub wait: Duration,
}

/// One guess at a secret. The wait after wrong ones doubles from one second to `longest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guess {
    pub key: Digest,
    /// Wrong ones that cost nothing.
    pub free: u32,
    pub longest: Duration,
    /// After so long without a wrong one, one is forgotten.
    pub forget: Duration,
}

/// How the counters are doing.
#[derive(Clone, Debug, Default)]
pub struct CountersStatus {
    pub is_up: bool,
    /// Why not, or what went wrong last.
    pub fault: Option<String>,
    /// Connections that were made.
    pub connections: u64,
    /// Of each verb.
    pub verbs: Vec<VerbStatus>,
}

/// What became of one verb.
#[derive(Clone, Debug, Default)]
pub struct VerbStatus {
    pub verb: &'static str,
    pub done: u64,
    pub failed: u64,
    /// Upper bounds in seconds and how many took at most so long.
    pub durations: Vec<(f64, u64)>,
    /// Of those that were done.
    pub seconds: f64,
}

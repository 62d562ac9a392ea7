//! What became of commands, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::store::counters::VerbStatus;

/// Upper bounds of the buckets, in microseconds; the last bucket has none.
const BOUNDS: [u64; 10] = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000];

/// What is asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Take,
    Pay,
    PayBack,
    Mark,
    Join,
}

impl Verb {
    const ALL: [Self; 5] = [Self::Take, Self::Pay, Self::PayBack, Self::Mark, Self::Join];

    /// The word in metrics.
    fn word(self) -> &'static str {
        match self {
            Self::Take => "take",
            Self::Pay => "pay",
            Self::PayBack => "pay_back",
            Self::Mark => "mark",
            Self::Join => "join",
        }
    }
}

/// Counts of all verbs.
#[derive(Default)]
pub(super) struct Figures([Figure; 5]);

#[derive(Default)]
struct Figure {
    failed: AtomicU64,
    micros: AtomicU64,
    buckets: [AtomicU64; 11],
}

impl Figures {
    pub(super) fn done(&self, verb: Verb, took: Duration) {
        let Some(figure) = self.0.get(verb as usize) else { return };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = figure.buckets.get(place) {
            bucket.fetch_add(1, Relaxed);
        }
        figure.micros.fetch_add(micros, Relaxed);
    }

    pub(super) fn failed(&self, verb: Verb) {
        if let Some(figure) = self.0.get(verb as usize) {
            figure.failed.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn status(&self) -> Vec<VerbStatus> {
        self.0.iter().zip(Verb::ALL).map(|(figure, verb)| figure.status(verb)).collect()
    }
}

impl Figure {
    fn status(&self, verb: Verb) -> VerbStatus {
        let mut all = 0;
        let mut cumulative = |bucket: &AtomicU64| {
            all += bucket.load(Relaxed);
            all
        };
        let counts: Vec<u64> = self.buckets.iter().map(&mut cumulative).collect();
        VerbStatus {
            verb: verb.word(),
            done: all,
            failed: self.failed.load(Relaxed),
            durations: BOUNDS.iter().map(|micros| *micros as f64 / 1e6).zip(counts).collect(),
            seconds: self.micros.load(Relaxed) as f64 / 1e6,
        }
    }
}

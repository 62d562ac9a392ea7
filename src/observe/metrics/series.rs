//! The counters of one route and of one upstream, a shard per worker.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::families as family;
use super::samples::Samples;
use crate::observe::log::json;
use crate::observe::record::CLIENT_LEFT;
use crate::observe::{Reason, Record};

/// Upper bounds of the duration buckets, in microseconds; the last bucket has none.
pub const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// A value alone on its cache lines (two, because processors fetch them in pairs).
#[derive(Default)]
#[repr(align(128))]
pub struct Shard<T>(T);

impl<T> Deref for Shard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Adds without a lock prefix: a shard has one writer.
pub fn add(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
}

/// A histogram of durations.
#[derive(Default)]
struct Durations {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Durations {
    fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(cell) = self.buckets.get(bucket) {
            add(cell, 1);
        }
        add(&self.micros, micros);
    }
}

/// Sums histograms of all workers: cumulative counts by upper bound in seconds, the count of all, the sum in seconds.
fn summed<'a>(shards: impl Iterator<Item = &'a Durations> + Clone) -> (Vec<(f64, u64)>, u64, f64) {
    let mut total = 0;
    let mut buckets = Vec::with_capacity(BOUNDS.len());
    for index in 0..=BOUNDS.len() {
        let here: u64 =
            shards.clone().filter_map(|shard| shard.buckets.get(index)).map(|cell| cell.load(Relaxed)).sum();
        total += here;
        if let Some(bound) = BOUNDS.get(index) {
            buckets.push((*bound as f64 / 1e6, total));
        }
    }
    let micros: u64 = shards.map(|shard| shard.micros.load(Relaxed)).sum();
    (buckets, total, micros as f64 / 1e6)
}

/// The counters of one route.
pub struct RouteSeries {
    pub name: Arc<str>,
    /// The same as a JSON line of the access log says it.
    json: Box<[u8]>,
    shards: Box<[Shard<RouteShard>]>,
}

/// The requests of one route.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Let through, and not answered by 5xx.
    pub passed: u64,
    /// Let through, and answered by 5xx.
    pub failed: u64,
    pub refused: BTreeMap<Reason, u64>,
}

struct RouteShard {
    /// By status class, 1xx first; what the gateway let pass.
    passed: [AtomicU64; 5],
    /// By `Reason::index`.
    refused: [AtomicU64; Reason::ALL.len()],
    /// The same of what is only observed; there once it happens.
    observed: OnceLock<Box<[AtomicU64; Reason::ALL.len()]>>,
    durations: Durations,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Default for RouteShard {
    fn default() -> Self {
        Self {
            passed: Default::default(),
            refused: std::array::from_fn(|_| AtomicU64::new(0)),
            observed: OnceLock::new(),
            durations: Durations::default(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        }
    }
}

impl RouteSeries {
    pub(super) fn new(name: &str, workers: usize) -> Self {
        let shards = (0..workers).map(|_| Shard::default()).collect();
        Self { name: name.into(), json: json::member("route.name", name), shards }
    }

    pub(in crate::observe) fn json(&self) -> &[u8] {
        &self.json
    }

    pub(super) fn observe(&self, worker: usize, record: &Record, duration: Duration) {
        let Some(shard) = self.shards.get(worker) else { return };
        let class = usize::from(record.status / 100).saturating_sub(1);
        let cell = match record.refusal {
            Some(reason) => shard.refused.get(reason.index()),
            None => shard.passed.get(class),
        };
        if let Some(cell) = cell {
            add(cell, 1);
        }
        if let Some(reason) = record.observed {
            let observed = shard.observed.get_or_init(|| Box::new(std::array::from_fn(|_| AtomicU64::new(0))));
            observed.get(reason.index()).into_iter().for_each(|cell| add(cell, 1));
        }
        shard.durations.observe(duration);
        add(&shard.bytes_in, record.received());
        add(&shard.bytes_out, record.bytes_out);
    }

    /// What was counted so far; `None` where nothing was.
    pub(super) fn totals(&self) -> Option<Totals> {
        let mut totals = Totals::default();
        for shard in &self.shards {
            for (class, cell) in shard.passed.iter().enumerate() {
                let into = if class == 4 { &mut totals.failed } else { &mut totals.passed };
                *into += cell.load(Relaxed);
            }
            for (reason, cell) in Reason::ALL.iter().zip(&shard.refused) {
                let count = cell.load(Relaxed);
                if count > 0 {
                    *totals.refused.entry(*reason).or_default() += count;
                }
            }
        }
        let nothing = totals.passed + totals.failed == 0 && totals.refused.is_empty();
        (!nothing).then_some(totals)
    }

    pub(super) fn collect(&self, samples: &mut Samples) {
        let sum = |pick: &dyn Fn(&RouteShard) -> Option<u64>| -> u64 {
            self.shards.iter().filter_map(|shard| pick(shard)).sum()
        };
        for (index, class) in ["1xx", "2xx", "3xx", "4xx", "5xx"].iter().enumerate() {
            let count = sum(&|shard| shard.passed.get(index).map(|cell| cell.load(Relaxed)));
            if count > 0 {
                samples.add(&family::REQUESTS, &[&self.name, "ok", class], count as f64);
            }
        }
        for reason in Reason::ALL {
            let count = sum(&|shard| shard.refused.get(reason.index()).map(|cell| cell.load(Relaxed)));
            if count > 0 {
                let class = if reason.status() < 500 { "4xx" } else { "5xx" };
                samples.add(&family::REQUESTS, &[&self.name, reason.code(), class], count as f64);
            }
        }
        if self.shards.iter().any(|shard| shard.observed.get().is_some()) {
            for reason in Reason::ALL {
                let count = sum(&|shard| shard.observed.get()?.get(reason.index()).map(|cell| cell.load(Relaxed)));
                if count > 0 {
                    samples.add(&family::OBSERVED, &[&self.name, reason.code()], count as f64);
                }
            }
        }
        let (buckets, count, seconds) = summed(self.shards.iter().map(|shard| &shard.durations));
        if count > 0 {
            samples.histogram(&family::REQUEST_DURATION, &[&self.name], &buckets, count, seconds);
            let total = |pick: fn(&RouteShard) -> &AtomicU64| sum(&|shard| Some(pick(shard).load(Relaxed))) as f64;
            samples.add(&family::REQUEST_BYTES, &[&self.name], total(|shard| &shard.bytes_in));
            samples.add(&family::RESPONSE_BYTES, &[&self.name], total(|shard| &shard.bytes_out));
        }
    }
}

/// The counters of one upstream.
pub struct UpstreamSeries {
    pub name: Arc<str>,
    /// The same as a JSON line of the access log says it.
    json: Box<[u8]>,
    shards: Box<[Shard<UpstreamShard>]>,
}

#[derive(Default)]
struct UpstreamShard {
    /// By status class of its answers, 1xx first.
    answered: [AtomicU64; 5],
    failed: AtomicU64,
    left: AtomicU64,
    retries: AtomicU64,
    durations: Durations,
}

impl UpstreamShard {
    /// What a request came to; `None` where the gateway refused it for a reason that is not the upstream's, such as a body
    /// that broke off on its way there.
    fn outcome(&self, record: &Record) -> Option<&AtomicU64> {
        match record.refusal {
            Some(reason) if reason.is_of_upstream() => Some(&self.failed),
            Some(_) => None,
            // An upstream may say 499 itself.
            None if record.status == CLIENT_LEFT && record.upstream_time.is_none() => Some(&self.left),
            None => self.answered.get(usize::from(record.status / 100).saturating_sub(1)),
        }
    }
}

impl UpstreamSeries {
    pub(super) fn new(name: &str, workers: usize) -> Self {
        let shards = (0..workers).map(|_| Shard::default()).collect();
        Self { name: name.into(), json: json::member("upstream.name", name), shards }
    }

    pub(in crate::observe) fn json(&self) -> &[u8] {
        &self.json
    }

    pub(super) fn observe(&self, worker: usize, record: &Record) {
        let Some(shard) = self.shards.get(worker) else { return };
        if let Some(cell) = shard.outcome(record) {
            add(cell, 1);
        }
        if record.retries > 0 {
            add(&shard.retries, u64::from(record.retries));
        }
        if let Some(time) = record.upstream_time {
            shard.durations.observe(time);
        }
    }

    pub(super) fn collect(&self, samples: &mut Samples) {
        let sum = |pick: &dyn Fn(&UpstreamShard) -> Option<u64>| -> u64 {
            self.shards.iter().filter_map(|shard| pick(shard)).sum()
        };
        for (index, class) in ["1xx", "2xx", "3xx", "4xx", "5xx"].iter().enumerate() {
            let count = sum(&|shard| shard.answered.get(index).map(|cell| cell.load(Relaxed)));
            if count > 0 {
                samples.add(&family::UPSTREAM_REQUESTS, &[&self.name, class], count as f64);
            }
        }
        let failed = sum(&|shard| Some(shard.failed.load(Relaxed)));
        let left = sum(&|shard| Some(shard.left.load(Relaxed)));
        for (outcome, count) in [("failed", failed), ("left", left)].into_iter().filter(|(_, count)| *count > 0) {
            samples.add(&family::UPSTREAM_REQUESTS, &[&self.name, outcome], count as f64);
        }
        let retries = sum(&|shard| Some(shard.retries.load(Relaxed)));
        samples.add(&family::UPSTREAM_RETRIES, &[&self.name], retries as f64);
        let (buckets, count, seconds) = summed(self.shards.iter().map(|shard| &shard.durations));
        if count > 0 {
            samples.histogram(&family::UPSTREAM_DURATION, &[&self.name], &buckets, count, seconds);
        }
    }
}

//! Counters and histograms: plain adds in per-worker shards, summed when Prometheus asks.
//!
//! A worker writes to its own shards alone, so an add is a load and a store without a lock prefix, and no cache line is
//! shared between cores. Series are found again by name after a reload, so that counters never go backwards.

pub mod families;
pub mod process;
pub mod samples;
pub mod series;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Encoder as _, Registry, TextEncoder};

use self::families as family;
use self::samples::Samples;
pub use self::series::{RouteSeries, Totals, UpstreamSeries};
use self::series::{Shard, add};
use super::Record;
use super::record::TokenUse;

/// Gives figures that live in other rooms (key sets, pools, limits) when they are asked for.
pub type Source = Box<dyn Fn(&mut Samples) + Send + Sync>;

/// All series of the process. Survives reloads.
pub struct Metrics {
    workers: usize,
    shards: Box<[Shard<WorkerShard>]>,
    routes: Mutex<BTreeMap<Arc<str>, Arc<RouteSeries>>>,
    upstreams: Mutex<BTreeMap<Arc<str>, Arc<UpstreamSeries>>>,
    sources: Mutex<Vec<Source>>,
    reloads_done: AtomicU64,
    reloads_refused: AtomicU64,
    /// Unix seconds of the last configuration that came into force.
    loaded_at: AtomicU64,
    generation: AtomicU64,
    log_lines_dropped: Arc<AtomicU64>,
}

/// What belongs to a worker and to no route.
#[derive(Default)]
struct WorkerShard {
    connections_opened: AtomicU64,
    connections_closed: AtomicU64,
    /// By `Crowded`.
    connections_refused: [AtomicU64; 2],
    tls_failures: AtomicU64,
    requests_begun: AtomicU64,
    requests_ended: AtomicU64,
    /// By level (local, shared, verified), good and bad.
    tokens: [[AtomicU64; 2]; 3],
}

/// Why there is no room for one more connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// There are as many as may be, all clients together.
    All,
    /// This address has as many as one may have.
    Address,
}

impl WorkerShard {
    fn refused(&self, crowded: Crowded) -> &AtomicU64 {
        let [all, address] = &self.connections_refused;
        match crowded {
            Crowded::All => all,
            Crowded::Address => address,
        }
    }
}

impl Metrics {
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            workers,
            shards: (0..workers).map(|_| Shard::default()).collect(),
            routes: Mutex::default(),
            upstreams: Mutex::default(),
            sources: Mutex::default(),
            reloads_done: AtomicU64::new(0),
            reloads_refused: AtomicU64::new(0),
            loaded_at: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            log_lines_dropped: Arc::default(),
        })
    }

    /// The series of a route, made at its first use. Names come from the file, so there are never more than it names.
    pub fn route(&self, name: &str) -> Arc<RouteSeries> {
        let mut routes = self.routes.lock();
        let series = routes.entry(name.into()).or_insert_with(|| Arc::new(RouteSeries::new(name, self.workers)));
        Arc::clone(series)
    }

    /// The series of an upstream, made at its first use.
    pub fn upstream(&self, name: &str) -> Arc<UpstreamSeries> {
        let mut upstreams = self.upstreams.lock();
        let series = upstreams.entry(name.into()).or_insert_with(|| Arc::new(UpstreamSeries::new(name, self.workers)));
        Arc::clone(series)
    }

    /// The handle of one worker.
    pub fn worker(self: &Arc<Self>, index: usize) -> WorkerMetrics {
        WorkerMetrics { metrics: Arc::clone(self), index }
    }

    /// Asks `source` at each scrape from now on.
    pub fn register(&self, source: Source) {
        self.sources.lock().push(source);
    }

    /// A configuration came into force.
    pub fn loaded(&self, generation: u64, unix_seconds: u64, first: bool) {
        if !first {
            self.reloads_done.fetch_add(1, Relaxed);
        }
        self.generation.store(generation, Relaxed);
        self.loaded_at.store(unix_seconds, Relaxed);
    }

    /// A configuration was refused and the old one stands.
    pub fn reload_refused(&self) {
        self.reloads_refused.fetch_add(1, Relaxed);
    }

    /// Counted up by the access log when it cannot keep up.
    pub fn log_lines_dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.log_lines_dropped)
    }

    /// What was counted of each route that was asked.
    pub fn totals(&self) -> Vec<(Arc<str>, Totals)> {
        let routes = self.routes.lock();
        routes.iter().filter_map(|(name, series)| Some((Arc::clone(name), series.totals()?))).collect()
    }

    /// Everything in the Prometheus text format.
    pub fn page(self: &Arc<Self>) -> String {
        let registry = Registry::new();
        let mut page = Vec::new();
        // Both fail only for families without a name or with two kinds, which `families` rules out.
        let _ = registry.register(Box::new(Scrape(Arc::clone(self))));
        let _ = TextEncoder::new().encode(&registry.gather(), &mut page);
        String::from_utf8(page).unwrap_or_default()
    }

    fn collect(&self) -> Samples {
        let mut samples = Samples::default();
        for series in self.routes.lock().values() {
            series.collect(&mut samples);
        }
        for series in self.upstreams.lock().values() {
            series.collect(&mut samples);
        }
        self.collect_workers(&mut samples);
        samples.add(&family::RELOADS, &["done"], self.reloads_done.load(Relaxed) as f64);
        samples.add(&family::RELOADS, &["refused"], self.reloads_refused.load(Relaxed) as f64);
        samples.add(&family::CONFIG_LOADED, &[], self.loaded_at.load(Relaxed) as f64);
        samples.add(&family::CONFIG_GENERATION, &[], self.generation.load(Relaxed) as f64);
        samples.add(&family::LOG_DROPPED, &[], self.log_lines_dropped.load(Relaxed) as f64);
        samples.add(&family::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
        process::collect(&mut samples);
        for source in self.sources.lock().iter() {
            source(&mut samples);
        }
        samples
    }

    fn collect_workers(&self, samples: &mut Samples) {
        let sum = |pick: fn(&WorkerShard) -> &AtomicU64| -> f64 {
            self.shards.iter().map(|shard| pick(shard).load(Relaxed)).sum::<u64>() as f64
        };
        let opened = sum(|shard| &shard.connections_opened);
        samples.add(&family::CONNECTIONS_ACCEPTED, &[], opened);
        samples.add(&family::CONNECTIONS_OPEN, &[], opened - sum(|shard| &shard.connections_closed));
        samples.add(&family::CONNECTIONS_REFUSED, &["limit"], sum(|shard| shard.refused(Crowded::All)));
        samples.add(&family::CONNECTIONS_REFUSED, &["address"], sum(|shard| shard.refused(Crowded::Address)));
        samples.add(&family::TLS_FAILURES, &[], sum(|shard| &shard.tls_failures));
        let in_flight = sum(|shard| &shard.requests_begun) - sum(|shard| &shard.requests_ended);
        samples.add(&family::REQUESTS_IN_FLIGHT, &[], in_flight);
        for (level, name) in ["local", "shared", "verified"].iter().enumerate() {
            for (result, word) in ["good", "bad"].iter().enumerate() {
                let count: u64 = self
                    .shards
                    .iter()
                    .filter_map(|shard| shard.tokens.get(level)?.get(result))
                    .map(|cell| cell.load(Relaxed))
                    .sum();
                samples.add(&family::TOKEN_CHECKS, &[name, word], count as f64);
            }
        }
    }
}

/// The prometheus crate's view of us at one scrape.
struct Scrape(Arc<Metrics>);

impl Collector for Scrape {
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.0.collect().into_families()
    }
}

/// One worker's way to count. Cheap: no look-ups, no shared writes.
#[derive(Clone)]
pub struct WorkerMetrics {
    metrics: Arc<Metrics>,
    index: usize,
}

impl WorkerMetrics {
    fn count(&self, pick: impl Fn(&WorkerShard) -> &AtomicU64) {
        if let Some(shard) = self.metrics.shards.get(self.index) {
            add(pick(shard), 1);
        }
    }

    pub fn connection_opened(&self) {
        self.count(|shard| &shard.connections_opened);
    }

    pub fn connection_closed(&self) {
        self.count(|shard| &shard.connections_closed);
    }

    pub fn connection_refused(&self, crowded: Crowded) {
        self.count(|shard| shard.refused(crowded));
    }

    pub fn tls_failed(&self) {
        self.count(|shard| &shard.tls_failures);
    }

    pub fn request_begins(&self) {
        self.count(|shard| &shard.requests_begun);
    }

    /// Counts a closed record where it belongs.
    pub fn request_ends(&self, record: &Record, duration: std::time::Duration) {
        self.count(|shard| &shard.requests_ended);
        if let Some(route) = &record.route {
            route.observe(self.index, record, duration);
        }
        if let Some(upstream) = &record.upstream {
            upstream.observe(self.index, record);
        }
        let (level, bad) = match record.token {
            TokenUse::None => return,
            TokenUse::Local => (0, 0),
            TokenUse::Shared => (1, 0),
            TokenUse::Verified => (2, 0),
            // The tables hold good tokens alone.
            TokenUse::Refused => (2, 1),
        };
        let cell = self.metrics.shards.get(self.index).and_then(|shard| shard.tokens.get(level)?.get(bad));
        if let Some(cell) = cell {
            add(cell, 1);
        }
    }
}

#[cfg(test)]
mod tests;

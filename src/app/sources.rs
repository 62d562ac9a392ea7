//! Figures that live in the rooms and are asked for at each scrape.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::house::House;
use crate::gate::limit::Together;
use crate::observe::metrics::Metrics;
use crate::observe::metrics::families as family;
use crate::observe::metrics::samples::Samples;
use crate::store::StoreStatus;

/// Registers what the house can tell.
pub fn register(house: &Arc<House>) {
    let weak = Arc::downgrade(house);
    house.context.metrics.register(Box::new(move |samples| {
        if let Some(house) = weak.upgrade() {
            collect(&house, samples);
        }
    }));
}

/// Registers how many events were thrown away.
pub fn events(metrics: &Metrics, dropped: Arc<AtomicU64>) {
    metrics.register(Box::new(move |samples| samples.add(&family::EVENTS_DROPPED, &[], dropped.load(Relaxed) as f64)));
}

fn collect(house: &House, samples: &mut Samples) {
    let opened = house.current.load();
    for issuer in opened.verifier.status() {
        let name: &str = &issuer.name;
        if let Some(keys) = &issuer.keys {
            samples.add(&family::KEY_SET_KEYS, &[name], keys.count as f64);
            samples.add(&family::KEY_SET_FETCHES, &[name, "good"], keys.fetches as f64);
            samples.add(&family::KEY_SET_FETCHES, &[name, "bad"], keys.failures as f64);
        }
        if let Some(age) = issuer.age {
            samples.add(&family::KEY_SET_AGE, &[name], age.as_secs_f64());
        }
        if let Some(asked) = &issuer.introspection {
            samples.add(&family::INTROSPECTIONS, &[name, "good"], asked.calls.saturating_sub(asked.failures) as f64);
            samples.add(&family::INTROSPECTIONS, &[name, "bad"], asked.failures as f64);
        }
    }
    if let Some(authority) = &opened.authority {
        for (event, count) in authority.events() {
            samples.add(&family::AUTHORITY_EVENTS, &[event], count as f64);
        }
        samples.add(&family::AUDIT_FAILURES, &[], authority.audit_failures() as f64);
        let revoked = house.context.hosted.revocations.status(house.context.clock.now());
        samples.add(&family::REVOCATIONS, &[], revoked.entries as f64);
        samples.add(&family::REVOCATIONS_AGE, &[], revoked.age.as_secs_f64());
        samples.add(&family::REVOCATIONS_FAILURES, &[], revoked.failures as f64);
        samples.add(&family::REVOCATIONS_TRUSTED, &[], f64::from(u8::from(revoked.is_trusted)));
    }
    collect_store(house.context.store.status(), samples);
    samples.add(&family::TOKEN_CACHE_ENTRIES, &["shared"], opened.verifier.remembered() as f64);
    if let Some(together) = &house.context.together {
        shared(together, samples);
    }
    for upstream in opened.upstreams.values() {
        for server in &upstream.servers {
            let labels = [&*upstream.settings.name, &*server.text];
            let figures = server.figures();
            samples.add(&family::UPSTREAM_IN_FLIGHT, &labels, figures.in_flight as f64);
            samples.add(&family::UPSTREAM_CONNECT_FAILURES, &labels, figures.connect_failures as f64);
            samples.add(&family::UPSTREAM_SHUNNED, &labels, f64::from(u8::from(figures.shunned)));
        }
    }
    for route in opened.snapshot.table.values() {
        for limit in route.policy.limits.iter() {
            samples.add(&family::LIMIT_KEYS, &[&route.series.name, limit.name()], limit.keys() as f64);
        }
    }
}

/// What is counted together with other gateways.
fn shared(together: &Together, samples: &mut Samples) {
    let (counters, figures) = (together.counters(), together.figures());
    let status = counters.status();
    samples.add(&family::SHARED_UP, &[], f64::from(u8::from(status.is_up)));
    samples.add(&family::SHARED_NODES, &[], f64::from(counters.nodes()));
    samples.add(&family::SHARED_CONNECTIONS, &[], status.connections as f64);
    for verb in &status.verbs {
        samples.add(&family::SHARED_COMMANDS, &[verb.verb, "good"], verb.done as f64);
        samples.add(&family::SHARED_COMMANDS, &[verb.verb, "bad"], verb.failed as f64);
        samples.histogram(&family::SHARED_DURATION, &[verb.verb], &verb.durations, verb.done, verb.seconds);
    }
    let count = |counter: &AtomicU64| counter.load(Relaxed) as f64;
    samples.add(&family::SHARED_UNITS, &["leased"], count(&figures.leased));
    samples.add(&family::SHARED_UNITS, &["returned"], count(&figures.returned));
    samples.add(&family::SHARED_WAITS, &[], count(&figures.waited));
    samples.add(&family::SHARED_FALLBACKS, &["local"], count(&figures.counted_alone));
    samples.add(&family::SHARED_FALLBACKS, &["refused"], count(&figures.refused));
}

fn collect_store(status: StoreStatus, samples: &mut Samples) {
    if let Some((open, busy, most)) = status.connections {
        for (state, count) in [("busy", busy), ("idle", open.saturating_sub(busy)), ("most", most)] {
            samples.add(&family::STORE_CONNECTIONS, &[status.kind, state], count as f64);
        }
        samples.add(&family::STORE_FAULTS, &[status.kind], status.faults as f64);
    }
    if let Some(hears) = status.hears {
        samples.add(&family::STORE_LISTENS, &[status.kind], f64::from(u8::from(hears)));
    }
}

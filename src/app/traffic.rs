//! The last hour by route and reason: a sample of the counters every ten seconds, for the console.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::house::House;
use crate::admin::console::chart::Minute;
use crate::admin::{RouteTraffic, Traffic};
use crate::observe::Reason;
use crate::observe::metrics::{Metrics, Totals};

/// Between two samples.
const EVERY: Duration = Duration::from_secs(10);
/// Samples of a minute.
const A_MINUTE: usize = 6;
/// Minutes that are shown.
const MINUTES: usize = 60;
/// Routes that are shown.
const MOST_ROUTES: usize = 20;

/// Samples of the last hour, the oldest first. Of each only what was not zero is kept.
#[derive(Default)]
pub struct Samples {
    before: HashMap<Arc<str>, Totals>,
    ticks: VecDeque<Tick>,
}

#[derive(Default)]
struct Tick {
    routes: Vec<(Arc<str>, Minute)>,
    reasons: Vec<(Reason, u64)>,
}

impl Samples {
    /// Takes a sample.
    pub fn take(&mut self, metrics: &Metrics) {
        let mut tick = Tick::default();
        let mut reasons: BTreeMap<Reason, u64> = BTreeMap::new();
        for (name, totals) in metrics.totals() {
            let before = self.before.get(&name).cloned().unwrap_or_default();
            let mut minute = Minute {
                passed: totals.passed.saturating_sub(before.passed),
                refused: 0,
                failed: totals.failed.saturating_sub(before.failed),
            };
            for (reason, count) in &totals.refused {
                let new = count.saturating_sub(before.refused.get(reason).copied().unwrap_or_default());
                if reason.status() >= 500 {
                    minute.failed += new;
                } else {
                    minute.refused += new;
                }
                *reasons.entry(*reason).or_default() += new;
            }
            if minute.all() > 0 {
                tick.routes.push((Arc::clone(&name), minute));
                self.before.insert(name, totals);
            }
        }
        tick.reasons = reasons.into_iter().filter(|(_, count)| *count > 0).collect();
        self.ticks.push_back(tick);
        while self.ticks.len() > MINUTES * A_MINUTE {
            self.ticks.pop_front();
        }
    }

    /// The hour, told.
    pub fn traffic(&self) -> Traffic {
        let mut minutes = vec![Minute::default(); MINUTES];
        let mut routes: HashMap<&Arc<str>, Vec<Minute>> = HashMap::new();
        let mut reasons: BTreeMap<Reason, u64> = BTreeMap::new();
        for (age, tick) in self.ticks.iter().rev().enumerate() {
            let Some(at) = MINUTES.checked_sub(1 + age / A_MINUTE) else { break };
            for (name, minute) in &tick.routes {
                minutes.get_mut(at).into_iter().for_each(|whole| add(whole, *minute));
                let own = routes.entry(name).or_insert_with(|| vec![Minute::default(); MINUTES]);
                own.get_mut(at).into_iter().for_each(|whole| add(whole, *minute));
            }
            for (reason, count) in &tick.reasons {
                *reasons.entry(*reason).or_default() += count;
            }
        }
        let now = |name: Option<&Arc<str>>| {
            let last = self.ticks.back().map(|tick| tick.routes.as_slice()).unwrap_or_default();
            let of = last.iter().filter(|(own, _)| name.is_none_or(|name| name == own));
            of.map(|(_, minute)| minute.all()).sum::<u64>() as f64 / EVERY.as_secs_f64()
        };
        let mut routes: Vec<RouteTraffic> = routes
            .into_iter()
            .map(|(name, minutes)| RouteTraffic { name: name.to_string(), now: now(Some(name)), minutes })
            .collect();
        routes.sort_by_key(|route| {
            let all: u64 = route.minutes.iter().map(|minute| minute.all()).sum();
            (std::cmp::Reverse(all), route.name.clone())
        });
        routes.truncate(MOST_ROUTES);
        let mut codes: Vec<(&'static str, u64)> =
            reasons.into_iter().map(|(reason, count)| (reason.code(), count)).collect();
        codes.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
        Traffic { now: now(None), minutes, routes, codes }
    }
}

fn add(whole: &mut Minute, part: Minute) {
    whole.passed += part.passed;
    whole.refused += part.refused;
    whole.failed += part.failed;
}

/// Takes samples until the house is gone.
pub async fn follow(house: Weak<House>) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        let Some(house) = house.upgrade() else { return };
        house.traffic.lock().take(&house.context.metrics);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::record::tests::record;

    #[test]
    fn an_hour_is_told_by_minute_route_and_reason() {
        let metrics = Metrics::new(1);
        let worker = metrics.worker(0);
        let mut samples = Samples::default();
        let ask = |refusal: Option<Reason>, status: u16, times: usize| {
            for _ in 0..times {
                let mut record = record();
                record.route = Some(metrics.route("orders"));
                record.refusal = refusal;
                record.status = status;
                worker.request_ends(&record, Duration::ZERO);
            }
        };
        samples.take(&metrics);
        ask(None, 200, 20);
        ask(Some(Reason::ScopeMissing), 403, 2);
        samples.take(&metrics);
        for _ in 0..A_MINUTE {
            samples.take(&metrics);
        }
        ask(None, 502, 1);
        ask(Some(Reason::UpstreamTimeout), 504, 1);
        samples.take(&metrics);
        let traffic = samples.traffic();
        let last: Vec<Minute> = traffic.minutes[MINUTES - 2..].to_vec();
        assert_eq!(last, [Minute { passed: 20, refused: 2, failed: 0 }, Minute { passed: 0, refused: 0, failed: 2 }]);
        assert_eq!(traffic.codes, [("scope_missing", 2), ("upstream_timeout", 1)]);
        assert_eq!((traffic.routes.len(), traffic.routes[0].name.as_str(), traffic.now), (1, "orders", 0.2));
        for _ in 0..MINUTES * A_MINUTE {
            samples.take(&metrics);
        }
        assert!(samples.traffic().routes.is_empty() && samples.ticks.len() == MINUTES * A_MINUTE);
    }
}

#[cfg(feature = "redis")]
mod fleet;

use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{HeaderMap, Method};
use proptest::prelude::*;

use super::*;
use crate::ground::{Fields, ManualClock, Time};
use crate::observe::Reason;

fn clock() -> Arc<ManualClock> {
    ManualClock::at(Time::from_secs(1_000))
}

fn limits(rate: &str, burst: u32, per: &str, clock: &Arc<ManualClock>) -> Limits {
    let rate = Rate::parse(rate).unwrap();
    let clock: SharedClock = Arc::<ManualClock>::clone(clock);
    Limits::new(vec![Limit::new("calls", rate, burst, Per::parse(per).unwrap(), clock).unwrap()])
}

fn take(limits: &Limits, client: &str, headers: &HeaderMap) -> Result<Standings, Refusal> {
    let client = client.parse().unwrap();
    let headers = &Fields::from(headers);
    let head = Head { method: &Method::GET, host: "x", path: "/", query: None, client, secure: false, headers };
    let mut standings = Standings::default();
    // What is counted here never waits.
    limits.take_early(&head, &mut standings, &mut None).now_or_never().unwrap()?;
    limits.take_late(&head, &Caller::Anonymous, &mut standings, &mut None).now_or_never().unwrap()?;
    Ok(standings)
}

#[test]
fn the_bucket_holds_the_burst_and_refills_at_the_rate() {
    let clock = clock();
    let limits = limits("10/s", 3, "ip", &clock);
    let none = HeaderMap::new();
    for left in [2, 1, 0] {
        let standings = take(&limits, "192.0.2.1", &none).unwrap();
        assert_eq!(standings.iter().next().unwrap().unwrap().remaining, left);
    }
    let Err(Refusal::RateLimited { limit, retry_after, .. }) = take(&limits, "192.0.2.1", &none) else { panic!() };
    assert_eq!((&*limit, retry_after), ("calls", Duration::from_millis(100)));
    clock.advance(Duration::from_millis(100));
    assert!(take(&limits, "192.0.2.1", &none).is_ok());
    assert!(take(&limits, "192.0.2.1", &none).is_err());
}

/// Whether two callers share a bucket.
fn check(per: &str, first: &str, second: &str, share: bool) {
    let limits = limits("1/h", 1, per, &clock());
    let none = HeaderMap::new();
    assert!(take(&limits, first, &none).is_ok());
    assert_eq!(take(&limits, second, &none).is_err(), share, "{per}: {first} {second}");
}

#[test]
fn one_customer_is_one_address_or_one_network() {
    check("ip", "192.0.2.1", "192.0.2.1", true);
    check("ip", "192.0.2.1", "192.0.2.2", false);
    check("ip", "2001:db8::1", "2001:db8::ffff", true);
    check("ip", "2001:db8::1", "2001:db8:0:1::1", false);
    check("ip", "::ffff:192.0.2.1", "192.0.2.1", true);
    check("route", "192.0.2.1", "192.0.2.2", true);
    check("client", "192.0.2.1", "192.0.2.2", false);
}

#[test]
fn a_header_can_be_counted_by() {
    let limits = limits("1/h", 1, "header:X-Tenant", &clock());
    let tenant = |name: &'static str| {
        HeaderMap::from_iter([(HeaderName::from_static("x-tenant"), HeaderValue::from_static(name))])
    };
    assert!(take(&limits, "192.0.2.1", &tenant("a")).is_ok());
    assert!(take(&limits, "192.0.2.1", &tenant("b")).is_ok());
    assert!(take(&limits, "192.0.2.2", &tenant("a")).is_err());
}

#[test]
fn spent_budget_survives_a_reload_as_long_as_the_limit_is_unchanged() {
    let clock = clock();
    let old = limits("1/h", 1, "ip", &clock);
    let none = HeaderMap::new();
    assert!(take(&old, "192.0.2.1", &none).is_ok());
    assert!(take(&limits("1/h", 1, "ip", &clock).resume(&old), "192.0.2.1", &none).is_err());
    assert!(take(&limits("2/h", 1, "ip", &clock).resume(&old), "192.0.2.1", &none).is_ok());
}

#[test]
fn every_answer_tells_what_is_left() {
    let limits = limits("10/s", 5, "ip", &clock());
    let standings = take(&limits, "192.0.2.1", &HeaderMap::new()).unwrap();
    let mut headers = Fields::new();
    limits.tell(&standings, &mut headers);
    let headers = headers.to_map();
    assert_eq!(headers[RATELIMIT_POLICY], "\"calls\";q=5;w=1");
    assert_eq!(headers[RATELIMIT], "\"calls\";r=4;t=1");
}

#[test]
fn keys_that_have_recovered_are_forgotten() {
    let clock = clock();
    let limits = limits("10/s", 1, "ip", &clock);
    for last in 1..=200 {
        let _ = take(&limits, &format!("192.0.2.{last}"), &HeaderMap::new());
    }
    let limit = limits.iter().next().unwrap();
    assert_eq!(limit.keys(), 200);
    clock.advance(Duration::from_secs(2));
    limit.sweep();
    assert_eq!(limit.keys(), 0);
}

#[test]
fn a_wrong_rate_or_key_is_explained() {
    for (text, part) in [("100", "not a rate"), ("x/s", "not a rate"), ("1/d", "not a unit"), ("0/s", "lets nothing")] {
        assert!(Rate::parse(text).unwrap_err().contains(part), "{text}");
    }
    for (text, part) in [("user", "cannot be counted"), ("header:", "cannot"), ("header:authorization", "token")] {
        assert!(Per::parse(text).unwrap_err().contains(part), "{text}");
    }
    assert_eq!(Reason::RateLimited.status(), 429);
}

proptest! {
    #[test]
    fn never_more_than_burst_and_rate_allow(
        rate in 1_u32..50, burst in 1_u32..20, gaps in proptest::collection::vec(0_u64..200, 1..200)
    ) {
        let clock = clock();
        let limits = limits(&format!("{rate}/s"), burst, "ip", &clock);
        let mut passed: u64 = 0;
        let mut millis = 0;
        for gap in gaps {
            clock.advance(Duration::from_millis(gap));
            millis += gap;
            passed += u64::from(take(&limits, "192.0.2.1", &HeaderMap::new()).is_ok());
        }
        prop_assert!(passed <= u64::from(burst) + u64::from(rate) * millis / 1000 + 1);
    }
}

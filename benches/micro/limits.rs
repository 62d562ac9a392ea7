//! Rate limits that are taken before the token is looked at.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use criterion::Criterion;
use futures_util::FutureExt as _;
use portcullis::gate::Head;
use portcullis::gate::limit::{Limit, Limits, Per, Rate, Standings};
use portcullis::ground::{Fields, SystemClock};

use crate::setting::{CLIENT, head};

/// Addresses that take turns.
const CALLERS: u32 = 10_000;

pub fn bench(criterion: &mut Criterion) {
    let headers = Fields::new();
    let mut group = criterion.benchmark_group("limits");

    group.bench_function("no limit", |bencher| {
        let (limits, head) = (Limits::default(), head(&headers, CLIENT));
        bencher.iter(|| passes(&limits, black_box(&head)));
    });
    for (name, per) in [("one caller", "ip"), ("route", "route")] {
        let limits = endless(per);
        group.bench_function(name, |bencher| {
            let head = head(&headers, CLIENT);
            bencher.iter(|| assert!(passes(&limits, black_box(&head))));
        });
    }
    let limits = endless("ip");
    let take = |caller: u32| {
        let client = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + caller));
        assert!(passes(&limits, &head(&headers, client)));
    };
    (0..CALLERS).for_each(take);
    assert_eq!(limits.iter().map(Limit::keys).sum::<usize>(), CALLERS as usize);
    let mut turn = (0..CALLERS).cycle();
    group.bench_function("10,000 callers in turn", |bencher| bencher.iter(|| turn.next().map(take)));

    let limits = limits_of("1/h", 1, "ip");
    assert!(passes(&limits, &head(&headers, CLIENT)));
    group.bench_function("refused", |bencher| {
        let head = head(&headers, CLIENT);
        bencher.iter(|| assert!(!passes(&limits, black_box(&head))));
    });
    group.finish();
}

/// A limit that is counted here never waits.
fn passes(limits: &Limits, head: &Head<'_>) -> bool {
    limits.take_early(head, &mut Standings::default(), &mut None).now_or_never().expect("no waiting").is_ok()
}

/// A limit that no loop can reach.
fn endless(per: &str) -> Limits {
    limits_of("1000000000/s", u32::MAX, per)
}

fn limits_of(rate: &str, burst: u32, per: &str) -> Limits {
    let (rate, per) = (Rate::parse(rate).expect("a rate"), Per::parse(per).expect("a key"));
    Limits::new(vec![Limit::new("calls", rate, burst, per, Arc::new(SystemClock)).expect("a limit")])
}

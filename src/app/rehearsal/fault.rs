//! A fault of ours in the middle of a request (probe S43.7): what is handed in panics, and the real pipeline goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;

use super::*;
use crate::config::source::Files;
use crate::gate::limit::together;
use crate::ground::Digest;
use crate::store::counters::{Bucket, Counters, CountersStatus, Guess, Taken};
use crate::store::{Act, StoreFault};

/// Counters with a bug that shows while `is_bad`.
struct Buggy {
    is_bad: AtomicBool,
}

impl Counters for Buggy {
    fn take(&self, _: &Bucket, _: i64, wanted: u32, _: Duration) -> Act<'_, Taken> {
        Box::pin(async move {
            // Not before the second poll: the request is under way then.
            tokio::task::yield_now().await;
            assert!(!self.is_bad.load(Ordering::SeqCst), "a bug of ours");
            Ok(Taken { granted: wanted, left: 7, wait: Duration::ZERO })
        })
    }

    fn pay(&self, _: Guess) -> Act<'_, Result<(), Duration>> {
        absent()
    }

    fn pay_back(&self, _: Digest) -> Act<'_, ()> {
        absent()
    }

    fn mark(&self, _: Digest, _: Duration) -> Act<'_, bool> {
        absent()
    }

    fn nodes(&self) -> u32 {
        1
    }

    fn is_up(&self) -> bool {
        true
    }

    fn status(&self) -> CountersStatus {
        CountersStatus::default()
    }
}

fn absent<T>() -> Act<'static, T> {
    Box::pin(async { Err(StoreFault { act: "count", cause: "nobody is there".to_owned() }) })
}

const FILE: &str = "version: 1\nlisten: [{address: \"127.0.0.1:8080\"}]\nadmin: {address: \"127.0.0.1:9090\"}\n\
    shared: {redis: {file: redis-url}}\nupstreams: {far: {servers: [\"http://127.0.0.1:9\"]}}\nroutes:\n  \
    - {name: a, match: GET /a, access: public, upstream: far, \
       limit: {rate: 10/m, per: route, name: few, shared: exact}}\n  \
    - {name: b, match: GET /b, access: public, upstream: far}\n";

fn call(target: &str) -> Call {
    Call {
        method: Method::GET,
        host: None,
        target: target.to_owned(),
        token: Token::None,
        from: std::net::IpAddr::from([192, 0, 2, 1]),
        headers: Vec::new(),
        body: None,
        at: None,
    }
}

#[test]
fn s43_7_a_panic_within_a_request_is_a_500_of_that_request_alone_and_nothing_passes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("redis-url"), "redis://127.0.0.1:9").unwrap();
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, FILE).unwrap();
    let plan = crate::config::load(&file, &Files).unwrap_or_else(|problems| panic!("{problems}"));
    let told = on_its_own(async || {
        let clock = ManualClock::at(SystemClock.now());
        let shared: SharedClock = Arc::<ManualClock>::clone(&clock);
        let mut context = context(Arc::clone(&shared), Arc::new(Memory::default()), Arc::default())?;
        let counters = Arc::new(Buggy { is_bad: AtomicBool::new(false) });
        let given: crate::store::SharedCounters = Arc::<Buggy>::clone(&counters);
        context.together = Some(together(given, Duration::from_secs(5), shared, &context.control));
        let rehearsal = Rehearsal::open(&plan, context, Vec::new(), None)?;
        let mut told = Vec::new();
        for (target, is_bad) in [("/a", false), ("/a", true), ("/b", true), ("/a", true), ("/a", false)] {
            counters.is_bad.store(is_bad, Ordering::SeqCst);
            let one = rehearsal.call(&call(target), None).await?;
            let reason = one.explanation.code.unwrap_or_default();
            told.push((one.status.as_u16(), reason, one.upstream.is_some()));
        }
        Ok(told)
    });
    let passed = || (200, String::new(), true);
    let failed = || (500, "internal_error".to_owned(), false);
    assert_eq!(told.unwrap(), [passed(), failed(), passed(), failed(), passed()]);
}

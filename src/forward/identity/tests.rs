use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;
use crate::gate::caller::tests::claims;

/// Signs with a number that grows.
#[derive(Default)]
struct Counting(AtomicUsize);

impl IdentitySigner for Counting {
    fn sign(&self, identity: &Identity, audience: &str, _now: Time) -> Option<HeaderValue> {
        let count = self.0.fetch_add(1, Relaxed);
        let subject = identity.claims.subject.as_deref().unwrap_or("nobody");
        HeaderValue::try_from(format!("{subject} at {audience}: {count}")).ok()
    }
}

fn identity(subject: &str) -> Identity {
    Identity::new(Arc::new(claims(subject, "web", &[], &[])))
}

#[test]
fn a_statement_serves_one_caller_at_one_upstream_for_a_moment() {
    let (signer, other) = (Counting::default(), Counting(AtomicUsize::new(100)));
    let mut statements = Statements::default();
    let (alice, bob, again) = (identity("alice"), identity("bob"), identity("alice"));
    let (orders, bills): (Arc<str>, Arc<str>) = ("orders".into(), "bills".into());
    let mut check = |who: &Identity, audience: &Arc<str>, by: &Counting, millis: u64, expected: &str| {
        let said = statements.of(who, audience, by, Time::from_millis(millis)).unwrap();
        assert_eq!(said, expected, "{millis}");
    };
    check(&alice, &orders, &signer, 1_000, "alice at orders: 0");
    check(&alice, &orders, &signer, 10_999, "alice at orders: 0");
    check(&alice, &bills, &signer, 1_000, "alice at bills: 1");
    check(&bob, &orders, &signer, 1_000, "bob at orders: 2");
    check(&alice, &orders, &signer, 11_000, "alice at orders: 3");
    // The clock was set back: nobody knows how old the statement is.
    check(&alice, &orders, &signer, 10_999, "alice at orders: 4");
    // The same token with claims that were fetched anew.
    check(&again, &orders, &signer, 11_000, "alice at orders: 5");
    check(&again, &orders, &other, 11_000, "alice at orders: 100");
}

#[test]
fn statements_are_bounded_and_forgotten() {
    let signer = Counting::default();
    let mut statements = Statements::default();
    let audience: Arc<str> = "orders".into();
    for number in 0..MOST_KEPT + 10 {
        assert!(statements.of(&identity(&number.to_string()), &audience, &signer, Time::from_secs(1)).is_some());
    }
    assert_eq!(statements.kept.len(), MOST_KEPT);
    statements.forget(Time::from_millis(10_999));
    assert_eq!(statements.kept.len(), MOST_KEPT);
    statements.forget(Time::from_secs(11));
    assert!(statements.kept.is_empty());
}

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use http::HeaderValue;

use super::*;
use crate::gate::Refusal;
use crate::observe::Reason;
use crate::observe::record::tests::record;
use crate::serve::decisions::{Decisions, Entry, Facts, Wanted};
use crate::token::TokenFault;

fn account(refusal: Refusal) -> Account {
    let mut decisions = Decisions::default();
    let mut record = record();
    record.refusal = Some(refusal.reason());
    record.status = refusal.reason().status();
    let facts = Facts { refusal: Some(refusal), ..Facts::default() };
    decisions.keep(&mut Box::new(Entry { record, facts, caller: None }), Duration::from_millis(2));
    decisions.told(&Wanted::default(), 1).remove(0)
}

/// One refusal of each kind.
fn refusals() -> Vec<Refusal> {
    let token = |fault| Refusal::Token { fault, scope: None };
    let value = HeaderValue::from_static("GET, HEAD");
    vec![
        Refusal::Malformed { what: "the path holds an encoded slash or backslash", close: true },
        Refusal::CredentialsDuplicated,
        Refusal::TokenMissing { scope: Some("orders:read".into()) },
        token(TokenFault::Malformed("it is not a signed token")),
        token(TokenFault::Expired(60)),
        token(TokenFault::NotYetValid(600)),
        token(TokenFault::SignatureInvalid { key: "k1".into() }),
        token(TokenFault::AlgorithmRefused("HS256".into())),
        token(TokenFault::KeyUnknown("k9".into())),
        token(TokenFault::IssuerUnknown),
        token(TokenFault::AudienceMismatch { needed: "https://api.example.com".into() }),
        token(TokenFault::TypeRefused("logout+jwt".into())),
        token(TokenFault::Inactive),
        token(TokenFault::Revoked),
        token(TokenFault::ProofMissing),
        Refusal::ScopeMissing { needed: "a and b".into(), missing: "b".into(), scope: Some("a b".into()) },
        Refusal::RoleMissing { needed: "clerk".into() },
        Refusal::ConditionFailed {
            rule: "token.claims.tier == 'gold'".into(),
            fault: None,
            seen: "token.claims.tier is \"silver\"".into(),
        },
        Refusal::OriginRefused { seen: "the origin https://evil.example".into() },
        Refusal::RouteUnknown,
        Refusal::MethodNotAllowed { allow: value.clone() },
        Refusal::BodyTooLarge { limit: 65_536 },
        Refusal::BodyTypeRefused { seen: Some("text/plain".into()) },
        Refusal::ExpectationFailed,
        Refusal::HostUnknown,
        Refusal::RateLimited {
            limit: "client:10/s".into(),
            retry_after: Duration::from_millis(1200),
            policy: value.clone(),
            state: value,
        },
        Refusal::HeadTooLarge("the head is larger than 32 KiB"),
        Refusal::Internal("a bug".into()),
        Refusal::UpstreamUnreachable { upstream: "orders".into(), cause: "connection refused".into() },
        Refusal::UpstreamInvalid { upstream: "orders".into(), cause: "invalid HTTP version".into() },
        Refusal::UpstreamOverloaded { upstream: "orders".into() },
        token(TokenFault::KeysUnavailable { issuer: "corp".into(), cause: "it answered 500".into() }),
        token(TokenFault::IntrospectionUnavailable { issuer: "corp".into(), cause: "connection refused".into() }),
        token(TokenFault::StoreUnavailable("disk full".into())),
        Refusal::StoreUnavailable,
        Refusal::UpstreamTimeout { upstream: "orders".into(), after: Duration::from_secs(15) },
    ]
}

#[test]
fn every_reason_is_told_with_what_was_needed_what_was_seen_and_what_to_do() {
    let mut told = String::new();
    let mut known = BTreeSet::new();
    for refusal in refusals() {
        let account = account(refusal.clone());
        let words = words::of(&refusal, &account, None, None);
        for text in [&words.needed, &words.seen, &words.advice] {
            assert!(text.len() > 2, "{refusal:?}: {text:?}");
        }
        assert!(words.advice.ends_with('.'), "{refusal:?}: {}", words.advice);
        known.insert(refusal.reason());
        let code = refusal.reason().code();
        let _ = writeln!(
            told,
            "{code}\n  {}\n  needed: {}\n  seen: {}\n  advice: {}\n",
            words.sentence, words.needed, words.seen, words.advice
        );
    }
    // No check of this version gives these.
    let later = [Reason::BodyInvalid, Reason::AuthenticationTooWeak];
    let all: BTreeSet<Reason> = Reason::ALL.iter().filter(|reason| !later.contains(reason)).copied().collect();
    assert_eq!(known, all);
    golden("explanations/reasons.txt", &told);
}

/// Compares with what was looked at and found good; `UPDATE=1` writes anew.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says whether the golden files are written anew")]
fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, known, "{} differs; look at it, and run with UPDATE=1 if the new one is right", path.display());
}

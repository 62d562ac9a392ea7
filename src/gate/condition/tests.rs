use std::net::Ipv4Addr;

use http::{HeaderMap, Method};
use serde_json::json;

use super::*;
use crate::gate::caller::tests::{claims, known};
use crate::ground::Fields;

fn compile(text: &str) -> Result<Condition, ConditionFault> {
    Condition::compile(text, &["id".into()], false)
}

fn evaluate(text: &str) -> Result<bool, Arc<str>> {
    asked(text, Condition::holds)
}

/// What a condition says of one request.
fn asked<T>(text: &str, ask: impl FnOnce(&Condition, &Caller, &Head<'_>, &Params) -> T) -> T {
    let mut claims = claims("alice", "web", &["read"], &["clerk"]);
    claims.all = json!({"sub": "alice", "tenant": "t1", "level": 3, "groups": ["a", "b"]}).as_object().unwrap().clone();
    let caller = known(claims);
    let mut headers = HeaderMap::new();
    headers.append("x-tier", "paid".parse().unwrap());
    headers.append("x-tier", "free".parse().unwrap());
    let head = Head {
        method: &Method::GET,
        host: "api.test",
        path: "/orders/7",
        query: Some("a=1&b=x%20y&twice=ok&twice=other&twice=ok"),
        client: Ipv4Addr::new(192, 0, 2, 1).into(),
        secure: true,
        headers: &Fields::from(&headers),
    };
    let params = Params(vec![("id".into(), "7".to_owned())]);
    ask(&compile(text).unwrap_or_else(|fault| panic!("{text}: {fault}")), &caller, &head, &params)
}

#[test]
fn of_what_comes_more_than_once_people_are_told_how_often() {
    for (text, told) in [
        ("request.query.a == '2'", "request.query.a is there, 1 bytes long"),
        ("request.query.twice == 'x'", "request.query.twice is there 3 times, 13 bytes long together"),
        ("request.headers['x-tier'] == 'x'", "request.headers.x-tier is there 2 times, 10 bytes long together"),
        ("request.query.none == 'x'", "request.query.none is not there"),
    ] {
        assert_eq!(&*asked(text, Condition::seen), told);
    }
}

#[test]
fn conditions_read_token_request_path_and_peer() {
    for (text, holds) in [
        ("token.subject == 'alice'", true),
        ("token.client == \"web\" && 'clerk' in token.roles", true),
        ("token.claims.tenant == path.id", false),
        ("token.claims.level >= 3", true),
        ("token.claims.groups.exists(g, g == 'b')", true),
        ("'read' in token.scopes && !('admin' in token.scopes)", true),
        ("request.method == 'GET' && request.path.startsWith('/orders/')", true),
        ("request.query.b == 'x y'", true),
        ("request.query.twice == 'ok'", false),
        ("request.query.twice == 'ok, other, ok'", true),
        ("request.headers['x-tier'] == 'paid'", false),
        ("request.headers['x-tier'].contains('free')", true),
        ("path.id == '7'", true),
        ("peer.address.startsWith('192.0.2.')", true),
        ("has(token.claims.email) && token.claims.email.endsWith('@x')", false),
        ("size(token.scopes) == 1", true),
        ("token.issuer == 'corp'", true),
    ] {
        assert_eq!(evaluate(text), Ok(holds), "{text}");
    }
}

#[test]
fn what_cannot_be_evaluated_does_not_hold() {
    for text in ["token.claims.missing == 'x'", "token.claims.tenant", "token.claims.level > 'x'"] {
        assert!(evaluate(text).is_err(), "{text}");
    }
}

#[test]
fn mistakes_are_found_when_the_file_is_loaded() {
    for (text, part) in [
        ("token.subject ==", "not a CEL expression"),
        ("tokn.subject == 'a'", "there is no `tokn`"),
        ("token.sub == 'a'", "there is no `token.sub`"),
        ("path.order == '7'", "`path.id`"),
        ("token.subject", "must yield true or false"),
        ("'a' + 'b'", "must yield true or false"),
        ("size(token.scopes)", "must yield true or false"),
        ("token.subject == 1", "compared with"),
        ("token.subject && true", "stand between"),
        ("frobnicate(token)", "no function"),
        ("'a' in token.subject", "behind `in`"),
    ] {
        let message = compile(text).err().unwrap_or_else(|| panic!("{text} compiles")).message;
        assert!(message.contains(part), "{text}: {message}");
    }
    let fault = Condition::compile("token.subject == 'a'", &[], true).err().unwrap();
    assert!(fault.message.contains("public route"), "{fault}");
}

use std::net::Ipv4Addr;

use http::HeaderMap;

use super::*;
use crate::gate::caller::tests::{claims, known};

fn rewritten(lines: &[(&str, &str)], caller: Caller, forward_token: bool) -> HeaderMap {
    let mut fields = Fields::new();
    for (name, value) in lines {
        fields.append(&HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    let permit = Permit::for_tests(caller);
    let facts = Facts {
        permit: &permit,
        host: "api.test",
        authority: "api.test:8443".into(),
        client: Ipv4Addr::new(192, 0, 2, 1).into(),
        secure: true,
        version: Version::HTTP_11,
        request_id: &Arc::from("id-1"),
        traced: false,
        forward_token,
        signer: None,
        now: Time::from_secs(0),
    };
    request(&mut fields, &facts, None).unwrap();
    fields.to_map()
}

/// The values of `name` after rewriting `lines`, joined by `|`.
fn check(lines: &[(&str, &str)], name: &str, expected: &str) {
    let headers = rewritten(lines, Caller::Anonymous, false);
    let values: Vec<_> = headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(values.join("|"), expected, "{name} of {lines:?}");
}

#[test]
fn hop_by_hop_headers_stay_behind() {
    for name in [
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "expect",
        "connection",
    ] {
        check(&[(name, "x")], name, "");
    }
    check(&[("connection", "close, X-Hop"), ("x-hop", "1")], "x-hop", "");
    check(&[("accept", "*/*")], "accept", "*/*");
}

#[test]
fn what_connection_names_takes_nothing_of_ours_away() {
    let lines = &[("connection", "X-Forwarded-For, X-Request-Id, Host, Content-Length"), ("content-length", "5")];
    check(lines, "x-forwarded-for", "192.0.2.1");
    check(lines, "x-request-id", "id-1");
    check(lines, "content-length", "5");
}

#[test]
fn identity_comes_from_the_gateway_alone() {
    let spoofed =
        &[("x-auth-subject", "admin"), ("x-user", "admin"), ("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=x")];
    check(spoofed, "x-auth-subject", "");
    check(spoofed, "x-user", "");
    check(spoofed, "x-forwarded-for", "192.0.2.1");
    check(spoofed, "forwarded", "for=192.0.2.1;host=\"api.test:8443\";proto=https");
    let headers = rewritten(spoofed, known(claims("alice", "web", &["read"], &[])), false);
    assert_eq!(headers["x-auth-subject"], "alice");
    assert_eq!(headers["x-auth-client"], "web");
    assert!(!headers.contains_key("x-auth-roles"));
}

#[test]
fn the_token_goes_on_only_where_the_file_says_so() {
    let lines = &[("authorization", "Bearer secret")];
    assert!(!rewritten(lines, Caller::Anonymous, false).contains_key("authorization"));
    assert!(rewritten(lines, Caller::Anonymous, true).contains_key("authorization"));
}

#[test]
fn cookie_crumbs_become_one_line() {
    check(&[("cookie", "a=1"), ("cookie", "b=2")], "cookie", "a=1; b=2");
}

use std::net::Ipv4Addr;

use http::{HeaderMap, Version};

use super::*;
use crate::gate::caller::tests::{claims, known};

fn facts<'a>(permit: &'a Permit, request_id: &'a str, forward_token: bool) -> Facts<'a> {
    Facts {
        permit,
        host: "api.test",
        authority: "api.test:8443".into(),
        client: Ipv4Addr::new(192, 0, 2, 1).into(),
        secure: true,
        version: Version::HTTP_11,
        request_id,
        traced: false,
        forward_token,
        signer: None,
        now: Time::from_secs(0),
    }
}

fn rewritten(lines: &[(&str, &str)], caller: Caller, forward_token: bool) -> HeaderMap {
    let mut fields = Fields::new();
    for (name, value) in lines {
        fields.append(&HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    let permit = Permit::for_tests(caller);
    request(&mut fields, &facts(&permit, "id-1", forward_token), None).unwrap();
    fields.to_map()
}

/// What was said of the one is never said of the other, whatever they differ by.
#[test]
fn what_is_remembered_of_a_client_is_said_of_no_other() {
    let permit = Permit::for_tests(Caller::Anonymous);
    let id = "id-1";
    let one = || facts(&permit, id, false);
    let mut known = Whence::default();
    for other in [
        one(),
        Facts { authority: "api.test".into(), ..one() },
        Facts { client: Ipv4Addr::new(192, 0, 2, 2).into(), ..one() },
        Facts { client: "2001:db8::7".parse().unwrap(), ..one() },
        Facts { secure: false, ..one() },
        Facts { version: Version::HTTP_2, ..one() },
    ] {
        for facts in [&one(), &other, &other, &one()] {
            let mut fields = Fields::new();
            known.say(facts, &mut fields);
            assert_eq!(fields.to_map(), whence::lines(facts).to_map());
        }
    }
    // All clients share the places that there are.
    for number in 0..2_000_u32 {
        let facts = Facts { client: Ipv4Addr::from(number).into(), ..one() };
        let mut fields = Fields::new();
        known.say(&facts, &mut fields);
        assert_eq!(fields.to_map()["x-forwarded-for"], facts.client.to_string());
    }
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

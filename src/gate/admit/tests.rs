mod forwarded;

use std::net::SocketAddr;

use http::Request;
use proptest::prelude::*;

use super::*;
use crate::observe::Reason;

fn peer() -> Peer {
    let local: SocketAddr = "127.0.0.1:8080".parse().unwrap();
    Peer { address: "192.0.2.1:4444".parse().unwrap(), local, listener: 0, tls: None }
}

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Box<RequestHead> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    RequestHead::of(request.body(()).unwrap()).0
}

/// The canonical path of `raw`, or nothing when it is refused.
fn check_path(raw: &str, expected: Option<&str>) {
    assert_eq!(path::canonical(raw).ok().as_deref(), expected, "{raw}");
}

#[test]
fn a_path_has_one_reading() {
    check_path("/public/x", Some("/public/x"));
    check_path("/", Some("/"));
    check_path("/a/", Some("/a/"));
    check_path("/api/%61dmin/x", Some("/api/admin/x"));
    check_path("/a/./b", Some("/a/b"));
    check_path("/a/b/..", Some("/a/"));
    check_path("/public/../api/admin/x", Some("/api/admin/x"));
    check_path("/public/%2e%2e/api/a", Some("/api/a"));
    check_path("/public/.%2E/api/a", Some("/api/a"));
    check_path("/api/admin/.", Some("/api/admin/"));
    check_path("/caf%c3%a9", Some("/caf%C3%A9"));
    check_path("/a%20b", Some("/a%20b"));
    check_path("/.well-known/x", Some("/.well-known/x"));
    check_path("/a..b/c.", Some("/a..b/c."));
}

#[test]
fn a_path_with_two_readings_is_refused() {
    for raw in [
        "/public/..%2fapi/admin/x",
        "/public%2F..%2fapi%2fa",
        "/public/..;/api/a",
        "/api;a=b/admin/x",
        "//api/admin/x",
        "/api//admin/x",
        "/api/admin//",
        "/public/..\\..\\api",
        "/public/%5capi",
        "/public/%252e%252e/api/a",
        "/api/admin%00.png",
        "/api/%0d%0a",
        "/%c0%ae%c0%ae/api/a",
        "/caf\u{e9}",
        "/public/x%3b",
        "/%zz",
        "/%4",
        "/..",
        "/a/../../b",
        "admin",
        "",
        "/a b",
    ] {
        check_path(raw, None);
    }
}

proptest! {
    #[test]
    fn canonicalising_twice_changes_nothing(raw in "/[a-zA-Z0-9/.%;\\\\_~ -]{0,40}") {
        if let Ok(once) = path::canonical(&raw) {
            let twice = path::canonical(&once).ok();
            prop_assert_eq!(twice.as_deref(), Some(&*once));
            prop_assert!(!once.contains("//") && !once.contains("/../") && !once.contains("/./"));
            prop_assert!(!once.ends_with("/..") && !once.ends_with("/."));
        }
    }

    #[test]
    fn encoding_unreserved_characters_changes_nothing(plain in "/[a-z]{1,8}/[a-z]{1,8}") {
        let encoded: String = plain.bytes().map(|b| if b == b'/' { "/".into() } else { format!("%{b:02x}") }).collect();
        let canonical = path::canonical(&encoded).ok();
        prop_assert_eq!(canonical.as_deref(), Some(&*plain));
    }
}

fn check_host(target: &str, hosts: &[&str], expected: Option<&str>) {
    let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
    let admitted = Admission::default().admit(&mut head("GET", target, &headers), &peer());
    assert_eq!(admitted.ok().map(|admitted| admitted.host).as_deref(), expected, "{target} {hosts:?}");
}

#[test]
fn a_host_has_one_reading() {
    check_host("/", &["api.test"], Some("api.test"));
    check_host("/", &["API.TEST"], Some("api.test"));
    check_host("/", &["api.test."], Some("api.test"));
    check_host("/", &["api.test:8080"], Some("api.test"));
    check_host("/", &["[::1]:8080"], Some("[::1]"));
    check_host("http://api.test/", &["api.test"], Some("api.test"));
    for hosts in [
        &[][..],
        &[""],
        &["api.test", "api.test"],
        &["api.test, other.test"],
        &["api.test@other.test"],
        &["user@api.test"],
        &["api.test/x"],
        &["api.test#.other.test"],
        &["[::1]x"],
        &["api.test:0"],
        &["api.test:65536"],
        &["api.test:1.2"],
        &["api.test:80:80"],
        &["api..test"],
        &["caf\u{e9}.test"],
    ] {
        check_host("/", hosts, None);
    }
    check_host("http://other.test/", &["api.test"], None);
}

fn check(method: &str, target: &str, headers: &[(&str, &str)], expected: Option<Reason>) {
    let mut all = vec![("host", "api.test")];
    all.extend_from_slice(headers);
    let admitted = Admission::default().admit(&mut head(method, target, &all), &peer());
    assert_eq!(admitted.err().map(|refusal| refusal.reason()), expected, "{method} {target} {headers:?}");
}

#[test]
fn a_body_has_one_length() {
    check("POST", "/", &[("content-length", "5")], None);
    check("POST", "/", &[("transfer-encoding", "chunked")], None);
    for headers in [
        &[("content-length", "5"), ("transfer-encoding", "chunked")][..],
        &[("content-length", "5"), ("content-length", "5")],
        &[("content-length", "+5")],
        &[("content-length", "0010")],
        &[("content-length", "5,5")],
        &[("content-length", "")],
        &[("content-length", "18446744073709551616")],
        &[("transfer-encoding", "gzip, chunked")],
        &[("transfer-encoding", ", chunked")],
        &[("transfer-encoding", "chunked"), ("transfer-encoding", "identity")],
    ] {
        check("POST", "/", headers, Some(Reason::RequestMalformed));
    }
}

#[test]
fn a_head_has_bounds() {
    check("GET", &format!("/{}", "a".repeat(9000)), &[], Some(Reason::HeadTooLarge));
    let many: Vec<_> = (0..100).map(|_| ("x-a", "b")).collect();
    check("GET", "/", &many, Some(Reason::HeadTooLarge));
    let large = "x".repeat(33_000);
    check("GET", "/", &[("x-a", large.as_str())], Some(Reason::HeadTooLarge));
    check(&"A".repeat(33), "/", &[], Some(Reason::RequestMalformed));
    check("GET", "/", &[("expect", "100-continue")], None);
    check("GET", "/", &[("expect", "200-ok")], Some(Reason::ExpectationFailed));
    check("GET", "/?a=b%20c", &[], None);
    check("GET", "/?a=\u{e9}", &[], Some(Reason::RequestMalformed));
}

/// With `peer` trusted or not: the client that `forwarded` makes of 192.0.2.1.
fn check_client(trusted: &[&str], forwarded: &[&str], expected: Option<&str>) {
    let admission = Admission { trusted: trusted.iter().map(|net| net.parse().unwrap()).collect() };
    let mut headers = vec![("host", "api.test")];
    headers.extend(forwarded.iter().map(|line| ("x-forwarded-for", *line)));
    let admitted = admission.admit(&mut head("GET", "/", &headers), &peer());
    let client = admitted.ok().map(|admitted| admitted.client.to_string());
    assert_eq!(client.as_deref(), expected, "{trusted:?} {forwarded:?}");
}

#[test]
fn only_a_trusted_proxy_says_who_the_client_is() {
    check_client(&[], &["127.0.0.1"], Some("192.0.2.1"));
    let proxy = &["192.0.2.0/24"];
    check_client(proxy, &[], Some("192.0.2.1"));
    check_client(proxy, &["6.6.6.6, 203.0.113.9"], Some("203.0.113.9"));
    check_client(proxy, &["6.6.6.6", "203.0.113.9, 192.0.2.7"], Some("203.0.113.9"));
    check_client(proxy, &["192.0.2.8, 192.0.2.7"], Some("192.0.2.8"));
    check_client(proxy, &["[2001:db8::1]:99"], Some("2001:db8::1"));
    check_client(proxy, &["::ffff:203.0.113.9"], Some("203.0.113.9"));
    check_client(proxy, &["unknown"], None);
    check_client(proxy, &[&["1.1.1.1"; 51].join(",")], None);
}

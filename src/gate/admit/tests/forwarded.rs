//! `Forwarded` (RFC 7239), as trusted proxies write it.

use super::*;

/// Of 192.0.2.1, which is trusted: the client and whether it came by TLS.
fn check(headers: &[(&str, &str)], expected: Option<(&str, bool)>) {
    let admission = Admission { trusted: vec!["192.0.2.0/24".parse().unwrap()] };
    let mut all = vec![("host", "api.test")];
    all.extend_from_slice(headers);
    let admitted = admission.admit(&mut head("GET", "/", &all), &peer());
    let found = admitted.ok().map(|admitted| (admitted.client.to_string(), admitted.secure));
    assert_eq!(found.as_ref().map(|(client, secure)| (client.as_str(), *secure)), expected, "{headers:?}");
}

fn check_one(line: &str, expected: Option<(&str, bool)>) {
    check(&[("forwarded", line)], expected);
}

#[test]
fn a_trusted_proxy_may_say_it_in_the_form_of_the_standard() {
    check_one("for=203.0.113.9", Some(("203.0.113.9", false)));
    check_one("For=203.0.113.9;Proto=HTTPS;by=10.0.0.1", Some(("203.0.113.9", true)));
    check_one("for=203.0.113.9;proto=http", Some(("203.0.113.9", false)));
    check_one("for=\"203.0.113.9:4711\"", Some(("203.0.113.9", false)));
    check_one("for=\"203.0.113.9:_p\"", Some(("203.0.113.9", false)));
    check_one("for=\"[2001:db8::1]\"", Some(("2001:db8::1", false)));
    check_one("for=\"[2001:db8::1]:4711\" ; proto=https", Some(("2001:db8::1", true)));
    check_one("for=\"[::ffff:203.0.113.9]\"", Some(("203.0.113.9", false)));
    check_one("for=\"203.0.113.9\";ext=\"a,b;c\\\"d\"", Some(("203.0.113.9", false)));
}

#[test]
fn the_rightmost_hop_that_is_no_trusted_proxy_is_the_client() {
    check_one("for=6.6.6.6;proto=https, for=203.0.113.9", Some(("203.0.113.9", false)));
    check_one("for=203.0.113.9;proto=https, for=192.0.2.7;proto=http", Some(("203.0.113.9", true)));
    check_one("for=192.0.2.8, for=192.0.2.7", Some(("192.0.2.8", false)));
    check(
        &[("forwarded", "for=6.6.6.6"), ("forwarded", "for=203.0.113.9, for=192.0.2.7")],
        Some(("203.0.113.9", false)),
    );
    check_one("", Some(("192.0.2.1", false)));
}

#[test]
fn who_is_not_named_ends_the_walk() {
    check_one("for=6.6.6.6, for=unknown", Some(("192.0.2.1", false)));
    check_one("for=6.6.6.6, for=_hidden;proto=https, for=192.0.2.7", Some(("192.0.2.7", false)));
    check_one("for=6.6.6.6, proto=https", Some(("192.0.2.1", false)));
}

#[test]
fn what_has_another_form_is_refused() {
    for line in [
        "203.0.113.9",
        "for=203.0.113",
        "for=2001:db8::1",
        "for=\"2001:db8::1\"",
        "for=[2001:db8::1]",
        "for=\"[203.0.113.9]\"",
        "for=\"203.0.113.9:99999\"",
        "for=\"203.0.113.9:\"",
        "for=\"203.0.113.9",
        "for=\"203.0.113.9\"x",
        "for=203.0.113.9;for=6.6.6.6",
        "for=203.0.113.9;proto=https;proto=http",
        "for=",
        "for = 203.0.113.9",
        "for=somebody",
    ] {
        check_one(line, None);
    }
    check_one(&["for=192.0.2.7"; 51].join(","), None);
}

#[test]
fn two_proxies_that_contradict_one_another_are_not_believed() {
    let both = |for_: &'static str, forwarded: &'static str| [("x-forwarded-for", for_), ("forwarded", forwarded)];
    check(&both("203.0.113.9", "for=203.0.113.9"), Some(("203.0.113.9", false)));
    check(&both("203.0.113.9", "for=6.6.6.6"), None);
    check(&both("203.0.113.9", "for=unknown"), None);
    check(&both("203.0.113.9", "for=203.0.113.9;proto=https"), Some(("203.0.113.9", false)));
    let proto = |one: &'static str, other: &'static str| [("x-forwarded-proto", one), ("forwarded", other)];
    check(&proto("https", "for=203.0.113.9;proto=https"), Some(("203.0.113.9", true)));
    check(&proto("https", "for=203.0.113.9"), Some(("203.0.113.9", true)));
    check(&proto("https", "for=203.0.113.9;proto=http"), Some(("203.0.113.9", false)));
    check(&proto("http", "for=203.0.113.9;proto=https"), Some(("203.0.113.9", false)));
}

#[test]
fn nobody_else_is_believed() {
    let mut written = head("GET", "/", &[("host", "api.test"), ("forwarded", "for=127.0.0.1;proto=https, nonsense")]);
    let admitted = Admission::default().admit(&mut written, &peer()).unwrap();
    assert_eq!((admitted.client.to_string().as_str(), admitted.secure), ("192.0.2.1", false));
}

//! Which path and which host are meant? Paths with two readings, forms of the request target, and hosts.

use super::Bed;

/// A GET that ends its connection.
fn get(target: &str, rest: &str) -> String {
    format!("GET {target} HTTP/1.1⏎Host: api.test⏎{rest}Connection: close⏎⏎")
}

#[test]
fn no_spelling_of_a_path_gets_past_the_rule_for_it() {
    let bed = Bed::new();
    // The statuses that are right, and never a byte of a guarded path for the upstream.
    for (id, target, token, statuses) in [
        ("S11.1", "/public/../api/admin/x", "T.read⏎", &[403, 400][..]),
        ("S11.2", "/public/%2e%2e/api/a", "", &[401, 400]),
        ("S11.2", "/public/%2E./api/a", "", &[401, 400]),
        ("S11.2", "/public/.%2e/api/a", "", &[401, 400]),
        ("S11.3", "/public/..%2fapi/admin/x", "T.read⏎", &[400, 403]),
        ("S11.3", "/public%2f..%2fapi%2fa", "", &[400, 401]),
        ("S11.3", "/public/%2e%2e%2fapi/a", "", &[400, 401]),
        ("S11.3", "/public/x%5c..%5c..%5capi", "", &[400, 401]),
        ("S11.4", "/public/..;/api/a", "", &[400, 401]),
        ("S11.4", "/public/;x=1/../api/a", "", &[400, 401]),
        ("S11.4", "/api;a=b/admin/x", "T.read⏎", &[400, 403, 404]),
        ("S11.4", "/api/admin;/x", "T.read⏎", &[400, 403]),
        ("S11.5", "//api/admin/x", "T.read⏎", &[403, 400]),
        ("S11.5", "/api//admin/x", "T.read⏎", &[403, 400]),
        ("S11.6", "/public/..\\..\\api\\a", "", &[400]),
        ("S11.6", "/public\\..\\api", "", &[400]),
        ("S11.8", "/api/admin%00.png", "T.read⏎", &[400]),
        ("S11.8", "/api/admin/%00", "T.read⏎", &[400]),
        ("S11.9", "/public/%c0%ae%c0%ae/api/a", "", &[400]),
        ("S11.9", "/public/%e0%80%ae/api/a", "", &[400]),
        ("S11.10", "/API/admin/x", "T.read⏎", &[404]),
        ("S11.10", "/Api/Admin/x", "T.read⏎", &[404]),
        ("S11.11", "/api/admin", "T.read⏎", &[403]),
        ("S11.11", "/api/admin/", "T.read⏎", &[403]),
        ("S11.11", "/api/admin/.", "T.read⏎", &[403]),
        ("S11.11", "/api/admin//", "T.read⏎", &[403, 400]),
        ("S11.12", "/public/x#/../api", "", &[400]),
        ("S11.12", "/public/x%23/../../api/a", "", &[400, 401]),
        ("S11.15", "/api/%61dmin/x", "T.read⏎", &[403]),
        ("S11.15", "/api/adm%69n/x", "T.read⏎", &[403]),
        ("S11.16", "/public/%", "", &[400]),
        ("S11.16", "/public/%zz", "", &[400]),
        ("S11.16", "/public/%2", "", &[400]),
        ("S11.16", "/public/caf\u{e9}", "", &[400]),
        ("S11.16", "/../../api/a", "", &[400, 401]),
        ("S12.3", "https://api.test:8443@other.test/public/x", "", &[400]),
        ("S12.3", "api.test/public/x", "", &[400]),
        ("S12.3", "*", "", &[400]),
        ("S12.3", "@other.test/", "", &[400]),
        ("S12.3", "?x", "", &[400]),
        ("S12.1", "http://other.test/public/x", "", &[400]),
        ("S12.2", "http://api.test/public/../api/a", "", &[400, 401]),
    ] {
        let (answers, seen) = bed.says(id, &get(target, token));
        let found: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(found.len() == 1 && statuses.contains(&found[0]), "{id}: {found:?} to {target}");
        assert!(seen.is_empty(), "{id}: {seen:?} of {target}");
    }
}

#[test]
fn what_is_let_through_is_what_was_judged() {
    let bed = Bed::new();
    for (id, target, token, forwarded) in [
        ("S11.1", "/api/admin/../a", "T.read⏎", "/api/a"),
        ("S11.7", "/public/%252e%252e/api/a", "", "/public/%252e%252e/api/a"),
        ("S11.13", "/public/x?p=/../api/a", "", "/public/x?p=/../api/a"),
        ("S11.13", "/public/x?p=%2e%2e%2f&q=a;b", "", "/public/x?p=%2e%2e%2f&q=a;b"),
        ("S11.15", "/public/%7Euser/%61", "", "/public/~user/a"),
        ("S11.2", "/public/./a/b/../c", "", "/public/a/c"),
        ("S12.2", "http://api.test/public/x", "", "/public/x"),
        ("S13.1", "/public", "", "/public"),
    ] {
        let (answers, seen) = bed.says(id, &get(target, token));
        // `%25` may be refused as well: what counts is that nobody decodes it a second time.
        if target.contains("%25") && answers[0].status == 400 {
            continue;
        }
        assert_eq!(answers[0].status, 200, "{id}: {target} {}", answers[0].text());
        assert_eq!(seen[0].target, forwarded, "{id}");
    }
    assert!(bed.says("S11.5", &get("///public/x", "")).1.iter().all(|seen| seen.target == "/public/x"));
}

#[test]
fn methods_that_no_gateway_may_forward_are_never_forwarded() {
    let bed = Bed::new();
    for (id, line, statuses) in [
        ("S12.4", "CONNECT api.test:443", &[400, 405, 501][..]),
        ("S12.4", "CONNECT /public/x", &[400, 404, 405, 501]),
        ("S12.4", "TRACE /public/x", &[405, 501]),
        ("S12.5", "OPTIONS *", &[200, 204, 400, 404, 405]),
        ("S12.6", "get /public/x", &[400, 405, 501]),
        ("S12.6", "G\u{e9}T /public/x", &[400]),
        ("S12.6", "PRI *", &[400, 405]),
    ] {
        let (answers, seen) = bed.says(id, &format!("{line} HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎"));
        assert!(statuses.contains(&answers[0].status), "{id}: {} to {line}", answers[0].status);
        assert!(seen.is_empty(), "{id}: {seen:?}");
    }
    let long = format!("{} /public/x HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎", "A".repeat(100_000));
    let (answers, seen) = bed.says("S12.6", &long);
    assert!([400, 405, 431].contains(&answers[0].status) && seen.is_empty(), "{answers:?}");
}

#[test]
fn a_host_has_one_reading() {
    let bed = Bed::new();
    let call = |hosts: &str| format!("GET /public/x HTTP/1.1⏎{hosts}Connection: close⏎⏎");
    for host in ["API.TEST", "api.test.", "api.test:8080"] {
        bed.answers("S13.1", &call(&format!("Host: {host}⏎")), &[200], &["/public/x"]);
    }
    for hosts in [
        "",
        "Host:⏎",
        "Host: api.test⏎Host: other.test⏎",
        "Host: api.test⏎Host: api.test⏎",
        "Host: api.test, other.test⏎",
        "Host: api.test@other.test⏎",
        "Host: user@api.test⏎",
        "Host: api.test#.other.test⏎",
        "Host: api.test/public⏎",
        "Host: api.test?x⏎",
        "Host: [::1]x⏎",
        "Host: api.test:0⏎",
        "Host: api.test:65536⏎",
        "Host: api.test:1.2⏎",
        "Host: api.test:80:80⏎",
        "Host: api.test:⇥80⏎",
        "Host: api test⏎",
        "Host: api.test..⏎",
    ] {
        let (answers, seen) = bed.says("S13.2", &call(hosts));
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [400], "S13.2: {hosts:?}");
        assert!(seen.is_empty(), "S13.2: {seen:?}");
    }
    for host in ["api.test.evil.org", "xapi.test", "evil.test", "127.0.0.1", "[::1]"] {
        let (answers, seen) = bed.says("S13.7", &call(&format!("Host: {host}⏎")));
        assert!([404, 421].contains(&answers[0].status), "S13.7: {host} {}", answers[0].status);
        assert!(seen.is_empty());
    }
    let (answers, _) = bed.says("S13.8", "GET /api/a HTTP/1.1⏎Host: other.test⏎T.read⏎Connection: close⏎⏎");
    assert_eq!(answers[0].status, 403);
}

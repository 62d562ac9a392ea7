//! Bodies where nobody expects them, answers before the body has come, and what is sent ahead.

use super::Bed;
use crate::support::Reply;

const SMUGGLED: &str = "GET /api/admin/x HTTP/1.1⏎Host: api.test⏎T.admin⏎X: y⏎⏎";

#[test]
fn a_body_is_a_body_whatever_the_method() {
    let bed = Bed::new();
    let inner = String::from_utf8(bed.bytes(SMUGGLED)).unwrap();
    let length = inner.len();
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "PUT", "POST"] {
        for framing in [
            format!("Content-Length: {length}⏎Connection: close⏎⏎{inner}"),
            format!("Transfer-Encoding: chunked⏎Connection: close⏎⏎{length:x}⏎{inner}⏎0⏎⏎"),
        ] {
            let probe = format!("{method} /api/a HTTP/1.1⏎Host: api.test⏎T.read⏎{framing}");
            let (_, seen) = bed.answers("S6.1 S6.2 S6.3", &probe, &[200], &["/api/a"]);
            assert_eq!(seen[0].body, inner.as_bytes(), "{method}");
        }
    }
}

#[test]
fn the_body_of_a_request_that_the_gateway_answers_is_never_a_request() {
    let bed = Bed::new();
    let inner = String::from_utf8(bed.bytes(SMUGGLED)).unwrap();
    let length = inner.len();
    for (status, head) in [
        (401, "POST /api/a HTTP/1.1⏎Host: api.test"),
        (403, "POST /api/admin/a HTTP/1.1⏎Host: api.test⏎T.read"),
        (404, "POST /nowhere HTTP/1.1⏎Host: api.test"),
        (405, "TRACE /public/x HTTP/1.1⏎Host: api.test"),
        (417, "POST /public/x HTTP/1.1⏎Host: api.test⏎Expect: the worst"),
    ] {
        let probe = format!(
            "{head}⏎Content-Length: {length}⏎⏎{inner}GET /public/end HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎"
        );
        let (answers, seen) = bed.says("S6.4", &probe);
        let found: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(found == [status] || found == [status, 200], "S6.4: {found:?} to {head}");
        assert!(seen.iter().all(|seen| seen.target == "/public/end"), "S6.4: {seen:?}");
    }
}

#[test]
fn an_upstream_that_answers_early_gets_no_further_request_on_that_connection() {
    let bed = Bed::with(
        |seen| match seen.target.as_str() {
            // The length of the body was kept from our reader: it answers at the head.
            "/public/early" => Reply::Last(b"HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n".to_vec()),
            other => Reply::ok(other),
        },
        "",
    );
    let mut wire = bed.house.wire();
    wire.send("POST /public/early HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(wire.answer().status, 413, "S6.5");
    let first = bed.upstream.last().connection;
    bed.answers("S6.5", "GET /public/b HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎", &[200], &["/public/b"]);
    assert_ne!(bed.upstream.last().connection, first, "S6.5");
}

#[test]
fn a_client_that_leaves_within_its_body_takes_the_upstream_connection_with_it() {
    let bed = Bed::new();
    let before = bed.upstream.connections();
    let mut wire = bed.house.wire();
    wire.send("POST /public/a HTTP/1.1\r\nHost: api.test\r\nContent-Length: 50\r\n\r\nhello");
    // Its head is with the upstream before it leaves.
    bed.upstream.wait_for_connections(before + 1);
    drop(wire);
    bed.answers("S6.6", "GET /public/b HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎", &[200], &["/public/b"]);
    assert_eq!(bed.upstream.last().connection, before + 1, "S6.6: the broken connection was used again");
}

#[test]
fn an_expectation_is_met_only_for_who_may_go_on() {
    let bed = Bed::new();
    let denied = "POST /api/a HTTP/1.1⏎Host: api.test⏎Expect: 100-continue⏎Content-Length: 5⏎Connection: close⏎⏎";
    let (answers, _) = bed.answers("S7.1", denied, &[401], &[]);
    assert_eq!(answers.len(), 1);
    for value in ["y 100-continue", "200-ok", "100-continue, x", ""] {
        let probe = format!("POST /public/a HTTP/1.1⏎Host: api.test⏎Expect: {value}⏎Content-Length: 5⏎⏎hello");
        let (answers, seen) = bed.says("S7.2", &(probe + "GET /nowhere HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎"));
        assert!([400, 417].contains(&answers[0].status), "S7.2: {value:?} {answers:?}");
        assert!(seen.is_empty(), "S7.2: {seen:?}");
    }
    bed.refuses(
        "S7.2",
        "POST /public/a HTTP/1.1⏎Host: api.test⏎ Expect : 100-continue⏎Content-Length: 5⏎⏎hello",
        &[400],
    );
}

#[test]
fn each_request_on_a_connection_is_judged_by_its_own_token() {
    let bed = Bed::new();
    let get = |target: &str, rest: &str| format!("GET {target} HTTP/1.1⏎Host: api.test⏎{rest}⏎");
    let probe = get("/api/a", "T.read⏎") + &get("/api/b", "") + &get("/api/admin/c", "T.admin⏎Connection: close⏎");
    let (answers, _) = bed.answers("S7.4 S7.5", &probe, &[200, 401, 200], &["/api/a", "/api/admin/c"]);
    assert_eq!(answers[1].code(), "token_missing");
    let probe =
        get("/api/a", "T.read⏎") + &get("/api/admin/b", "T.read⏎") + &get("/api/c", "T.read⏎Connection: close⏎");
    bed.answers("S7.4", &probe, &[200, 403, 200], &["/api/a", "/api/c"]);
}

/// An upstream that answers before it has asked for the body it expected: the client has its answer, and what is left of
/// the body is nobody's request.
#[test]
fn an_expectation_that_is_answered_at_once_ends_in_that_answer() {
    let bed = Bed::with(|_| Reply::ok("at once"), "");
    let head = "POST /public/a HTTP/1.1⏎Host: api.test⏎Expect: 100-continue⏎Content-Length: 5⏎⏎";
    let next = "GET /api/admin/x HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎";
    let (answers, seen) = bed.says("S7.3", &format!("{head}hello{next}"));
    let found: Vec<u16> = answers.iter().map(|answer| answer.status).filter(|status| *status != 100).collect();
    assert!(found == [200, 401] || found == [200], "S7.3: {found:?}");
    assert!(seen.iter().all(|seen| seen.target == "/public/a"), "S7.3: {seen:?}");
}

/// A byte now and then is no silence, and no body either.
#[test]
fn a_body_that_trickles_is_given_up() {
    use std::io::{Read as _, Write as _};
    let (upstream, plot) = (crate::support::Upstream::plain(), crate::support::house::Plot::new());
    let yaml = plot
        .yaml(&format!(
            "upstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"]}}}}\nroutes: [{{match: POST /a, access: public, upstream: far}}]\n",
            upstream.port
        ))
        .replacen("}]", ", limits: {body_timeout: 1s}}]", 1);
    let house = plot.start(&yaml);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", house.port)).unwrap();
    stream.write_all(b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n").unwrap();
    // Waiting for an answer that does not come is what paces the bytes: five in a second, so that no silence is long.
    stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
    let ended = (0..100).any(|_| match stream.read(&mut [0; 1024]) {
        Err(fault) if fault.kind() == std::io::ErrorKind::WouldBlock => stream.write_all(b"x").is_err(),
        Ok(_) | Err(_) => true,
    });
    assert!(ended, "S39.2: it goes on for 20 seconds");
    assert!(upstream.seen().is_empty(), "S39.2: half a body is no request");
}

//! HTTP/2: heads that mean something else in HTTP/1.1, and clients that keep the gateway busy for nothing.

use std::time::Duration;

use crate::support::h2::{
    CONTINUATION, Connection, DATA, END_HEADERS, END_STREAM, End, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, head,
};
use crate::support::house::Plot;
use crate::support::upstream::Seen;
use crate::support::{House, Issuer, Reply, Upstream};

struct Tls {
    house: House,
    upstream: Upstream,
    token: String,
    certificate: String,
}

/// A gateway with TLS in front of an upstream that records.
fn tls(more: &str) -> Tls {
    let upstream = Upstream::start(|seen| match seen.target.as_str() {
        "/public/large" => Reply::ok(&"x".repeat(1 << 20)),
        other => Reply::ok(other),
    });
    let (issuer, plot) = (Issuer::start(), Plot::new());
    let made = rcgen::generate_simple_self_signed(vec!["api.test".to_owned(), "other.test".to_owned()]).unwrap();
    let certificate = made.cert.pem();
    plot.write("cert.pem", &certificate);
    plot.write("key.pem", made.signing_key.serialize_pem());
    let yaml = plot
        .yaml(&format!(
            "issuers: {{corp: {{url: \"{}\", audience: \"https://api.test\"}}}}\n\
             upstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"]}}}}\ndefaults: {{upstream: far}}\nroutes:\n  \
             - {{match: \"* api.test/public/**\", access: public}}\n  \
             - {{match: \"* api.test/api/**\", access: {{scope: read}}}}\n  \
             - {{match: \"* other.test/**\", access: {{scope: other}}}}\n",
            issuer.url(),
            upstream.port
        ))
        .replacen("}]", &format!(", tls: {{certificate: cert.pem, key: key.pem}}{more}}}]"), 1);
    Tls { house: plot.start(&yaml), upstream, token: issuer.token("read"), certificate }
}

impl Tls {
    fn open(&self) -> Connection {
        Connection::open(self.house.port, "api.test", &self.certificate, &[])
    }

    /// A head on a connection of its own, with these frames behind it: what becomes of it, and what the upstream saw.
    fn ask(&self, fields: &[(&str, &str)], flags: u8, behind: &[Vec<u8>]) -> (End, Vec<Seen>) {
        let before = self.upstream.seen().len();
        let mut connection = self.open();
        let mut bytes = frame(HEADERS, flags | END_HEADERS, 1, &head(fields));
        bytes.extend(behind.concat());
        connection.send(&bytes);
        let end = connection.end_of(1);
        (end, self.upstream.seen().split_off(before))
    }

    /// A good client's request still works.
    fn serves(&self) {
        let (end, _) = self.ask(&get("/public/x", "api.test"), END_STREAM, &[]);
        assert_eq!(end, End::Status(200));
    }
}

fn get<'a>(path: &'a str, authority: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![(":method", "GET"), (":scheme", "https"), (":path", path), (":authority", authority)]
}

/// The usual head with these in place of its own, and more.
fn changed<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = get("/public/x", "api.test");
    fields.retain(|(name, _)| !changes.iter().any(|(own, _)| own == name));
    // Pseudo-headers come first.
    let (pseudo, rest): (Vec<_>, Vec<_>) = changes.iter().copied().partition(|(name, _)| name.starts_with(':'));
    fields.extend(pseudo);
    fields.extend(rest);
    fields
}

#[test]
fn a_head_that_could_be_another_request_in_http_1_is_refused() {
    let tls = tls("");
    for (id, changes) in [
        ("S8.1", &[("content-length", "35")][..]),
        ("S8.3", &[("transfer-encoding", "chunked")]),
        ("S8.3", &[("connection", "authorization")]),
        ("S8.3", &[("upgrade", "h2c")]),
        ("S8.3", &[("te", "gzip")]),
        ("S8.3", &[("keep-alive", "1")]),
        ("S8.4", &[("x", "b\r\nx-role: admin")]),
        ("S8.4", &[("x-a: b\r\nx-role", "admin")]),
        ("S8.4", &[("x", "a\0b")]),
        ("S8.4", &[("X-Upper", "a")]),
        ("S8.4", &[("", "a")]),
        ("S8.5", &[(":path", "/api/a HTTP/1.1\r\nHost: x\r\n\r\nGET /api/admin/x")]),
        ("S8.5", &[(":path", "admin")]),
        ("S8.5", &[(":path", "")]),
        ("S8.5", &[(":path", "/a b")]),
        ("S8.5", &[(":path", "/public/../api/a")]),
        ("S8.6", &[("host", "other.test")]),
        ("S8.7", &[(":authority", "")]),
        ("S8.8", &[(":authority", "user@api.test")]),
        ("S8.8", &[(":authority", "api.test,other.test")]),
        ("S8.8", &[(":authority", "api.test/")]),
        ("S8.8", &[(":authority", "api.test:99999")]),
        ("S8.9", &[(":path", "/public/x"), (":path", "/public/y")]),
        ("S8.9", &[(":role", "admin")]),
        ("S8.12", &[("content-length", "0"), ("content-length", "5")]),
        ("S8.12", &[("content-length", "-1")]),
        ("S18.4", &[(":path", "/api/a"), ("authorization", "Bearer a"), ("authorization", "Bearer b")]),
        ("S8.12", &[("host", "api.test"), ("host", "other.test")]),
    ] {
        let (end, seen) = tls.ask(&changed(changes), END_STREAM, &[]);
        let refused = matches!(end, End::Status(400 | 401 | 404 | 421) | End::Reset(_) | End::Gone);
        assert!(refused, "{id}: {end:?} to {changes:?}");
        assert!(seen.is_empty(), "{id}: {seen:?}");
    }
    let late =
        [("x", "y"), (":method", "GET"), (":scheme", "https"), (":path", "/public/x"), (":authority", "api.test")];
    let (end, seen) = tls.ask(&late, END_STREAM, &[]);
    assert!(matches!(end, End::Reset(_) | End::Gone | End::Status(400)) && seen.is_empty(), "S8.9: {end:?}");
    for method in ["CONNECT", "TRACE", "get"] {
        let (end, seen) = tls.ask(&changed(&[(":method", method)]), END_STREAM, &[]);
        assert!(matches!(end, End::Status(400 | 405) | End::Reset(_) | End::Gone) && seen.is_empty(), "S8.11: {end:?}");
    }
    tls.serves();
}

#[test]
fn what_passes_is_one_request_in_http_1() {
    let tls = tls("");
    let (end, seen) = tls.ask(&changed(&[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")]), END_STREAM, &[]);
    assert_eq!(end, End::Status(200), "S8.10");
    let cookies: Vec<&str> =
        seen[0].headers.iter().filter(|(name, _)| name == "cookie").map(|(_, value)| value.as_str()).collect();
    assert_eq!(cookies, ["a=1; b=2; c=3"], "S8.10");

    // A body shorter than it said, with trailers behind it.
    let post = changed(&[(":method", "POST"), ("content-length", "10")]);
    let short =
        [frame(DATA, 0, 1, b"hello"), frame(HEADERS, END_HEADERS | END_STREAM, 1, &head(&[("x-role", "admin")]))];
    let (end, seen) = tls.ask(&post, 0, &short);
    assert!(matches!(end, End::Reset(_) | End::Gone | End::Status(400)), "S8.2: {end:?}");
    assert!(seen.is_empty(), "S8.2: {seen:?}");

    let post = changed(&[(":method", "POST")]);
    let whole =
        [frame(DATA, 0, 1, b"hello"), frame(HEADERS, END_HEADERS | END_STREAM, 1, &head(&[("x-role", "admin")]))];
    let (end, seen) = tls.ask(&post, 0, &whole);
    assert_eq!(end, End::Status(200), "S4.6");
    assert_eq!(seen[0].body, b"hello");
    assert!(!seen[0].head.contains("x-role"), "{}", seen[0].head);

    let (end, seen) = tls.ask(&get("/x", "other.test"), END_STREAM, &[]);
    assert!(matches!(end, End::Status(401 | 421)) && seen.is_empty(), "S13.8: {end:?}");
    let bearer = format!("Bearer {}", tls.token);
    let mut fields = get("/api/a", "api.test");
    fields.push(("authorization", &bearer));
    let (end, seen) = tls.ask(&fields, END_STREAM, &[]);
    assert_eq!((end, seen.len()), (End::Status(200), 1));
}

#[test]
fn a_client_that_keeps_the_gateway_busy_for_nothing_is_cut_off() {
    let tls = tls("");
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &head(&get("/public/x", "api.test")));
    let piece = |one: Vec<u8>| one.repeat(100);
    for (id, bytes) in [
        ("S10.6 PING", piece(frame(PING, 0, 0, &[0; 8]))),
        ("S10.6 SETTINGS", piece(frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]))),
        ("S10.6 empty SETTINGS", piece(frame(SETTINGS, 0, 0, &[]))),
        ("S10.6 PRIORITY", piece(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]))),
        ("S10.6 unknown", piece(frame(0xfa, 0, 0, &[0; 8]))),
        ("S10.6 WINDOW_UPDATE", piece(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]))),
        ("S10.8 empty DATA", [request.clone(), piece(frame(DATA, 0, 3, &[]))].concat()),
    ] {
        let took = tls.open().flood(&bytes, 2000).unwrap_or_else(|| panic!("{id}: never cut off"));
        assert!(took < Duration::from_secs(10), "{id}: {took:?}");
        tls.serves();
    }
    // Requests that are taken back at once, or that the gateway itself has to reset, on a connection that goes on until it is
    // cut.
    for (id, kind, payload) in [("S10.1", RST_STREAM, 8_u32), ("S10.2", WINDOW_UPDATE, 0)] {
        let mut connection = tls.open();
        let mut cut = false;
        for stream in (1..20_000_u32).step_by(2) {
            let bytes = [
                frame(HEADERS, END_HEADERS | END_STREAM, stream, &head(&get("/public/x", "api.test"))),
                frame(kind, 0, stream, &payload.to_be_bytes()),
            ];
            if !connection.send(&bytes.concat()) {
                cut = true;
                break;
            }
        }
        assert!(cut || connection.end_of(u32::MAX) == End::Gone, "{id}");
        tls.serves();
    }
    // A head without an end.
    let mut connection = tls.open();
    connection.send(&frame(HEADERS, END_STREAM, 1, &head(&get("/public/x", "api.test"))));
    let more = frame(CONTINUATION, 0, 1, &head(&[("x", &"y".repeat(1000))]));
    assert!((0..10_000).any(|_| !connection.send(&more)) || connection.end_of(1) == End::Gone, "S10.3");
    // One field of a table, named again and again.
    let indexed = [vec![0x40, 1, b'a', 100], vec![b'b'; 100], vec![0xbe; 4000]].concat();
    let block = [head(&get("/public/x", "api.test")), indexed].concat();
    let mut connection = tls.open();
    connection.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block));
    let end = connection.end_of(1);
    assert!(matches!(end, End::Status(431 | 400) | End::Reset(_) | End::Gone), "S10.4: {end:?}");
    tls.serves();
}

#[test]
fn a_head_that_comes_in_drops_ends_in_time() {
    let tls = tls(", limits: {head_timeout: 1s}");
    let mut connection = tls.open();
    connection.send(&frame(HEADERS, END_STREAM, 1, &head(&get("/public/x", "api.test"))));
    assert_eq!(connection.end_of(1), End::Gone, "S10.7");
    tls.serves();
}

#[test]
fn an_answer_that_is_taken_by_the_byte_ends_in_time() {
    let tls = tls(", limits: {body_timeout: 1s}");
    // No window for any answer, and then a byte at a time.
    let mut connection = Connection::open(tls.house.port, "api.test", &tls.certificate, &[0, 4, 0, 0, 0, 0]);
    for stream in [1, 3, 5] {
        connection.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &head(&get("/public/large", "api.test"))));
    }
    let byte = [frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), frame(WINDOW_UPDATE, 0, 3, &[0, 0, 0, 1])].concat();
    let start = std::time::Instant::now();
    while connection.send(&byte) {
        assert!(start.elapsed() < Duration::from_secs(20), "S10.5: never cut off");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    tls.serves();
}

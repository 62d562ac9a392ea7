//! Line ends, blanks, control bytes, and everything else that two readers read differently.

use super::Bed;

#[test]
fn a_head_with_odd_line_ends_blanks_or_control_bytes_is_refused() {
    let bed = Bed::new();
    let get = |line: &str| format!("GET /public/x HTTP/1.1⏎Host: api.test⏎{line}⏎⏎");
    for (id, probe) in [
        ("S5.1", "GET /public/x HTTP/1.1␊Host: api.test␊␊".to_owned()),
        ("S5.1", "GET /public/x HTTP/1.1⏎Host: api.test␊⏎".into()),
        ("S5.1", "GET /public/x HTTP/1.1⏎Host: api.test⏎␊".into()),
        ("S5.2", get("X: a␊T.admin")),
        ("S5.3", get("X: a␀b")),
        ("S5.3", get("X: a␍b")),
        ("S5.3", get("X: a\u{7f}b")),
        ("S5.3", get("X: a\u{8}b")),
        ("S5.4", "GET  /public/x HTTP/1.1⏎Host: api.test⏎⏎".into()),
        ("S5.4", "GET⇥/public/x HTTP/1.1⏎Host: api.test⏎⏎".into()),
        ("S5.4", "GET /public/x  HTTP/1.1⏎Host: api.test⏎⏎".into()),
        ("S5.4", " GET /public/x HTTP/1.1⏎Host: api.test⏎⏎".into()),
        ("S5.5", "GET /public/x HTTP/1.1 ⏎Host: api.test⏎⏎".into()),
        ("S5.5", "GET /public/x http/1.1⏎Host: api.test⏎⏎".into()),
        ("S5.5", "GET /public/x HTTP/1.2⏎Host: api.test⏎⏎".into()),
        ("S5.5", "GET /public/x HTTP/01.1⏎Host: api.test⏎⏎".into()),
        ("S5.5", "GET /public/x HTTP/2.0⏎Host: api.test⏎⏎".into()),
        ("S5.5", "GET /public/x⏎Host: api.test⏎⏎".into()),
        ("S5.6", get("no colon")),
        ("S5.6", get(": v")),
        ("S5.6", get("a b: v")),
        ("S5.6", get("a[: v")),
        ("S5.6", "⏎⏎⏎GET /public/x HTTP/1.1⏎Host: api.test⏎⏎".into()),
        ("S5.6", "␊GET /public/x HTTP/1.1⏎Host: api.test⏎⏎".into()),
        ("S5.7", "\u{16}\u{3}\u{1}\u{2}⏎⏎".into()),
    ] {
        bed.refuses(id, &probe, &[400, 405, 505]);
    }
}

#[test]
fn a_bad_chunk_ends_the_request_and_its_connection_to_the_upstream() {
    let bed = Bed::new();
    let post = |body: &str| {
        format!(
            "POST /api/a HTTP/1.1⏎Host: api.test⏎T.read⏎Transfer-Encoding: chunked⏎⏎{body}\
                 GET /public/next HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎"
        )
    };
    for (id, body) in [
        ("S4.1", "5;␊hello⏎0⏎⏎"),
        ("S4.1", "5␊hello⏎0⏎⏎"),
        ("S4.1", "5⏎hello␊0⏎⏎"),
        ("S4.2", "5␍hello⏎0⏎⏎"),
        ("S4.2", "2␍␍;a⏎02⏎41⏎0⏎⏎"),
        ("S4.3", "0x5⏎hello⏎0⏎⏎"),
        ("S4.3", "+5⏎hello⏎0⏎⏎"),
        ("S4.3", "-5⏎hello⏎0⏎⏎"),
        ("S4.3", "5_⏎hello⏎0⏎⏎"),
        ("S4.3", "0_5⏎hello⏎0⏎⏎"),
        ("S4.3", " 5⏎hello⏎0⏎⏎"),
        ("S4.3", "5 ⏎hello⏎0⏎⏎"),
        ("S4.3", "⏎hello⏎0⏎⏎"),
        ("S4.3", "5;␀x⏎hello⏎0⏎⏎"),
        ("S4.3", "5; bad token@⏎hello⏎0⏎⏎"),
        ("S4.3", "5;⏎hello⏎0⏎⏎"),
        ("S4.4", "FFFFFFFFFFFFFFFFF⏎hello⏎0⏎⏎"),
        ("S4.4", "fffffffffffffffe⏎hello⏎0⏎⏎"),
        ("S4.4", "FFFFFFFFFFFFFFFF⏎hello⏎0⏎⏎"),
        ("S4.5", "5⏎hello!!⏎0⏎⏎"),
        ("S4.5", "5⏎hello0⏎⏎"),
    ] {
        let (answers, seen) = bed.says(id, &post(body));
        let found: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(matches!(found.as_slice(), [400 | 413]), "{id}: {found:?} to {body:?}");
        assert!(seen.is_empty(), "{id}: the upstream saw a whole request: {seen:?}");
        // Whoever comes next gets a connection of its own, and an answer of its own.
        bed.answers(id, "GET /public/after HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎", &[200], &["/public/after"]);
    }
    let long = format!("5;ext={}⏎hello⏎0⏎⏎", "a".repeat(64 * 1024));
    let (answers, seen) = bed.says("S4.7", &post(&long));
    assert!(matches!(answers.as_slice(), [one] if [400, 413, 431].contains(&one.status)), "{answers:?}");
    assert!(seen.is_empty());
}

#[test]
fn good_chunks_pass_without_their_extensions_and_trailers() {
    let bed = Bed::new();
    let post = |body: &str| {
        format!("POST /api/a HTTP/1.1⏎Host: api.test⏎T.read⏎Transfer-Encoding: chunked⏎Connection: close⏎⏎{body}")
    };
    for (id, body) in [
        ("S4.9", "5;a=b⏎hello⏎0⏎⏎"),
        ("S4.9", "5;a=\"b c\"⏎hello⏎0;z⏎⏎"),
        ("S4.6", "5⏎hello⏎0⏎X:POST / HTTP/1.1⏎⏎"),
        ("S4.6", "5⏎hello⏎0⏎X-Auth-Subject: admin⏎Content-Length: 7⏎⏎"),
    ] {
        let (_, seen) = bed.answers(id, &post(body), &[200], &["/api/a"]);
        assert_eq!(seen[0].body, b"hello", "{id}");
    }
    let two_megabytes = "1⏎a⏎".repeat(100_000) + "0⏎⏎";
    let (_, seen) = bed.answers("S4.8", &post(&two_megabytes), &[200], &["/api/a"]);
    assert_eq!(seen[0].body.len(), 100_000);
}

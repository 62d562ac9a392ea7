//! Where does a request end? `Content-Length` against `Transfer-Encoding`, and both written oddly.

use super::Bed;

/// A refusal of either kind: what is not understood, and what is not done.
const NO: &[u16] = &[400, 501];

#[test]
fn a_request_with_two_lengths_or_an_odd_coding_is_refused_and_its_connection_ends() {
    let bed = Bed::new();
    let post = |lines: &str, body: &str| format!("POST /api/a HTTP/1.1⏎Host: api.test⏎T.read⏎{lines}⏎⏎{body}");
    let chunked = "Transfer-Encoding: chunked";
    for (id, lines, body) in [
        ("S1.1", "Content-Length: 6⏎Transfer-Encoding: chunked", "0⏎⏎G"),
        ("S1.1", "Transfer-Encoding: chunked⏎Content-Length: 6", "0⏎⏎G"),
        ("S1.2", "Content-Length: 4⏎Transfer-Encoding: chunked", "5c⏎GET /api/admin/x HTTP/1.1⏎Host: api.test⏎⏎0⏎⏎"),
        ("S1.3", "Transfer-Encoding: chunked⏎Transfer-Encoding: identity", "0⏎⏎"),
        ("S1.3", "Transfer-Encoding: identity⏎Transfer-Encoding: chunked", "0⏎⏎"),
        ("S1.3", "Transfer-Encoding: chunked⏎Transfer-Encoding: chunked", "0⏎⏎"),
        ("S1.5", "Transfer-Encoding: gzip, chunked", "0⏎⏎"),
        ("S1.5", "Transfer-Encoding: gzip", "0⏎⏎"),
        ("S1.5", "Transfer-Encoding: chunked, chunked", "0⏎⏎"),
        ("S1.6", "Transfer-Encoding: chunked, gzip", "0⏎⏎"),
        ("S2.1", "Transfer-Encoding: xchunked⏎Content-Length: 5", "hello"),
        ("S2.1", "Transfer-Encoding: xchunked", "0⏎⏎"),
        ("S2.2", "Transfer-Encoding:\u{b}chunked", "0⏎⏎"),
        ("S2.3", "Transfer-Encoding : chunked", "0⏎⏎"),
        ("S2.5", "Transfer-Encoding: , chunked", "0⏎⏎"),
        ("S2.6", "X: y␍Transfer-Encoding: chunked", "0⏎⏎"),
        ("S2.6", "X: y␊Transfer-Encoding: chunked", "0⏎⏎"),
        ("S2.8", "Foo: bar⏎⇥Transfer-Encoding: chunked", "0⏎⏎"),
        ("S2.8", "Foo: bar⏎ Content-Length: 5", "hello"),
        ("S2.9", "Transfer-Encoding: \"chunked\"", "0⏎⏎"),
        ("S2.9", "Transfer-Encoding: chunked;q=1", "0⏎⏎"),
        ("S2.9", "Transfer-Encoding:", "0⏎⏎"),
    ] {
        bed.refuses(id, &post(lines, body), NO);
    }
    bed.refuses("S1.4", &format!("POST /api/a HTTP/1.0⏎Host: api.test⏎T.read⏎{chunked}⏎⏎0⏎⏎"), NO);
    bed.refuses("S2.4", &format!("POST /api/a HTTP/1.1⏎ {chunked}⏎Host: api.test⏎T.read⏎⏎0⏎⏎"), NO);
    let no_break = bed.bytes(&post("X: y", "0⏎⏎"));
    let at = no_break.windows(4).position(|window| window == b"X: y").unwrap();
    for odd in
        [b"Transfer-Encoding:\xa0chunked".as_slice(), b"Transfer-Encoding: chunked\x85", b"Content-Length\xa0: 5"]
    {
        let bytes = [&no_break[..at], odd, &no_break[at + 4..]].concat();
        bed.refuses_bytes("S3.6", &bytes, NO);
    }
}

#[test]
fn a_length_is_one_plain_number() {
    let bed = Bed::new();
    for (id, value) in [
        ("S3.1", "+5"),
        ("S3.1", "-1"),
        ("S3.1", "0x5"),
        ("S3.1", "5 5"),
        ("S3.1", "5,5"),
        ("S3.1", "5, 5"),
        ("S3.1", "1_0"),
        ("S3.1", "5;a"),
        ("S3.1", "５"),
        ("S3.2", ""),
        ("S3.3", "5⏎Content-Length: 6"),
        ("S3.3", "5⏎Content-Length: 5"),
        ("S3.4", "18446744073709551616"),
        ("S3.4", "99999999999999999999999999999999"),
        ("S3.5", "0010"),
    ] {
        bed.refuses(id, &format!("POST /api/a HTTP/1.1⏎Host: api.test⏎T.read⏎Content-Length: {value}⏎⏎hello"), NO);
    }
    // More than any machine has: too large before the first byte of it.
    let vast = "POST /api/a HTTP/1.1⏎Host: api.test⏎T.read⏎Content-Length: 9223372036854775808⏎⏎";
    bed.refuses("S3.4", vast, &[400, 413]);
}

#[test]
fn an_underscore_makes_another_name() {
    let bed = Bed::new();
    let probe = "POST /api/a HTTP/1.1⏎Host: api.test⏎T.read⏎Transfer_Encoding: chunked⏎Content-Length: 5⏎\
                 Connection: close⏎⏎hello";
    let (_, seen) = bed.answers("S2.7", probe, &[200], &["/api/a"]);
    assert_eq!((seen[0].header("content-length"), seen[0].body.as_slice()), ("5", b"hello".as_slice()));
}

//! What is a request's end, and does the verdict depend on how the bytes come?

use proptest::prelude::*;

use super::Framing;

/// What is said of these bytes, and after how many.
fn verdict(bytes: &[u8], cut: usize) -> Result<(), (usize, &'static str)> {
    let mut framing = Framing::default();
    let mut before = 0;
    for piece in bytes.chunks(cut.max(1)) {
        framing.read(piece).map_err(|violation| (before + violation.at, violation.what))?;
        before += piece.len();
    }
    Ok(())
}

/// What is wrong with it, however it is cut.
fn check(text: &str, wrong: Option<&str>) {
    let whole = verdict(text.as_bytes(), usize::MAX);
    assert_eq!(whole.err().map(|(_, what)| what), wrong, "{text:?}");
    for cut in 1..20 {
        assert_eq!(verdict(text.as_bytes(), cut), whole, "{text:?} in pieces of {cut}");
    }
}

#[test]
fn requests_one_after_the_other_are_told_apart() {
    check("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", None);
    check("\r\nPOST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello\r\nGET / HTTP/1.1\r\n\r\n", None);
    // What stands in a body is nothing but a body.
    check("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n\n\n\nGET / HTTP/1.1\r\n\r\n", None);
    check(
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b;c=\"d \\\" e\";f\r\n\n\n\n\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.0\r\n\r\n",
        None,
    );
    check("POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n", None);
}

#[test]
fn heads_that_two_readers_end_differently_are_refused() {
    let bare = Some("a line ends with a bare line feed");
    check("GET / HTTP/1.1\nHost: a\r\n\r\n", bare);
    check("GET / HTTP/1.1\r\nHost: a\n\r\n", bare);
    check("GET / HTTP/1.1\r\nHost: a\r\n\n", bare);
    check("\nGET / HTTP/1.1\r\n\r\n", bare);
    check("\r\n\r\nGET / HTTP/1.1\r\n\r\n", Some("empty lines before a request"));
    check("GET /a#b HTTP/1.1\r\n\r\n", Some("a fragment in the request target"));
    let head = |lines: &str| format!("POST / HTTP/1.1\r\n{lines}\r\n\r\n");
    for (lines, wrong) in [
        ("Content-Length: 5\r\nContent-Length: 5", "two Content-Length lines"),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length and Transfer-Encoding together"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", "Content-Length and Transfer-Encoding together"),
        ("Transfer-Encoding: chunked\r\ntransfer-encoding: chunked", "two Transfer-Encoding lines"),
        ("Transfer-Encoding: gzip, chunked", "a Transfer-Encoding other than `chunked`"),
        ("Transfer-Encoding: , chunked", "a Transfer-Encoding other than `chunked`"),
        ("Transfer-Encoding:", "a Transfer-Encoding other than `chunked`"),
    ] {
        check(&head(lines), Some(wrong));
    }
    for value in ["", "+5", "-5", "05", "5,5", "5 5", "0x5", "18446744073709551616", "5\u{b}"] {
        check(&head(&format!("Content-Length: {value}")), Some("a Content-Length that is not one plain number"));
    }
    check("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Some("Transfer-Encoding in HTTP/1.0"));
}

#[test]
fn chunks_that_two_readers_read_differently_are_refused() {
    let chunks = |body: &str| format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    for body in ["\r\n", "g\r\n", "+5\r\n", "-5\r\n", " 5\r\n", "fffffffffffffffe\r\n", "\r\n0\r\n"] {
        check(&chunks(body), Some("the size of a chunk is 1 to 15 hexadecimal digits"));
    }
    for line in ["5 ", "5;", "5;;a", "5; a", "5;a=", "5;a=\"b", "5;a\u{0}", "5;a b", "5_", "0x5", "5;a=\"b\"c", "5\r"] {
        check(&chunks(&format!("{line}\r\n")), Some("what stands behind the size of a chunk is no extension"));
    }
    check(&chunks("5\nhello\r\n0\r\n\r\n"), Some("a line ends with a bare line feed"));
    check(&chunks("5\r\nhello!\r\n0\r\n\r\n"), Some("a chunk is longer than its size"));
    check(&chunks("5\r\nhello\n0\r\n\r\n"), Some("a line ends with a bare line feed"));
    check(&chunks("0\r\nX: y\n\r\n"), Some("a line ends with a bare line feed"));
    let many = "1;a=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\na\r\n".repeat(100);
    check(&chunks(&many), Some("too many chunk extensions"));
}

proptest! {
    #[test]
    fn no_bytes_panic_and_the_verdict_is_the_same_however_they_are_cut(
        bytes in proptest::collection::vec(prop_oneof![
            Just(b"\r\n".to_vec()), Just(b"\n".to_vec()), Just(b"Content-Length: 3".to_vec()),
            Just(b"Transfer-Encoding: chunked".to_vec()), Just(b"GET / HTTP/1.1".to_vec()), Just(b"3".to_vec()),
            Just(b"abc".to_vec()), Just(b"0".to_vec()), proptest::collection::vec(any::<u8>(), 0..4),
        ], 0..30),
        cut in 1_usize..40,
    ) {
        let bytes = bytes.concat();
        prop_assert_eq!(verdict(&bytes, cut), verdict(&bytes, usize::MAX));
    }
}

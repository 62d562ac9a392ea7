use std::future::poll_fn;

use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::serve::strict::body::tests::watch;

/// How much room a connection holds that has taken `request` and waits for the next one.
async fn held_after(request: &str) -> usize {
    let (mut client, server) = tokio::io::duplex(256 * 1024);
    let mut line = Line::new(server, watch());
    client.write_all(request.as_bytes()).await.unwrap();
    assert!(matches!(poll_fn(|cx| line.poll_head(cx)).await, Begin::Request(_)));
    while let Some(piece) = poll_fn(|cx| line.poll_body(cx)).await {
        assert!(!piece.unwrap().is_empty());
    }
    assert!(poll_fn(|cx| Poll::Ready(line.poll_head(cx).is_pending())).await);
    // As much as could be written without asking for more.
    if line.read.try_reclaim(1) { line.read.capacity() } else { 0 }
}

#[tokio::test]
async fn a_connection_that_waits_for_a_request_holds_no_buffer() {
    let large = "x".repeat(40_000);
    for (framing, body) in [
        ("", String::new()),
        ("Transfer-Encoding: chunked\r\n", format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len())),
        ("Content-Length: 40000\r\n", large),
    ] {
        let held = held_after(&format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n{body}")).await;
        assert!(held <= 2048, "{held} bytes after {framing}");
    }
}

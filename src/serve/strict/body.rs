//! The body of a request, read off its connection by whoever wants it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::AsyncRead;

use super::line::Line;
use crate::ground::BodyFault;

/// What comes on a line until the end of one request. It may be held for longer than that: an upstream that has answered
/// is still sent the rest for a while. So it does not hold the line, and gives nothing that belongs to a later request.
pub struct Incoming<S> {
    line: Weak<RefCell<Line<S>>>,
    /// Which request of the line it belongs to.
    request: u64,
}

impl<S> Incoming<S> {
    pub fn over(line: &Rc<RefCell<Line<S>>>) -> Self {
        Self { line: Rc::downgrade(line), request: line.borrow().request() }
    }

    /// The line, as long as it is at this request.
    fn line(&self) -> Option<Rc<RefCell<Line<S>>>> {
        self.line.upgrade().filter(|line| line.borrow().request() == self.request)
    }
}

impl<S: AsyncRead + Unpin> Body for Incoming<S> {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Some(line) = self.line() else {
            return Poll::Ready(Some(Err(BodyFault::BrokeOff("its request is over"))));
        };
        line.borrow_mut().poll_body(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.line().is_some_and(|line| line.borrow().body_is_over())
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.line().and_then(|line| line.borrow().body_length());
        length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Nobody waits for it any more.
impl<S> Drop for Incoming<S> {
    fn drop(&mut self) {
        if let Some(line) = self.line() {
            line.borrow().body_is_not_awaited();
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http_body_util::BodyExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::serve::connection::{Ticks, Watch};
    use crate::serve::crowd::Bounds;
    use crate::serve::snapshot::DoorLimits;
    use crate::serve::strict::line::Begin;

    pub fn watch() -> Arc<Watch> {
        let long = Duration::from_secs(10);
        let connections = Bounds { all: 1, of_one_address: 1 };
        Watch::new(
            DoorLimits { connections, head: long, idle: long, body: long, body_rate: 0 },
            false,
            Ticks::default(),
        )
    }

    /// An upstream may answer before it has read a body, and whoever sends that body may hold it for longer than the
    /// request lasts.
    #[tokio::test]
    async fn the_body_of_a_request_that_is_over_gives_nothing_of_the_next() {
        let (mut client, server) = tokio::io::duplex(1024);
        let line = Rc::new(RefCell::new(Line::new(server, watch())));
        let request =
            |body: &str| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        client.write_all((request("first") + &request("secret")).as_bytes()).await.unwrap();
        let begun = || std::future::poll_fn(|cx| line.borrow_mut().poll_head(cx));

        assert!(matches!(begun().await, Begin::Request(_)));
        let held = Incoming::over(&line);
        assert!(std::future::poll_fn(|cx| Poll::Ready(line.borrow_mut().drop_body(cx))).await);
        assert!(matches!(begun().await, Begin::Request(_)));
        let next = Incoming::over(&line);
        assert!(held.collect().await.is_err(), "the first one reads on");
        assert_eq!(next.collect().await.unwrap().to_bytes(), "secret");
    }

    #[tokio::test]
    async fn a_body_that_is_held_does_not_hold_its_connection() {
        let (mut client, server) = tokio::io::duplex(1024);
        let line = Rc::new(RefCell::new(Line::new(server, watch())));
        client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirst").await.unwrap();
        assert!(matches!(std::future::poll_fn(|cx| line.borrow_mut().poll_head(cx)).await, Begin::Request(_)));
        let held = Incoming::over(&line);
        assert!(Rc::try_unwrap(line).is_ok());
        assert!(held.collect().await.is_err());
    }
}

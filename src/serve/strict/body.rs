//! The body of a request, read off its connection by whoever wants it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::AsyncRead;

use super::line::Line;
use crate::ground::BodyFault;

/// What comes on a line until the end of the request.
pub struct Incoming<S> {
    line: Rc<RefCell<Line<S>>>,
}

impl<S> Incoming<S> {
    pub fn over(line: &Rc<RefCell<Line<S>>>) -> Self {
        Self { line: Rc::clone(line) }
    }
}

impl<S: AsyncRead + Unpin> Body for Incoming<S> {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        self.line.borrow_mut().poll_body(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.line.borrow().body_is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.line.borrow().body_length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Nobody waits for it any more.
impl<S> Drop for Incoming<S> {
    fn drop(&mut self) {
        self.line.borrow().body_is_not_awaited();
    }
}

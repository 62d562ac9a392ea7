//! A request's record while it is open, and the body of an answer that closes it when the last byte has gone.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::connection::Busy;
use super::decisions::Entry;
use super::worker::Worker;
use crate::ground::{Body, BodyFault};
use crate::observe::record::CLIENT_LEFT;

/// A record that is written down once, however its request ends: a client that leaves takes the future that answers it
/// along, at any point.
pub struct OpenRecord {
    pub entry: Box<Entry>,
    /// What was decided is kept for a while.
    pub remember: bool,
    worker: Rc<Worker>,
    closed: bool,
}

impl OpenRecord {
    pub fn new(entry: Box<Entry>, worker: Rc<Worker>) -> Self {
        Self { entry, remember: false, worker, closed: false }
    }

    fn close(&mut self, aborted: bool) {
        if !std::mem::replace(&mut self.closed, true) {
            self.entry.record.aborted = aborted;
            self.worker.write_down(&mut self.entry, self.remember);
        }
    }
}

impl Drop for OpenRecord {
    fn drop(&mut self) {
        if self.entry.record.status == 0 {
            self.entry.record.status = if std::thread::panicking() { 500 } else { CLIENT_LEFT };
        }
        self.close(true);
    }
}

/// An answer's body with what is to be written down about it.
pub struct Recorded {
    body: Body,
    open: OpenRecord,
    busy: Option<Busy>,
}

impl Recorded {
    pub fn new(body: Body, open: OpenRecord) -> Self {
        Self { body, open, busy: None }
    }

    /// Lets go of `busy` when this body has ended.
    pub fn then(&mut self, mut busy: Busy) {
        busy.handed_over(true);
        self.busy = Some(busy);
    }

    fn handed_over(&mut self, untaken: bool) {
        if let Some(busy) = &mut self.busy {
            busy.handed_over(untaken);
        }
    }

    fn close(&mut self, aborted: bool) {
        self.open.close(aborted);
        self.busy = None;
    }
}

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        self.handed_over(false);
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.handed_over(true);
                if let Some(data) = frame.data_ref() {
                    let out = &mut self.open.entry.record.bytes_out;
                    *out = out.saturating_add(data.len() as u64);
                }
            }
            Poll::Ready(Some(Err(_))) => self.close(true),
            Poll::Ready(None) => self.close(false),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// hyper drops a body without asking for its end when it knows the length, and in the middle when the client has gone. Of an
/// answer to HEAD nobody asks for the body (RFC 9110 section 9.3.2).
impl Drop for Recorded {
    fn drop(&mut self) {
        let aborted = !self.body.is_end_stream() && self.open.entry.record.method != http::Method::HEAD;
        self.close(aborted);
    }
}

//! The body of an answer that closes its request's record when the last byte has gone.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::connection::Busy;
use super::worker::Worker;
use crate::ground::{Body, BodyFault};
use crate::observe::Record;

/// An answer's body with what is to be written down about it.
pub struct Recorded {
    body: Body,
    /// Taken when the record is closed.
    open: Option<(Box<Record>, Rc<Worker>)>,
    busy: Option<Busy>,
}

impl Recorded {
    pub fn new(body: Body, record: Box<Record>, worker: Rc<Worker>) -> Self {
        Self { body, open: Some((record, worker)), busy: None }
    }

    /// Lets go of `busy` when this body has ended.
    pub fn then(&mut self, busy: Busy) {
        self.busy = Some(busy);
    }

    fn close(&mut self, aborted: bool) {
        if let Some((mut record, worker)) = self.open.take() {
            record.aborted = aborted;
            worker.write_down(&record);
        }
        self.busy = None;
    }
}

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some((record, _))) = (frame.data_ref(), &mut self.open) {
                    record.bytes_out = record.bytes_out.saturating_add(data.len() as u64);
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

/// hyper drops a body without asking for its end when it knows the length, and in the middle when the client has gone.
impl Drop for Recorded {
    fn drop(&mut self) {
        let aborted = !self.body.is_end_stream();
        self.close(aborted);
    }
}

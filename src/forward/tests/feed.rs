//! A request's body that a test feeds piece by piece.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::ground::{Body, BodyFault};

/// A body of unknown length, and the end that feeds it.
pub fn feed() -> (Feeder, Body) {
    let (feeder, pieces) = unbounded_channel();
    (Feeder(feeder), Body::boxed(Feed(pieces)))
}

/// Dropping it ends the body.
pub struct Feeder(UnboundedSender<Result<Frame<Bytes>, BodyFault>>);

impl Feeder {
    pub fn give(&self, bytes: impl Into<Bytes>) {
        self.0.send(Ok(Frame::data(bytes.into()))).ok().unwrap();
    }

    pub fn trailers(&self, trailers: HeaderMap) {
        self.0.send(Ok(Frame::trailers(trailers))).ok().unwrap();
    }

    pub fn fail(&self, fault: BodyFault) {
        self.0.send(Err(fault)).ok().unwrap();
    }

    /// Until nobody holds the body any more.
    pub async fn until_nobody_reads(&self) {
        self.0.closed().await;
    }
}

struct Feed(UnboundedReceiver<Result<Frame<Bytes>, BodyFault>>);

impl http_body::Body for Feed {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        self.0.poll_recv(cx)
    }
}

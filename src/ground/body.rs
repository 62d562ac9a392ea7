//! The one body type of the house: what streams from client to upstream and back. It stays on its worker's thread.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

/// A message body. The plain variants cost no allocation; `Boxed` is for everything that counts, limits or copies.
#[derive(Default)]
pub enum Body {
    #[default]
    Empty,
    /// One piece; `None` once it has been sent.
    Full(Option<Bytes>),
    /// As it comes from a connection.
    Incoming(Incoming),
    Boxed(Pin<Box<dyn HttpBody<Data = Bytes, Error = BodyFault>>>),
}

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    /// More bytes than the limit given here.
    #[error("the body is longer than {0} bytes")]
    TooLarge(u64),
    /// No byte moved for as long as the configuration allows.
    #[error("the body stood still for too long")]
    Stalled,
    /// The connection it came from broke, or its framing was wrong.
    #[error("the body broke off: {0}")]
    Broken(#[from] hyper::Error),
    /// The same, found by our own reading.
    #[error("the body broke off: {0}")]
    BrokeOff(&'static str),
}

impl Body {
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::Empty } else { Self::Full(Some(bytes)) }
    }

    pub fn boxed(body: impl HttpBody<Data = Bytes, Error = BodyFault> + 'static) -> Self {
        Self::Boxed(Box::pin(body))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Incoming(body) => Pin::new(body).poll_frame(cx).map_err(BodyFault::Broken),
            Self::Boxed(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_none(),
            Self::Incoming(body) => body.is_end_stream(),
            Self::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Incoming(body) => body.size_hint(),
            Self::Boxed(body) => body.size_hint(),
        }
    }
}

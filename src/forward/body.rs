//! Bodies on their way: counted, limited, without trailers, and known to have ended.

use std::cell::Cell;
use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::connection::{Connection, Speaker};
use super::pool::Pools;
use super::upstream::InFlight;
use super::wire::Receiving;
use crate::ground::wheel::Nap;
use crate::ground::{Body, BodyFault};

/// How a request's body is doing, seen from outside.
#[derive(Default)]
pub struct Progress {
    /// Bytes that went on; shared with the record. `None`: there is no body.
    pub bytes: Option<Rc<Cell<u64>>>,
    /// Its end has been sent.
    pub ended: Cell<bool>,
    /// It broke off on the client's side.
    pub broken: Cell<Option<Broken>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Longer than this.
    TooLarge(u64),
    Stalled,
    /// Its framing is wrong, or the client has gone.
    Malformed,
}

/// A request's body on its way to the upstream.
pub struct Sent {
    body: Body,
    limit: Option<u64>,
    progress: Rc<Progress>,
}

impl Progress {
    /// Bytes that went on so far.
    pub fn sent(&self) -> u64 {
        self.bytes.as_ref().map_or(0, |bytes| bytes.get())
    }
}

impl Sent {
    /// `body`, of at most `limit` bytes, and its progress.
    pub fn wrap(body: Body, limit: Option<u64>) -> (Body, Rc<Progress>) {
        if body.is_end_stream() {
            return (Body::Empty, Rc::new(Progress { ended: Cell::new(true), ..Progress::default() }));
        }
        let progress = Rc::new(Progress { bytes: Some(Rc::default()), ..Progress::default() });
        (Body::boxed(Self { body, limit, progress: Rc::clone(&progress) }), progress)
    }

    fn fail(&self, fault: BodyFault) -> BodyFault {
        self.progress.broken.set(Some(match &fault {
            BodyFault::TooLarge(limit) => Broken::TooLarge(*limit),
            BodyFault::Stalled => Broken::Stalled,
            BodyFault::Broken(_) | BodyFault::BrokeOff(_) => Broken::Malformed,
        }));
        fault
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else {
                    // Trailers end a body; they are not passed on.
                    self.progress.ended.set(true);
                    return Poll::Ready(None);
                };
                let total = self.progress.sent().saturating_add(data.len() as u64);
                if let Some(limit) = self.limit.filter(|limit| total > *limit) {
                    return Poll::Ready(Some(Err(self.fail(BodyFault::TooLarge(limit)))));
                }
                if let Some(bytes) = &self.progress.bytes {
                    bytes.set(total);
                }
                if self.body.is_end_stream() {
                    self.progress.ended.set(true);
                }
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Some(Err(fault))) => Poll::Ready(Some(Err(self.fail(fault)))),
            Poll::Ready(None) => {
                self.progress.ended.set(true);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What gives a connection back when its answer has been read.
pub struct Return {
    pub pools: Rc<Pools>,
    pub connection: Connection,
    pub keep: usize,
    pub timeout: Duration,
    pub request: Rc<Progress>,
    /// Ends when the answer does, whichever way.
    pub in_flight: InFlight,
}

impl Return {
    /// Only a connection on which both sides have said everything can carry another request.
    pub fn give_back(self) {
        if self.request.ended.get() {
            self.pools.give_back(self.in_flight.server(), self.connection, self.keep, self.timeout);
        } else {
            self.connection.linger(Arc::clone(&self.pools.wheel));
        }
    }
}

/// An answer's body on its way to the client.
pub struct Received {
    source: Source,
    back: Option<Return>,
    /// While the server is waited for.
    silence: Option<Silence>,
}

/// How long nothing has come of an answer whose client wants more of it.
struct Silence {
    nap: Nap,
    /// What had gone on of the request by then.
    sent: u64,
}

/// Whence its bytes come.
enum Source {
    Compat(hyper::body::Incoming),
    /// From the connection that is to be given back.
    Strict,
}

impl Received {
    /// The body that hyper reads; its connection goes back at its end.
    pub fn compat(body: hyper::body::Incoming, back: Return) -> Body {
        if body.is_end_stream() {
            back.give_back();
            return Body::Empty;
        }
        Body::boxed(Self { source: Source::Compat(body), back: Some(back), silence: None })
    }

    /// The body that stands next on the connection itself.
    pub fn strict(mut back: Return) -> Body {
        let Speaker::Strict(wire) = &mut back.connection.speaker else { return Body::Empty };
        if let Some(whole) = wire.whole_body() {
            back.give_back();
            return Body::full(whole);
        }
        Body::boxed(Self { source: Source::Strict, back: Some(back), silence: None })
    }

    fn ended(&mut self) {
        if let Some(back) = self.back.take() {
            back.give_back();
        }
    }

    /// Nothing more can come of the connection, in either direction.
    fn broken(&mut self) {
        self.silence = None;
        if let Some(back) = self.back.take() {
            back.connection.tear_down();
        }
    }

    /// Ready when nothing has moved for too long, in either direction. No time is taken where nobody has to wait.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(back) = &self.back else { return Poll::Pending };
        loop {
            let sent = back.request.sent();
            let begin = || Silence { nap: back.pools.wheel.nap(back.timeout), sent };
            let silence = self.silence.get_or_insert_with(begin);
            std::task::ready!(Pin::new(&mut silence.nap).poll(cx));
            if silence.sent == sent {
                return Poll::Ready(());
            }
            self.silence = None;
        }
    }

    /// The next piece; trailers end a body and are not passed on.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFault>>> {
        match (&mut self.source, self.back.as_mut().map(|back| &mut back.connection.speaker)) {
            (Source::Compat(body), _) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| Some(frame?.map_err(BodyFault::Broken).map(Frame::into_data)))
                .map(|frame| match frame? {
                    Ok(Ok(data)) => Some(Ok(data)),
                    Ok(Err(_)) => None,
                    Err(fault) => Some(Err(fault)),
                }),
            (Source::Strict, Some(Speaker::Strict(wire))) => wire.poll_body(cx),
            (Source::Strict, Some(Speaker::Compat(_)) | None) => Poll::Ready(None),
        }
    }
}

/// The client has gone before the answer's end.
impl Drop for Received {
    fn drop(&mut self) {
        self.broken();
    }
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let polled = self.poll_piece(cx);
        if polled.is_ready() {
            self.silence = None;
        }
        match polled {
            Poll::Pending => self.poll_silence(cx).map(|()| {
                self.broken();
                Some(Err(BodyFault::Stalled))
            }),
            Poll::Ready(Some(Ok(data))) => {
                if self.is_end_stream() {
                    self.ended();
                }
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Some(Err(fault))) => {
                self.broken();
                Poll::Ready(Some(Err(fault)))
            }
            Poll::Ready(None) => {
                self.ended();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Compat(body) => body.is_end_stream(),
            Source::Strict => self.receiving().is_none_or(Receiving::is_over),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Compat(body) => body.size_hint(),
            Source::Strict => match self.receiving().map_or(Some(0), Receiving::length) {
                Some(length) => SizeHint::with_exact(length),
                None => SizeHint::default(),
            },
        }
    }
}

impl Received {
    fn receiving(&self) -> Option<Receiving> {
        match self.back.as_ref().map(|back| &back.connection.speaker) {
            Some(Speaker::Strict(wire)) => Some(*wire.receiving()),
            Some(Speaker::Compat(_)) | None => None,
        }
    }
}

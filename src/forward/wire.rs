//! HTTP/1.1 to one server, read and written by ourselves: one exchange after the other, in the task of whoever asks.
//!
//! hyper's client has a task, two channels and a state machine for each connection; this has none of them, because a
//! connection here belongs to one request at a time. What a server may say is what hyper lets it say: both read heads with
//! httparse.

mod receiving;
mod sending;

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::Method;
use tokio::io::{AsyncRead, ReadBuf};

pub(super) use self::receiving::Receiving;
use self::sending::Sending;
use super::attempt::Departing;
use crate::dial::connect::Stream;
use crate::ground::{Body, BodyFault, Fields, Reply, spare, turns};

/// Largest head of an answer. Its fields are at most hyper's 100.
const MOST_HEAD_BYTES: usize = 64 * 1024;
/// Read at once of a head, and of a body: as much waits in memory for each client that does not take its answer.
const HEAD_PIECE: usize = 8 * 1024;
const BODY_PIECE: usize = 64 * 1024;

/// A connection that carries one request at a time.
pub struct Wire {
    stream: Stream,
    /// What has come and has not been taken.
    read: BytesMut,
    sending: Sending,
    receiving: Receiving,
    /// Whether the server means to go on after this answer.
    keep_alive: bool,
    /// A byte has come since the request began.
    heard: bool,
    /// What came last filled the room that there was: more of it is here.
    full: bool,
    /// `read` has had more room than an idle connection keeps.
    roomy: bool,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum WireFault {
    /// Nothing was sent of a request without a body.
    Unsent,
    /// The connection ended without one byte of an answer.
    Closed(String),
    /// It ended within the head of the answer.
    BrokeOff(String),
    /// What came is no head of an answer.
    Unreadable(&'static str),
    /// The request's own body broke off.
    Body,
}

/// The head of an answer, if it has come.
type Taken = Result<Option<receiving::Answer>, &'static str>;

impl Wire {
    pub(super) fn over(stream: Stream) -> Box<Self> {
        let (sending, receiving) = (Sending::default(), Receiving::Ended);
        let (keep_alive, heard, full, roomy) = (true, false, false, false);
        Box::new(Self { stream, read: BytesMut::new(), sending, receiving, keep_alive, heard, full, roomy })
    }

    /// Sends a request and waits for the head of the answer. Parts of the body may still be on their way by then;
    /// `poll_body` moves them on.
    pub(super) async fn exchange(&mut self, told: &Departing<'_>, body: Body) -> Result<Reply<()>, WireFault> {
        self.heard = false;
        self.receiving = Receiving::Head;
        self.sending.begin(told, body);
        let head = *told.method == Method::HEAD;
        turns::others_first().await;
        std::future::poll_fn(|cx| self.poll_head(head, cx)).await
    }

    fn poll_head(&mut self, head: bool, cx: &mut Context<'_>) -> Poll<Result<Reply<()>, WireFault>> {
        match self.sending.poll(&mut self.stream, cx) {
            Ok(()) => {}
            Err(sending::Fault::Body) => return Poll::Ready(Err(WireFault::Body)),
            Err(sending::Fault::Unsent) => return Poll::Ready(Err(WireFault::Unsent)),
        }
        loop {
            let (count, answer) = match self.poll_piece(head, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(come)) => come,
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(self.ended(fault.to_string()))),
            };
            if count == 0 {
                return Poll::Ready(Err(self.ended("the connection was closed".to_owned())));
            }
            self.heard = true;
            match answer {
                Ok(Some(answer)) => {
                    self.receiving = answer.body;
                    self.keep_alive = answer.keep_alive;
                    return Poll::Ready(Ok(answer.reply));
                }
                Ok(None) if self.read.len() > MOST_HEAD_BYTES => {
                    return Poll::Ready(Err(WireFault::Unreadable("it is too long")));
                }
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Err(WireFault::Unreadable(fault))),
            }
        }
    }

    fn ended(&self, cause: String) -> WireFault {
        if self.heard { WireFault::BrokeOff(cause) } else { WireFault::Closed(self.sending.fault().unwrap_or(cause)) }
    }

    /// Reads a piece onto the stack, and takes the head of the answer as soon as it is whole: a connection that waits for
    /// its answer holds no buffer. How much has come, 0 at the end, and the head.
    fn poll_piece(&mut self, to_head: bool, cx: &mut Context<'_>) -> Poll<std::io::Result<(usize, Taken)>> {
        let mut space = [MaybeUninit::uninit(); HEAD_PIECE];
        let mut piece = ReadBuf::uninit(&mut space);
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
        self.full = piece.remaining() == 0;
        let piece = piece.filled();
        Poll::Ready(Ok((piece.len(), receiving::head(&mut self.read, piece, to_head))))
    }

    /// Reads what is there, this much and a byte: where no more than what is awaited comes, that byte stays free, and nobody
    /// has to ask the system whether there is more. 0 at the end.
    fn poll_more(&mut self, piece: usize, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        self.read.reserve(piece.saturating_add(1));
        let polled = tokio_util::io::poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.read);
        self.full = polled.is_ready() && self.read.len() == self.read.capacity();
        self.roomy |= self.read.capacity() > spare::KEPT;
        polled
    }

    /// The next piece of the answer's body. What is left of the request's goes on meanwhile.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFault>>> {
        if self.sending.poll(&mut self.stream, cx).is_err() {
            return Poll::Ready(Some(Err(BodyFault::BrokeOff("the request's body broke off"))));
        }
        self.roomy |= self.read.capacity() > spare::KEPT;
        // What came with the head goes in one piece with what is here behind it.
        let behind = self.receiving.wanted(BODY_PIECE).saturating_sub(self.read.len());
        let awaited = behind > 0 && !self.receiving.ends_with_the_connection();
        if std::mem::take(&mut self.full) && !self.read.is_empty() && awaited {
            // That it ends too early is met again, when what has come has been taken.
            let _ = self.poll_more(behind, cx);
        }
        loop {
            match self.receiving.take(&mut self.read) {
                Ok(receiving::Taken::Piece(piece)) => return Poll::Ready(Some(Ok(piece))),
                Ok(receiving::Taken::End) => return Poll::Ready(None),
                Ok(receiving::Taken::More) => {}
                Err(fault) => return Poll::Ready(Some(Err(BodyFault::BrokeOff(fault)))),
            }
            let piece = self.receiving.wanted(BODY_PIECE);
            match self.poll_more(piece, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) if self.receiving.ends_with_the_connection() => self.receiving = Receiving::Ended,
                Poll::Ready(Ok(0) | Err(_)) => {
                    return Poll::Ready(Some(Err(BodyFault::BrokeOff("the connection was closed within it"))));
                }
                Poll::Ready(Ok(_)) => {}
            }
        }
    }

    /// The whole body of the answer, if it is here already.
    pub(super) fn whole_body(&mut self) -> Option<Bytes> {
        self.receiving.whole(&mut self.read)
    }

    pub(super) fn receiving(&self) -> &Receiving {
        &self.receiving
    }

    /// Whether another request can go over it: both sides have said everything, and the server means to go on.
    pub(super) fn is_reusable(&self) -> bool {
        self.keep_alive && self.read.is_empty() && self.receiving.is_over() && self.sending.is_over()
    }

    /// Lets go of the room of a large answer: the connection is idle from here on.
    pub(super) fn rest(&mut self) {
        if std::mem::take(&mut self.roomy) && self.read.is_empty() {
            self.read = BytesMut::new();
        }
    }

    /// How much room is held for what comes.
    #[cfg(test)]
    pub(super) fn room(&mut self) -> usize {
        // As much as could be read without asking for more.
        if self.read.try_reclaim(1) { self.read.capacity() } else { 0 }
    }

    /// Whether an idle connection has ended: its server has nothing to say between two requests.
    pub(super) fn is_closed(&mut self) -> bool {
        // Nobody is to be woken: whoever takes the connection next polls it again.
        let mut cx = Context::from_waker(Waker::noop());
        // Over TLS the socket does not know what has been deciphered already and not been taken.
        if matches!(self.stream, Stream::Plain(_)) && self.stream.poll_read_ready(&mut cx).is_pending() {
            return false;
        }
        // And what has come there may be nothing but news of the protocol.
        let mut byte = [0; 1];
        Pin::new(&mut self.stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_ready()
    }

    /// Sends what is left of the request, as long as the server takes it.
    pub(super) async fn finish(&mut self) {
        let Self { sending, stream, .. } = self;
        std::future::poll_fn(|cx| match sending.poll(stream, cx) {
            Ok(()) if !sending.is_over() && !sending.has_failed() => Poll::Pending,
            Ok(()) | Err(_) => Poll::Ready(()),
        })
        .await;
    }
}

/// Whether a word stands in the `Connection` header.
fn says(fields: &Fields, word: &[u8]) -> bool {
    fields
        .all(&http::header::CONNECTION)
        .flat_map(|line| line.split(|byte| *byte == b','))
        .any(|own| own.trim_ascii().eq_ignore_ascii_case(word))
}

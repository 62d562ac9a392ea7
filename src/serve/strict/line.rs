//! One client's connection: its bytes in both directions, and where in a request they are.

use std::cell::RefCell;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Rest;
use super::head::{self, HEAD_PIECE, Head, Length};
use crate::ground::chunked::{Chunked, Next};
use crate::ground::{BodyFault, Wheel, spare};
use crate::serve::connection::Watch;
use crate::serve::framing::Framing;

/// Read at once of a body.
const BODY_PIECE: usize = 16 * 1024;
/// As much is read of the requests that follow while one is being answered.
const MOST_AHEAD: usize = 32 * 1024;
/// As much is read of a body that nobody wanted, so that the connection can go on.
const MOST_DROPPED: usize = 256 * 1024;
/// How long a client that was answered early may take to notice.
const LINGER: Duration = Duration::from_secs(2);

/// A connection between two bytes.
pub struct Line<S> {
    stream: S,
    /// What has come and has not been taken.
    read: BytesMut,
    body: Reading,
    /// Counts the requests: goes up when one begins, and when one is over.
    request: u64,
    watch: Arc<Watch>,
    /// Nothing more will come.
    ended: bool,
    /// `read` has had more room than a connection keeps that waits.
    roomy: bool,
}

/// Where the body of a request is.
enum Reading {
    Over,
    /// Bytes to come.
    Length(u64),
    Chunked(Box<Vetted>),
}

/// A chunked body, looked at by the strict rules before it is believed.
struct Vetted {
    framing: Framing,
    chunked: Chunked,
    /// As much of what has been read has been looked at.
    seen: usize,
}

/// What comes next on a connection.
pub enum Begin {
    Request(Head),
    /// A request that is not for this engine.
    Odd,
    Over,
}

impl<S> Line<S> {
    pub fn new(stream: S, watch: Arc<Watch>) -> Self {
        Self { stream, read: BytesMut::new(), body: Reading::Over, request: 0, watch, ended: false, roomy: false }
    }

    /// Which request it is at.
    pub fn request(&self) -> u64 {
        self.request
    }

    /// Whoever still holds its body gets nothing more.
    fn request_is_over(&mut self) {
        self.request = self.request.wrapping_add(1);
    }

    pub fn into_rest(self) -> Rest<S> {
        Rest { stream: self.stream, read: self.read }
    }

    pub fn body_is_over(&self) -> bool {
        matches!(self.body, Reading::Over)
    }

    /// Bytes to come of the body, where that is known.
    pub fn body_length(&self) -> Option<u64> {
        match self.body {
            Reading::Over => Some(0),
            Reading::Length(left) => Some(left),
            Reading::Chunked(_) => None,
        }
    }

    pub fn body_is_not_awaited(&self) {
        self.watch.body_awaited(false);
    }
}

impl<S: AsyncRead + Unpin> Line<S> {
    /// Waits for the next request.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Begin> {
        if !self.read.is_empty() {
            self.watch.bytes_arrived(0);
        } else if std::mem::take(&mut self.roomy) {
            self.read = BytesMut::new();
        }
        let mut taken = head::take(&mut self.read, &[]);
        loop {
            match taken {
                head::Read::Head(head) => {
                    self.begin(head.body);
                    return Poll::Ready(Begin::Request(head));
                }
                head::Read::Odd => return Poll::Ready(Begin::Odd),
                head::Read::Partial => {}
            }
            taken = match self.poll_piece(cx, head::take) {
                Poll::Ready(Ok((count @ 1.., taken))) => {
                    self.watch.bytes_arrived(count);
                    taken
                }
                // Half a head may be wrong already, and then there is something to say about it.
                Poll::Ready(Ok(_)) if !self.read.is_empty() => return Poll::Ready(Begin::Odd),
                Poll::Ready(Ok(_) | Err(_)) => return Poll::Ready(Begin::Over),
                Poll::Pending if self.watch.is_draining() && !self.watch.expects_head() => {
                    return Poll::Ready(Begin::Over);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn begin(&mut self, length: Length) {
        self.request_is_over();
        self.body = match length {
            Length::Known(0) => Reading::Over,
            Length::Known(length) => Reading::Length(length),
            Length::Chunked => {
                Reading::Chunked(Box::new(Vetted { framing: Framing::of_chunks(), chunked: Chunked::Size, seen: 0 }))
            }
        };
    }

    /// Reads a piece onto the stack and gives it to `keep` with the buffer: a connection that waits holds no buffer.
    fn poll_piece<T>(
        &mut self,
        cx: &mut Context<'_>,
        keep: impl FnOnce(&mut BytesMut, &[u8]) -> T,
    ) -> Poll<io::Result<(usize, T)>> {
        let mut space = [MaybeUninit::uninit(); HEAD_PIECE];
        let mut piece = ReadBuf::uninit(&mut space);
        match Pin::new(&mut self.stream).poll_read(cx, &mut piece) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(fault)) => {
                self.ended = true;
                Poll::Ready(Err(fault))
            }
            Poll::Ready(Ok(())) => {
                let piece = piece.filled();
                self.ended |= piece.is_empty();
                Poll::Ready(Ok((piece.len(), keep(&mut self.read, piece))))
            }
        }
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_piece(cx, BytesMut::extend_from_slice).map_ok(|(count, ())| count)
    }

    /// Ready when the client has gone. What it sends meanwhile is kept, up to a bound. While there is a body to come, its
    /// reader notices.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.body_is_over() {
            return Poll::Pending;
        }
        while !self.ended && self.read.len() < MOST_AHEAD {
            match self.poll_more(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(_) => {}
            }
        }
        if self.ended { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The next piece of the body.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFault>>> {
        loop {
            self.roomy |= self.read.capacity() > spare::KEPT;
            match self.take_body() {
                Ok(Next::Data(data)) => {
                    self.watch.body_awaited(false);
                    return Poll::Ready(Some(Ok(data)));
                }
                Ok(Next::End) => {
                    self.watch.body_awaited(false);
                    return Poll::Ready(None);
                }
                Ok(Next::More) => {}
                Err(fault) => {
                    self.ended = true;
                    self.watch.spoil(fault);
                    return Poll::Ready(Some(Err(BodyFault::BrokeOff(fault))));
                }
            }
            if self.ended {
                return Poll::Ready(Some(Err(BodyFault::BrokeOff("the client has gone"))));
            }
            let wanted = self.body_length().map_or(BODY_PIECE, |left| usize::try_from(left).unwrap_or(BODY_PIECE));
            self.read.reserve(wanted.min(BODY_PIECE));
            let polled = tokio_util::io::poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.read);
            self.watch.body_awaited(polled.is_pending());
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(count @ 1..)) => self.watch.bytes_arrived(count),
                Poll::Ready(Ok(0) | Err(_)) => self.ended = true,
            }
        }
    }

    /// What is here of the body.
    fn take_body(&mut self) -> Result<Next, &'static str> {
        let taken = match &mut self.body {
            Reading::Over => return Ok(Next::End),
            Reading::Length(_) if self.read.is_empty() => return Ok(Next::More),
            Reading::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(self.read.len());
                *left = left.saturating_sub(taken as u64);
                if *left == 0 {
                    self.body = Reading::Over;
                }
                return Ok(Next::Data(self.read.split_to(taken).freeze()));
            }
            Reading::Chunked(vetted) => vetted.take(&mut self.read)?,
        };
        if taken == Next::End {
            self.body = Reading::Over;
        }
        Ok(taken)
    }

    /// Reads what is here of a body that nobody wanted; whether the connection can go on after it.
    pub fn drop_body(&mut self, cx: &mut Context<'_>) -> bool {
        self.request_is_over();
        let mut dropped = 0;
        while !self.body_is_over() && dropped <= MOST_DROPPED {
            match self.poll_body(cx) {
                Poll::Ready(Some(Ok(piece))) => dropped += piece.len(),
                Poll::Ready(None) => {}
                Poll::Ready(Some(Err(_))) | Poll::Pending => break,
            }
        }
        self.watch.body_awaited(false);
        self.body_is_over() && !self.ended
    }
}

impl Vetted {
    fn take(&mut self, read: &mut BytesMut) -> Result<Next, &'static str> {
        let new = read.get(self.seen..).unwrap_or_default();
        self.framing.read(new).map_err(|violation| violation.what)?;
        let taken = self.chunked.next(read);
        self.seen = read.len();
        taken
    }
}

impl<S: AsyncWrite + Unpin> Line<S> {
    /// Writes `head` and then `piece`; what has been taken is taken off them.
    pub fn poll_write(&mut self, head: &mut BytesMut, piece: &mut Bytes, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        use bytes::Buf as _;
        while !head.is_empty() || !piece.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let polled = if piece.is_empty() {
                stream.poll_write(cx, head)
            } else if head.is_empty() {
                stream.poll_write(cx, piece)
            } else {
                stream.poll_write_vectored(cx, &[io::IoSlice::new(head), io::IoSlice::new(piece)])
            };
            self.watch.write_blocked(polled.is_pending());
            match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    let of_head = count.min(head.len());
                    head.advance(of_head);
                    piece.advance(count - of_head);
                }
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
            }
        }
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch.write_blocked(polled.is_pending());
        polled
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.stream).poll_shutdown(cx).map(drop)
    }
}

#[cfg(test)]
mod tests;

/// Ends a connection. A client that is still sending is read for a moment: closing on bytes that nobody has read would
/// reset the connection, and cost the client the answer.
pub async fn close<S: AsyncRead + AsyncWrite + Unpin>(line: &Rc<RefCell<Line<S>>>, wheel: &Arc<Wheel>) {
    line.borrow_mut().request_is_over();
    std::future::poll_fn(|cx| line.borrow_mut().poll_shutdown(cx)).await;
    if line.borrow().ended || line.borrow().body_is_over() {
        return;
    }
    let emptied = std::future::poll_fn(|cx| {
        let mut line = line.borrow_mut();
        let mut dropped = 0;
        loop {
            line.read.clear();
            match line.poll_more(cx) {
                Poll::Ready(Ok(count @ 1..)) if dropped < MOST_DROPPED => dropped += count,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    wheel.within(LINGER, emptied).await;
}

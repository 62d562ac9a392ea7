//! A client's bytes on their way in and out.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Watch;
use super::frames::Frames;
use super::framing::Framing;
use crate::ground::pieces;

/// A client's stream that leaves marks in its `Watch`, and through which no byte passes that two readers of HTTP/1.1 could
/// read differently.
pub struct Watched<S> {
    stream: S,
    watch: Arc<Watch>,
    vetting: Vetting,
    /// Nothing more of it is believed.
    spoilt: bool,
}

/// What looks at the client's bytes before anything reads them.
enum Vetting {
    Http1(Framing),
    Http2(Frames),
    /// What comes is not HTTP any more.
    Nothing,
}

impl<S> Watched<S> {
    pub fn new(stream: S, watch: Arc<Watch>) -> Self {
        let now = watch.now();
        let vetting =
            if watch.is_http2() { Vetting::Http2(Frames::new(now)) } else { Vetting::Http1(Framing::default()) };
        Self { stream, watch, vetting, spoilt: false }
    }

    /// Looks at what has come, and spoils it from the first byte on that is in doubt: a NUL in a head makes hyper answer
    /// 400 and close. In a body, and in HTTP/2, the connection breaks off.
    fn vet(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        if self.watch.is_tunnel() {
            self.vetting = Vetting::Nothing;
        }
        let piece = buf.filled().get(before..).unwrap_or_default();
        match &mut self.vetting {
            Vetting::Nothing => {}
            Vetting::Http1(framing) => {
                let Err(violation) = framing.read(piece) else { return };
                self.spoil(violation.what);
                if violation.in_body {
                    buf.set_filled(before + violation.at);
                } else if let Some(spoilt) = buf.filled_mut().get_mut(before + violation.at..) {
                    spoilt.fill(0);
                }
            }
            Vetting::Http2(frames) => {
                let within = frames.read(piece, self.watch.now());
                self.watch.head_open(frames.is_in_head());
                if !within {
                    self.spoil("more control frames than a client needs");
                    buf.set_filled(before);
                }
            }
        }
    }

    fn spoil(&mut self, what: &'static str) {
        self.spoilt = true;
        self.watch.spoil(what);
    }

    fn wrote(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Vetting::Http2(frames), Poll::Ready(Ok(count))) = (&mut self.vetting, &polled) {
            frames.wrote(*count);
        }
        self.blocked(polled)
    }

    fn blocked<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.watch.write_blocked(polled.is_pending());
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.spoilt {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.watch.bytes_arrived(buf.filled().len() - before);
            self.vet(buf, before);
            if buf.filled().len() == before {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = match pieces::joined(pieces) {
            Some(all) => Pin::new(&mut self.stream).poll_write(cx, &all),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, pieces),
        };
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.blocked(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A stream of which something has been read already, and is to be read again.
pub struct Rewound<S> {
    stream: S,
    read: BytesMut,
}

impl<S> Rewound<S> {
    pub fn new(stream: S, read: BytesMut) -> Self {
        Self { stream, read }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let count = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read.split_to(count));
        if self.read.is_empty() {
            self.read = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

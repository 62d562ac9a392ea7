//! One connection to a server: who sends on it, whether it has been heard, and its end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::AbortHandle;

use crate::ground::{Body, Wheel, pieces};

/// How long a server may go on reading a request that it has answered.
const LINGER: Duration = Duration::from_secs(10);

/// A connection that carries one request at a time.
pub struct Connection {
    pub(super) sender: SendRequest<Body>,
    /// It has carried requests before, so that its server may have closed it meanwhile.
    pub(super) reused: bool,
    heard: Arc<AtomicBool>,
    driver: AbortHandle,
}

impl Connection {
    /// Speaks HTTP/1.1 over `stream`, driven by a task of its own.
    pub(super) async fn over<S>(stream: S, builder: &http1::Builder) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let heard = Arc::new(AtomicBool::new(false));
        let stream = TokioIo::new(Heard { stream, heard: Arc::clone(&heard) });
        let (sender, driver) = builder.handshake(stream).await?;
        // Its faults reach the request that is on it; an idle connection may end as it likes.
        let driver = tokio::task::spawn_local(async move { drop(driver.with_upgrades().await) }).abort_handle();
        Ok(Self { sender, reused: false, heard, driver })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// From here on `has_answered` speaks of the next request.
    pub(super) fn begin(&self) {
        self.heard.store(false, Relaxed);
    }

    /// Whether one byte has come since the request began. Then its server is alive and may have acted on the request, even
    /// if the rest of its answer never comes.
    pub(super) fn has_answered(&self) -> bool {
        self.heard.load(Relaxed)
    }

    /// Lets the rest of a request go out that has been answered already, but not for long. Closing at once could cost the
    /// client that answer: our side towards it would close on bytes that nobody has read.
    pub(super) fn linger(self, wheel: Arc<Wheel>) {
        let Self { driver, sender, .. } = self;
        drop(sender);
        tokio::task::spawn_local(async move {
            wheel.nap(LINGER).await;
            driver.abort();
        });
    }

    /// Ends it now, whatever is still on its way.
    pub(super) fn tear_down(&self) {
        self.driver.abort();
    }
}

/// A stream that notes when something has been read from it. Atomic because hyper hands a stream out after an upgrade only
/// when it is `Send`; it never leaves its thread.
struct Heard<S> {
    stream: S,
    heard: Arc<AtomicBool>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.heard.store(true, Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match pieces::joined(pieces) {
            Some(all) => Pin::new(&mut self.stream).poll_write(cx, &all),
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, pieces),
        }
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

//! One connection to a server, whoever speaks HTTP on it: who sends on it, whether it has been heard, and its end.

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

use super::wire::Wire;
use crate::dial::connect::Stream;
use crate::ground::{Body, Wheel, pieces};

/// How long a server may go on reading a request that it has answered.
const LINGER: Duration = Duration::from_secs(10);

/// Who reads and writes HTTP on both sides of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Our own reading of HTTP/1.1, strict and fast.
    Strict,
    /// hyper, which knows every protocol.
    Compat,
}

/// A connection that carries one request at a time.
pub struct Connection {
    pub(super) speaker: Speaker,
    /// It has carried requests before, so that its server may have closed it meanwhile.
    pub(super) reused: bool,
}

/// Who speaks HTTP on it.
pub(super) enum Speaker {
    Strict(Box<Wire>),
    Compat(Typed),
}

impl Connection {
    /// Speaks HTTP/1.1 over `stream`.
    pub(super) async fn over(stream: Stream, engine: Engine, builder: &http1::Builder) -> hyper::Result<Self> {
        match engine {
            Engine::Strict => Ok(Self { speaker: Speaker::Strict(Wire::over(stream)), reused: false }),
            Engine::Compat => Self::compat(stream, builder).await,
        }
    }

    /// The same, by hyper, over any stream.
    pub(super) async fn compat<S>(stream: S, builder: &http1::Builder) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Ok(Self { speaker: Speaker::Compat(Typed::over(stream, builder).await?), reused: false })
    }

    pub(super) fn engine(&self) -> Engine {
        match &self.speaker {
            Speaker::Strict(_) => Engine::Strict,
            Speaker::Compat(_) => Engine::Compat,
        }
    }

    pub(super) fn is_closed(&mut self) -> bool {
        match &mut self.speaker {
            Speaker::Strict(wire) => wire.is_closed(),
            Speaker::Compat(typed) => typed.sender.is_closed(),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        match &self.speaker {
            Speaker::Strict(_) => true,
            Speaker::Compat(typed) => typed.sender.is_ready(),
        }
    }

    /// Whether its last exchange, as far as is known here, leaves it fit for another.
    pub(super) fn is_reusable(&self) -> bool {
        match &self.speaker {
            Speaker::Strict(wire) => wire.is_reusable(),
            // hyper closes those that are not.
            Speaker::Compat(typed) => !typed.sender.is_closed(),
        }
    }

    /// From here on it is idle.
    pub(super) fn rest(&mut self) {
        match &mut self.speaker {
            Speaker::Strict(wire) => wire.rest(),
            // hyper keeps its buffers.
            Speaker::Compat(_) => {}
        }
    }

    /// Lets the rest of a request go out that has been answered already, but not for long. Closing at once could cost the
    /// client that answer: our side towards it would close on bytes that nobody has read.
    pub(super) fn linger(self, wheel: Arc<Wheel>) {
        tokio::task::spawn_local(async move {
            match self.speaker {
                Speaker::Strict(mut wire) => drop(wheel.within(LINGER, wire.finish()).await),
                Speaker::Compat(Typed { driver, sender, .. }) => {
                    drop(sender);
                    wheel.nap(LINGER).await;
                    driver.abort();
                }
            }
        });
    }

    /// Ends it now, whatever is still on its way.
    pub(super) fn tear_down(&self) {
        match &self.speaker {
            // Its socket closes with it.
            Speaker::Strict(_) => {}
            Speaker::Compat(typed) => typed.driver.abort(),
        }
    }
}

/// hyper's side of a connection.
pub(super) struct Typed {
    pub(super) sender: SendRequest<Body>,
    heard: Arc<AtomicBool>,
    driver: AbortHandle,
}

impl Typed {
    /// Driven by a task of its own.
    async fn over<S>(stream: S, builder: &http1::Builder) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let heard = Arc::new(AtomicBool::new(false));
        let stream = TokioIo::new(Heard { stream, heard: Arc::clone(&heard) });
        let (sender, driver) = builder.handshake(stream).await?;
        // Its faults reach the request that is on it; an idle connection may end as it likes.
        let driver = tokio::task::spawn_local(async move { drop(driver.with_upgrades().await) }).abort_handle();
        Ok(Self { sender, heard, driver })
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

//! One client connection as its worker watches it: what it is doing and since when.
//!
//! No timer is set per request. The stream marks what happens, and the worker looks over all its connections once a
//! second and ends those that take too long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::snapshot::DoorLimits;
use crate::ground::pieces;

/// The worker's time in milliseconds since its start, set at each tick: a clock read per byte would cost more than the
/// bytes, and connection timeouts need no more than this.
pub type Ticks = Arc<AtomicU64>;

/// Marks of one connection, shared by its stream, its bodies and its worker. All on one thread; atomics (used as plain
/// cells) and not `Cell`s because hyper hands a stream out after an upgrade only when it is `Send`.
pub struct Watch {
    limits: DoorLimits,
    /// HTTP/2 frames arrive between requests too, so there bytes do not mean that a head has begun.
    http2: bool,
    now: Ticks,
    /// Requests being answered.
    busy: AtomicU32,
    /// No request is being answered, and none has begun to arrive, since then; or `NOT`.
    idle: AtomicU64,
    /// The first bytes of a head are here, the rest is not, since then; or `NOT`.
    head: AtomicU64,
    /// The client does not take what we write, since then; or `NOT`.
    write_blocked: AtomicU64,
    /// The client does not send the body it announced, since then; or `NOT`.
    body_awaited: AtomicU64,
    fate: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

const NOT: u64 = u64::MAX;

/// What the worker has decided about a connection; only ever gets worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Fate {
    GoOn,
    /// Finish what is being answered, take nothing more.
    Drain,
    /// End it now.
    Cut,
}

impl Watch {
    /// Begins where a head is awaited: who connects has something to say.
    pub fn new(limits: DoorLimits, http2: bool, now: Ticks) -> Arc<Self> {
        let start = now.load(Relaxed);
        Arc::new(Self {
            limits,
            http2,
            now,
            busy: AtomicU32::new(0),
            idle: AtomicU64::new(NOT),
            head: AtomicU64::new(start),
            write_blocked: AtomicU64::new(NOT),
            body_awaited: AtomicU64::new(NOT),
            fate: AtomicU8::new(Fate::GoOn as u8),
            waker: Mutex::new(None),
        })
    }

    pub fn request_begins(&self) {
        self.busy.store(self.busy.load(Relaxed).saturating_add(1), Relaxed);
        self.idle.store(NOT, Relaxed);
        self.head.store(NOT, Relaxed);
    }

    pub fn request_ends(&self) {
        let left = self.busy.load(Relaxed).saturating_sub(1);
        self.busy.store(left, Relaxed);
        if left == 0 {
            self.idle.store(self.now.load(Relaxed), Relaxed);
            self.body_awaited.store(NOT, Relaxed);
        }
    }

    pub fn body_awaited(&self, awaited: bool) {
        self.mark(&self.body_awaited, awaited);
    }

    fn bytes_arrived(&self) {
        if !self.http2 && self.idle.swap(NOT, Relaxed) != NOT {
            self.head.store(self.now.load(Relaxed), Relaxed);
        }
    }

    fn mark(&self, cell: &AtomicU64, on: bool) {
        if !on {
            cell.store(NOT, Relaxed);
        } else if cell.load(Relaxed) == NOT {
            cell.store(self.now.load(Relaxed), Relaxed);
        }
    }

    /// Whether this connection has taken longer than its listener allows.
    fn overdue(&self) -> bool {
        let now = self.now.load(Relaxed);
        let over = |mark: &AtomicU64, bound: Duration| {
            let since = mark.load(Relaxed);
            since != NOT && u128::from(now.saturating_sub(since)) > bound.as_millis()
        };
        over(&self.idle, self.limits.idle)
            || over(&self.head, self.limits.head)
            || over(&self.body_awaited, self.limits.body)
            || over(&self.write_blocked, self.limits.body)
    }

    /// The worker's look: cuts what is overdue.
    pub fn inspect(&self) {
        if self.overdue() {
            self.decide(Fate::Cut);
        }
    }

    pub fn decide(&self, fate: Fate) {
        self.fate.fetch_max(fate as u8, Relaxed);
        if let Some(waker) = self.waker.lock().take() {
            waker.wake();
        }
    }

    /// Called at each poll of the connection: remembers whom to wake, and says what was decided.
    pub fn fate(&self, cx: &Context<'_>) -> Fate {
        match &mut *self.waker.lock() {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        match self.fate.load(Relaxed) {
            0 => Fate::GoOn,
            1 => Fate::Drain,
            _ => Fate::Cut,
        }
    }
}

/// A client's stream that leaves marks in its `Watch`.
pub struct Watched<S> {
    stream: S,
    watch: Arc<Watch>,
}

impl<S> Watched<S> {
    pub fn new(stream: S, watch: Arc<Watch>) -> Self {
        Self { stream, watch }
    }

    fn wrote<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.watch.mark(&self.watch.write_blocked, polled.is_pending());
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.watch.bytes_arrived();
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
        self.wrote(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DoorLimits = DoorLimits {
        connections: 10,
        head: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        body: Duration::from_secs(30),
    };

    /// Does `act`, lets `passed` seconds go by, and says whether the connection is cut then.
    fn check(act: impl Fn(&Watch), passed: u64, cut: bool) {
        let now = Ticks::default();
        let watch = Watch::new(LIMITS, false, Arc::clone(&now));
        act(&watch);
        now.store(passed * 1000, Relaxed);
        watch.inspect();
        assert_eq!(watch.fate(&Context::from_waker(Waker::noop())) == Fate::Cut, cut);
    }

    #[test]
    fn a_head_that_takes_too_long_ends_the_connection() {
        check(|_| {}, 10, false);
        check(|_| {}, 11, true);
    }

    #[test]
    fn the_time_of_a_head_runs_from_its_first_byte_and_not_from_its_last() {
        let trickling = |watch: &Watch| {
            watch.request_begins();
            watch.request_ends();
            watch.bytes_arrived();
            watch.now.store(9_000, Relaxed);
            watch.bytes_arrived();
        };
        check(trickling, 11, true);
    }

    #[test]
    fn an_idle_connection_ends_after_the_idle_timeout() {
        let idle = |watch: &Watch| {
            watch.request_begins();
            watch.request_ends();
        };
        check(idle, 60, false);
        check(idle, 61, true);
    }

    #[test]
    fn a_request_may_take_as_long_as_it_moves() {
        check(Watch::request_begins, 3600, false);
        let awaiting = |watch: &Watch| {
            watch.request_begins();
            watch.body_awaited(true);
        };
        check(awaiting, 31, true);
        let moving = |watch: &Watch| {
            watch.request_begins();
            watch.body_awaited(true);
            watch.body_awaited(false);
        };
        check(moving, 31, false);
    }

    #[test]
    fn a_connection_with_two_requests_is_idle_when_both_have_ended() {
        let one_left = |watch: &Watch| {
            watch.request_begins();
            watch.request_begins();
            watch.request_ends();
        };
        check(one_left, 3600, false);
    }
}

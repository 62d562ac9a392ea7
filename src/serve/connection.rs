//! One client connection as its worker watches it: what it is doing and since when.
//!
//! No timer is set per request. The stream marks what happens, and the worker looks over all its connections once a
//! second and ends those that take too long.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Waker};
use std::time::Duration;

use super::snapshot::DoorLimits;
use parking_lot::Mutex;

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
    /// A byte has come.
    heard: AtomicBool,
    /// Requests being answered.
    busy: AtomicU32,
    /// No request is being answered, and none has begun to arrive, since then; or `NOT`.
    idle: AtomicU64,
    /// The first bytes of a head are here, the rest is not, since then; or `NOT`.
    head: AtomicU64,
    /// The client does not take what we write, since then; or `NOT`.
    write_blocked: AtomicU64,
    /// The client does not send the body it announced, since then; or `NOT`. Of several, the one that is awaited longest.
    body_awaited: AtomicU64,
    /// Since when each of several bodies is awaited, the oldest first.
    awaited_bodies: Mutex<Vec<u64>>,
    /// How long it has been waited for in all, in milliseconds, since the request began, without the wait that goes on.
    awaited: AtomicU64,
    /// Bytes that have come since the request began.
    arrived: AtomicU64,
    /// Answers of which a piece has been handed over and the next has not been asked for: the client does not take them.
    untaken: AtomicU32,
    /// When a piece of an answer was last asked for or handed over.
    moved: AtomicU64,
    fate: AtomicU8,
    /// A head of HTTP/2 has begun and not ended.
    head_began: AtomicBool,
    /// The connection carries no HTTP any more.
    tunnel: AtomicBool,
    /// Why its bytes are not believed any more.
    violation: Mutex<Option<&'static str>>,
    /// Whoever polls the connection first, as nearly always does all the time: then nothing has to be locked.
    task: OnceLock<Waker>,
    /// Another that polled it last.
    waker: Mutex<Option<Waker>>,
}

const NOT: u64 = u64::MAX;

/// How long a client that has not said a word may take to begin while its connection drains: its request may be on its
/// way, and it will not be told to send it elsewhere.
const LAST_CALL: Duration = Duration::from_secs(2);

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
            heard: AtomicBool::new(false),
            busy: AtomicU32::new(0),
            idle: AtomicU64::new(NOT),
            head: AtomicU64::new(start),
            write_blocked: AtomicU64::new(NOT),
            body_awaited: AtomicU64::new(NOT),
            awaited_bodies: Mutex::default(),
            awaited: AtomicU64::new(0),
            arrived: AtomicU64::new(0),
            untaken: AtomicU32::new(0),
            moved: AtomicU64::new(start),
            fate: AtomicU8::new(Fate::GoOn as u8),
            head_began: AtomicBool::new(false),
            tunnel: AtomicBool::new(false),
            violation: Mutex::new(None),
            task: OnceLock::new(),
            waker: Mutex::new(None),
        })
    }

    fn request_begins(&self) {
        let busy = self.busy.load(Relaxed);
        if busy == 0 {
            self.awaited.store(0, Relaxed);
            self.arrived.store(0, Relaxed);
        }
        self.busy.store(busy.saturating_add(1), Relaxed);
        self.idle.store(NOT, Relaxed);
        self.head.store(NOT, Relaxed);
    }

    fn request_ends(&self) {
        let left = self.busy.load(Relaxed).saturating_sub(1);
        self.busy.store(left, Relaxed);
        if left == 0 {
            self.idle.store(self.now.load(Relaxed), Relaxed);
            self.body_awaited.store(NOT, Relaxed);
        }
    }

    /// From here on what comes is not HTTP.
    pub fn becomes_tunnel(&self) {
        self.tunnel.store(true, Relaxed);
    }

    /// Why the client's bytes are not believed any more.
    pub fn violation(&self) -> Option<&'static str> {
        *self.violation.lock()
    }

    /// The client does not take what is written.
    pub(super) fn write_blocked(&self, blocked: bool) {
        self.mark(&self.write_blocked, blocked);
    }

    /// Why nothing more of the client is believed.
    pub(super) fn spoil(&self, what: &'static str) {
        *self.violation.lock() = Some(what);
    }

    pub(super) fn is_http2(&self) -> bool {
        self.http2
    }

    pub(super) fn is_tunnel(&self) -> bool {
        self.tunnel.load(Relaxed)
    }

    /// The worker's time.
    pub(super) fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    /// The client keeps us waiting for the only body that there is.
    pub fn body_awaited(&self, awaited: bool) {
        self.count_wait(awaited);
        self.mark(&self.body_awaited, awaited);
    }

    fn count_wait(&self, goes_on: bool) {
        let since = self.body_awaited.load(Relaxed);
        if !goes_on && since != NOT {
            let waited = self.now.load(Relaxed).saturating_sub(since);
            self.awaited.store(self.awaited.load(Relaxed).saturating_add(waited), Relaxed);
        }
    }

    /// One of several bodies is not awaited any more since `before`, or is since `after`.
    fn body_of_many(&self, before: Option<u64>, after: Option<u64>) {
        let mut bodies = self.awaited_bodies.lock();
        if let Some(place) = bodies.iter().position(|since| Some(*since) == before) {
            bodies.remove(place);
        }
        bodies.extend(after);
        let oldest = bodies.first().copied();
        self.count_wait(oldest.is_some());
        self.body_awaited.store(oldest.unwrap_or(NOT), Relaxed);
    }

    pub(super) fn bytes_arrived(&self, count: usize) {
        self.heard.store(true, Relaxed);
        self.arrived.store(self.arrived.load(Relaxed).saturating_add(count as u64), Relaxed);
        if !self.http2 && self.idle.swap(NOT, Relaxed) != NOT {
            self.head.store(self.now.load(Relaxed), Relaxed);
        }
    }

    /// In HTTP/2, where a head may come in several frames: whether one has begun and not ended.
    pub(super) fn head_open(&self, open: bool) {
        if open || self.head_began.swap(false, Relaxed) {
            self.mark(&self.head, open);
        }
        if open {
            self.head_began.store(true, Relaxed);
        }
    }

    fn mark(&self, cell: &AtomicU64, on: bool) {
        if !on {
            cell.store(NOT, Relaxed);
        } else if cell.load(Relaxed) == NOT {
            cell.store(self.now.load(Relaxed), Relaxed);
        }
    }

    /// Whether it has been without a request for longer than its listener allows.
    fn idles(&self) -> bool {
        self.over(&self.idle, self.limits.idle)
    }

    fn over(&self, mark: &AtomicU64, bound: Duration) -> bool {
        let since = mark.load(Relaxed);
        since != NOT && u128::from(self.now.load(Relaxed).saturating_sub(since)) > bound.as_millis()
    }

    /// Whether something of a request has taken longer than the listener allows.
    fn overdue(&self) -> bool {
        let now = self.now.load(Relaxed);
        let over = |mark: &AtomicU64, bound: Duration| self.over(mark, bound);
        let silent = self.is_draining() && !self.heard.load(Relaxed);
        let head = if silent { self.limits.head.min(LAST_CALL) } else { self.limits.head };
        over(&self.head, head)
            || over(&self.body_awaited, self.limits.body)
            || self.trickles(now)
            || over(&self.write_blocked, self.limits.body)
            // A reader that takes a byte now and then moves the socket, and never the answers.
            || (self.none_is_taken() && over(&self.moved, self.limits.body))
    }

    /// A body that has been waited for longer than one silence may last, and came more slowly than is allowed: a byte now and
    /// then is no silence, and would hold a place for ever. HTTP/2 has many bodies on one connection, and an allowance of its
    /// own for frames that carry next to nothing.
    fn trickles(&self, now: u64) -> bool {
        let since = self.body_awaited.load(Relaxed);
        if since == NOT || self.http2 || self.limits.body_rate == 0 {
            return false;
        }
        let waited = self.awaited.load(Relaxed).saturating_add(now.saturating_sub(since));
        let needed = u128::from(waited) * u128::from(self.limits.body_rate) / 1000;
        u128::from(waited) > self.limits.body.as_millis() && u128::from(self.arrived.load(Relaxed)) < needed
    }

    fn none_is_taken(&self) -> bool {
        let untaken = self.untaken.load(Relaxed);
        untaken > 0 && untaken == self.busy.load(Relaxed)
    }

    /// The worker's look: cuts what is overdue. An idle connection of HTTP/2 is told first, and cut at the next look: its client
    /// learns which request that is on its way has not been taken, and can send it again elsewhere (RFC 9113 section 6.8).
    pub fn inspect(&self) {
        let told = !self.http2 || self.is_draining();
        match (self.overdue(), self.idles()) {
            (true, _) => self.decide(Fate::Cut),
            (false, true) => self.decide(if told { Fate::Cut } else { Fate::Drain }),
            (false, false) => {}
        }
    }

    pub fn decide(&self, fate: Fate) {
        let before = self.fate.fetch_max(fate as u8, Relaxed);
        if before == Fate::GoOn as u8 && !self.heard.load(Relaxed) {
            // `LAST_CALL` runs from here.
            self.head.store(self.now.load(Relaxed), Relaxed);
        }
        self.task.get().into_iter().for_each(Waker::wake_by_ref);
        if let Some(waker) = self.waker.lock().take() {
            waker.wake();
        }
    }

    /// Whether it is to take no request more than those that are on their way.
    pub fn is_draining(&self) -> bool {
        self.fate.load(Relaxed) != Fate::GoOn as u8
    }

    /// Whether a request is on its way that would be lost if the connection ended now: the one that whoever connects is
    /// about to send, or one whose head is half here. HTTP/2 tells its clients which requests it has not taken.
    pub fn expects_head(&self) -> bool {
        !self.http2 && self.head.load(Relaxed) != NOT
    }

    /// Called at each poll of the connection: remembers whom to wake, and says what was decided.
    pub fn fate(&self, cx: &Context<'_>) -> Fate {
        if !self.task.get_or_init(|| cx.waker().clone()).will_wake(cx.waker()) {
            match &mut *self.waker.lock() {
                Some(known) => known.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        match self.fate.load(Relaxed) {
            0 => Fate::GoOn,
            1 => Fate::Drain,
            _ => Fate::Cut,
        }
    }
}

/// One of the bodies of a connection that may have many, as HTTP/2 has: what happens to the others leaves its mark alone.
pub struct AwaitedBody {
    watch: Arc<Watch>,
    /// The client keeps us waiting for it.
    since: Option<u64>,
}

impl AwaitedBody {
    pub fn of(watch: &Arc<Watch>) -> Self {
        Self { watch: Arc::clone(watch), since: None }
    }

    pub fn is_awaited(&mut self, awaited: bool) {
        if awaited != self.since.is_some() {
            let after = awaited.then(|| self.watch.now());
            self.watch.body_of_many(std::mem::replace(&mut self.since, after), after);
        }
    }
}

impl Drop for AwaitedBody {
    fn drop(&mut self) {
        self.is_awaited(false);
    }
}

/// A request being answered: until this is dropped, however that comes about. A client of HTTP/2 can take a request back at
/// any time, and its connection must be idle after that.
pub struct Busy {
    watch: Arc<Watch>,
    /// A piece of its answer is with the protocol, and the next has not been asked for.
    untaken: bool,
}

impl Busy {
    pub fn begin(watch: &Arc<Watch>) -> Self {
        watch.request_begins();
        Self { watch: Arc::clone(watch), untaken: false }
    }

    /// Marks that a piece of the answer was handed over (`true`), or the next one asked for.
    pub fn handed_over(&mut self, untaken: bool) {
        self.watch.moved.store(self.watch.now.load(Relaxed), Relaxed);
        if std::mem::replace(&mut self.untaken, untaken) != untaken {
            let before = self.watch.untaken.load(Relaxed);
            let after = if untaken { before.saturating_add(1) } else { before.saturating_sub(1) };
            self.watch.untaken.store(after, Relaxed);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.handed_over(false);
        self.watch.request_ends();
    }
}

#[cfg(test)]
mod tests;

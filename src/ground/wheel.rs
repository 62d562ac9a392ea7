//! Timeouts without a timer per request.
//!
//! A tokio `Sleep` per request costs an extra system call and 1,500 instructions. Here a timeout is a slot in a table
//! that its worker scans ten times a second: coarse, and nearly free. One wheel belongs to one worker, so its lock is
//! never contended; it exists because hyper wants its timers `Send`.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How exact the wheel is: a timeout fires up to two ticks late and never early.
pub const TICK: Duration = Duration::from_millis(100);

/// The table of pending timeouts of one worker.
pub struct Wheel {
    start: Instant,
    tick: AtomicU64,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    entries: Vec<Entry>,
    free: Vec<usize>,
}

struct Entry {
    /// The tick it fires at; `NEVER` while the slot is free or has fired.
    due: u64,
    waker: Option<Waker>,
}

const NEVER: u64 = u64::MAX;

impl Wheel {
    pub fn new(start: Instant) -> Arc<Self> {
        Arc::new(Self { start, tick: AtomicU64::new(0), slots: Mutex::default() })
    }

    /// Moves to `now` and wakes everything that is due.
    pub fn turn(&self, now: Instant) {
        let tick = ticks(now.saturating_duration_since(self.start));
        self.tick.store(tick, Ordering::Relaxed);
        let mut due = Vec::new();
        for entry in &mut self.slots.lock().entries {
            if entry.due <= tick {
                entry.due = NEVER;
                due.extend(entry.waker.take());
            }
        }
        due.into_iter().for_each(Waker::wake);
    }

    /// A future that is ready once `span` has passed.
    pub fn nap(self: &Arc<Self>, span: Duration) -> Nap {
        self.nap_of(Arc::clone(self), span)
    }

    fn nap_of<W: Deref<Target = Self>>(&self, wheel: W, span: Duration) -> Nap<W> {
        let due = self.tick.load(Ordering::Relaxed).saturating_add(ticks(span)).saturating_add(1);
        Nap { wheel, due, slot: None }
    }

    /// Runs `work` for at most `span`; `None` when it was not done by then.
    pub async fn within<F: Future>(self: &Arc<Self>, span: Duration, work: F) -> Option<F::Output> {
        let mut work = std::pin::pin!(work);
        let mut nap = self.nap_of(&**self, span);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            Pin::new(&mut nap).poll(cx).map(|()| None)
        })
        .await
    }

    /// How many timeouts are pending.
    pub fn pending(&self) -> usize {
        let slots = self.slots.lock();
        slots.entries.len() - slots.free.len()
    }
}

/// Whole ticks that cover `span`, rounded up.
fn ticks(span: Duration) -> u64 {
    u64::try_from(span.as_millis().div_ceil(TICK.as_millis())).unwrap_or(NEVER)
}

/// A pending timeout. Dropping it frees its slot.
pub struct Nap<W: Deref<Target = Wheel> = Arc<Wheel>> {
    wheel: W,
    due: u64,
    slot: Option<usize>,
}

impl<W: Deref<Target = Wheel> + Unpin> Future for Nap<W> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.wheel.tick.load(Ordering::Relaxed) >= self.due {
            return Poll::Ready(());
        }
        let due = self.due;
        let slot = {
            let mut slots = self.wheel.slots.lock();
            let slot = match self.slot.or_else(|| slots.free.pop()) {
                Some(slot) => slot,
                None => {
                    slots.entries.push(Entry { due: NEVER, waker: None });
                    slots.entries.len() - 1
                }
            };
            if let Some(entry) = slots.entries.get_mut(slot) {
                entry.due = due;
                match &mut entry.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
            }
            slot
        };
        self.slot = Some(slot);
        Poll::Pending
    }
}

impl<W: Deref<Target = Wheel>> Drop for Nap<W> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            let mut slots = self.wheel.slots.lock();
            if let Some(entry) = slots.entries.get_mut(slot) {
                *entry = Entry { due: NEVER, waker: None };
            }
            slots.free.push(slot);
        }
    }
}

impl hyper::rt::Sleep for Nap {}

/// The wheel as hyper wants it.
#[derive(Clone)]
pub struct WheelTimer(pub Arc<Wheel>);

impl hyper::rt::Timer for WheelTimer {
    fn sleep(&self, span: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(self.0.nap(span))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let due = ticks(deadline.saturating_duration_since(self.0.start)).saturating_add(1);
        Box::pin(Nap { wheel: Arc::clone(&self.0), due, slot: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ground::{Clock, ManualClock, Time};
    use std::task::Waker;

    fn poll(nap: &mut Nap) -> bool {
        Pin::new(nap).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_timeout_fires_after_its_time_and_never_before() {
        let clock = ManualClock::at(Time::from_secs(0));
        let wheel = Wheel::new(clock.instant());
        let mut nap = wheel.nap(Duration::from_secs(1));
        for _ in 0..10 {
            assert!(!poll(&mut nap));
            clock.advance(TICK);
            wheel.turn(clock.instant());
        }
        assert!(!poll(&mut nap));
        clock.advance(TICK);
        wheel.turn(clock.instant());
        assert!(poll(&mut nap));
    }

    #[test]
    fn a_dropped_timeout_gives_its_slot_back() {
        let clock = ManualClock::at(Time::from_secs(0));
        let wheel = Wheel::new(clock.instant());
        for _ in 0..1000 {
            let mut nap = wheel.nap(Duration::from_secs(15));
            assert!(!poll(&mut nap));
        }
        assert_eq!(wheel.pending(), 0);
        assert_eq!(wheel.slots.lock().entries.len(), 1);
    }
}

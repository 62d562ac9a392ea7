//! Brings shares ahead of their use, and takes back what nobody uses. Runs on the control plane.

#[cfg(test)]
pub(super) mod stage;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::fleet::Together;
use super::share::{Next, Question, Share};
use crate::ground::SharedClock;
use crate::store::StoreFault;
use crate::store::counters::{SharedCounters, Taken};

/// Questions that may be on their way at once; the rest waits its turn.
const MOST: usize = 1024;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(250);

/// Starts the keeper of all limits that are counted by `counters`. A request waits `patience` at most.
pub fn together(
    counters: SharedCounters,
    patience: Duration,
    clock: SharedClock,
    control: &tokio::runtime::Handle,
) -> Together {
    let (keeper, inbox) = unbounded_channel();
    let start = clock.instant();
    let together = Together { counters, patience, keeper, clock, start, figures: Arc::default() };
    control.spawn(Keeper::new(together.clone()).run(inbox));
    together
}

struct Keeper {
    together: Together,
    appointments: BinaryHeap<Reverse<Appointment>>,
    asking: FuturesUnordered<tokio::task::JoinHandle<Answer>>,
}

type Answer = (Arc<Share>, Question, Result<Taken, StoreFault>);

/// When a share is looked at again.
struct Appointment {
    at: u64,
    number: u32,
    share: Arc<Share>,
}

impl Keeper {
    fn new(together: Together) -> Self {
        Self { together, appointments: BinaryHeap::new(), asking: FuturesUnordered::new() }
    }

    /// Until nobody can tell it anything any more.
    async fn run(mut self, mut inbox: UnboundedReceiver<Arc<Share>>) {
        loop {
            let next = self.next_appointment();
            tokio::select! {
                told = inbox.recv(), if self.asking.len() < MOST => match told {
                    Some(share) => self.ask(share),
                    None => return,
                },
                Some(answer) = self.asking.next(), if !self.asking.is_empty() => {
                    // Only a panic makes this fail, and that has been reported where it happened.
                    if let Ok(answer) = answer {
                        self.settle(answer);
                    }
                },
                () = tokio::time::sleep(next), if !self.appointments.is_empty() => self.look(),
            }
        }
    }

    fn ask(&mut self, share: Arc<Share>) {
        // The answer that is on its way looks again.
        if share.asking.swap(true, AcqRel) {
            return;
        }
        let question = share.question(self.together.counters.nodes(), self.together.now());
        let counters = Arc::clone(&self.together.counters);
        self.asking.push(tokio::spawn(async move {
            let taken = counters.take(&share.bucket(), question.charged, question.wanted, PATIENCE).await;
            (share, question, taken)
        }));
    }

    fn settle(&mut self, (share, question, taken): Answer) {
        let (nodes, now) = (self.together.counters.nodes(), self.together.now());
        let figures = &self.together.figures;
        let next = match taken {
            Ok(taken) => {
                figures.leased.fetch_add(u64::from(taken.granted), Relaxed);
                figures.returned.fetch_add(u64::try_from(-question.charged).unwrap_or(0), Relaxed);
                share.settle(question, taken, nodes, now)
            }
            Err(_) => {
                share.lose(question, nodes, now);
                Next::Forget
            }
        };
        share.asking.store(false, Release);
        match next {
            Next::Forget => share.watched.store(false, Release),
            Next::Look(after) => self.appoint(Arc::clone(&share), now, after),
            Next::AskAgain => self.ask(Arc::clone(&share)),
        }
        share.answered.notify_waiters();
    }

    fn appoint(&mut self, share: Arc<Share>, now: u64, after: Duration) {
        share.watched.store(true, Release);
        let number = share.appointment.fetch_add(1, AcqRel).wrapping_add(1);
        let at = now.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX));
        self.appointments.push(Reverse(Appointment { at, number, share }));
    }

    fn next_appointment(&self) -> Duration {
        let at = self.appointments.peek().map_or(0, |next| next.0.at);
        Duration::from_nanos(at.saturating_sub(self.together.now()))
    }

    /// Keeps the appointments whose time has come.
    fn look(&mut self) {
        let (nodes, now) = (self.together.counters.nodes(), self.together.now());
        while self.appointments.peek().is_some_and(|next| next.0.at <= now) {
            let Some(Reverse(Appointment { number, share, .. })) = self.appointments.pop() else { return };
            if share.appointment.load(Relaxed) != number || share.asking.load(Relaxed) {
                continue;
            }
            if share.is_wanted() || share.has_too_many(nodes) {
                self.ask(share);
            } else {
                share.watched.store(false, Release);
            }
        }
    }
}

impl PartialEq for Appointment {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Appointment {}

impl PartialOrd for Appointment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Appointment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

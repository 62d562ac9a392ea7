//! Reading first, then sending: a worker decides about everything that has come before any of it goes out.
//!
//! What goes out wakes somebody: the upstream, then the client. Sent as it gets ready, each piece finds the other side
//! asleep again, having dealt with the one before; waking another processor costs an interrupt, which on a virtual machine
//! is more than everything this gateway does for a request. Sent together, one waking is for many. The same work done many
//! times in a row also stays in the processor's caches.
//!
//! Where few requests are ready at once nothing waits: there is time for each, and a turn would only make it longer (measured
//! at a third of the load that a worker can bear: by a twentieth). Where many are, the first of them waits for the deciding of
//! the others, which takes microseconds each.

use std::cell::Cell;
use std::task::Poll;

/// So many make a crowd: a third of what 64 connections that never rest bring here in a round.
const CROWD: u32 = 8;

#[derive(Clone, Copy)]
struct Round {
    /// Who came to this point since the thread last waited.
    here: u32,
    /// The same in the round before.
    before: u32,
}

thread_local! {
    static ROUND: Cell<Round> = const { Cell::new(Round { here: 0, before: 0 }) };
}

/// The thread has nothing left to do and waits. For the runtime of a worker to call.
pub fn round_is_over() {
    ROUND.with(|round| round.set(Round { here: 0, before: round.get().here }));
}

/// Lets everything go first that is ready on this thread, where there was a crowd in the round before or is one in this.
pub async fn others_first() {
    let mut waits = ROUND.with(|round| {
        let Round { here, before } = round.get();
        round.set(Round { here: here.saturating_add(1), before });
        here >= CROWD || before >= CROWD
    });
    std::future::poll_fn(|cx| {
        if !std::mem::take(&mut waits) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Who did what, in order, when as many requests are ready at once.
    async fn order(count: u32) -> Vec<(u32, &'static str)> {
        let done = RefCell::new(Vec::new());
        let one = async |name: u32| {
            done.borrow_mut().push((name, "decides"));
            others_first().await;
            done.borrow_mut().push((name, "sends"));
        };
        futures_util::future::join_all((0..count).map(one)).await;
        round_is_over();
        done.into_inner()
    }

    #[tokio::test]
    async fn few_send_at_once_and_a_crowd_when_all_of_it_is_decided() {
        let at_once = |names: std::ops::Range<u32>| names.flat_map(|name| [(name, "decides"), (name, "sends")]);
        let together = |names: std::ops::Range<u32>| {
            names.clone().map(|name| (name, "decides")).chain(names.map(|name| (name, "sends")))
        };
        let few = CROWD - 1;
        assert_eq!(order(few).await, at_once(0..few).collect::<Vec<_>>());
        let crowd = CROWD + 2;
        let noticed = at_once(0..CROWD).chain(together(CROWD..crowd));
        assert_eq!(order(crowd).await, noticed.collect::<Vec<_>>());
        assert_eq!(order(crowd).await, together(0..crowd).collect::<Vec<_>>(), "known from the round before");
        assert_eq!(order(few).await, together(0..few).collect::<Vec<_>>(), "not known before it is over");
        assert_eq!(order(few).await, at_once(0..few).collect::<Vec<_>>());
    }
}

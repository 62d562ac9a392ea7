//! Reading first, then sending: a worker decides about everything that has come before any of it goes out.
//!
//! What goes out wakes somebody: the upstream, then the client. Sent as it gets ready, each piece finds the other side
//! asleep again, having dealt with the one before; waking another processor costs an interrupt, which on a virtual machine
//! is more than everything this gateway does for a request. Sent together, one waking is for many. The same work done many
//! times in a row also stays in the processor's caches.
//!
//! Where a request is alone nothing waits. Where several are ready at once the first of them waits for the deciding of
//! the others, which takes microseconds each.

use std::cell::Cell;
use std::task::Poll;

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

/// Lets everything go first that is ready on this thread, unless this seems to be alone: the first of a round that
/// follows one with less than two.
pub async fn others_first() {
    let mut waits = ROUND.with(|round| {
        let Round { here, before } = round.get();
        round.set(Round { here: here.saturating_add(1), before });
        here > 0 || before > 1
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
    async fn order(count: u32) -> Vec<String> {
        let done = RefCell::new(Vec::new());
        let one = async |name: u32| {
            done.borrow_mut().push(format!("{name} decides"));
            others_first().await;
            done.borrow_mut().push(format!("{name} sends"));
        };
        futures_util::future::join_all((0..count).map(one)).await;
        round_is_over();
        done.into_inner()
    }

    #[tokio::test]
    async fn what_is_alone_is_sent_at_once_and_what_is_not_when_all_is_decided() {
        let alone = ["0 decides", "0 sends"];
        let first = ["0 decides", "0 sends", "1 decides", "2 decides", "1 sends", "2 sends"];
        let after = ["0 decides", "1 decides", "2 decides", "0 sends", "1 sends", "2 sends"];
        for (count, expected) in [(1, &alone[..]), (1, &alone), (3, &first), (3, &after), (1, &alone), (1, &alone)] {
            assert_eq!(order(count).await, expected);
        }
    }
}

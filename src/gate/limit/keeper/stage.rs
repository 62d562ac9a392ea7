//! A keeper that a test drives.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{Keeper, Share, Together};
use crate::ground::SharedClock;
use crate::store::SharedCounters;

/// Does what it is told to, and only then.
pub(in crate::gate::limit) struct Driven {
    keeper: Keeper,
    inbox: UnboundedReceiver<Arc<Share>>,
}

pub(in crate::gate::limit) fn driven(counters: SharedCounters, clock: SharedClock) -> Driven {
    let (keeper, inbox) = unbounded_channel();
    let (start, patience) = (clock.instant(), Duration::from_secs(20));
    let together = Together { counters, patience, keeper, clock, start, figures: Arc::default() };
    Driven { keeper: Keeper::new(together), inbox }
}

impl Driven {
    pub(in crate::gate::limit) fn together(&self) -> Together {
        self.keeper.together.clone()
    }

    /// Everything that is due, with the answers.
    pub(in crate::gate::limit) async fn turn(&mut self) {
        while let Ok(share) = self.inbox.try_recv() {
            self.keeper.ask(share);
        }
        self.keeper.look();
        while let Some(answer) = self.keeper.asking.next().await {
            self.keeper.settle(answer.unwrap());
        }
    }
}

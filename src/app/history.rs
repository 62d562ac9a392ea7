//! The reloads of this process, each with what it opened and closed: for the console.

use std::collections::VecDeque;

use serde::Serialize;

use super::house::House;
use crate::config::diff::Diff;

/// Reloads remembered.
const MOST: usize = 50;

/// One reload.
#[derive(Clone, Debug, Serialize)]
pub struct Reloaded {
    /// Milliseconds of the epoch.
    pub at: u64,
    /// Of the configuration in force after it.
    pub generation: u64,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problems: Option<String>,
    pub diff: Diff,
}

/// The newest last.
pub type History = VecDeque<Reloaded>;

impl House {
    pub(super) fn remember(&self, generation: u64, problems: Option<String>, diff: Diff) {
        let mut history = self.history.lock();
        if history.len() >= MOST {
            history.pop_front();
        }
        history.push_back(Reloaded { at: self.context.clock.now().millis(), generation, problems, diff });
    }
}

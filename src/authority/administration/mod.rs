//! What operators do to the authority's store: clients, users, keys, grants, and taking it all elsewhere.
//!
//! Works on the store alone, so that a command does it beside a running gateway, which hears of it within a second. What
//! the file says is the file's: a command changes no client of the file and no roles of a user of the file.

mod clients;
mod grants;
mod keys;
mod transfer;
mod users;

pub use clients::{ClientLine, SecretLine};
pub use grants::GrantLine;
pub use keys::KeyLine;
pub use transfer::{Change, Export, ExportedClient, ExportedUser};
pub use users::{NewUser, UserLine};

use std::sync::Arc;

use super::password::PasswordRules;
use super::sealing::Sealer;
use super::settings::Settings;
use crate::ground::{SharedClock, SharedRandom, Time};
use crate::store::{SharedStore, StoreFault};

/// Everything that an operator's command needs.
pub struct Administration {
    pub store: SharedStore,
    pub settings: Settings,
    pub sealer: Arc<Sealer>,
    pub password_rules: PasswordRules,
    pub clock: SharedClock,
    pub random: SharedRandom,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// What was asked for cannot be; the text says why and what to do.
    #[error("{0}")]
    Wish(String),
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl From<String> for Refused {
    fn from(text: String) -> Self {
        Self::Wish(text)
    }
}

impl Administration {
    fn tokens_end(&self, now: Time) -> Time {
        now.plus(self.settings.longest_token()).plus(super::LEEWAY)
    }
}

fn wish(text: impl Into<String>) -> Refused {
    Refused::Wish(text.into())
}

//! What operators do to the authority's store: clients, users, keys, grants, and taking it all elsewhere.
//!
//! Works on the store alone, so that a command does it beside a running gateway, which hears of it within a second. What
//! the file says is the file's: a command changes no client of the file and no roles of a user of the file.

mod clients;
mod grants;
mod keys;
mod node;
mod transfer;
mod users;
mod whole;

pub use clients::{ClientLine, SecretLine};
pub use grants::GrantLine;
pub use keys::KeyLine;
pub use node::Brought;
pub use transfer::{Change, Export, ExportedClient, ExportedUser};
pub use users::{NewUser, UserLine};
pub use whole::{Filled, Progress};

use std::sync::Arc;

use super::password::PasswordRules;
use super::sealing::Sealer;
use super::settings::Settings;
use crate::ground::{SharedClock, SharedRandom, Time};
use crate::observe::audit::{Audit, AuditFault, Event};
use crate::store::{SharedStore, StoreFault};

/// Everything that an operator's command needs.
pub struct Administration {
    pub store: SharedStore,
    pub settings: Settings,
    pub sealer: Arc<Sealer>,
    pub password_rules: PasswordRules,
    pub clock: SharedClock,
    pub random: SharedRandom,
    /// Where everything that is changed is told.
    pub audit: Audit,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// What was asked for cannot be; the text says why and what to do.
    #[error("{0}")]
    Wish(String),
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// Done, and not told: the log has to be mended.
    #[error(transparent)]
    Audit(#[from] AuditFault),
}

impl From<String> for Refused {
    fn from(text: String) -> Self {
        Self::Wish(text)
    }
}

/// What to do where something is sealed under another key than the configured one.
const OLD_KEY: &str = "give the file the `keys.encryption` that the old store had";

impl Administration {
    fn tokens_end(&self, now: Time) -> Time {
        now.plus(self.settings.longest_token()).plus(super::LEEWAY)
    }
}

impl Administration {
    /// Tells what a command has done, and to whom.
    async fn tell(&self, event: &'static str, about: &str, detail: impl Into<String>) -> Result<(), Refused> {
        let (mut told, detail) = (Event::named(event), detail.into());
        match event {
            "admin.client" => told.client = about.to_owned(),
            "key.made" => told.id = about.to_owned(),
            _ => told.subject = about.to_owned(),
        }
        Ok(self.audit.write(Event { detail, source: "command line".into(), ..told }).await?)
    }
}

fn wish(text: impl Into<String>) -> Refused {
    Refused::Wish(text.into())
}

//! Who did what: an append-only file of JSON lines, each chained to the one before it by SHA-256.
//!
//! In: events without a secret in them. Out: lines that have reached the operating system before the act they tell of is
//! acknowledged, and the disk within a second. Several processes may write to one file: a gateway, and commands beside it.

mod chain;
mod verify;
mod writer;

pub use chain::{Line, START};
pub use verify::{Damage, Verdict, segments, verify};
pub use writer::{Audit, AuditFault, AuditSettings};

use serde::Serialize;

/// Longest text of a field that came from outside, in characters.
const LONGEST: usize = 200;

/// Something that was done, or tried. Fields that are empty are left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Event {
    /// A dotted word: `login.ok`, `token.issued`. One of `NAMES`.
    pub event: &'static str,
    /// The user, by id; or a client that acts for itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// The grant, in hexadecimal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub grant: String,
    /// `sid`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// `jti`, or the id of a key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// How, or why not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Where it came from: an address, or `command line`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub request_id: String,
}

impl Event {
    pub fn named(event: &'static str) -> Self {
        Self { event, ..Self::default() }
    }

    /// Texts from outside take no more room than they need to be recognised.
    #[must_use]
    fn bounded(mut self) -> Self {
        for text in [&mut self.subject, &mut self.client, &mut self.scope, &mut self.detail, &mut self.session] {
            if let Some((end, _)) = text.char_indices().nth(LONGEST) {
                text.truncate(end);
                text.push('…');
            }
        }
        self
    }
}

/// One short macro, so that the table is typed once.
macro_rules! names {
    ($($name:literal $meaning:literal;)*) => {
        /// Every event there is, with what it means; `docs/audit.md` shows this table, and a test compares the two.
        pub const NAMES: &[(&str, &str)] = &[$(($name, $meaning)),*];
    };
}

names! {
    "login.ok" "A user has signed in by password.";
    "login.second_factor_ok" "A user has signed in by password and second factor.";
    "login.password_grant_ok" "A client has shown a user's password and it was right.";
    "login.failed" "A password was wrong, or there is no such user; `subject` is a digest of the name.";
    "login.second_factor_failed" "A code was wrong or used up.";
    "login.throttled" "Somebody has to wait before the next password is looked at.";
    "consent.given" "A user has allowed a client these scopes.";
    "consent.denied" "A user has not allowed a client what it asked for.";
    "consent.withdrawn" "A user has taken a client's access away.";
    "token.issued" "A client has got an access token; `detail` is the grant.";
    "token.refused" "A client has got no token, or no answer about one; `detail` says why.";
    "token.refreshed" "A client has got new tokens for a refresh token.";
    "token.repeated" "A refresh token was answered again: its answer was lost on the way.";
    "code.replayed" "A code came a second time; all that came of it is revoked.";
    "refresh.replayed" "An old refresh token came after its successor was in use; its grant is revoked.";
    "client.failed" "A client has not proven who it is; `client` is a digest of the id.";
    "token.revoked" "A client has given an access token back.";
    "grant.revoked" "A grant has ended, with its tokens.";
    "session.ended" "A user has signed out of one session.";
    "sessions.ended" "A user has signed out everywhere, or everywhere else.";
    "password.changed" "A user has a new password; other sessions and all grants have ended.";
    "second_factor.set" "A user has a second factor.";
    "second_factor.removed" "A user has no second factor any more.";
    "recovery_codes.made" "A user has new recovery codes.";
    "key.made" "A successor of a signing key was made; `detail` says by whom.";
    "file.read" "Users and clients of the file were brought in; `detail` says what changed.";
    "admin.client" "A command has changed a client; `detail` says how.";
    "admin.user" "A command has changed a user; `detail` says how.";
    "admin.grant" "A command has revoked grants.";
    "admin.import" "A command has brought an export in; `detail` says what changed.";
    "audit.torn" "The last line was not whole, as after a loss of power; `detail` says how many bytes were cut off.";
    "audit.begun" "A new file follows an older one, which was full.";
}

#[cfg(test)]
mod tests;

//! One browser's way through one request: what was asked, how far it has come. Sealed, so that the browser can carry it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::request::Request;
use crate::authority::Authority;
use crate::authority::error::OAuthError;
use crate::ground::{Digest, Random, Time};
use crate::store::User;

/// How long a page may stay open before it has to be started anew.
pub(in crate::authority) const LASTS: Duration = Duration::from_secs(2 * 3600);

/// How long the second factor may take after the first.
const BETWEEN: Duration = Duration::from_secs(5 * 60);

/// What the sealed text is for; nothing else that we seal can be taken for it.
const PURPOSE: &str = "transaction";

/// A transaction. Each page and form carries the newest copy; whether it is finished only the store knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::authority) struct Transaction {
    id: [u8; 16],
    /// Milliseconds since 1970.
    made: u64,
    /// The browser that it belongs to: digest of its cookie.
    browser: [u8; 32],
    pub purpose: Purpose,
    /// The user has said that they want this account (`prompt=select_account`).
    pub chosen: bool,
    /// The password was right, and the second factor is still to come.
    passed: Option<Passed>,
}

/// What it is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::authority) enum Purpose {
    Authorize(Request),
    /// The account page; sensitive acts there want a login that is fresh since then (milliseconds since 1970).
    Account {
        fresh_since: Option<u64>,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Passed {
    user: String,
    /// Digest of the hash that the password was held against.
    password: [u8; 32],
    at: u64,
}

impl Transaction {
    pub(in crate::authority) fn new(purpose: Purpose, browser: Digest, now: Time, random: &dyn Random) -> Self {
        Self {
            id: random.bytes(),
            made: now.millis(),
            browser: *browser.as_bytes(),
            purpose,
            chosen: false,
            passed: None,
        }
    }

    /// What stands for it in the store.
    pub(in crate::authority) fn digest(&self) -> Digest {
        Digest::of(&self.id)
    }

    pub(in crate::authority) fn id(&self) -> &[u8; 16] {
        &self.id
    }

    /// Until when its end is remembered.
    pub(in crate::authority) fn remembered_until(&self) -> Time {
        Time::from_millis(self.made).plus(LASTS)
    }

    /// The same one with the password passed.
    pub(in crate::authority) fn with_password_of(mut self, user: &User, now: Time) -> Self {
        self.passed = Some(Passed { user: user.id.clone(), password: mark_of(user), at: now.millis() });
        self
    }

    /// Whether the password that passed is still the user's.
    pub(in crate::authority) fn has_password_of(&self, user: &User) -> bool {
        self.passed.as_ref().is_some_and(|passed| passed.user == user.id && passed.password == mark_of(user))
    }

    /// Whose second factor is waited for.
    pub(in crate::authority) fn waits_for(&self, now: Time) -> Option<&str> {
        let passed = self.passed.as_ref()?;
        (now < Time::from_millis(passed.at).plus(BETWEEN)).then_some(&passed.user)
    }
}

fn mark_of(user: &User) -> [u8; 32] {
    *Digest::of(user.password.as_deref().unwrap_or_default().as_bytes()).as_bytes()
}

impl Authority {
    /// The text that pages carry.
    pub(in crate::authority) fn sealed(&self, transaction: &Transaction) -> Result<String, OAuthError> {
        let text = serde_json::to_vec(transaction);
        let text = text.map_err(|cause| OAuthError::Internal(format!("a transaction cannot be written: {cause}")))?;
        self.seal(PURPOSE, &text)
    }

    /// The transaction behind a text, if it was sealed here for this browser and is not over.
    pub(in crate::authority) fn unsealed(&self, text: &str, browser: Digest) -> Option<Transaction> {
        let transaction: Transaction = serde_json::from_slice(&self.open_sealed(PURPOSE, text)?).ok()?;
        let is_live = self.clock.now() < transaction.remembered_until();
        (is_live && transaction.browser == *browser.as_bytes()).then_some(transaction)
    }
}

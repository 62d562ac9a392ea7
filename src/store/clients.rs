//! Clients that were made by a command, and which clients the file named when it was last read.

use super::Act;
use crate::ground::Time;

/// A client made by a command. What it is registered with is the authority's business and kept as its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptClient {
    pub id: String,
    /// The registration as JSON, secrets as hashes only.
    pub registration: String,
    pub made: Time,
    /// A disabled client is refused as if it were not there, and its grants are revoked.
    pub disabled: bool,
}

/// When a secret of a client was last right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUse {
    pub client: String,
    /// The name of the secret: the first eight hexadecimal digits of the hash of what is kept of it.
    pub secret: String,
    pub used: Time,
}

/// Clients.
pub trait Clients {
    /// All clients made by commands, by id.
    fn clients(&self) -> Act<'_, Vec<KeptClient>>;

    /// Keeps a new client; `false` and no change when one of this id is kept already.
    fn add_client(&self, client: KeptClient) -> Act<'_, bool>;

    /// Replaces the registration of a client when it still is `old`; `false` and no change otherwise.
    fn change_client(&self, id: String, old: String, new: String) -> Act<'_, bool>;

    /// Disables or enables a client. Disabling revokes its grants and all tokens that it holds, up to `tokens_end`. `false`
    /// when there is none of this id.
    fn disable_client(&self, id: String, disabled: bool, now: Time, tokens_end: Time) -> Act<'_, bool>;

    /// Forgets a client, with its consents; revokes what it holds like disabling. `false` when there is none of this id.
    fn remove_client(&self, id: String, now: Time, tokens_end: Time) -> Act<'_, bool>;

    /// Revokes everything that a client holds, whoever made it: for a gateway that has just come to know that it is gone.
    fn end_client(&self, id: String, now: Time, tokens_end: Time) -> Act<'_, ()>;

    /// Notes which clients the file names now. Of those that it named before and names no more, every grant and token is
    /// revoked; their ids are given back.
    fn reconcile_clients(&self, named: Vec<String>, now: Time, tokens_end: Time) -> Act<'_, Vec<String>>;

    /// Notes that secrets were right; the later time wins.
    fn secrets_used(&self, uses: Vec<SecretUse>) -> Act<'_, ()>;

    /// When each secret was last right.
    fn secret_uses(&self) -> Act<'_, Vec<SecretUse>>;
}

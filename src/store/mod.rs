//! What must survive a restart.
//!
//! Small traits by subject, each verb one atomic act of the protocol, each backend held to them by `conformance`. Speaks
//! of keys and key sets in its own plain records; knows nobody above it. Private keys are stored as given: who wants them
//! encrypted hands them in encrypted.

#[cfg(test)]
mod conformance;
pub mod memory;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use memory::Memory;
#[cfg(feature = "sqlite")]
pub use sqlite::open_sqlite;

use std::sync::Arc;

use crate::ground::Time;

/// The store failed. Doubt closes: the caller answers 503 and never guesses.
#[derive(Debug, thiserror::Error)]
#[error("the store failed to {act}: {cause}")]
pub struct StoreFault {
    /// What was tried: `read the signing keys`.
    pub act: &'static str,
    pub cause: String,
}

/// A signing key of the authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// RFC 7638 thumbprint, base64url.
    pub id: String,
    /// JWS algorithm (RFC 7518 section 3.1): `ES256`, `RS256`.
    pub algorithm: String,
    /// PKCS#8 DER.
    pub pkcs8: Vec<u8>,
    pub made: Time,
}

/// The last good key set of an issuer, kept so that the gateway starts while the issuer is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptKeySet {
    /// The JWK set document as it was fetched (RFC 7517 section 5).
    pub document: String,
    pub fetched: Time,
}

/// Verbs run on the store's own threads; callers wait without blocking theirs.
pub trait Store: Send + Sync + 'static {
    /// All signing keys, oldest first.
    fn signing_keys(&self) -> Act<'_, Vec<SigningKey>>;

    /// Keeps `key` unless a key of its algorithm exists already, and gives the oldest of that algorithm: of two processes
    /// that start at the same moment both get the same key.
    fn first_signing_key(&self, key: SigningKey) -> Act<'_, SigningKey>;

    /// The last good key set kept under `issuer` (the issuer's identifier and place, not its name in the file).
    fn key_set(&self, issuer: String) -> Act<'_, Option<KeptKeySet>>;

    /// Replaces the kept key set, unless the one there was fetched later.
    fn keep_key_set(&self, issuer: String, set: KeptKeySet) -> Act<'_, ()>;

    /// Whether the store answers; for readiness.
    fn ping(&self) -> Act<'_, ()>;
}

/// A verb of the store on its way.
pub type Act<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, StoreFault>> + Send + 'a>>;

pub type SharedStore = Arc<dyn Store>;

//! What must survive a restart.
//!
//! Small traits by subject, each verb one atomic act of the protocol, each backend held to them by `conformance`. Speaks
//! of keys, clients, people and grants in its own plain records; knows nobody above it. Tokens and codes are kept as
//! digests. Private keys are stored as given: who wants them encrypted hands them in encrypted.

pub mod clients;
#[cfg(test)]
mod conformance;
pub mod counters;
pub mod grants;
pub mod keys;
pub mod memory;
pub mod news;
pub mod people;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod turning;
pub mod whole;

pub use clients::{Clients, KeptClient, SecretUse};
pub use counters::{Counters, SharedCounters};
pub use grants::{
    AccessToken, Allowed, Code, Grant, GrantId, Grants, Redeem, Revocation, Revoked, Turn, Turning, Whose,
};
pub use keys::{KeptKeySet, Keys, SigningKey, Succession};
pub use memory::Memory;
pub use news::News;
pub use people::{Consent, FileUser, Origin, People, Proven, Reconciled, SecondFactor, Session, Spare, User};
#[cfg(feature = "sqlite")]
pub use sqlite::open_sqlite;
pub use whole::Whole;

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

/// How far each subject has come: a number that differs when another process has changed something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    pub clients: u64,
    pub keys: u64,
    /// The number of the latest revocation.
    pub revocations: u64,
}

/// How a store is doing; for metrics and readiness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// `memory`, `sqlite`, `postgres`.
    pub kind: &'static str,
    /// Connections that are open, in use, and allowed; `None` where there are none.
    pub connections: Option<(usize, usize, usize)>,
    /// What other processes change is told at once; `None` where it never is.
    pub hears: Option<bool>,
    /// Verbs that failed since the start, where they are counted.
    pub faults: u64,
}

/// Verbs run on the store's own threads; callers wait without blocking theirs.
pub trait Store: Keys + Clients + People + Grants + Whole + Send + Sync + 'static {
    /// What has changed; cheap enough to be asked several times a second.
    fn versions(&self) -> Act<'_, Versions>;

    /// Forgets what is over at `now`: codes, sessions, grants, tokens, revocations, marks, keys. At most `most` rows of each
    /// kind, so that no other verb waits long; gives how many went.
    fn sweep(&self, now: Time, most: usize) -> Act<'_, usize>;

    /// Whether the store answers; for readiness.
    fn ping(&self) -> Act<'_, ()>;

    /// Word of what other processes change; `versions` says what it was.
    fn news(&self) -> News;

    fn status(&self) -> StoreStatus;
}

/// A verb of the store on its way.
pub type Act<'a, T> = std::pin::Pin<Box<dyn Future<Output = Result<T, StoreFault>> + Send + 'a>>;

pub type SharedStore = Arc<dyn Store>;

//! The store, as meant.

use std::path::PathBuf;
use std::time::Duration;

use super::{Certificate, NamedFile};
use crate::ground::Secret;

/// Where the gateway keeps what must survive a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    Sqlite(PathBuf),
    Postgres(Box<Postgres>),
}

/// The database of a fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// What `env` or `file` led to, without what `encrypted` says. `None` if files were not looked at.
    pub url: Option<Secret>,
    /// Hosts and database, for people; no user and no password.
    pub shown: String,
    pub encrypted: bool,
    /// PEM of the authorities; `None`: the system's.
    pub ca: Option<NamedFile>,
    pub identity: Option<Certificate>,
    /// At least one.
    pub connections: usize,
    pub timeout: Duration,
}

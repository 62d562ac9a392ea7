//! What a fleet counts and remembers together, as meant.

use std::time::Duration;

use super::NamedFile;
use crate::ground::Secret;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// `None` if files and variables were not looked at.
    pub address: Option<Address>,
    pub tls: SharedTls,
    /// What all keys begin with: letters, digits, `-`, `_` and `.`.
    pub fleet: String,
    /// How long a request waits at most; above zero.
    pub wait: Duration,
}

impl Shared {
    /// Whether a running gateway can go on with what it has. What stands in the files of `tls` is read at a start alone, so
    /// that a renewed certificate stops no reload.
    pub fn stays(&self, other: &Self) -> bool {
        let files = |tls: &SharedTls| {
            let identity = tls.identity.as_ref().map(|(certificate, _)| certificate.path.clone());
            (tls.ca.as_ref().map(|file| file.path.clone()), identity)
        };
        let rest = |shared: &Self| (shared.address.clone(), shared.fleet.clone(), shared.wait);
        rest(self) == rest(other) && files(&self.tls) == files(&other.tls)
    }
}

/// Where Redis or Valkey is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub kind: Kind,
    pub tls: bool,
    /// At least one; hosts are without brackets.
    pub hosts: Vec<(String, u16)>,
    pub user: Option<String>,
    pub password: Option<Secret>,
    /// Of the sentinels themselves.
    pub sentinel_user: Option<String>,
    pub sentinel_password: Option<Secret>,
    pub database: u32,
}

/// How servers stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Alone,
    Sentinel { master: String },
    Cluster,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedTls {
    /// PEM with at least one certificate. `None`: the system's authorities.
    pub ca: Option<NamedFile>,
    /// Certificate and key, which fit. Empty if files were not looked at.
    pub identity: Option<(NamedFile, Option<Secret>)>,
}

/// How a fleet counts one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    Lease,
    /// Refuses what cannot be counted, or counts a part of it here.
    Exact {
        refuses: bool,
    },
}

impl Sharing {
    /// As people read it, behind a limit.
    pub fn words(self) -> &'static str {
        match self {
            Self::Lease => ", shared",
            Self::Exact { refuses: false } => ", shared exactly",
            Self::Exact { refuses: true } => ", shared exactly or refused",
        }
    }
}

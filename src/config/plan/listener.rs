//! Where clients come in, as meant.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::NamedFile;
use crate::ground::Secret;

pub use crate::config::document::listen::Engine;

#[derive(Clone, Debug)]
pub struct Listener {
    pub address: SocketAddr,
    /// Empty: plain HTTP.
    pub certificates: Vec<Certificate>,
    pub trusted_proxies: Vec<IpNet>,
    pub limits: ListenerLimits,
    pub engine: Engine,
}

/// A certificate that fits its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// PEM.
    pub certificate: NamedFile,
    pub key_path: PathBuf,
    /// PEM; `None` if files were not looked at.
    pub key: Option<Secret>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerLimits {
    pub connections: u32,
    pub connections_per_address: u32,
    pub head_timeout: Duration,
    pub idle_timeout: Duration,
    pub body_timeout: Duration,
    /// Bytes a second; 0: however slowly.
    pub body_rate: u64,
}

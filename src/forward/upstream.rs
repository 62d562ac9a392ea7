//! A named group of servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use http::HeaderValue;

use super::balance::Balance;
use crate::dial::connect::Target;

/// What the file says about an upstream.
#[derive(Clone)]
pub struct UpstreamSettings {
    pub name: Arc<str>,
    /// At least one.
    pub servers: Vec<ServerSettings>,
    pub balance: Balance,
    pub host: HostMode,
    pub identity: IdentityMode,
    pub forward_token: bool,
    /// Idle connections kept per worker and server.
    pub keepalive: usize,
}

/// One server as written, and where that is.
#[derive(Clone)]
pub struct ServerSettings {
    /// `http://10.0.0.5:8080`; also its identity over reloads.
    pub text: Arc<str>,
    pub target: Target,
}

/// How long a route waits for its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name, TCP and TLS together.
    pub connect: Duration,
    /// From the last byte of the request that could be sent to the head of the answer.
    pub response: Duration,
    /// An answer breaks off when nothing has moved for this long, and a pooled connection is closed when nobody has used it.
    pub idle: Duration,
}

/// Which `Host` an upstream is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostMode {
    /// The one the client asked for.
    Original,
    /// The server's own name.
    Server,
}

/// How an upstream learns who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityMode {
    /// `X-Auth-Subject` and its kin.
    Headers,
    /// One signed token in `X-Auth-Token`.
    Signed,
    None,
}

/// An upstream that runs: settings, and state shared by all workers.
pub struct Upstream {
    pub settings: UpstreamSettings,
    pub servers: Vec<Arc<Server>>,
    pub(super) turn: AtomicUsize,
}

/// One server and how it has been doing. Outlives reloads that keep it.
pub struct Server {
    pub text: Arc<str>,
    pub target: Target,
    /// Its own name as a `Host` header.
    pub host: HeaderValue,
    pub in_flight: AtomicUsize,
    pub connect_failures: AtomicU64,
    /// Tried last until then, in milliseconds of the workers' pools' time; 0: not shunned.
    pub shunned_until: AtomicU64,
}

impl Upstream {
    /// Servers that `old` has as well keep their state and their connections, unless they are to be trusted otherwise.
    pub fn new(settings: UpstreamSettings, old: Option<&Self>) -> Self {
        let server = |settings: &ServerSettings| {
            let kept = old.and_then(|old| old.servers.iter().find(|server| server.text == settings.text));
            match kept.filter(|kept| kept.target == settings.target) {
                Some(server) => Arc::clone(server),
                None => Arc::new(Server::new(settings)),
            }
        };
        let servers = settings.servers.iter().map(server).collect();
        Self { settings, servers, turn: AtomicUsize::new(0) }
    }
}

impl Server {
    fn new(settings: &ServerSettings) -> Self {
        let host = settings.text.split_once("://").map_or(&*settings.text, |(_, authority)| authority);
        Self {
            text: Arc::clone(&settings.text),
            target: settings.target.clone(),
            host: HeaderValue::try_from(host.trim_end_matches('/')).unwrap_or(HeaderValue::from_static("")),
            in_flight: AtomicUsize::new(0),
            connect_failures: AtomicU64::new(0),
            shunned_until: AtomicU64::new(0),
        }
    }
}

/// How a server is doing, for metrics and readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    pub in_flight: usize,
    pub connect_failures: u64,
    /// The last connection to it failed, and none has succeeded since.
    pub shunned: bool,
}

impl Server {
    pub fn figures(&self) -> Figures {
        Figures {
            in_flight: self.in_flight.load(Relaxed),
            connect_failures: self.connect_failures.load(Relaxed),
            shunned: self.shunned_until.load(Relaxed) > 0,
        }
    }
}

impl Upstream {
    /// Servers whose last connection failed, and all of them.
    pub fn shunned(&self) -> (usize, usize) {
        (self.servers.iter().filter(|server| server.figures().shunned).count(), self.servers.len())
    }
}

/// Counts a request that a server is answering, until it is dropped.
pub struct InFlight(Arc<Server>);

impl InFlight {
    pub fn new(server: &Arc<Server>) -> Self {
        server.in_flight.fetch_add(1, Relaxed);
        Self(Arc::clone(server))
    }

    pub(super) fn server(&self) -> &Arc<Server> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

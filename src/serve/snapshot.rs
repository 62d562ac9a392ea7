//! What runs: one configuration, complete and immutable.

use std::sync::Arc;
use std::time::Duration;

use super::crowd::Bounds;
use crate::authority::Authority;
use crate::authority::endpoint::Endpoint;
use crate::forward::Engine;
use crate::forward::fixed::FixedAnswer;
use crate::forward::identity::IdentitySigner;
use crate::forward::upstream::{Timeouts, Upstream};
use crate::gate::Policy;
use crate::gate::admit::Admission;
use crate::gate::table::{Pattern, Table};
use crate::listen::tls::ServerTls;
use crate::observe::metrics::{RouteSeries, UpstreamSeries};
use crate::token::Verifier;

/// Everything a request needs, opened by `app` and swapped whole. A request takes one reference at its start and keeps
/// it to its end, so that it is judged by one configuration.
pub struct Snapshot {
    /// Counts up with each reload; worker tables of an older generation are dropped.
    pub generation: u64,
    pub table: Table<Route>,
    /// By listener id (`Peer::listener`). Those that a reload has taken away stay: their last connections are judged by
    /// them.
    pub doors: Vec<Door>,
    pub verifier: Arc<Verifier>,
    pub authority: Option<Arc<Authority>>,
    /// Signs `X-Auth-Token` for upstreams with `identity: signed`; there whenever one of them is.
    pub signer: Option<Arc<dyn IdentitySigner>>,
    /// What a request that found no route wears.
    pub bare: Policy,
    /// Where requests without a route are counted.
    pub unmatched: Arc<RouteSeries>,
    /// What was decided is kept for a while.
    pub remembers: bool,
    /// The realm of challenges (RFC 6750 section 3).
    pub realm: Arc<str>,
}

impl Snapshot {
    /// Changes with the configuration, and whenever a token verified before may not be good any more.
    pub fn tokens_generation(&self) -> u64 {
        self.generation.rotate_left(32).wrapping_add(self.verifier.generation())
    }
}

/// One listener's settings.
#[derive(Clone)]
pub struct Door {
    pub admission: Admission,
    pub limits: DoorLimits,
    pub tls: Option<Arc<ServerTls>>,
    /// Who reads HTTP/1.1, here and where its requests go.
    pub engine: Engine,
}

impl Door {
    /// Whether a client that shook hands for `shown` may ask for `host` on the same connection.
    pub fn same_certificate(&self, shown: &str, host: &str) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls.same_certificate(Some(shown), host))
    }
}

/// How long and how much a listener's clients may take. All bounds are per connection, `connections` per process.
#[derive(Clone, Copy, Debug)]
pub struct DoorLimits {
    pub connections: Bounds,
    /// From the first byte of a head to its last, and for a TLS handshake.
    pub head: Duration,
    /// Between requests.
    pub idle: Duration,
    /// Without one byte of a body moving in either direction.
    pub body: Duration,
    /// Bytes a second that a body has to come with, once it has been waited for that long in all; 0: however slowly.
    pub body_rate: u64,
}

/// One route, compiled.
pub struct Route {
    /// What it matches.
    pub pattern: Pattern,
    /// Where it stands in the file; `None` for the authority's own.
    pub line: Option<usize>,
    pub policy: Policy,
    pub destination: Destination,
    pub series: Arc<RouteSeries>,
    pub forward_token: bool,
    /// Whether WebSocket handshakes may pass.
    pub websocket: bool,
    /// They stand although the token that opened them has ended or was revoked.
    pub websocket_outlives_token: bool,
}

/// An upstream with its counters.
pub struct Forwarding {
    pub upstream: Arc<Upstream>,
    /// The upstream's, with those of the route put in.
    pub timeouts: Timeouts,
    pub series: Arc<UpstreamSeries>,
}

/// Who answers a permitted request.
pub enum Destination {
    Upstream(Forwarding),
    Authority(Endpoint),
    Fixed(FixedAnswer),
    /// What an upstream would have received.
    Echo,
}

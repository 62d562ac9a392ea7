//! What the file means: complete, checked, with every reference resolved. No part of it can be wrong.
//!
//! Plain structs of standard types; the texts that they were written as stand beside them where a person may want to read
//! them. `complete` says whether files and variables were looked at; only a complete plan may run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use ipnet::IpNet;

use super::place::Place;
use crate::ground::Secret;

pub mod authority;
pub mod listener;
pub mod shared;
pub mod store;
pub mod test;

pub use super::document::issuer::{Algorithm, SecretAuth};
pub use super::document::observe::LogFormat;
pub use super::document::policy::Per;
pub use super::document::upstream::{Balance, Host as HostHeader, Identity};
pub use authority::Authority;
pub use listener::{Certificate, Engine, Listener, ListenerLimits};
pub use shared::{Shared, Sharing};
pub use store::{Postgres, Store};

/// A whole gateway, as meant.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The configuration file.
    pub file: PathBuf,
    /// Files and variables were read. `false` after a check without files: contents and secrets are left out, and the plan
    /// must not run.
    pub complete: bool,
    /// At least one.
    pub listeners: Vec<Listener>,
    /// The private listener.
    pub admin: SocketAddr,
    /// Who may log in there; no two have the same name.
    pub operators: Vec<Operator>,
    pub store: Store,
    /// `None`: each gateway counts for itself.
    pub shared: Option<Shared>,
    pub authority: Option<Authority>,
    /// In the order of the file; the hosted authority is not among them.
    pub issuers: Vec<Issuer>,
    /// In the order of the file.
    pub upstreams: Vec<Upstream>,
    /// The most specific first.
    pub routes: Vec<Route>,
    /// In the order of the file.
    pub tests: Vec<test::Test>,
    /// `None`: `people` on a terminal, `json` otherwise.
    pub log: Option<LogFormat>,
    /// What the gateway decided is kept for a while, for explanations.
    pub decisions: bool,
    pub shutdown: Shutdown,
    pub warnings: Vec<Warning>,
}

/// How the gateway ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// It serves on for so long while it says that it is not ready.
    pub notice: Duration,
    /// Requests in flight may take so long to finish after that.
    pub drain: Duration,
}

/// Somebody who may see the console.
#[derive(Clone, Debug)]
pub struct Operator {
    pub name: String,
    pub password: authority::Password,
}

/// Something that works and that an operator should know about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Line in the file, from 1.
    pub line: usize,
    /// Where in the structure: `issuers.corp.url`.
    pub path: String,
    /// What kind of finding it is; `None`: not one that can be acknowledged.
    pub name: Option<&'static str>,
    pub text: String,
    pub help: Option<&'static str>,
    /// Why it is as it should be, if somebody said so.
    pub acknowledged: Option<String>,
    pub(super) place: Place,
}

/// A file that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// Ready to be opened: relative paths are already put behind the configuration's folder.
    pub path: PathBuf,
    /// Empty if files were not looked at.
    pub contents: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its name in the file.
    pub name: String,
    /// What `iss` must say, byte for byte. `None` only with introspection.
    pub url: Option<String>,
    /// At least one; one of them must be among a token's.
    pub audiences: Vec<String>,
    pub proof: Proof,
    pub claims: ClaimPaths,
    /// `None`: `at+jwt`, `JWT`, or no `typ` at all.
    pub types: Option<Vec<String>>,
    pub algorithms: Vec<Algorithm>,
    pub stale_for: Duration,
    pub refetch_every: Duration,
    pub leeway: Duration,
}

/// How an issuer's tokens are proved.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The key set is found through the metadata under the issuer's address.
    Discovery,
    Keys(KeySource),
    Introspection(Introspection),
}

/// Where public keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    Url(url::Url),
    /// A key set (JWKS) without private keys.
    File(NamedFile),
}

#[derive(Clone, Debug)]
pub struct Introspection {
    pub url: url::Url,
    pub client_id: String,
    /// `None` if files were not looked at.
    pub client_secret: Option<Secret>,
    pub auth: SecretAuth,
    pub cache_for: Duration,
    pub cache_failures_for: Duration,
    pub timeout: Duration,
}

/// Where facts live in a token; each a path from the outside in. `None`: the usual places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimPaths {
    pub scopes: Option<Vec<String>>,
    pub roles: Option<Vec<String>>,
    pub subject: Option<Vec<String>>,
    pub client: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
pub struct Upstream {
    pub name: String,
    /// At least one, each once, all with the same scheme.
    pub servers: Vec<Server>,
    /// Where names of servers may lead; `None`: wherever a service can be. At least one.
    pub addresses: Option<Vec<IpNet>>,
    pub balance: Balance,
    pub timeout: Timeout,
    pub tls: UpstreamTls,
    pub host: HostHeader,
    pub identity: Identity,
    pub forward_token: bool,
    /// Idle connections per worker and server.
    pub keepalive: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// As written.
    pub text: String,
    pub https: bool,
    /// Without brackets.
    pub host: String,
    pub port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout {
    pub connect: Duration,
    pub response: Duration,
    pub idle: Duration,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// PEM with at least one certificate. `None`: the system's authorities.
    pub ca: Option<NamedFile>,
    pub server_name: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Route {
    pub name: String,
    /// Line in the file, from 1.
    pub line: usize,
    pub pattern: Pattern,
    pub access: Access,
    pub destination: Destination,
    pub limits: Vec<Limit>,
    pub cors: Option<Cors>,
    pub body: Body,
    pub headers: Headers,
    pub forward_token: bool,
    pub websocket: bool,
    /// WebSockets stand although the token that opened them has ended or was revoked.
    pub websocket_outlives_token: bool,
    /// Its access is judged and noted, and nobody is refused by it.
    pub only_observes: bool,
}

/// What a route matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// As written, or the short form of the long one.
    pub text: String,
    pub methods: Methods,
    pub host: HostPattern,
    /// As written; starts with `/`.
    pub path: String,
    /// The path, taken apart.
    pub segments: Vec<Segment>,
}

/// `HEAD` follows `GET`: it is not named on its own unless the file does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Methods {
    All,
    Named(Vec<Method>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    Exact(String),
    /// `*.example.com`, without the `*.`.
    Under(String),
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// The last one may be empty: the path ends in `/`.
    Literal(String),
    /// `{name}`.
    Named(String),
    /// `**`, always last.
    Rest,
}

#[derive(Clone, Debug)]
pub enum Access {
    Public,
    Rule(Rule),
}

/// All of it must hold. An empty rule accepts any token of the issuers.
#[derive(Clone, Debug)]
pub struct Rule {
    pub scopes: Requirement,
    pub roles: Requirement,
    /// CEL, compiled once already.
    pub conditions: Vec<String>,
    /// Names of issuers, at least one; the hosted one is `authority`.
    pub issuers: Vec<String>,
    /// What is asked beyond that, and only observed.
    pub tries: Option<Box<Tries>>,
}

/// What a route would ask.
#[derive(Clone, Debug)]
pub struct Tries {
    pub scopes: Requirement,
    pub roles: Requirement,
    pub conditions: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    pub all: Vec<String>,
    /// Empty: nothing more is needed.
    pub any: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum Destination {
    /// Position in `Plan::upstreams`; the timeouts are those of the upstream with the route's own put in.
    Upstream {
        index: usize,
        timeout: Timeout,
    },
    Echo,
    Fixed(Fixed),
}

#[derive(Clone, Debug)]
pub struct Fixed {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Unique on its route.
    pub name: String,
    /// `100/s`, as written.
    pub text: String,
    /// At least 1.
    pub count: u32,
    pub window: Duration,
    /// At least 1.
    pub burst: u32,
    pub per: Per,
    /// It counts, and refuses nobody.
    pub only_observes: bool,
    /// `None`: each gateway for itself.
    pub shared: Option<Sharing>,
}

#[derive(Clone, Debug)]
pub struct Cors {
    /// Never together with `credentials` when `Any`.
    pub origins: Origins,
    /// `None`: any method, because a route of this path takes all.
    pub methods: Option<Vec<Method>>,
    pub headers: Vec<HeaderName>,
    pub expose: Vec<HeaderName>,
    pub credentials: bool,
    pub max_age: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    Any,
    /// Lower case, without a path; `https://app.example.com:8443`.
    Exact(Vec<String>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// In bytes.
    pub max: Option<u64>,
    /// Lower case, without parameters; empty: all.
    pub types: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    pub set: Vec<(HeaderName, HeaderValue)>,
    pub remove: Vec<HeaderName>,
}

impl Rule {
    /// Nothing but a token of the issuers is needed.
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty() && self.roles.is_empty() && self.conditions.is_empty()
    }
}

impl Requirement {
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.any.is_empty()
    }
}

/// The name under which the hosted authorization server stands among the issuers.
pub const AUTHORITY: &str = "authority";

impl Plan {
    /// Names of all issuers, the hosted one first.
    pub fn issuer_names(&self) -> Vec<Arc<str>> {
        let hosted = self.authority.as_ref().map(|_| Arc::from(AUTHORITY));
        hosted.into_iter().chain(self.issuers.iter().map(|issuer| Arc::from(&*issuer.name))).collect()
    }
}

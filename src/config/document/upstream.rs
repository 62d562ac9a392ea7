//! `upstreams`: services to forward to.

use std::time::Duration;

use ipnet::IpNet;

use super::read::{Must, OneOrMany};
use crate::config::place::At;

section! {
    /// A service to forward to.
    Upstream ("an upstream") {
        /// Its servers, for example `[http://10.0.0.5:8080, http://10.0.0.6:8080]`; `http` or `https`, all the same.
        servers: Must<Vec<At<String>>>,
        /// Networks in which servers that are given by name may lie, for example `[10.0.0.0/8]`: a name that leads elsewhere
        /// is not followed. Default: anywhere, but for link-local addresses.
        addresses: Option<OneOrMany<At<IpNet>>>,
        /// Which server is next: `round_robin` in turn, `least_request` the least busy. Default: `round_robin`.
        balance: Option<At<Balance>>,
        /// How long to wait for it.
        timeout: Option<Timeout>,
        /// How `https` servers are checked.
        tls: Option<UpstreamTls>,
        /// The `Host` it sees: `original` as the client wrote it, or `server` the server's own. Default: `original`.
        host: Option<At<Host>>,
        /// How it learns who calls: `headers` (`X-Auth-Subject` and its kin), `signed` (one JWT in `X-Auth-Token`), `none`.
        /// Default: `headers`.
        identity: Option<At<Identity>>,
        /// Pass the caller's own token on. Default: `false`.
        forward_token: Option<At<bool>>,
        /// Idle connections that each worker keeps open to each server. Default: `256`.
        keepalive: Option<At<u32>>,
    }
    later [health, retry]
    instead [url: "the key is `servers`, a list", targets: "the key is `servers`, a list"]
}

section! {
    /// How long to wait for an upstream.
    Timeout ("`timeout`") {
        /// For a connection. Default: `2s`.
        connect: Option<At<Duration>>,
        /// For the head of its answer. Default: `30s`.
        response: Option<At<Duration>>,
        /// Longest silence while bodies pass. Default: `60s`.
        idle: Option<At<Duration>>,
    }
}

section! {
    /// How the `https` servers of an upstream are checked.
    UpstreamTls ("the `tls` of an upstream") {
        /// PEM file with the authorities to trust instead of the system's.
        ca: Option<At<String>>,
        /// Name to ask for and to check, where it differs from the one in the address.
        server_name: Option<At<String>>,
    }
}

words! {
    /// Which server is next.
    Balance ("a way to balance") { RoundRobin = "round_robin", LeastRequest = "least_request" }
}

words! {
    /// The `Host` that an upstream sees.
    Host ("a choice of host") { Original = "original", Server = "server" }
}

words! {
    /// How an upstream learns who calls.
    Identity ("a form of identity") { Headers = "headers", Signed = "signed", None = "none" }
}

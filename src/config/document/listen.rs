//! `listen`: where requests come in.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::leaf::Size;
use super::read::{Must, OneOrMany};
use crate::config::place::At;

section! {
    /// One address that requests come in at.
    Listener ("a listener") {
        /// Address and port, for example `0.0.0.0:8443`, `[::]:8443` or `127.0.0.1:8080`.
        address: Must<At<SocketAddr>>,
        /// Certificate and key; a list of them where several names are served. Left out: plain HTTP.
        tls: Option<OneOrMany<Tls>>,
        /// Networks of the proxies in front of this listener. Only these may set `X-Forwarded-*`, `Forwarded` and
        /// `X-Request-Id`. Default: none. Example: `[10.0.0.0/8]`.
        trusted_proxies: Option<OneOrMany<At<IpNet>>>,
        /// Bounds on what one client can take up. Each has a safe default.
        limits: Option<ListenerLimits>,
        /// Who reads HTTP/1.1: `strict`, our own fast reading, or `compat`, hyper's for everything. Both let the same in.
        /// Default: `strict`.
        engine: Option<At<Engine>>,
    }
}

words! {
    /// Who reads HTTP/1.1.
    Engine ("an engine") { Strict = "strict", Compat = "compat" }
}

section! {
    /// A certificate and its key.
    Tls ("the `tls` of a listener") {
        /// PEM file with the certificate and its chain. It is read again at each reload.
        certificate: Must<At<String>>,
        /// PEM file with the private key.
        key: Must<At<String>>,
    }
}

section! {
    /// Bounds on what one client can take up.
    ListenerLimits ("the `limits` of a listener") {
        /// Open connections at once, of all clients together. Default: `20000`.
        connections: Option<At<u32>>,
        /// Open connections at once of one address; of IPv6, of one /64. Not for `trusted_proxies`. Default: `5000`.
        connections_per_address: Option<At<u32>>,
        /// Longest time for the head of a request to arrive. Default: `10s`.
        head_timeout: Option<At<Duration>>,
        /// Longest silence on a connection between two requests. Default: `60s`.
        idle_timeout: Option<At<Duration>>,
        /// Longest silence while the body of a request arrives. Default: `30s`.
        body_timeout: Option<At<Duration>>,
        /// Bytes a second that a body has to come with once it has been waited for as long as `body_timeout` in all: a byte now
        /// and then is no silence, and would hold a place for ever. `0B`: however slowly. HTTP/1.1 alone. Default: `64B`.
        body_rate: Option<At<Size>>,
    }
}

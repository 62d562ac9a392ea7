//! What policies see of a request: canonical, borrowed, the same for every engine.

use std::net::IpAddr;

use http::Method;

use crate::ground::Fields;

/// A borrowed view of an admitted request's head. Host and path are in the one normal form that `admit` made: what is
/// judged here is what is forwarded.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    pub method: &'a Method,
    /// Lower case, without port and trailing dot; empty only for requests that name none.
    pub host: &'a str,
    /// Starts with `/`; no dot segments, no needless percent-encoding.
    pub path: &'a str,
    /// Without the `?`.
    pub query: Option<&'a str>,
    /// The client's address: the peer's, or what a trusted proxy says.
    pub client: IpAddr,
    /// Reached us by TLS (or a trusted proxy says that it reached the proxy so).
    pub secure: bool,
    pub headers: &'a Fields,
}

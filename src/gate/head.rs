//! What policies see of a request: canonical, borrowed, the same for every engine.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

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
    pub headers: Headers<'a>,
}

/// Header look-up, whatever the engine keeps them in.
#[derive(Clone, Copy)]
pub enum Headers<'a> {
    Typed(&'a HeaderMap),
}

impl<'a> Headers<'a> {
    /// The first value of a header.
    pub fn first(self, name: &HeaderName) -> Option<&'a HeaderValue> {
        match self {
            Self::Typed(map) => map.get(name),
        }
    }

    /// All values of a header, in order.
    pub fn all(self, name: &HeaderName) -> impl Iterator<Item = &'a HeaderValue> + use<'a> {
        match self {
            Self::Typed(map) => map.get_all(name).into_iter(),
        }
    }

    /// Every line, in order.
    pub fn iter(self) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> + use<'a> {
        match self {
            Self::Typed(map) => map.iter(),
        }
    }
}

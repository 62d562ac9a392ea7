//! The endpoints: where they lie, what they take, and who answers.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};

use super::Authority;
use super::issuer::Issuer;

/// Under the issuer.
pub(super) const TOKEN: &str = "/oauth/token";
pub(super) const JWKS: &str = "/oauth/jwks";

/// Between host and path of the issuer (RFC 8414 section 3).
const METADATA: &str = "/.well-known/oauth-authorization-server";

/// Something of the authority that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// RFC 6749 section 3.2.
    Token,
    /// The public keys, RFC 7517 section 5.
    Jwks,
    /// RFC 8414.
    Metadata,
}

/// A request to an endpoint, with its body read as a whole. A body of more than 64 KiB is refused, so whoever reads it may
/// stop just behind that.
pub struct Incoming {
    pub method: Method,
    pub headers: HeaderMap,
    /// Without the `?`.
    pub query: Option<String>,
    pub body: Bytes,
    /// The client's address: the peer's, or what a trusted proxy says.
    pub client: IpAddr,
    pub request_id: Arc<str>,
}

impl Endpoint {
    /// Every endpoint with the methods it takes and its path on the issuer's host.
    pub fn paths(issuer: &Issuer) -> Vec<(Self, &'static [Method], String)> {
        let under = |path: &str| format!("{}{path}", issuer.path());
        let read: &[Method] = &[Method::GET, Method::HEAD, Method::OPTIONS];
        vec![
            (Self::Token, &[Method::POST], under(TOKEN)),
            (Self::Jwks, read, under(JWKS)),
            (Self::Metadata, read, format!("{METADATA}{}", issuer.path())),
        ]
    }
}

impl Authority {
    /// Answers any request, one with a wrong method included. For the control plane: it may wait for a slow hash.
    pub async fn answer(&self, endpoint: Endpoint, request: Incoming) -> Response<Bytes> {
        match endpoint {
            Endpoint::Token => self.token(request).await,
            Endpoint::Jwks => self.jwks.answer(&request.method),
            Endpoint::Metadata => self.metadata.answer(&request.method),
        }
    }
}

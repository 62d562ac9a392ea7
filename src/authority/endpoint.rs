//! The endpoints: where they lie, what they take, and who answers.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};

use super::Authority;
use super::issuer::Issuer;

/// Under the issuer.
pub(super) const AUTHORIZE: &str = "/oauth/authorize";
pub(super) const TOKEN: &str = "/oauth/token";
pub(super) const INTROSPECT: &str = "/oauth/introspect";
pub(super) const REVOKE: &str = "/oauth/revoke";
pub(super) const USERINFO: &str = "/oauth/userinfo";
pub(super) const JWKS: &str = "/oauth/jwks";
pub(super) const LOGOUT: &str = "/oauth/logout";
/// What pages are dressed with.
pub(super) const ASSETS: &str = "/oauth/pages";
pub(super) const LOGIN: &str = "/login";
pub(super) const CONSENT: &str = "/consent";
pub(super) const ACCOUNT: &str = "/account";

/// Between host and path of the issuer (RFC 8414 section 3).
const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";
/// Behind the issuer (OpenID Connect Discovery section 4), and between as well, for clients that follow RFC 8414.
const OPENID_METADATA: &str = "/.well-known/openid-configuration";

/// Something of the authority that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// RFC 6749 section 3.1.
    Authorize,
    /// RFC 6749 section 3.2.
    Token,
    /// RFC 7662.
    Introspect,
    /// RFC 7009.
    Revoke,
    /// OpenID Connect Core section 5.3.
    Userinfo,
    /// The public keys, RFC 7517 section 5.
    Jwks,
    /// RFC 8414 and OpenID Connect Discovery.
    Metadata,
    /// OpenID Connect RP-Initiated Logout.
    Logout,
    /// Pages for people.
    Login,
    Consent,
    Account,
    /// Style sheet and logo of the pages.
    Assets,
}

/// A request to an endpoint, with its body read as a whole. A body of more than 64 KiB is refused, so whoever reads it may
/// stop just behind that.
pub struct Incoming {
    pub method: Method,
    pub headers: HeaderMap,
    /// As it was matched, decoded and in normal form.
    pub path: String,
    /// Without the `?`.
    pub query: Option<String>,
    pub body: Bytes,
    /// The client's address: the peer's, or what a trusted proxy says.
    pub client: IpAddr,
    pub request_id: Arc<str>,
}

impl Endpoint {
    /// Every endpoint with the methods it takes and its path pattern on the issuer's host.
    pub fn paths(issuer: &Issuer) -> Vec<(Self, &'static [Method], String)> {
        let own = issuer.path();
        let under = |path: &str| format!("{own}{path}");
        const READ: &[Method] = &[Method::GET, Method::HEAD, Method::OPTIONS];
        const PAGE: &[Method] = &[Method::GET, Method::HEAD, Method::POST];
        const CALL: &[Method] = &[Method::POST, Method::OPTIONS];
        const USERINFO_METHODS: &[Method] = &[Method::GET, Method::HEAD, Method::POST, Method::OPTIONS];
        let mut paths = vec![
            (Self::Authorize, PAGE, under(AUTHORIZE)),
            (Self::Token, CALL, under(TOKEN)),
            (Self::Introspect, &[Method::POST] as &[Method], under(INTROSPECT)),
            (Self::Revoke, CALL, under(REVOKE)),
            (Self::Userinfo, USERINFO_METHODS, under(USERINFO)),
            (Self::Jwks, READ, under(JWKS)),
            (Self::Logout, PAGE, under(LOGOUT)),
            (Self::Login, PAGE, under(LOGIN)),
            (Self::Consent, PAGE, under(CONSENT)),
            (Self::Account, PAGE, under(ACCOUNT)),
            (Self::Assets, &[Method::GET, Method::HEAD], under(&format!("{ASSETS}/{{name}}"))),
            (Self::Metadata, READ, format!("{OAUTH_METADATA}{own}")),
            (Self::Metadata, READ, format!("{OPENID_METADATA}{own}")),
        ];
        if !own.is_empty() {
            paths.push((Self::Metadata, READ, under(OPENID_METADATA)));
        }
        paths
    }
}

impl Authority {
    /// Answers any request, one with a wrong method included. For the control plane: it may wait for a slow hash.
    pub async fn answer(&self, endpoint: Endpoint, request: Incoming) -> Response<Bytes> {
        match endpoint {
            Endpoint::Jwks => self.ring.document().answer(&request.method),
            Endpoint::Metadata => self.registry.load().metadata().answer(&request.method),
            Endpoint::Assets => self.asset(&request),
            Endpoint::Token | Endpoint::Revoke | Endpoint::Userinfo | Endpoint::Introspect => {
                self.called(endpoint, request).await
            }
            Endpoint::Authorize | Endpoint::Logout | Endpoint::Login | Endpoint::Consent | Endpoint::Account => {
                self.visited(endpoint, request).await
            }
        }
    }

    /// Endpoints that programs call; scripts of registered origins may read what they answer (G-10).
    async fn called(&self, endpoint: Endpoint, request: Incoming) -> Response<Bytes> {
        let origin = request.headers.get(http::header::ORIGIN).cloned();
        let origin =
            origin.filter(|origin| origin.to_str().is_ok_and(|origin| self.registry.load().has_origin(origin)));
        if request.method == Method::OPTIONS && endpoint != Endpoint::Introspect {
            return super::reply::preflight(origin);
        }
        let response = match endpoint {
            Endpoint::Revoke => self.revoke(request).await,
            Endpoint::Userinfo => self.userinfo(request).await,
            Endpoint::Introspect => return self.introspect(request).await,
            Endpoint::Token
            | Endpoint::Authorize
            | Endpoint::Jwks
            | Endpoint::Metadata
            | Endpoint::Logout
            | Endpoint::Login
            | Endpoint::Consent
            | Endpoint::Account
            | Endpoint::Assets => self.token(request).await,
        };
        super::reply::readable_by(origin, response)
    }

    /// Endpoints that people's browsers visit.
    async fn visited(&self, endpoint: Endpoint, request: Incoming) -> Response<Bytes> {
        if let Some(again) = self.again_by_get(endpoint, &request) {
            return again;
        }
        let mut visit = match self.visit(&request).await {
            Ok(visit) => visit,
            Err(error) => return self.failed_page(&request, &error),
        };
        let answer = match endpoint {
            Endpoint::Authorize => self.authorize(&request, &mut visit).await,
            Endpoint::Logout => self.logout(&request, &mut visit).await,
            Endpoint::Login => self.login(&request, &mut visit).await,
            Endpoint::Consent => self.consent(&request, &mut visit).await,
            Endpoint::Account
            | Endpoint::Token
            | Endpoint::Introspect
            | Endpoint::Revoke
            | Endpoint::Userinfo
            | Endpoint::Jwks
            | Endpoint::Metadata
            | Endpoint::Assets => self.account(&request, &mut visit).await,
        };
        visit.dress(answer.unwrap_or_else(|error| self.failed_page(&request, &error)))
    }
}

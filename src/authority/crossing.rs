//! A request that another site posts: browsers send our cookies (`SameSite=Lax`) with a GET of another site alone.
//!
//! So whoever posts from elsewhere is asked to come again with a GET, and then we know the browser. Without that we would
//! take it for a new one, find no session to end, and give it a name in place of the one that its other tabs go by.

use bytes::Bytes;
use http::header::COOKIE;
use http::{HeaderMap, Method, Response};

use super::Authority;
use super::endpoint::{AUTHORIZE, Endpoint, Incoming, LOGOUT};
use super::form::Form;
use super::reply::see_other;

/// What the names of all our cookies begin with.
const OURS: &str = "__Host-portcullis-";

/// No longer address is made: browsers, proxies and our own door take this much.
const LONGEST: usize = 7 * 1024;

impl Authority {
    /// The answer that brings the browser back with a GET and its cookies; `None` where nothing would be won by it.
    pub(super) fn again_by_get(&self, endpoint: Endpoint, incoming: &Incoming) -> Option<Response<Bytes>> {
        let path = match endpoint {
            Endpoint::Authorize => AUTHORIZE,
            Endpoint::Logout => LOGOUT,
            Endpoint::Token
            | Endpoint::Introspect
            | Endpoint::Revoke
            | Endpoint::Userinfo
            | Endpoint::Jwks
            | Endpoint::Metadata
            | Endpoint::Login
            | Endpoint::Consent
            | Endpoint::Account
            | Endpoint::Assets => return None,
        };
        if incoming.method != Method::POST || is_from_here(&incoming.headers) || has_cookies(&incoming.headers) {
            return None;
        }
        let form = Form::read_lenient(&incoming.headers, &incoming.body).ok()?;
        // An answer to a question of ours is no request of an application.
        if form.one("decision").is_some() {
            return None;
        }
        let query = std::str::from_utf8(&incoming.body).ok().filter(|body| body.bytes().all(is_of_a_query))?;
        let address = format!("{}?{query}", self.path(path));
        (address.len() <= LONGEST).then(|| see_other(&address))
    }
}

fn is_from_here(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin")
}

fn has_cookies(headers: &HeaderMap) -> bool {
    let pairs = headers.get_all(COOKIE).into_iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.map(<[u8]>::trim_ascii).any(|pair| pair.starts_with(OURS.as_bytes()))
}

/// What a form looks like when a browser has written it; all of it may stand in an address.
fn is_of_a_query(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"*-._~+%&=:/@!$'(),;?".contains(&byte)
}

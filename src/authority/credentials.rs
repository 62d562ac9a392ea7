//! Which client says it is asking, and with what proof? Read from the request, believed by nobody yet.

use base64_simd::{STANDARD, STANDARD_NO_PAD};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::assertion;
use super::client::AuthMethod;
use super::error::{ClientRefusal, OAuthError};
use super::form::{Form, decoded};
use crate::ground::Secret;

/// RFC 7523 section 2.2.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a request claims about its client.
pub(super) struct Credentials {
    pub method: AuthMethod,
    pub claim: Claim,
    /// The same credentials without form-decoding: many clients send them so, and RFC 6749 section 2.3.1 is easily
    /// overlooked. Looked at only when `claim` is not right.
    pub plain: Option<Claim>,
}

/// A client id and the secret that should belong to it.
#[derive(PartialEq, Eq)]
pub(super) struct Claim {
    pub id: String,
    pub secret: Secret,
}

impl Credentials {
    /// Both readings, the one of the RFC first.
    pub(super) fn claims(&self) -> impl Iterator<Item = &Claim> {
        std::iter::once(&self.claim).chain(&self.plain)
    }

    /// Exactly one mechanism, or an error (RFC 6749 section 2.3).
    pub(super) fn read(headers: &HeaderMap, form: &Form) -> Result<Self, OAuthError> {
        let mut lines = headers.get_all(AUTHORIZATION).into_iter();
        let header = lines.next();
        if lines.next().is_some() {
            return Err(OAuthError::Malformed("there is more than one Authorization header"));
        }
        let posted = form.one("client_secret");
        let assertion = form.one("client_assertion").or(form.one("client_assertion_type"));
        if usize::from(header.is_some()) + usize::from(posted.is_some()) + usize::from(assertion.is_some()) > 1 {
            return Err(OAuthError::Malformed("the client authenticates in more than one way"));
        }
        if let Some(header) = header {
            let malformed = OAuthError::Client { why: ClientRefusal::HeaderMalformed, challenge: true };
            let credentials = header.to_str().ok().and_then(basic).ok_or(malformed)?;
            return credentials.agree_with(form.one("client_id"));
        }
        if assertion.is_some() {
            return Self::asserted(form);
        }
        let Some(id) = form.one("client_id") else {
            return Err(OAuthError::Client { why: ClientRefusal::Unnamed, challenge: true });
        };
        let method = if posted.is_some() { AuthMethod::Post } else { AuthMethod::None };
        let claim = Claim { id: id.to_owned(), secret: Secret::new(posted.unwrap_or_default()) };
        Ok(Self { method, claim, plain: None })
    }

    /// A signed statement (RFC 7523 section 2.2). The id is what it says of itself; `client_id` beside it must be the same.
    fn asserted(form: &Form) -> Result<Self, OAuthError> {
        let refused = |why| OAuthError::Client { why: ClientRefusal::Assertion(why), challenge: false };
        if form.one("client_assertion_type") != Some(ASSERTION) {
            return Err(refused("its client_assertion_type is not the one of RFC 7523"));
        }
        let assertion = form.one("client_assertion").ok_or_else(|| refused("it is missing"))?;
        let id = assertion::client_id(assertion).ok_or_else(|| refused("it is not a signed token with a sub"))?;
        if form.one("client_id").is_some_and(|named| named != id) {
            return Err(refused("client_id is another than its sub"));
        }
        let claim = Claim { id, secret: Secret::new(assertion) };
        Ok(Self { method: AuthMethod::PrivateKeyJwt, claim, plain: None })
    }

    /// A `client_id` in the body beside the header must be the same.
    fn agree_with(self, client_id: Option<&str>) -> Result<Self, OAuthError> {
        let own = |id: &str| id == self.claim.id || self.plain.as_ref().is_some_and(|plain| id == plain.id);
        if client_id.is_some_and(|id| !own(id)) {
            return Err(OAuthError::Malformed("the request names two clients"));
        }
        Ok(self)
    }
}

/// Reads an `Authorization` header of the scheme Basic (RFC 7617); `None` for anything else.
fn basic(header: &str) -> Option<Credentials> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let encoded = encoded.trim_matches(' ');
    let bytes = STANDARD.decode_to_vec(encoded).or_else(|_| STANDARD_NO_PAD.decode_to_vec(encoded)).ok()?;
    let text = Secret::new(String::from_utf8(bytes).ok()?);
    let (id, secret) = text.expose().split_once(':')?;
    let plain = Claim { id: id.to_owned(), secret: Secret::new(secret) };
    let credentials = match decoded(id).zip(decoded(secret)) {
        Some((id, secret)) => {
            let claim = Claim { id, secret: Secret::new(secret) };
            let plain = (claim != plain).then_some(plain);
            Credentials { method: AuthMethod::Basic, claim, plain }
        }
        None => Credentials { method: AuthMethod::Basic, claim: plain, plain: None },
    };
    Some(credentials)
}

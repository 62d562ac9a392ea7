//! The UserInfo endpoint (OpenID Connect Core section 5.3): who is it, told to whoever holds an access token for that.

use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::Authority;
use super::endpoint::Incoming;
use super::error::OAuthError;
use super::form::Form;
use super::own_token::OwnToken;
use super::reply::unkept_json;
use super::scope::{EMAIL, OPENID, PROFILE};
use crate::store::User;
use crate::token::bearer::{self, Presented};

/// Why nothing is told (RFC 6750 section 3.1).
enum Refusal {
    NoToken,
    Malformed,
    Invalid,
    NoScope,
    Other(OAuthError),
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        Self::Other(error)
    }
}

impl Authority {
    pub(super) async fn userinfo(&self, request: Incoming) -> Response<Bytes> {
        match self.told(&request).await {
            Ok(claims) => unkept_json(StatusCode::OK, &Value::Object(claims)),
            Err(Refusal::Other(error)) => error.into_response(&request.request_id),
            Err(Refusal::NoToken) => challenge(StatusCode::UNAUTHORIZED, None),
            Err(Refusal::Malformed) => challenge(StatusCode::BAD_REQUEST, Some("invalid_request")),
            Err(Refusal::Invalid) => challenge(StatusCode::UNAUTHORIZED, Some("invalid_token")),
            Err(Refusal::NoScope) => challenge(StatusCode::FORBIDDEN, Some("insufficient_scope")),
        }
    }

    async fn told(&self, request: &Incoming) -> Result<Map<String, Value>, Refusal> {
        if request.method != Method::GET && request.method != Method::POST && request.method != Method::HEAD {
            return Err(OAuthError::Method { allow: "GET, HEAD, POST, OPTIONS" }.into());
        }
        let token = presented(request)?;
        let own = self.own_token(&token).await?.ok_or(Refusal::Invalid)?;
        let Some((grant, generation)) = own.grant else { return Err(Refusal::NoScope) };
        if !own.has_scope(OPENID) {
            return Err(Refusal::NoScope);
        }
        let user = self.store.user(own.text("sub").to_owned()).await.map_err(OAuthError::from)?;
        let user = user.filter(|user| !user.disabled).ok_or(Refusal::Invalid)?;
        self.store.confirm_grant(grant, generation).await.map_err(OAuthError::from)?;
        Ok(claims(&own, &user))
    }
}

/// The header, or the form of a POST (RFC 6750 sections 2.1 and 2.2); never the query.
fn presented(request: &Incoming) -> Result<String, Refusal> {
    let in_header = bearer::find(request.headers.get_all(AUTHORIZATION).iter().map(http::HeaderValue::as_bytes));
    let in_header = in_header.and_then(|found| found.map(Presented::token).transpose());
    let in_header = in_header.map_err(|_| Refusal::Malformed)?.map(str::to_owned);
    let in_form = if request.method == Method::POST && !request.body.is_empty() {
        Form::read(&request.headers, &request.body)?.one("access_token").map(str::to_owned)
    } else {
        None
    };
    match (in_header, in_form) {
        (Some(_), Some(_)) => Err(Refusal::Malformed),
        (Some(token), None) | (None, Some(token)) => Ok(token),
        (None, None) => Err(Refusal::NoToken),
    }
}

/// Section 5.4: what each scope tells.
fn claims(own: &OwnToken, user: &User) -> Map<String, Value> {
    let mut claims = Map::new();
    if own.has_scope(PROFILE) {
        // A profile that is not an object tells nothing; it is written by us alone.
        if let Ok(Value::Object(profile)) = serde_json::from_str(&user.profile) {
            claims.extend(profile);
        }
        claims.insert("preferred_username".to_owned(), Value::from(user.name.as_str()));
    }
    if let Some(email) = user.email.as_ref().filter(|_| own.has_scope(EMAIL)) {
        claims.insert("email".to_owned(), Value::from(email.as_str()));
        claims.insert("email_verified".to_owned(), Value::from(user.email_verified));
    }
    claims.insert("sub".to_owned(), Value::from(user.id.as_str()));
    claims
}

fn challenge(status: StatusCode, error: Option<&'static str>) -> Response<Bytes> {
    let (body, text) = match error {
        None => (json!({}), r#"Bearer realm="userinfo""#.to_owned()),
        Some("insufficient_scope") => (
            json!({"error": "insufficient_scope"}),
            r#"Bearer realm="userinfo", error="insufficient_scope", scope="openid""#.to_owned(),
        ),
        Some(error) => (json!({"error": error}), format!(r#"Bearer realm="userinfo", error="{error}""#)),
    };
    let mut response = unkept_json(status, &body);
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}

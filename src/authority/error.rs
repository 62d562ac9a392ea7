//! What goes wrong at an OAuth endpoint: precise for the log, the codes of the RFCs for the client.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::reply::{after, unkept_json};
use crate::store::StoreFault;

/// Why there is no token. `Display` is for the log; what the client is told is less, and never contains its own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    #[error("the method is not one of `{allow}`")]
    Method { allow: &'static str },
    #[error("the body is too large")]
    BodyTooLarge,
    #[error("the body has a content encoding")]
    BodyEncoded,
    /// RFC 6749 section 5.2, `invalid_request`.
    #[error("{0}")]
    Malformed(&'static str),
    /// `challenge`: the client used the `Authorization` header, so the answer names the scheme that it should have used.
    #[error("client authentication failed: {why}")]
    Client { why: ClientRefusal, challenge: bool },
    #[error("the grant type is not supported")]
    GrantUnsupported,
    #[error("the client is not registered for this grant")]
    GrantNotAllowed,
    #[error("{0}")]
    Scope(&'static str),
    /// The code, refresh token or password does not give anything (RFC 6749 section 5.2, `invalid_grant`). The text is for
    /// the log: who tries learns no more.
    #[error("{0}")]
    Grant(&'static str),
    /// RFC 7009 section 2.2.1.
    #[error("this kind of token cannot be revoked here")]
    TokenTypeUnsupported,
    /// RFC 8707 section 2, `invalid_target`.
    #[error("{0}")]
    Target(&'static str),
    #[error("too many wrong secrets for this client from this address")]
    TooManyFailures { retry_after: Duration },
    #[error("too many requests wait for a secret to be checked")]
    Busy { retry_after: Duration },
    /// The store failed: nothing is known, so nothing is said. Never `invalid_grant`: clients throw sessions away on that.
    #[error("{0}")]
    Store(String),
    /// Our own fault; the text is for the log alone.
    #[error("{0}")]
    Internal(String),
}

/// Why a client was not believed. The client hears the same for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientRefusal {
    /// RFC 6749 section 5.2: `no client authentication included`.
    #[error("the request names no client")]
    Unnamed,
    #[error("there is no such client")]
    Unknown,
    #[error("the secret is wrong")]
    SecretWrong,
    #[error("no secret was sent")]
    SecretMissing,
    #[error("the Authorization header does not hold Basic credentials")]
    HeaderMalformed,
    #[error("the client is registered for another way to authenticate")]
    MethodNotRegistered,
    #[error("the client's assertion is not good: {0}")]
    Assertion(&'static str),
}

impl From<StoreFault> for OAuthError {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault.to_string())
    }
}

impl OAuthError {
    /// The word of the RFC: RFC 6749 sections 4.1.2.1 and 5.2, RFC 8707 section 2.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Method { .. } | Self::BodyTooLarge | Self::BodyEncoded | Self::Malformed(_) => "invalid_request",
            Self::Client { .. } => "invalid_client",
            Self::GrantUnsupported => "unsupported_grant_type",
            Self::GrantNotAllowed => "unauthorized_client",
            Self::Scope(_) => "invalid_scope",
            Self::Target(_) => "invalid_target",
            Self::Grant(_) => "invalid_grant",
            Self::TokenTypeUnsupported => "unsupported_token_type",
            // Never `invalid_client`: clients throw good credentials away on that.
            Self::TooManyFailures { .. } | Self::Busy { .. } | Self::Store(_) => "temporarily_unavailable",
            Self::Internal(_) => "server_error",
        }
    }

    pub fn status(&self) -> StatusCode {
        match self {
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyEncoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Client { .. } => StatusCode::UNAUTHORIZED,
            Self::Malformed(_)
            | Self::GrantUnsupported
            | Self::GrantNotAllowed
            | Self::Scope(_)
            | Self::Grant(_)
            | Self::TokenTypeUnsupported
            | Self::Target(_) => StatusCode::BAD_REQUEST,
            Self::TooManyFailures { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy { .. } | Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One fixed sentence in the characters that RFC 6749 section 5.2 allows.
    pub(super) fn description(&self) -> &'static str {
        match self {
            Self::Method { .. } => "this endpoint does not take that method",
            Self::BodyTooLarge => "the body is too large",
            Self::BodyEncoded => "the body must not have a content encoding",
            Self::Malformed(text) | Self::Scope(text) | Self::Target(text) => text,
            Self::Client { .. } => "client authentication failed",
            Self::GrantUnsupported => "this grant type is not supported",
            Self::GrantNotAllowed => "the client is not registered for this grant type",
            Self::Grant(_) => "the grant is not valid: it is unknown, over, revoked, used up or for another client",
            Self::TokenTypeUnsupported => "this kind of token cannot be revoked here",
            Self::TooManyFailures { .. } => "too many failed attempts; wait before the next one",
            Self::Busy { .. } | Self::Store(_) => "the server is busy; try again in a moment",
            Self::Internal(_) => "the server failed to handle the request",
        }
    }

    /// The answer. The request id lets whoever asks be told more by whoever reads the log.
    pub(super) fn into_response(self, request_id: &str) -> Response<Bytes> {
        let body = json!({"error": self.code(), "error_description": self.description(), "request_id": request_id});
        let mut response = unkept_json(self.status(), &body);
        let wait = self.wait();
        let headers = response.headers_mut();
        match self {
            Self::Method { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::Client { challenge: true, .. } => {
                let challenge = HeaderValue::from_static(r#"Basic realm="token endpoint", charset="UTF-8""#);
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            Self::TooManyFailures { .. }
            | Self::Busy { .. }
            | Self::Store(_)
            | Self::Client { challenge: false, .. }
            | Self::Grant(_)
            | Self::TokenTypeUnsupported
            | Self::BodyTooLarge
            | Self::BodyEncoded
            | Self::Malformed(_)
            | Self::GrantUnsupported
            | Self::GrantNotAllowed
            | Self::Scope(_)
            | Self::Target(_)
            | Self::Internal(_) => {}
        }
        match wait {
            Some(wait) => after(wait, response),
            None => response,
        }
    }

    /// When asking again makes sense, where it is no matter of what was asked.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::TooManyFailures { retry_after } | Self::Busy { retry_after } => Some(*retry_after),
            Self::Store(_) => Some(Duration::from_secs(1)),
            Self::Method { .. }
            | Self::Client { .. }
            | Self::Grant(_)
            | Self::TokenTypeUnsupported
            | Self::BodyTooLarge
            | Self::BodyEncoded
            | Self::Malformed(_)
            | Self::GrantUnsupported
            | Self::GrantNotAllowed
            | Self::Scope(_)
            | Self::Target(_)
            | Self::Internal(_) => None,
        }
    }
}

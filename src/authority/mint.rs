//! Makes access tokens: signed JWTs by RFC 9068.

use serde::Serialize;
use serde_json::{Value, json};

use super::Authority;
use super::client::Client;
use super::error::OAuthError;
use super::issuer::Resource;

/// The media type in the header, which keeps an access token from being taken for any other kind (RFC 9068 section 2.1).
const KIND: &str = "at+jwt";

/// Who gets a token, and for what; all of it decided already.
pub(super) struct Grantee<'a> {
    pub client: &'a Client,
    pub subject: &'a str,
    /// Space separated, at least one.
    pub scope: String,
    pub resource: &'a Resource,
}

/// A token with what its bearer is told about it.
pub(super) struct AccessToken {
    token: String,
    /// Whole seconds.
    expires_in: u64,
    pub scope: String,
    /// `jti`: what stands for the token in the log.
    pub id: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    client_id: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
    scope: &'a str,
}

impl Authority {
    pub(super) fn mint(&self, grantee: Grantee<'_>) -> Result<AccessToken, OAuthError> {
        let Grantee { client, subject, scope, resource } = grantee;
        let expires_in = client.access_tokens_for().unwrap_or(self.settings.access_tokens_for).as_secs();
        let now = self.clock.now().secs();
        let id = self.random.token(16);
        let claims = Claims {
            iss: self.settings.issuer.as_str(),
            sub: subject,
            aud: resource.as_str(),
            client_id: client.id(),
            iat: now,
            exp: now.saturating_add(expires_in),
            jti: &id,
            scope: &scope,
        };
        let token = self.ring.signer().sign(KIND, &claims);
        let token = token.map_err(|cause| OAuthError::Internal(format!("cannot sign a token: {cause}")))?;
        Ok(AccessToken { token, expires_in, scope, id })
    }
}

impl AccessToken {
    /// The answer of the token endpoint (RFC 6749 section 5.1); `scope` always, so that nobody has to guess it.
    pub(super) fn into_answer(self) -> Value {
        json!({
            "access_token": self.token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": self.scope,
        })
    }
}

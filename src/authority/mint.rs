//! Makes access tokens: signed JWTs by RFC 9068, or random texts that stand for the same claims.

use base64_simd::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::Authority;
use super::client::{Client, TokenFormat};
use super::error::OAuthError;
use super::issuer::Resource;
use crate::ground::{Digest, Time};
use crate::store::{self, Grant};
pub(super) use crate::token::hosted::OPAQUE;

/// The media type in the header, which keeps an access token from being taken for any other kind (RFC 9068 section 2.1).
const KIND: &str = "at+jwt";

/// Who gets a token, and for what; all of it decided already.
pub(super) struct Grantee<'a> {
    pub client: &'a Client,
    pub subject: &'a str,
    /// At least one.
    pub scope: Vec<String>,
    pub resource: &'a Resource,
    /// What a user allowed; `None`: the client acts for itself.
    pub grant: Option<&'a Grant>,
    pub roles: &'a [String],
}

/// A token with what its bearer is told about it.
pub(super) struct AccessToken {
    pub token: String,
    /// Whole seconds.
    pub expires_in: u64,
    /// Space separated.
    pub scope: String,
    /// `jti`: what stands for the token in the log.
    pub id: String,
}

/// RFC 9068 section 2.2. `grant` is ours: grant, generation and epoch, by which a token can be revoked.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    amr: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    roles: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<String>,
}

impl Authority {
    pub(super) async fn mint(&self, grantee: Grantee<'_>) -> Result<AccessToken, OAuthError> {
        let Grantee { client, subject, scope, resource, grant, roles } = grantee;
        let (format, lasts) = self.settings.token_terms(client, resource);
        let now = self.clock.now();
        // Never longer than what it comes from.
        let lasts = grant.map_or(lasts, |grant| lasts.min(grant.end().since(now)));
        let (scope, id) = (scope.join(" "), self.random.token(16));
        let claims = Claims {
            iss: self.settings.issuer.as_str(),
            sub: subject,
            aud: resource.as_str(),
            client_id: client.id(),
            iat: now.secs(),
            exp: now.secs().saturating_add(lasts.as_secs()),
            jti: &id,
            scope: &scope,
            auth_time: grant.map(|grant| grant.allowed.authenticated.secs()),
            amr: grant.map_or(&[], |grant| &grant.allowed.methods),
            roles,
            grant: grant.map(written),
        };
        let token = match format {
            TokenFormat::Jwt => self.sign(self.settings.access_tokens.algorithm, KIND, &claims).await?,
            TokenFormat::Opaque => self.kept(&claims, client, grant).await?,
        };
        Ok(AccessToken { token, expires_in: lasts.as_secs(), scope, id })
    }

    async fn kept(&self, claims: &Claims<'_>, client: &Client, grant: Option<&Grant>) -> Result<String, OAuthError> {
        let token = format!("{OPAQUE}{}", self.random.token(32));
        let claims_text = serde_json::to_string(claims)
            .map_err(|cause| OAuthError::Internal(format!("cannot write the claims of a token: {cause}")))?;
        let row = store::AccessToken {
            digest: Digest::of(token.as_bytes()),
            id: claims.jti.to_owned(),
            client: client.id().to_string(),
            subject: claims.sub.to_owned(),
            grant: grant.map(|grant| (grant.id, grant.generation, grant.epoch)),
            claims: claims_text,
            ends: Time::from_secs(claims.exp),
        };
        self.store.keep_token(row).await?;
        Ok(token)
    }
}

/// `<grant id>.<generation>.<epoch>`, as the gateway reads it.
fn written(grant: &Grant) -> String {
    format!("{}.{}.{}", URL_SAFE_NO_PAD.encode_to_string(grant.id.0), grant.generation, grant.epoch)
}

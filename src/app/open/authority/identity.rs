//! `identity: signed`: statements of who calls, signed with the authority's key.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use serde::Serialize;

use crate::authority::Authority;
use crate::forward::identity::IdentitySigner;
use crate::gate::Identity;
use crate::ground::{SharedRandom, SystemRandom, Time};

/// How long a signed identity is good: long enough for a slow upstream, too short to be worth stealing.
const IDENTITY_LIFETIME: Duration = Duration::from_secs(60);

/// Signs identities with the authority's key.
pub fn identity_signer(authority: &Arc<Authority>) -> Arc<dyn IdentitySigner> {
    Arc::new(Signed {
        authority: Arc::clone(authority),
        issuer: authority.settings().issuer().as_str().to_owned(),
        random: Arc::new(SystemRandom),
    })
}

struct Signed {
    authority: Arc<Authority>,
    issuer: String,
    random: SharedRandom,
}

/// What `X-Auth-Token` says. Its `typ` is `identity+jwt`, so that nobody takes it for an access token.
#[derive(Serialize)]
struct Statement<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    scope: String,
    roles: Vec<&'a str>,
    /// Name of the issuer whose token was shown.
    token_issuer: &'a str,
}

impl IdentitySigner for Signed {
    fn sign(&self, identity: &Identity, audience: &str, now: Time) -> Option<HeaderValue> {
        let claims = &identity.claims;
        let statement = Statement {
            iss: &self.issuer,
            aud: audience,
            iat: now.secs(),
            exp: now.plus(IDENTITY_LIFETIME).secs(),
            jti: self.random.token(16),
            sub: claims.subject.as_deref(),
            client_id: claims.client.as_deref(),
            scope: claims.scopes.join(" "),
            roles: claims.roles.iter().map(|role| &**role).collect(),
            token_issuer: &claims.issuer,
        };
        let token = self.authority.signer().ok()?.sign("identity+jwt", &statement).ok()?;
        HeaderValue::try_from(token).ok()
    }
}

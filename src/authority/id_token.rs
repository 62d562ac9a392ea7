//! ID tokens (OpenID Connect Core section 2): who logged in, told to the client.

use aws_lc_rs::digest;
use base64_simd::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::Authority;
use super::client::Client;
use super::error::OAuthError;
use crate::store::Allowed;
use crate::token::jwt::Algorithm;

/// How long a client may take to look at it.
const LASTS_SECONDS: u64 = 10 * 60;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    /// Only when asked for (section 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<String>,
}

impl Authority {
    /// The ID token for a login; `access_token` is the one that goes with it (section 3.1.3.6).
    pub(super) async fn id_token(
        &self,
        client: &Client,
        allowed: &Allowed,
        nonce: Option<&str>,
        access_token: Option<&str>,
    ) -> Result<String, OAuthError> {
        let algorithm = client.parts().id_token_algorithm;
        let now = self.clock.now().secs();
        let claims = Claims {
            iss: self.settings.issuer.as_str(),
            sub: &allowed.user,
            aud: client.id(),
            iat: now,
            exp: now.saturating_add(LASTS_SECONDS),
            nonce,
            auth_time: allowed.tells_auth_time.then_some(allowed.authenticated.secs()),
            amr: &allowed.methods,
            sid: allowed.session.as_deref(),
            at_hash: access_token.map(|token| half_hash(algorithm, token)),
        };
        self.sign(algorithm, "JWT", &claims).await
    }
}

/// The left half of the hash that belongs to the signature algorithm (section 3.1.3.6).
fn half_hash(algorithm: Algorithm, token: &str) -> String {
    let hash = match algorithm {
        Algorithm::Es256 | Algorithm::Rs256 | Algorithm::Ps256 => &digest::SHA256,
        Algorithm::Es384 | Algorithm::Rs384 | Algorithm::Ps384 => &digest::SHA384,
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::EdDsa => &digest::SHA512,
    };
    let hash = digest::digest(hash, token.as_bytes());
    let half = hash.as_ref().len() / 2;
    URL_SAFE_NO_PAD.encode_to_string(hash.as_ref().get(..half).unwrap_or_default())
}

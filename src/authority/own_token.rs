//! Reads access tokens that were made here, for the endpoints that take them: introspection, userinfo.

use serde_json::{Map, Value};

use super::Authority;
use super::error::OAuthError;
use super::mint::OPAQUE;
use crate::ground::{Digest, Time};
use crate::store::GrantId;
use crate::token::hosted::parsed;
use crate::token::jwt::{Compact, jwk};

/// A live access token of ours.
pub(super) struct OwnToken {
    /// As in RFC 9068 section 2.2.
    pub claims: Map<String, Value>,
    /// Grant and generation, where a user is behind it.
    pub grant: Option<(GrantId, u32)>,
}

impl OwnToken {
    pub(super) fn text(&self, claim: &str) -> &str {
        self.claims.get(claim).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn has_scope(&self, scope: &str) -> bool {
        self.text("scope").split(' ').any(|own| own == scope)
    }

    pub(super) fn expires(&self) -> Time {
        Time::from_secs(self.claims.get("exp").and_then(Value::as_u64).unwrap_or_default())
    }
}

impl Authority {
    /// The access token, if it was made here and is good now; the store is asked whether it was revoked.
    pub(super) async fn own_token(&self, token: &str) -> Result<Option<OwnToken>, OAuthError> {
        if token.starts_with(OPAQUE) {
            let kept = self.store.token(Digest::of(token.as_bytes()), self.clock.now()).await?;
            let Some(kept) = kept else { return Ok(None) };
            let Ok(Value::Object(claims)) = serde_json::from_str(&kept.claims) else {
                return Err(OAuthError::Internal("the claims of a kept token cannot be read".into()));
            };
            return Ok(Some(OwnToken { claims, grant: kept.grant.map(|(id, generation, _)| (id, generation)) }));
        }
        let Some(claims) = self.verified(token) else { return Ok(None) };
        let grant = claims.get("grant").and_then(Value::as_str).map(parsed);
        let Some(grant) = grant.map_or(Some(None), |grant| grant.map(Some)) else { return Ok(None) };
        let own = OwnToken { claims, grant: grant.map(|(id, generation, _)| (id, generation)) };
        let issued = Time::from_secs(own.claims.get("iat").and_then(Value::as_u64).unwrap_or_default());
        let epoch = grant.map(|(id, _, epoch)| (id, epoch));
        let (id, client) = (own.text("jti").to_owned(), own.text("client_id").to_owned());
        let revoked = self.store.is_revoked(id, epoch, client, issued, self.clock.now()).await?;
        Ok((!revoked).then_some(own))
    }

    /// The claims of a signed access token of ours that is not over.
    fn verified(&self, token: &str) -> Option<Map<String, Value>> {
        let compact = Compact::split(token)?;
        let header = compact.header().ok()?;
        if header.typ.as_deref() != Some("at+jwt") {
            return None;
        }
        let keys = self.ring.key_set().load();
        let jwk::Choice::Keys(fitting) = keys.choose(header.kid.as_deref(), header.algorithm) else { return None };
        fitting.iter().find(|key| compact.is_signed_by(key))?;
        let claims = compact.claims().ok()?;
        let is_ours = claims.get("iss").and_then(Value::as_str) == Some(self.settings.issuer.as_str());
        let is_live =
            claims.get("exp").and_then(Value::as_u64).is_some_and(|exp| self.clock.now() < Time::from_secs(exp));
        (is_ours && is_live).then_some(claims)
    }
}

//! Token revocation (RFC 7009).

use std::sync::Arc;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response};

use super::Authority;
use super::audit;
use super::client::Client;
use super::endpoint::Incoming;
use super::error::OAuthError;
use super::refresh_token::Presented;
use super::token::Seen;
use crate::store::Whose;

impl Authority {
    pub(super) async fn revoke(&self, request: Incoming) -> Response<Bytes> {
        let mut seen = Seen::default();
        match self.revoked(&request, &mut seen).await {
            Ok(()) => {
                // Empty, for tokens that never were as well: what the client wanted is so (section 2.2).
                let mut response = Response::new(Bytes::new());
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                response
            }
            Err(error) => {
                let error = self.refused("revocation", &request, seen, error).await;
                error.into_response(&request.request_id)
            }
        }
    }

    async fn revoked(&self, request: &Incoming, seen: &mut Seen) -> Result<(), OAuthError> {
        let form = self.posted(request)?;
        let client = self.client_of(request, &form, seen).await?;
        let Some(token) = form.one("token") else {
            return Err(OAuthError::Malformed("the token is missing"));
        };
        match Presented::read(token) {
            Some(presented) => self.revoke_refresh_token(&client, &presented).await,
            None => self.revoke_access_token(&client, token).await,
        }
    }

    /// The whole grant: its access tokens too (section 2.1). An old generation's counts as well, or a client that lost an
    /// answer could not sign out.
    async fn revoke_refresh_token(&self, client: &Arc<Client>, presented: &Presented) -> Result<(), OAuthError> {
        let Some(key) = self.ring.mac_named(presented.key) else { return Ok(()) };
        let grant = self.store.grant(presented.grant).await?;
        let Some(grant) = grant.filter(|grant| presented.is_of(grant, &key, self.settings.issuer.as_str())) else {
            return Ok(());
        };
        if grant.client != **client.id() {
            return Err(OAuthError::Grant("the token is another client's"));
        }
        let now = self.clock.now();
        let ended = self.store.revoke_grants(Whose::Grant(grant.id), now, self.tokens_end(now)).await?;
        self.revocations_changed();
        if ended > 0 {
            self.tell(audit::grant_revoked(client.id(), &grant.allowed.user, grant.id)).await?;
        }
        Ok(())
    }

    async fn revoke_access_token(&self, client: &Arc<Client>, token: &str) -> Result<(), OAuthError> {
        let Some(own) = self.own_token(token).await? else { return Ok(()) };
        if own.text("client_id") != &**client.id() {
            return Err(OAuthError::Grant("the token is another client's"));
        }
        let id = own.text("jti").to_owned();
        self.store.revoke_token(id.clone(), own.expires().plus(super::LEEWAY)).await?;
        self.revocations_changed();
        self.tell(audit::token_revoked(client.id(), own.text("sub"), &id)).await
    }
}

//! Token introspection (RFC 7662): what a token says, to those it concerns.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::Authority;
use super::client::{AuthMethod, Client};
use super::endpoint::Incoming;
use super::error::{ClientRefusal, OAuthError};
use super::grant::Grant;
use super::own_token::OwnToken;
use super::refresh_token::Presented;
use super::reply::unkept_json;
use super::token::Seen;

/// Claims of an access token that the answer repeats (section 2.2).
const TOLD: [&str; 12] =
    ["scope", "client_id", "sub", "aud", "iss", "exp", "iat", "jti", "auth_time", "amr", "acr", "roles"];

impl Authority {
    pub(super) async fn introspect(&self, request: Incoming) -> Response<Bytes> {
        let mut seen = Seen::default();
        match self.introspected(&request, &mut seen).await {
            Ok(answer) => unkept_json(StatusCode::OK, &answer),
            Err(error) => {
                let error = self.refused("introspection", &request, seen, error).await;
                error.into_response(&request.request_id)
            }
        }
    }

    /// What is unknown, over, revoked or none of the caller's business gets the same answer (IN-02).
    async fn introspected(&self, request: &Incoming, seen: &mut Seen) -> Result<Value, OAuthError> {
        let form = self.posted(request)?;
        let client = self.client_of(request, &form, seen).await?;
        if client.authenticates_by(AuthMethod::None) {
            // Whoever cannot prove who they are could try tokens out here (IN-01).
            return Err(OAuthError::Client { why: ClientRefusal::SecretMissing, challenge: false });
        }
        let Some(token) = form.one("token") else {
            return Err(OAuthError::Malformed("the token is missing"));
        };
        // The hint is never needed: the two kinds look different.
        if let Some(presented) = Presented::read(token) {
            return self.refresh_token_facts(&client, &presented).await;
        }
        let own = self.own_token(token).await?.filter(|own| concerns(own, &client));
        let Some(own) = own else { return Ok(json!({"active": false})) };
        if let Some((grant, generation)) = own.grant {
            // Somebody holds an access token of this generation, so its refresh token has arrived too.
            self.store.confirm_grant(grant, generation).await?;
        }
        let mut answer = Map::new();
        answer.insert("active".to_owned(), Value::Bool(true));
        answer.insert("token_type".to_owned(), Value::from("Bearer"));
        for name in TOLD {
            if let Some(value) = own.claims.get(name) {
                answer.insert(name.to_owned(), value.clone());
            }
        }
        if own.grant.is_some()
            && let Some(user) = self.store.user(own.text("sub").to_owned()).await?
        {
            answer.insert("username".to_owned(), Value::from(user.name));
        }
        Ok(Value::Object(answer))
    }

    /// A refresh token is its client's business alone (IN-03).
    async fn refresh_token_facts(&self, client: &Client, presented: &Presented) -> Result<Value, OAuthError> {
        let inactive = json!({"active": false});
        let now = self.clock.now();
        let issuer = self.settings.issuer.as_str();
        let Some(key) = self.ring.mac_named(presented.key) else { return Ok(inactive) };
        let grant = self.store.grant(presented.grant).await?;
        let grant = grant.filter(|grant| presented.is_of(grant, &key, issuer) && grant.client == **client.id());
        let is_current = |grant: &crate::store::Grant| {
            !grant.revoked && grant.generation == presented.generation && now < grant.idle_end && now < grant.ends
        };
        let Some(grant) = grant.filter(is_current) else { return Ok(inactive) };
        Ok(json!({
            "active": true, "client_id": grant.client, "sub": grant.allowed.user, "scope": grant.allowed.scope,
            "iss": issuer, "iat": grant.made.secs(), "exp": grant.idle_end.secs(), "token_type": "refresh_token",
        }))
    }
}

/// Its own tokens, and those for the resource that it is: the one of its name, or, for a client that acts for itself alone,
/// those it is registered with. Clients that people log in to are no resource servers.
fn concerns(own: &OwnToken, client: &Client) -> bool {
    let audience = own.text("aud");
    let parts = client.parts();
    let is_service = parts.grants.iter().all(|grant| *grant == Grant::ClientCredentials);
    let serves = parts.resource.iter().chain(&parts.resources).any(|resource| resource.as_str() == audience);
    own.text("client_id") == &**client.id() || audience == &**client.id() || (is_service && serves)
}

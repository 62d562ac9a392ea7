//! The token endpoint (RFC 6749 section 3.2): who asks, by which grant, and then it is the grant's turn.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Serialize;

use super::Authority;
use super::client::{AuthMethod, Client};
use super::credentials::Credentials;
use super::endpoint::Incoming;
use super::error::OAuthError;
use super::form::Form;
use super::grant::{Grant, authorization_code, client_credentials, legacy, refresh};
use super::mint::AccessToken;
use super::reply::unkept_json;
use crate::ground::Digest;

/// What a grant gives.
pub(super) struct Tokens {
    pub access: AccessToken,
    pub refresh: Option<RefreshToken>,
    pub id_token: Option<String>,
    /// For the log: which grant it belongs to, and who allowed it.
    pub family: Option<crate::store::GrantId>,
    pub subject: String,
    /// An answer that was given before: its first copy was lost on the way.
    pub repeated: bool,
}

/// A refresh token and how long it is good when it is not used, in whole seconds.
pub(super) struct RefreshToken {
    pub token: String,
    pub expires_in: u64,
}

/// What is known about a request so far, for the log.
#[derive(Default)]
pub(super) struct Seen {
    /// The client's id once it is authenticated. Before that it is whatever somebody typed, possibly a secret in the wrong
    /// field, so only a digest is told.
    pub client: Option<String>,
    pub grant: Option<Grant>,
}

impl Authority {
    pub(super) async fn token(&self, request: Incoming) -> Response<Bytes> {
        let mut seen = Seen::default();
        let result = self.granted(&request, &mut seen).await;
        let told = self.tell_of_token(&request, &seen, &result).await;
        match result.and_then(|tokens| told.map(|()| tokens)) {
            Ok(tokens) => unkept_json(StatusCode::OK, &tokens.answer()),
            Err(error) => error.into_response(&request.request_id),
        }
    }

    /// Cheap before dear, and the client before what it asks for: a stranger learns nothing about grants and scopes.
    async fn granted(&self, request: &Incoming, seen: &mut Seen) -> Result<Tokens, OAuthError> {
        let form = self.posted(request)?;
        let client = self.client_of(request, &form, seen).await?;
        let Some(grant) = form.one("grant_type") else {
            return Err(OAuthError::Malformed("the grant_type is missing"));
        };
        // A grant for clients of old is not there where nobody uses it.
        let exists =
            |grant: &Grant| grant.is_at_token_endpoint() && (!grant.is_legacy() || self.registry.load().uses(*grant));
        let grant = Grant::named(grant).filter(exists);
        let grant = grant.ok_or(OAuthError::GrantUnsupported)?;
        seen.grant = Some(grant);
        if !client.may_use(grant) {
            return Err(OAuthError::GrantNotAllowed);
        }
        match grant {
            Grant::AuthorizationCode => authorization_code::tokens(self, &client, &form).await,
            Grant::RefreshToken => refresh::tokens(self, &client, &form).await,
            Grant::ClientCredentials => client_credentials::tokens(self, &client, &form).await,
            Grant::Password => legacy::password::tokens(self, &client, &form, request).await,
            Grant::Implicit => Err(OAuthError::GrantUnsupported),
        }
    }

    /// The form of a request that must be posted, with nothing in its URL: credentials there end up in logs and histories.
    pub(super) fn posted(&self, request: &Incoming) -> Result<Form, OAuthError> {
        if request.method != Method::POST {
            return Err(OAuthError::Method { allow: "POST" });
        }
        if request.query.as_ref().is_some_and(|query| !query.is_empty()) {
            return Err(OAuthError::Malformed("parameters belong in the body and not in the URL"));
        }
        Form::read(&request.headers, &request.body)
    }

    /// The client, authenticated by the one method that it is registered with.
    pub(super) async fn client_of(
        &self,
        request: &Incoming,
        form: &Form,
        seen: &mut Seen,
    ) -> Result<Arc<Client>, OAuthError> {
        let credentials = Credentials::read(&request.headers, form)?;
        let proven = match credentials.method {
            AuthMethod::PrivateKeyJwt => self.client_by_assertion(&credentials).await,
            AuthMethod::Basic | AuthMethod::Post | AuthMethod::None => {
                let registry = self.registry.load();
                let client = self.desk.client(&registry, &credentials, request.client, &*self.clock).await;
                client.map(Arc::clone)
            }
        };
        seen.client = Some(match &proven {
            Ok(client) => client.id().to_string(),
            Err(_) => format!("sha256:{:?}", Digest::of(credentials.claim.id.as_bytes())),
        });
        proven
    }
}

impl Tokens {
    /// Tokens that came without a user.
    pub(super) fn for_client(client: &Client, access: AccessToken) -> Self {
        Self { access, refresh: None, id_token: None, family: None, subject: client.id().to_string(), repeated: false }
    }

    /// The answer of the token endpoint (RFC 6749 section 5.1); `scope` always, so that nobody has to guess it.
    fn answer(&self) -> Answer<'_> {
        Answer {
            access_token: &self.access.token,
            token_type: "Bearer",
            expires_in: self.access.expires_in,
            scope: &self.access.scope,
            refresh_token: self.refresh.as_ref().map(|refresh| refresh.token.as_str()),
            refresh_token_expires_in: self.refresh.as_ref().map(|refresh| refresh.expires_in),
            id_token: self.id_token.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token_expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
}

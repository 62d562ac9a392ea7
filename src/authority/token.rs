//! The token endpoint (RFC 6749 section 3.2): who asks, by which grant, and then it is the grant's turn.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use tracing::{info, warn};

use super::Authority;
use super::credentials::Credentials;
use super::endpoint::Incoming;
use super::error::OAuthError;
use super::form::Form;
use super::grant::{Grant, client_credentials};
use super::mint::AccessToken;
use super::reply::unkept_json;
use crate::ground::Digest;

/// What is known about a request so far, for the log.
#[derive(Default)]
struct Seen {
    /// The client's id once it is authenticated. Before that it is whatever somebody typed, possibly a secret in the wrong
    /// field, so only a digest is told.
    client: Option<String>,
    grant: Option<Grant>,
}

impl Authority {
    pub(super) async fn token(&self, request: Incoming) -> Response<Bytes> {
        let mut seen = Seen::default();
        let result = self.granted(&request, &mut seen).await;
        log(&request, &seen, &result);
        match result {
            Ok(token) => unkept_json(StatusCode::OK, &token.into_answer()),
            Err(error) => error.into_response(&request.request_id),
        }
    }

    /// Cheap before dear, and the client before what it asks for: a stranger learns nothing about grants and scopes.
    async fn granted(&self, request: &Incoming, seen: &mut Seen) -> Result<AccessToken, OAuthError> {
        if request.method != Method::POST {
            return Err(OAuthError::Method { allow: "POST" });
        }
        // Credentials in a URL end up in logs and histories; none of our parameters belongs there.
        if request.query.as_ref().is_some_and(|query| !query.is_empty()) {
            return Err(OAuthError::Malformed("parameters belong in the body and not in the URL"));
        }
        let form = Form::read(&request.headers, &request.body)?;
        let credentials = Credentials::read(&request.headers, &form)?;
        seen.client = Some(format!("sha256:{:?}", Digest::of(credentials.claim.id.as_bytes())));
        let client = self.desk.client(&self.settings, &credentials, request.client, &*self.clock).await?;
        seen.client = Some(client.id().to_string());

        let Some(grant) = form.one("grant_type") else {
            return Err(OAuthError::Malformed("the grant_type is missing"));
        };
        let grant = Grant::named(grant).ok_or(OAuthError::GrantUnsupported)?;
        seen.grant = Some(grant);
        if !client.may_use(grant) {
            return Err(OAuthError::GrantNotAllowed);
        }
        match grant {
            Grant::ClientCredentials => client_credentials::token(self, client, &form),
        }
    }
}

/// One line per request, for the audit log: who got what, or why not. Never a secret, never a token.
fn log(request: &Incoming, seen: &Seen, result: &Result<AccessToken, OAuthError>) {
    let (request_id, source) = (&*request.request_id, request.client);
    let client = seen.client.as_deref().unwrap_or_default();
    let grant = seen.grant.map_or("", Grant::name);
    match result {
        Ok(token) => info!(
            target: "portcullis::audit",
            {
                request.id = request_id, client.id = client, client.address = %source, grant.name = grant,
                outcome = "granted", token.id = token.id, scope = token.scope
            },
            "access token issued"
        ),
        Err(error @ OAuthError::Internal(_)) => warn!(
            target: "portcullis::audit",
            {
                request.id = request_id, client.id = client, client.address = %source, grant.name = grant,
                outcome = "failed", refusal.code = error.code(), cause = %error
            },
            "access token not issued"
        ),
        Err(error) => info!(
            target: "portcullis::audit",
            {
                request.id = request_id, client.id = client, client.address = %source, grant.name = grant,
                outcome = "refused", refusal.code = error.code(), cause = %error
            },
            "access token refused"
        ),
    }
}

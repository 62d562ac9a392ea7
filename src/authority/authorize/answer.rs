//! Back to the client: a code, tokens, or an error, by redirect or by a form that submits itself.

use bytes::Bytes;
use http::Response;
use url::Url;

use super::request::{Asked, Fault, Mode, Request};
use super::transaction::Transaction;
use crate::authority::Authority;
use crate::authority::client::Client;
use crate::authority::error::OAuthError;
use crate::authority::grant::{authorization_code, family, legacy};
use crate::authority::reply::see_other;
use crate::authority::resource;
use crate::authority::visit::Visit;
use crate::ground::Digest;
use crate::store::{Allowed, Code};

/// What the client gets.
pub(in crate::authority) type Parameters = Vec<(&'static str, String)>;

/// How a finished transaction ended.
pub(in crate::authority) enum End {
    /// An answer for the client.
    Answer(Parameters),
    /// It had been finished before (AZ-22).
    Before,
}

impl Authority {
    /// Finishes the transaction with what the user allowed.
    pub(in crate::authority) async fn finish(
        &self,
        transaction: &Transaction,
        (request, asked): (&Request, &Asked),
        visit: &Visit,
        scopes: Vec<String>,
    ) -> Result<End, OAuthError> {
        let Some((session, user)) = visit.session.as_ref() else {
            return Err(OAuthError::Internal("a transaction was to be finished without a session".into()));
        };
        let registry = self.registry.load();
        let Some(client) = registry.client(&request.client) else {
            return Ok(End::Answer(error(&Fault::new("unauthorized_client", "the client is gone"))));
        };
        let allowed = Allowed {
            user: user.id.clone(),
            session: Some(session.sid.clone()),
            offline: scopes.iter().any(|scope| scope == crate::authority::scope::OFFLINE_ACCESS),
            scope: scopes.join(" "),
            resources: asked.resources.clone(),
            authenticated: session.authenticated,
            methods: session.methods.clone(),
            tells_auth_time: asked.tells_auth_time,
        };
        match asked.response {
            super::request::Response::Code => self.code(transaction, (request, asked), client, allowed).await,
            super::request::Response::Token | super::request::Response::IdTokenToken => {
                if !self.store.finish_transaction(transaction.digest(), transaction.remembered_until()).await? {
                    return Ok(End::Before);
                }
                let resource = resource::of_names(client, &self.settings, &allowed.resources)?;
                let lasts = self.settings.token_terms(client, resource).1;
                let new = family::New { client, allowed, nonce: asked.nonce.clone(), lasts };
                Ok(End::Answer(legacy::implicit::parameters(self, client, new, user, asked).await?))
            }
        }
    }

    async fn code(
        &self,
        transaction: &Transaction,
        (request, asked): (&Request, &Asked),
        client: &Client,
        allowed: Allowed,
    ) -> Result<End, OAuthError> {
        let text = format!("{}{}", authorization_code::PREFIX, self.random.token(32));
        let now = self.clock.now();
        let code = Code {
            digest: Digest::of(text.as_bytes()),
            client: client.id().to_string(),
            redirect_uri: request.redirect_uri.clone(),
            challenge: asked.challenge.clone(),
            nonce: asked.nonce.clone(),
            allowed,
            made: now,
            ends: now.plus(self.settings.codes_for),
            misses: 0,
            grant: None,
        };
        if !self.store.keep_code(code, transaction.digest(), transaction.remembered_until()).await? {
            return Ok(End::Before);
        }
        Ok(End::Answer(vec![("code", text)]))
    }

    /// Sends the browser back with `parameters`, `state` and `iss` (RFC 9207 section 2).
    pub(in crate::authority) fn answer_client(&self, request: &Request, mut parameters: Parameters) -> Response<Bytes> {
        if let Some(state) = &request.state {
            parameters.push(("state", state.clone()));
        }
        parameters.push(("iss", self.settings.issuer.as_str().to_owned()));
        match request.mode {
            Mode::Query => see_other(&in_query(&request.redirect_uri, &parameters)),
            Mode::Fragment => see_other(&format!("{}#{}", request.redirect_uri, encoded(&parameters))),
            Mode::FormPost => self.form_post(request, &parameters),
        }
    }
}

/// The parameters of an error (RFC 6749 section 4.1.2.1).
pub(in crate::authority) fn error(fault: &Fault) -> Parameters {
    vec![("error", fault.code.clone()), ("error_description", fault.description.clone())]
}

/// Appends to a query that the registered URI may have (RFC 6749 section 3.1.2); the rest stays letter by letter.
fn in_query(redirect_uri: &str, parameters: &Parameters) -> String {
    let separator = match Url::parse(redirect_uri).ok().and_then(|url| url.query().map(str::is_empty)) {
        None => "?",
        Some(true) => "",
        Some(false) => "&",
    };
    format!("{redirect_uri}{separator}{}", encoded(parameters))
}

fn encoded(parameters: &Parameters) -> String {
    let mut serializer = url::form_urlencoded::Serializer::new(String::new());
    serializer.extend_pairs(parameters);
    serializer.finish()
}

//! The consent page: what the client may have is the user's to say.

use bytes::Bytes;
use http::{Method, Response};

use super::Authority;
use super::audit;
use super::authorize::answer::{End, error};
use super::authorize::request::{Ask, Asked, Fault, Request};
use super::authorize::step::Step;
use super::authorize::transaction::{Purpose, Transaction};
use super::endpoint::Incoming;
use super::error::OAuthError;
use super::form::Form;
use super::page::{Consent, ConsentScope, Framing, Words};
use super::redirect::{form_targets, shown_host};
use super::scope::OPENID;
use super::visit::Visit;
use crate::store::{self, User};

impl Authority {
    pub(super) async fn consent(&self, incoming: &Incoming, visit: &mut Visit) -> Result<Response<Bytes>, OAuthError> {
        let form = match incoming.method {
            Method::GET | Method::HEAD => Form::parse(incoming.query.as_deref().unwrap_or_default().as_bytes())?,
            Method::POST => Form::read_lenient(&incoming.headers, &incoming.body)?,
            _ => return Err(OAuthError::Method { allow: "GET, HEAD, POST" }),
        };
        let Some(transaction) = form.one("t").and_then(|text| self.unsealed(text, visit.browser_mark())) else {
            return Ok(self.expired_page(incoming));
        };
        let Purpose::Authorize(request) = &transaction.purpose else {
            return self.go_on(&transaction, visit, incoming).await;
        };
        let (Ask::Good(asked), false) = (&request.ask, self.store.is_finished(transaction.digest()).await?) else {
            return self.go_on(&transaction, visit, incoming).await;
        };
        let is_form = incoming.method == Method::POST;
        if is_form && !self.is_ours(visit, incoming, form.one("csrf"), (transaction.id(), true))? {
            return Ok(self.forged_page(incoming));
        }
        // The session may have ended, or another user signed in, since the page was shown.
        let Step::Consent(scopes) = self.step(&transaction, visit).await? else {
            return self.go_on(&transaction, visit, incoming).await;
        };
        if is_form {
            let ticked: Vec<&str> = form.all("scope").collect();
            let decision = (form.one("decision") == Some("allow"), ticked);
            return self.decided(&transaction, (request, asked), (scopes, decision), visit, incoming).await;
        }
        self.show_consent(&transaction, (request, asked), &scopes, visit, incoming)
    }

    async fn decided(
        &self,
        transaction: &Transaction,
        (request, asked): (&Request, &Asked),
        (scopes, (allows, ticked)): (Vec<String>, (bool, Vec<&str>)),
        visit: &Visit,
        incoming: &Incoming,
    ) -> Result<Response<Bytes>, OAuthError> {
        let Some(user) = visit.user() else {
            return Err(OAuthError::Internal("a consent without a user".into()));
        };
        // Without `openid` an OpenID Connect request would be another one: whoever allows anything allows that.
        let allowed: Vec<String> =
            scopes.into_iter().filter(|scope| scope == OPENID || ticked.contains(&scope.as_str())).collect();
        if !allows || allowed.is_empty() || ticked.is_empty() {
            if !self.store.finish_transaction(transaction.digest(), transaction.remembered_until()).await? {
                return Ok(self.already_completed(incoming));
            }
            self.tell(audit::consent_denied(&user.id, &request.client)).await?;
            let fault = Fault::new("access_denied", "the user has not allowed it");
            return Ok(self.answer_client(request, error(&fault)));
        }
        self.remember(asked, request, user, &allowed).await?;
        let end = self.finish(transaction, (request, asked), visit, allowed.clone()).await?;
        if let End::Answer(_) = &end {
            self.tell(audit::consent_given(&user.id, &request.client, &allowed.join(" "))).await?;
        }
        Ok(self.ended(end, request, incoming))
    }

    async fn remember(
        &self,
        asked: &Asked,
        request: &Request,
        user: &User,
        allowed: &[String],
    ) -> Result<(), OAuthError> {
        for resource in &asked.resources {
            let consent = store::Consent {
                user: user.id.clone(),
                client: request.client.clone(),
                resource: resource.clone(),
                scopes: allowed.to_vec(),
                given: self.clock.now(),
            };
            self.store.remember_consent(consent).await?;
        }
        Ok(())
    }

    fn show_consent(
        &self,
        transaction: &Transaction,
        (request, asked): (&Request, &Asked),
        scopes: &[String],
        visit: &Visit,
        incoming: &Incoming,
    ) -> Result<Response<Bytes>, OAuthError> {
        let registry = self.registry.load();
        let client = registry.client(&request.client);
        let words = self.words(transaction, incoming);
        let (csrf, carried) = (self.csrf(visit, transaction.id(), true)?, self.sealed(transaction)?);
        let scopes: Vec<ConsentScope> =
            scopes.iter().map(|name| ConsentScope { name: name.clone(), text: self.scope_text(name, words) }).collect();
        let registered = client.and_then(|client| client.redirect_uri(&request.redirect_uri));
        let view = Consent {
            csrf: &csrf,
            transaction: &carried,
            client: client.map_or(&request.client, |client| client.name()),
            host: &shown_host(&request.redirect_uri),
            resource: &asked.resources.join(", "),
            scopes: &scopes,
            loopback: registered.is_some_and(super::redirect::RedirectUri::is_loopback),
            public: client.is_some_and(|client| client.is_public() && !client.parts().trusted),
            user: visit.user().map_or("", |user| &user.name),
        };
        let framing = Framing::page().sends_to(&form_targets(&request.redirect_uri, client.map(AsRef::as_ref)));
        Ok(self.pages.consent(words, &view, &framing))
    }

    /// A scope in words: those of the file, ours for those of OpenID Connect, else its name.
    pub(super) fn scope_text(&self, name: &str, words: Words<'_>) -> String {
        let written = self.settings.scopes.iter().find(|(scope, _)| scope.as_str() == name);
        let written = written.map(|(_, text)| text.clone()).filter(|text| !text.is_empty());
        written.or_else(|| words.scope(name).map(str::to_owned)).unwrap_or_else(|| name.to_owned())
    }
}

//! What comes next on a browser's way, decided from what is true now: pages hold no state of their own.

use super::request::{Ask, Asked, Fault, Request};
use super::transaction::{Purpose, Transaction};
use crate::authority::Authority;
use crate::authority::client::Client;
use crate::authority::error::OAuthError;
use crate::authority::scope;
use crate::authority::visit::{Visit, is_fresh};
use crate::store::User;

/// Where the browser goes.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::authority) enum Step {
    /// Somebody has to say who they are.
    Login,
    /// Which of the accounts?
    Choose,
    /// May the client have these?
    Consent(Vec<String>),
    /// Back to the client, with these scopes.
    Done(Vec<String>),
    /// Back to the client with an error.
    Refuse(Fault),
    /// To the account page.
    Account,
}

impl Authority {
    /// The next step of a transaction that is not finished.
    pub(in crate::authority) async fn step(
        &self,
        transaction: &Transaction,
        visit: &Visit,
    ) -> Result<Step, OAuthError> {
        let request = match &transaction.purpose {
            Purpose::Authorize(request) => request,
            Purpose::Account { fresh_since } => {
                let fresh = visit.session.as_ref().is_some_and(|(session, _)| is_fresh(session, *fresh_since));
                return Ok(if fresh { Step::Account } else { Step::Login });
            }
        };
        let asked = match &request.ask {
            Ask::Good(asked) => asked,
            // Not even an error goes back before somebody is signed in (AZ-11).
            Ask::Fault(fault) if request.silent || visit.session.is_some() => return Ok(Step::Refuse(fault.clone())),
            Ask::Fault(_) => return Ok(Step::Login),
        };
        let Some((session, user)) = visit.session.as_ref() else {
            return Ok(interact(request, Step::Login, "login_required"));
        };
        let is_other = asked.hinted_user.as_ref().is_some_and(|hinted| *hinted != user.id);
        if !is_fresh(session, asked.fresh_since) || is_other {
            return Ok(interact(request, Step::Login, "login_required"));
        }
        if asked.asks_account && !transaction.chosen {
            return Ok(Step::Choose);
        }
        self.step_of_user(request, asked, user).await
    }

    async fn step_of_user(&self, request: &Request, asked: &Asked, user: &User) -> Result<Step, OAuthError> {
        let registry = self.registry.load();
        let Some(client) = registry.client(&request.client) else {
            return Ok(Step::Refuse(Fault::new("unauthorized_client", "the client is gone")));
        };
        let scopes = scope::by_roles(asked.scope.clone(), &user.roles, &self.settings);
        if scopes.is_empty() {
            return Ok(Step::Refuse(Fault::new("invalid_scope", "the user may have none of these scopes")));
        }
        if self.needs_consent(client, asked, user, &scopes).await? {
            return Ok(interact(request, Step::Consent(scopes), "consent_required"));
        }
        Ok(Step::Done(scopes))
    }

    /// UI-12: asked once for the same scopes; each time for a client that anybody could pretend to be.
    async fn needs_consent(
        &self,
        client: &Client,
        asked: &Asked,
        user: &User,
        scopes: &[String],
    ) -> Result<bool, OAuthError> {
        if asked.asks_consent {
            return Ok(true);
        }
        if client.parts().trusted {
            return Ok(false);
        }
        if client.is_public() {
            return Ok(true);
        }
        for resource in &asked.resources {
            let given = self.store.consent(user.id.clone(), request_client(client), resource.clone()).await?;
            let covers = given.is_some_and(|given| scopes.iter().all(|scope| given.scopes.contains(scope)));
            if !covers {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn request_client(client: &Client) -> String {
    client.id().to_string()
}

/// The page, or the error that stands for it where no page may be shown (OpenID Connect Core section 3.1.2.6).
fn interact(request: &Request, step: Step, code: &'static str) -> Step {
    if request.silent {
        return Step::Refuse(Fault::new(code, "this needs the user, and prompt none was asked for"));
    }
    step
}

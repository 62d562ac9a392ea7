//! The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2): a browser comes in with a client's
//! request and leaves with a code.
//!
//! The request is read once and sealed into a transaction that travels with the browser, so that many tabs work at once and
//! a flood of requests costs the store nothing. Nobody is sent back to a client before they are authenticated, errors
//! included (RFC 9700 section 4.11.2).

pub(super) mod answer;
pub(super) mod request;
pub(super) mod step;
pub(super) mod transaction;

use bytes::Bytes;
use http::{Method, Response};

use self::answer::{End, error};
use self::request::{Ask, Invalid, Request};
use self::step::Step;
use self::transaction::{Purpose, Transaction};
use super::Authority;
use super::endpoint::{ACCOUNT, CONSENT, Incoming, LOGIN};
use super::error::OAuthError;
use super::form::Form;
use super::reply::see_other;
use super::visit::Visit;

impl Authority {
    /// The endpoint itself: reads the request and sends the browser on its way.
    pub(super) async fn authorize(
        &self,
        incoming: &Incoming,
        visit: &mut Visit,
    ) -> Result<Response<Bytes>, OAuthError> {
        match read_parameters(incoming).and_then(|form| Request::read(&form, self)) {
            Ok(request) => {
                let transaction = self.begin(Purpose::Authorize(request), visit);
                visit.needs_name();
                self.go_on(&transaction, visit, incoming).await
            }
            Err(Invalid::Page(code, sentence)) => Ok(self.error_page(incoming, code, sentence)),
            Err(Invalid::Method) => Err(OAuthError::Method { allow: "GET, HEAD, POST" }),
        }
    }

    pub(super) fn begin(&self, purpose: Purpose, visit: &Visit) -> Transaction {
        Transaction::new(purpose, visit.browser_mark(), self.clock.now(), &*self.random)
    }

    /// Sends the browser to the next page, or back to the client.
    pub(super) async fn go_on(
        &self,
        transaction: &Transaction,
        visit: &mut Visit,
        incoming: &Incoming,
    ) -> Result<Response<Bytes>, OAuthError> {
        if self.store.is_finished(transaction.digest()).await? {
            return Ok(self.already_completed(incoming));
        }
        let Purpose::Authorize(request) = &transaction.purpose else {
            return match self.step(transaction, visit).await? {
                Step::Account => Ok(see_other(&self.path(ACCOUNT))),
                Step::Login | Step::Choose | Step::Consent(_) | Step::Done(_) | Step::Refuse(_) => {
                    self.to_page(LOGIN, transaction)
                }
            };
        };
        match (self.step(transaction, visit).await?, &request.ask) {
            (Step::Login | Step::Choose, _) => self.to_page(LOGIN, transaction),
            (Step::Consent(_), _) => self.to_page(CONSENT, transaction),
            (Step::Account, _) => Ok(see_other(&self.path(ACCOUNT))),
            (Step::Refuse(fault), _) => Ok(self.answer_client(request, error(&fault))),
            (Step::Done(_), Ask::Fault(fault)) => Ok(self.answer_client(request, error(fault))),
            (Step::Done(scopes), Ask::Good(asked)) => {
                let end = self.finish(transaction, (request, asked), visit, scopes).await?;
                Ok(self.ended(end, request, incoming))
            }
        }
    }

    /// What the browser gets when a transaction has ended.
    pub(super) fn ended(&self, end: End, request: &Request, incoming: &Incoming) -> Response<Bytes> {
        match end {
            End::Answer(parameters) => self.answer_client(request, parameters),
            End::Before => self.already_completed(incoming),
        }
    }

    pub(super) fn to_page(&self, page: &str, transaction: &Transaction) -> Result<Response<Bytes>, OAuthError> {
        Ok(see_other(&format!("{}?t={}", self.path(page), self.sealed(transaction)?)))
    }
}

/// From the query of a GET or the form of a POST (Core section 3.1.2.1).
fn read_parameters(incoming: &Incoming) -> Result<Form, Invalid> {
    let form = match incoming.method {
        Method::GET | Method::HEAD => Form::parse(incoming.query.as_deref().unwrap_or_default().as_bytes()),
        Method::POST => Form::read_lenient(&incoming.headers, &incoming.body),
        _ => return Err(Invalid::Method),
    };
    form.map_err(|_| Invalid::Page("invalid_request", "the parameters of the request cannot be read"))
}

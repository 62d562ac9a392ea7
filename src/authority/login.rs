//! The login page: user name and password, the second factor, the choice of an account.

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::Authority;
use super::audit;
use super::authorize::request::Ask;
use super::authorize::step::Step;
use super::authorize::transaction::{Purpose, Transaction};
use super::endpoint::{Incoming, LOGIN};
use super::error::OAuthError;
use super::form::Form;
use super::page::{Choose, Framing, Login, Words};
use super::prove::{Place, Proof};
use super::redirect::form_targets;
use super::visit::Visit;
use crate::ground::Secret;

/// A refused form is an answer of its own kind: password managers must not take it for a success.
const REFUSED: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

impl Authority {
    pub(super) async fn login(&self, incoming: &Incoming, visit: &mut Visit) -> Result<Response<Bytes>, OAuthError> {
        match incoming.method {
            Method::GET | Method::HEAD => self.login_page(incoming, visit).await,
            Method::POST => self.login_form(incoming, visit).await,
            _ => Err(OAuthError::Method { allow: "GET, HEAD, POST" }),
        }
    }

    async fn login_page(&self, incoming: &Incoming, visit: &mut Visit) -> Result<Response<Bytes>, OAuthError> {
        let query = Form::parse(incoming.query.as_deref().unwrap_or_default().as_bytes())?;
        let transaction = match query.one("t") {
            Some(text) => match self.unsealed(text, visit.browser_mark()) {
                Some(transaction) => transaction,
                None => return Ok(self.expired_page(incoming)),
            },
            None => self.begin(Purpose::Account { fresh_since: None }, visit),
        };
        if transaction.waits_for(self.clock.now()).is_some() {
            return self.show_code(&transaction, visit, incoming, None);
        }
        if self.store.is_finished(transaction.digest()).await? {
            return Ok(self.already_completed(incoming));
        }
        match self.step(&transaction, visit).await? {
            Step::Login => {
                let name = self.suggested_name(&transaction, visit);
                self.show_login(&transaction, visit, incoming, (&name, None))
            }
            Step::Choose => self.show_choice(&transaction, visit, incoming),
            // A tab that was left open: somebody has signed in elsewhere in the meantime.
            Step::Consent(_) | Step::Done(_) | Step::Refuse(_) | Step::Account => {
                self.go_on(&transaction, visit, incoming).await
            }
        }
    }

    async fn login_form(&self, incoming: &Incoming, visit: &mut Visit) -> Result<Response<Bytes>, OAuthError> {
        let form = Form::read(&incoming.headers, &incoming.body)?;
        let Some(transaction) = form.one("t").and_then(|text| self.unsealed(text, visit.browser_mark())) else {
            return Ok(self.expired_page(incoming));
        };
        if !self.is_ours(visit, incoming, form.one("csrf"), (transaction.id(), false))? {
            return Ok(self.forged_page(incoming));
        }
        if self.store.is_finished(transaction.digest()).await? {
            return Ok(self.already_completed(incoming));
        }
        if let Some(choice) = form.one("action") {
            return self.chosen(choice, transaction, visit, incoming).await;
        }
        if let Some(code) = form.one("code") {
            return self.check_code(code, transaction, visit, incoming).await;
        }
        let (name, password) = (form.one("username").unwrap_or_default(), form.one("password").unwrap_or_default());
        self.check_password((name, &Secret::new(password)), transaction, visit, incoming).await
    }

    async fn check_password(
        &self,
        (name, password): (&str, &Secret),
        transaction: Transaction,
        visit: &mut Visit,
        incoming: &Incoming,
    ) -> Result<Response<Bytes>, OAuthError> {
        let user = self.user_named(name).await?;
        let device = user.as_ref().and_then(|user| self.known_device(visit, &user.id));
        let place = Place { source: incoming.client, device };
        let proof = match self.prove_password(name, user, password, place).await {
            Err(OAuthError::Busy { .. }) => {
                let words = self.words(&transaction, incoming);
                let notice = words.t("login.busy");
                return self.show_login(
                    &transaction,
                    visit,
                    incoming,
                    (name, Some((StatusCode::SERVICE_UNAVAILABLE, notice))),
                );
            }
            proof => proof?,
        };
        match proof {
            Proof::Right(user) if user.second_factor.is_some() => {
                let waiting = transaction.with_password_of(&user, self.clock.now());
                self.to_page(LOGIN, &waiting)
            }
            Proof::Right(user) => match self.sign_in(visit, incoming, *user, ("pwd", &["pwd"])).await? {
                true => self.go_on(&transaction, visit, incoming).await,
                false => self.refused_login(name, &transaction, visit, incoming).await,
            },
            Proof::Wrong => self.refused_login(name, &transaction, visit, incoming).await,
            Proof::Wait(wait) => {
                let words = self.words(&transaction, incoming);
                let notice = words.f("login.wait", wait.as_secs().max(1));
                let notice = Some((StatusCode::TOO_MANY_REQUESTS, &*notice));
                let answer = self.show_login(&transaction, visit, incoming, (name, notice))?;
                Ok(super::reply::after(wait, answer))
            }
        }
    }

    async fn refused_login(
        &self,
        name: &str,
        transaction: &Transaction,
        visit: &Visit,
        incoming: &Incoming,
    ) -> Result<Response<Bytes>, OAuthError> {
        self.tell(audit::login_failed(name, incoming)).await?;
        let words = self.words(transaction, incoming);
        self.show_login(transaction, visit, incoming, (name, Some((REFUSED, words.t("login.wrong")))))
    }

    async fn check_code(
        &self,
        code: &str,
        transaction: Transaction,
        visit: &mut Visit,
        incoming: &Incoming,
    ) -> Result<Response<Bytes>, OAuthError> {
        let waiting = transaction.waits_for(self.clock.now()).map(str::to_owned);
        let user = match waiting {
            Some(id) => self.store.user(id).await?.filter(|user| !user.disabled && transaction.has_password_of(user)),
            None => None,
        };
        // The password is too long ago, or another one now: from the start.
        let Some(user) = user else {
            return self.show_login(&transaction, visit, incoming, ("", None));
        };
        let words = self.words(&transaction, incoming);
        match self.prove_second_factor(&user, code).await? {
            Proof::Right(user) => {
                let name = user.name.clone();
                match self.sign_in(visit, incoming, *user, ("mfa", &["pwd", "otp", "mfa"])).await? {
                    true => self.go_on(&transaction, visit, incoming).await,
                    false => self.refused_login(&name, &transaction, visit, incoming).await,
                }
            }
            Proof::Wrong => {
                self.tell(audit::second_factor_failed(&user.id, incoming)).await?;
                self.show_code(&transaction, visit, incoming, Some((REFUSED, words.t("code.wrong"))))
            }
            Proof::Wait(wait) => {
                let notice = words.f("login.wait", wait.as_secs().max(1));
                let notice = Some((StatusCode::TOO_MANY_REQUESTS, &*notice));
                Ok(super::reply::after(wait, self.show_code(&transaction, visit, incoming, notice)?))
            }
        }
    }

    async fn chosen(
        &self,
        choice: &str,
        mut transaction: Transaction,
        visit: &mut Visit,
        incoming: &Incoming,
    ) -> Result<Response<Bytes>, OAuthError> {
        if choice == "continue" && visit.session.is_some() {
            transaction.chosen = true;
            return self.go_on(&transaction, visit, incoming).await;
        }
        // Whoever signs in now has chosen by that.
        transaction.chosen = true;
        self.show_login(&transaction, visit, incoming, ("", None))
    }

    fn show_login(
        &self,
        transaction: &Transaction,
        visit: &Visit,
        incoming: &Incoming,
        (name, notice): (&str, Option<(StatusCode, &str)>),
    ) -> Result<Response<Bytes>, OAuthError> {
        let (csrf, carried) = (self.csrf(visit, transaction.id(), false)?, self.sealed(transaction)?);
        let client = self.client_name(transaction);
        let view = Login {
            csrf: &csrf,
            transaction: &carried,
            client: client.as_deref(),
            name,
            notice: notice.map(|(_, text)| text),
        };
        let status = notice.map_or(StatusCode::OK, |(status, _)| status);
        Ok(self.pages.login(self.words(transaction, incoming), &view, status, &self.framing(transaction)))
    }

    fn show_code(
        &self,
        transaction: &Transaction,
        visit: &Visit,
        incoming: &Incoming,
        notice: Option<(StatusCode, &str)>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let (csrf, carried) = (self.csrf(visit, transaction.id(), false)?, self.sealed(transaction)?);
        let status = notice.map_or(StatusCode::OK, |(status, _)| status);
        let words = self.words(transaction, incoming);
        let notice = (status, notice.map(|(_, text)| text));
        Ok(self.pages.second_factor(words, (&csrf, &carried), notice, &self.framing(transaction)))
    }

    fn show_choice(
        &self,
        transaction: &Transaction,
        visit: &Visit,
        incoming: &Incoming,
    ) -> Result<Response<Bytes>, OAuthError> {
        let (csrf, carried) = (self.csrf(visit, transaction.id(), false)?, self.sealed(transaction)?);
        let user = visit.user().map_or("", |user| &user.name);
        let view = Choose { csrf: &csrf, transaction: &carried, user };
        Ok(self.pages.choose(self.words(transaction, incoming), &view, &self.framing(transaction)))
    }

    /// What is written into the name's field already: the hint, or who is signed in and has to prove it again.
    fn suggested_name(&self, transaction: &Transaction, visit: &Visit) -> String {
        let hint = match &transaction.purpose {
            Purpose::Authorize(request) => match &request.ask {
                Ask::Good(asked) => asked.login_hint.clone(),
                Ask::Fault(_) => None,
            },
            Purpose::Account { .. } => None,
        };
        hint.or_else(|| visit.user().map(|user| user.name.clone())).unwrap_or_default()
    }

    /// The texts for a transaction: in the language that the client asked for.
    pub(super) fn words(&self, transaction: &Transaction, incoming: &Incoming) -> Words<'_> {
        let ui_locales = match &transaction.purpose {
            Purpose::Authorize(request) => request.ui_locales.as_deref(),
            Purpose::Account { .. } => None,
        };
        self.pages.words(ui_locales, &incoming.headers)
    }

    pub(super) fn client_name(&self, transaction: &Transaction) -> Option<String> {
        match &transaction.purpose {
            Purpose::Authorize(request) => {
                self.registry.load().client(&request.client).map(|client| client.name().to_owned())
            }
            Purpose::Account { .. } => None,
        }
    }

    /// A form of a sign-in may end at the client at once: where nobody is asked for consent, and where the answer is an error.
    fn framing(&self, transaction: &Transaction) -> Framing {
        match &transaction.purpose {
            Purpose::Authorize(request) => {
                let registry = self.registry.load();
                let client = registry.client(&request.client).map(AsRef::as_ref);
                Framing::page().sends_to(&form_targets(&request.redirect_uri, client))
            }
            Purpose::Account { .. } => Framing::page(),
        }
    }
}

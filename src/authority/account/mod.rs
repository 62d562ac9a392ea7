//! The account page: where people are signed in, which applications have access, password and second factor.

mod acts;
mod device;
mod factor;

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::Authority;
use super::authorize::transaction::Purpose;
use super::endpoint::{ACCOUNT, Incoming, LOGIN};
use super::error::OAuthError;
use super::form::Form;
use super::page::{self, AccountApplication, AccountSession, Setup};
use super::reply::see_other;
use super::visit::{Visit, is_fresh};
use crate::ground::Time;
use crate::store::{Session, User, Whose};
use std::time::Duration;

/// What its forms are bound to.
const ABOUT: &[u8] = b"account";
/// How old a login may be for what would let a thief of the browser keep the account (UI-14).
const FRESH: Duration = Duration::from_secs(5 * 60);
/// Most applications that are shown.
const MOST_GRANTS: usize = 200;

/// What the page says beyond its lists.
#[derive(Default)]
struct Said {
    notice: Option<String>,
    good: bool,
    /// Picture, secret, and what the form carries.
    setup: Option<(String, String, String)>,
    recovery_codes: Vec<String>,
}

/// Who is there, for one request.
struct Owner {
    session: Session,
    user: User,
}

impl Authority {
    pub(super) async fn account(&self, incoming: &Incoming, visit: &mut Visit) -> Result<Response<Bytes>, OAuthError> {
        let Some((session, user)) = visit.session.clone() else {
            // What is posted by another site begins nothing: the page itself does, once the browser comes by itself.
            if incoming.method == Method::POST {
                return Ok(see_other(&self.path(LOGIN)));
            }
            return self.to_page(LOGIN, &self.begin(Purpose::Account { fresh_since: None }, visit));
        };
        let owner = Owner { session, user };
        match incoming.method {
            Method::GET | Method::HEAD => {
                let query = Form::parse(incoming.query.as_deref().unwrap_or_default().as_bytes())?;
                let words = self.pages.words(None, &incoming.headers);
                // Only names of texts of ours: what stands in an address is not repeated.
                let done = query.one("done").and_then(acts::done_text);
                let said = Said { notice: done.map(|name| words.t(name).to_owned()), good: true, ..Said::default() };
                self.show_account(&owner, visit, incoming, said, StatusCode::OK).await
            }
            Method::POST => {
                let form = Form::read(&incoming.headers, &incoming.body)?;
                if !self.is_ours(visit, incoming, form.one("csrf"), (ABOUT, true))? {
                    return Ok(self.forged_page(incoming));
                }
                self.act(&form, owner, visit, incoming).await
            }
            _ => Err(OAuthError::Method { allow: "GET, HEAD, POST" }),
        }
    }

    /// Sends whoever signed in too long ago to do it again; `None` when it is fresh enough.
    fn ask_again(&self, owner: &Owner, visit: &Visit) -> Result<Option<Response<Bytes>>, OAuthError> {
        let since = self.clock.now().minus(FRESH).millis();
        if is_fresh(&owner.session, Some(since)) {
            return Ok(None);
        }
        let transaction = self.begin(Purpose::Account { fresh_since: Some(since) }, visit);
        self.to_page(LOGIN, &transaction).map(Some)
    }

    async fn show_account(
        &self,
        owner: &Owner,
        visit: &Visit,
        incoming: &Incoming,
        said: Said,
        status: StatusCode,
    ) -> Result<Response<Bytes>, OAuthError> {
        let now = self.clock.now();
        let user = &owner.user;
        let sessions = self.store.sessions(user.id.clone(), now).await?;
        let sessions: Vec<_> = sessions.into_iter().map(|session| shown(session, &owner.session.sid)).collect();
        let applications = self.applications(user, incoming).await?;
        let csrf = self.csrf(visit, ABOUT, true)?;
        let view = page::Account {
            csrf: &csrf,
            user: &user.name,
            notice: said.notice.as_deref(),
            good: said.good,
            sessions: &sessions,
            applications: &applications,
            least: self.password_rules.least(user.second_factor.is_some()),
            has_factor: user.second_factor.is_some(),
            codes_left: user.recovery.len(),
            setup: said.setup.as_ref().map(|(picture, secret, carried)| Setup { picture, secret, carried }),
            recovery_codes: &said.recovery_codes,
        };
        Ok(self.pages.account(self.pages.words(None, &incoming.headers), &view, status))
    }

    /// Every client that has a grant or a consent of the user, once.
    async fn applications(&self, user: &User, incoming: &Incoming) -> Result<Vec<AccountApplication>, OAuthError> {
        let words = self.pages.words(None, &incoming.headers);
        let grants = self.store.grants(Some(Whose::User(user.id.clone())), self.clock.now(), MOST_GRANTS).await?;
        let consents = self.store.consents(user.id.clone()).await?;
        let given = consents.into_iter().map(|consent| (consent.client, consent.scopes));
        let granted = grants.into_iter().map(|grant| (grant.client, super::scope::split(&grant.allowed.scope)));
        let mut found: std::collections::BTreeMap<String, Vec<String>> = std::collections::BTreeMap::new();
        for (client, scopes) in given.chain(granted) {
            let all = found.entry(client).or_default();
            for scope in scopes {
                if !all.contains(&scope) {
                    all.push(scope);
                }
            }
        }
        let registry = self.registry.load();
        let application = |(client, scopes): (String, Vec<String>)| AccountApplication {
            name: registry.client(&client).map_or_else(|| client.clone(), |known| known.name().to_owned()),
            scopes: scopes.iter().map(|scope| self.scope_text(scope, words)).collect(),
            client,
        };
        Ok(found.into_iter().map(application).collect())
    }

    fn to_account(&self, done: &str) -> Response<Bytes> {
        see_other(&format!("{}?done={done}", self.path(ACCOUNT)))
    }
}

fn shown(session: Session, here: &str) -> AccountSession {
    AccountSession {
        here: session.sid == here,
        device: device::name(&session.device),
        address: session.address,
        seen: written(session.seen),
        sid: session.sid,
    }
}

/// A moment as people of every language read it: `2026-11-25 10:42 UTC`.
fn written(time: Time) -> String {
    let seconds = i64::try_from(time.secs()).unwrap_or(0);
    jiff::Timestamp::from_second(seconds).map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
}

//! Opaque tokens: asks their issuer about them (RFC 7662).
//!
//! One question per token at a time, however many wait for the answer; a bounded number of questions per issuer; good answers
//! are remembered with all other verified tokens, bad ones in a small table of their own, and no answer at all never.

mod answer;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderValue, StatusCode};
use moka::future::Cache as Flights;
use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::cache::Shared;
use super::issuer::{ClientAuth, IntrospectionSettings, IssuerSettings};
use super::verifier::{Context, INTROSPECTED};
use super::{Claims, TokenFault};
use crate::dial::client::{Answer, Client};
use crate::ground::{Digest, Time};

/// The questions to one issuer.
pub(super) struct Introspection {
    issuer: IssuerSettings,
    settings: IntrospectionSettings,
    authorization: Option<HeaderValue>,
    http: Client,
    context: Context,
    shared: Arc<Shared>,
    /// Marks what is put into `shared`.
    id: u64,
    /// Holds nothing: answers leave it as "errors", which moka hands to everyone who waits and then forgets.
    flights: Flights<Digest, Infallible>,
    /// Tokens that were said to be inactive, up to when that is believed.
    refused: Cache<Digest, Time>,
    places: Arc<Semaphore>,
    trouble: Mutex<Trouble>,
    calls: AtomicU64,
    failures: AtomicU64,
}

#[derive(Default)]
struct Trouble {
    /// Failures since the last answer.
    in_a_row: u32,
    last_try: Option<Instant>,
    last_error: Option<Arc<str>>,
}

/// What `Verifier::status` says about introspection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntrospectionStatus {
    pub calls: u64,
    pub failures: u64,
    pub last_error: Option<Arc<str>>,
    /// Questions get answers, as far as we know.
    pub usable: bool,
    /// Tokens remembered as inactive, roughly.
    pub refused: u64,
}

/// Inactive tokens remembered per issuer.
const REFUSED: u64 = 4096;
/// After so many failures in a row, one question a second finds out whether the issuer is back; all others are not asked.
const FAILURES: u32 = 5;
const PROBE_EVERY: Duration = Duration::from_secs(1);

impl Introspection {
    pub(super) fn open(
        issuer: &IssuerSettings,
        settings: &IntrospectionSettings,
        id: u64,
        shared: &Arc<Shared>,
        context: &Context,
    ) -> Arc<Self> {
        Arc::new(Self {
            issuer: issuer.clone(),
            authorization: answer::authorization(settings),
            places: Arc::new(Semaphore::new(settings.waiting.clamp(1, 65_536))),
            http: context.http.within(settings.timeout),
            settings: settings.clone(),
            context: context.clone(),
            shared: Arc::clone(shared),
            id,
            flights: Flights::new(65_536),
            refused: Cache::new(REFUSED),
            trouble: Mutex::default(),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// Whether to ask about a token that names `issuer`: nobody else is shown the tokens of an issuer that is known.
    pub(super) fn is_for(&self, issuer: Option<&str>) -> bool {
        match (issuer, &self.issuer.url) {
            (Some(named), Some(own)) => named == own,
            (Some(_) | None, _) => true,
        }
    }

    /// What the issuer says about `token`.
    pub(super) async fn ask(
        self: &Arc<Self>,
        token: &str,
        digest: Digest,
        now: Time,
    ) -> Result<Arc<Claims>, TokenFault> {
        if self.refused.get(&digest).is_some_and(|until| now < until) {
            return Err(TokenFault::Inactive);
        }
        let flight = self.flights.try_get_with(digest, async {
            // Somebody else's flight may just have ended.
            let known = self.shared.lookup(&digest, now, |entry| entry.issuer == self.id);
            Err(match known {
                Some(claims) => Ok(claims),
                None => self.question(token.to_owned(), digest).await,
            })
        });
        match flight.await {
            Ok(never) => match never {},
            Err(answer) => Arc::unwrap_or_clone(answer),
        }
    }

    pub(super) fn status(&self) -> IntrospectionStatus {
        let trouble = self.trouble.lock();
        IntrospectionStatus {
            calls: self.calls.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            last_error: trouble.last_error.clone(),
            usable: trouble.in_a_row < FAILURES,
            refused: self.refused.entry_count(),
        }
    }

    /// Hands the question to the control plane and waits. It goes on when the one who waits goes away: its answer is worth
    /// remembering.
    async fn question(self: &Arc<Self>, token: String, digest: Digest) -> Result<Arc<Claims>, TokenFault> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(self.unavailable("too many questions are waiting for it"));
        };
        if !self.may_try() {
            return Err(self.unavailable("it has not answered lately"));
        }
        let this = Arc::clone(self);
        let task = self.context.control.spawn(async move {
            let answer = this.exchange(&token, digest).await;
            drop(place);
            answer
        });
        task.await.unwrap_or_else(|_| Err(self.unavailable("the question was dropped")))
    }

    async fn exchange(&self, token: &str, digest: Digest) -> Result<Arc<Claims>, TokenFault> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let members = match self.send(token).await.and_then(|answer| answer::read(&answer.body)) {
            Ok(members) => members,
            Err(cause) => return Err(self.failed(&cause)),
        };
        *self.trouble.lock() = Trouble::default();
        let now = self.context.clock.now();
        let until = now.plus(self.settings.cache_for);
        let claims = match members {
            Some(members) => answer::judge(&self.issuer, members, digest, (now, until)).map(Arc::new),
            None => Err(TokenFault::Inactive),
        };
        match &claims {
            Ok(claims) => self.shared.insert(Arc::clone(claims), self.id, INTROSPECTED, token.len()),
            Err(TokenFault::Inactive) => self.refused.insert(digest, now.plus(self.settings.failures_for)),
            Err(_) => {}
        }
        claims
    }

    async fn send(&self, token: &str) -> Result<Answer, String> {
        let mut form = vec![("token", token), ("token_type_hint", "access_token")];
        if self.settings.auth == ClientAuth::Post {
            form.push(("client_id", &self.settings.client_id));
            form.push(("client_secret", self.settings.client_secret.expose()));
        }
        let answer = self.http.post(&self.settings.url, &form, self.authorization.clone()).await;
        let answer = answer.map_err(|fault| fault.to_string())?;
        match answer.status {
            StatusCode::OK => Ok(answer),
            StatusCode::UNAUTHORIZED => Err("it does not accept our client id and secret".to_owned()),
            status => Err(format!("it answered {}", status.as_u16())),
        }
    }

    fn may_try(&self) -> bool {
        let now = self.context.clock.instant();
        let mut trouble = self.trouble.lock();
        let is_paused = trouble.in_a_row >= FAILURES
            && trouble.last_try.is_some_and(|last| now.saturating_duration_since(last) < PROBE_EVERY);
        if !is_paused {
            trouble.last_try = Some(now);
        }
        !is_paused
    }

    fn failed(&self, cause: &str) -> TokenFault {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut trouble = self.trouble.lock();
        if trouble.in_a_row == 0 {
            tracing::warn!(issuer.name = %self.issuer.name, "the issuer cannot be asked about tokens: {cause}");
        }
        trouble.in_a_row = trouble.in_a_row.saturating_add(1);
        trouble.last_error = Some(cause.into());
        self.unavailable(cause)
    }

    fn unavailable(&self, cause: &str) -> TokenFault {
        TokenFault::IntrospectionUnavailable { issuer: Arc::clone(&self.issuer.name), cause: cause.into() }
    }
}

#[cfg(test)]
mod tests;

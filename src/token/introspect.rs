//! Opaque tokens: asks their issuer about them (RFC 7662).
//!
//! One question per token at a time, however many wait for the answer; a bounded number of questions per issuer; good answers
//! are remembered with all other verified tokens, bad ones in a small table of their own, and no answer at all never.

mod answer;
mod places;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderValue, StatusCode};
use moka::future::Cache as Flights;
use moka::sync::Cache;
use parking_lot::Mutex;

use super::cache::Shared;
use super::issuer::{ClientAuth, IntrospectionSettings, IssuerSettings};
use super::verifier::{Context, INTROSPECTED, Question};
use super::{Claims, TokenFault};
use crate::dial::client::{Answer, Client};
use crate::ground::{Digest, Time};
use places::Places;

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
    /// Tokens that were said to be inactive or are not for us, why, and up to when that is believed.
    refused: Cache<Digest, (Time, TokenFault)>,
    places: Arc<Places>,
    trouble: Mutex<Trouble>,
    calls: AtomicU64,
    failures: AtomicU64,
}

#[derive(Default)]
struct Trouble {
    /// Failures since the last answer.
    in_a_row: u32,
    /// It is not asked before; it has said that it is asked too much.
    busy_until: Option<Instant>,
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
    /// Tokens remembered as refused, roughly.
    pub refused: u64,
}

/// Refused tokens remembered per issuer.
const REFUSED: u64 = 4096;
/// After so many failures in a row, one question a second finds out whether the issuer is back; all others are not asked.
const FAILURES: u32 = 5;
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Longest time that a busy issuer is left alone for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why there was no answer.
enum NoAnswer {
    /// It answered 429 (RFC 6585 section 4): it is there, and asks to be left alone for so long.
    Busy(Duration),
    Down(String),
}

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
            places: Arc::new(Places::new(settings.waiting)),
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

    /// What the issuer says about a token.
    pub(super) async fn ask(self: &Arc<Self>, asked: &Question<'_>) -> Result<Arc<Claims>, TokenFault> {
        let Question { digest, now, .. } = *asked;
        if let Some((_, fault)) = self.refused.get(&digest).filter(|(until, _)| now < *until) {
            return Err(fault);
        }
        let flight = self.flights.try_get_with(digest, async {
            // Somebody else's flight may just have ended.
            let known = self.shared.lookup(&digest, now, |entry| entry.issuer == self.id);
            Err(match known {
                Some(claims) => Ok(claims),
                None => self.question(asked).await,
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
    async fn question(self: &Arc<Self>, asked: &Question<'_>) -> Result<Arc<Claims>, TokenFault> {
        let Some(place) = self.places.take(asked.network) else {
            return Err(self.unavailable("too many questions are waiting for it"));
        };
        self.may_try().map_err(|cause| self.unavailable(cause))?;
        let (token, digest) = (asked.token.to_owned(), asked.digest);
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
        let answer = self.send(token).await;
        let members = match answer.and_then(|answer| answer::read(&answer.body).map_err(NoAnswer::Down)) {
            Ok(members) => members,
            Err(cause) => return Err(self.failed(cause)),
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
            Err(fault) => {
                let until = now.plus(answer::refused_for(fault, self.settings.failures_for, self.issuer.leeway));
                self.refused.insert(digest, (until, fault.clone()));
            }
        }
        claims
    }

    async fn send(&self, token: &str) -> Result<Answer, NoAnswer> {
        let mut form = vec![("token", token), ("token_type_hint", "access_token")];
        if self.settings.auth == ClientAuth::Post {
            form.push(("client_id", &self.settings.client_id));
            form.push(("client_secret", self.settings.client_secret.expose()));
        }
        let answer = self.http.post(&self.settings.url, &form, self.authorization.clone()).await;
        let answer = answer.map_err(|fault| NoAnswer::Down(fault.to_string()))?;
        match answer.status {
            StatusCode::OK => Ok(answer),
            StatusCode::TOO_MANY_REQUESTS => Err(NoAnswer::Busy(answer::pause(&answer.headers).min(LONGEST_PAUSE))),
            StatusCode::UNAUTHORIZED => Err(NoAnswer::Down("it does not accept our client id and secret".to_owned())),
            status => Err(NoAnswer::Down(format!("it answered {}", status.as_u16()))),
        }
    }

    /// The error says why not.
    fn may_try(&self) -> Result<(), &'static str> {
        let now = self.context.clock.instant();
        let mut trouble = self.trouble.lock();
        if trouble.busy_until.is_some_and(|until| now < until) {
            return Err("it is asked too much and wants a pause");
        }
        let is_paused = trouble.in_a_row >= FAILURES
            && trouble.last_try.is_some_and(|last| now.saturating_duration_since(last) < PROBE_EVERY);
        if is_paused {
            return Err("it has not answered lately");
        }
        trouble.last_try = Some(now);
        Ok(())
    }

    fn failed(&self, cause: NoAnswer) -> TokenFault {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut trouble = self.trouble.lock();
        let cause = match cause {
            NoAnswer::Down(cause) => cause,
            NoAnswer::Busy(pause) => {
                let cause = "it answered 429: it is asked too much";
                trouble.busy_until = Some(self.context.clock.instant() + pause);
                trouble.last_error = Some(cause.into());
                return self.unavailable(cause);
            }
        };
        if trouble.in_a_row == 0 {
            tracing::warn!(issuer.name = %self.issuer.name, "the issuer cannot be asked about tokens: {cause}");
        }
        trouble.in_a_row = trouble.in_a_row.saturating_add(1);
        trouble.last_error = Some(cause.as_str().into());
        self.unavailable(&cause)
    }

    fn unavailable(&self, cause: &str) -> TokenFault {
        TokenFault::IntrospectionUnavailable { issuer: Arc::clone(&self.issuer.name), cause: cause.into() }
    }
}

#[cfg(test)]
mod tests;

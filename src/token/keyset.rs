//! The keys of one issuer, kept fresh behind the request path.
//!
//! A known key never waits. Keys are fetched on time in the background; an unknown key id fetches at once, and then at most
//! one in `refetch_every`, for the issuer and not for the key id, so that invented ids cost nobody anything. One fetch at a
//! time: whoever comes meanwhile waits for that one. Whatever is not a usable key set leaves the old keys in place, up to
//! `stale_for` after the last success; they are kept in the store too, so that the gateway starts while the issuer is down.

mod fetch;
mod refresh;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::TokenFault;
use super::issuer::KeySource;
use super::jwt::jwk::Choice;
use super::jwt::{Compact, Header, KeySet};
use super::verifier::Context;
use crate::ground::Time;

/// What the keys of an issuer depend on; equal settings share one state over a reload.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KeySettings {
    /// The issuer's name in the file, for messages.
    pub(super) name: Arc<str>,
    /// Exactly as in `iss`.
    pub(super) url: String,
    pub(super) source: KeySource,
    pub(super) stale_for: Duration,
    pub(super) refresh_every: Duration,
    pub(super) refetch_every: Duration,
}

/// The keys of one issuer.
pub(super) struct Keys {
    pub(super) settings: KeySettings,
    context: Context,
    /// Turned whenever something verified before may not hold any more; shared by all issuers.
    generation: Arc<AtomicU64>,
    current: ArcSwapOption<Good>,
    /// Turned when a key has gone or changed.
    epoch: AtomicU64,
    state: Mutex<State>,
    /// Counts the moments at which it is worth to look again: a fetch has ended, or kept keys have been found.
    news: watch::Sender<u64>,
    fetched: AtomicU64,
    failed: AtomicU64,
}

struct Good {
    keys: Arc<KeySet>,
    /// The last success.
    fetched: Time,
}

#[derive(Default)]
struct State {
    in_flight: bool,
    /// When the next fetch is due; `None` for sources that are never fetched.
    due: Option<Instant>,
    /// When an unknown key id last made us fetch.
    forced: Option<Instant>,
    /// Failures since the last success.
    failures: u32,
    last_error: Option<Arc<str>>,
    /// The discovered address, and until when it is believed.
    address: Option<(String, Instant)>,
    /// What was wrong with single keys of the last set; said once.
    warnings: Vec<String>,
}

/// What `Verifier::status` says about keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyStatus {
    pub count: usize,
    /// Time of the last success.
    pub fetched: Option<Time>,
    pub last_error: Option<Arc<str>>,
    pub usable: bool,
    /// Fetches since start that brought a usable set, and those that did not.
    pub fetches: u64,
    pub failures: u64,
}

impl Keys {
    /// Takes the keys that need no fetching; for the others starts the first fetch and its background, and goes on meanwhile
    /// with what `old` has, when it comes from the same place.
    pub(super) fn open(
        settings: KeySettings,
        context: &Context,
        generation: &Arc<AtomicU64>,
        old: Option<&Keys>,
    ) -> Arc<Self> {
        let old = old.filter(|old| old.settings.url == settings.url && old.settings.source == settings.source);
        let keys = Arc::new(Self {
            settings,
            context: context.clone(),
            generation: Arc::clone(generation),
            current: ArcSwapOption::new(old.and_then(|old| old.current.load_full())),
            epoch: AtomicU64::new(0),
            state: Mutex::default(),
            news: watch::Sender::new(0),
            fetched: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        match &keys.settings.source {
            KeySource::Local(_) => {}
            KeySource::Document(text) => keys.read_document(text),
            KeySource::Discovery | KeySource::Url(_) => keys.begin(),
        }
        keys
    }

    /// Whether one of the issuer's keys signed `token`; gives the epoch that this rests on. Waits only when the key is not
    /// known and a fetch may bring it.
    pub(super) async fn check(
        self: &Arc<Self>,
        token: &Compact<'_>,
        header: &Header,
        now: Time,
    ) -> Result<u64, TokenFault> {
        let mut patience = 3;
        loop {
            let epoch = self.epoch();
            let news = self.news.subscribe();
            let keys = self.usable(now);
            let fault = match &keys {
                Some(keys) => match judge(keys, token, header) {
                    Err(TokenFault::KeyUnknown(kid)) => TokenFault::KeyUnknown(kid),
                    verdict => return verdict.map(|()| epoch),
                },
                None => self.unavailable(),
            };
            if patience == 0 {
                return Err(fault);
            }
            patience = match self.seek(keys.is_some(), &news) {
                Seek::Nothing => return Err(fault),
                Seek::Joined => patience - 1,
                Seek::Started => 0,
            };
            drop(keys);
            wait(news).await;
        }
    }

    /// Which state of the keys it is; what was verified in another one has to be verified again.
    pub(super) fn epoch(&self) -> u64 {
        match &self.settings.source {
            KeySource::Local(keys) => keys.load().fingerprint(),
            KeySource::Discovery | KeySource::Url(_) | KeySource::Document(_) => self.epoch.load(Ordering::Acquire),
        }
    }

    /// Until when the present keys may be used if no fetch succeeds any more.
    pub(super) fn good_until(&self) -> Time {
        match &self.settings.source {
            KeySource::Local(_) | KeySource::Document(_) => Time::from_millis(u64::MAX),
            KeySource::Discovery | KeySource::Url(_) => {
                self.current.load().as_ref().map_or(Time::default(), |good| good.fetched.plus(self.settings.stale_for))
            }
        }
    }

    /// Waits until the first fetch has ended or kept keys are there.
    pub(super) async fn first_news(&self) {
        if self.state.lock().in_flight {
            let _ = self.news.subscribe().wait_for(|count| *count > 0).await;
        }
    }

    pub(super) fn status(&self, now: Time) -> KeyStatus {
        KeyStatus {
            count: self.usable(now).map_or(0, |keys| keys.len()),
            fetched: self.current.load().as_ref().map(|good| good.fetched),
            last_error: self.state.lock().last_error.clone(),
            usable: self.usable(now).is_some(),
            fetches: self.fetched.load(Ordering::Relaxed),
            failures: self.failed.load(Ordering::Relaxed),
        }
    }

    fn usable(&self, now: Time) -> Option<Arc<KeySet>> {
        match &self.settings.source {
            KeySource::Local(keys) => Some(keys.load_full()).filter(|keys| !keys.is_empty()),
            KeySource::Document(_) => self.current.load().as_ref().map(|good| Arc::clone(&good.keys)),
            KeySource::Discovery | KeySource::Url(_) => {
                let current = self.current.load();
                let good = current.as_ref().filter(|good| now.since(good.fetched) <= self.settings.stale_for)?;
                Some(Arc::clone(&good.keys))
            }
        }
    }

    fn unavailable(&self) -> TokenFault {
        let cause = self.state.lock().last_error.clone();
        let cause = cause.unwrap_or_else(|| "its keys have not been fetched yet".into());
        TokenFault::KeysUnavailable { issuer: Arc::clone(&self.settings.name), cause }
    }

    /// Decides, for a key that is not there, whether to wait, to fetch or to give up. `news` is from before it was looked for.
    fn seek(self: &Arc<Self>, have_keys: bool, news: &watch::Receiver<u64>) -> Seek {
        let now = self.context.clock.instant();
        {
            let mut state = self.state.lock();
            if news.has_changed().unwrap_or(false) {
                return Seek::Joined;
            }
            // An issuer that has failed and left us without keys is the background's business: nobody queues for it.
            if state.due.is_none() && !state.in_flight || !have_keys && state.failures > 0 {
                return Seek::Nothing;
            }
            if state.in_flight {
                return Seek::Joined;
            }
            let waits_until = state.forced.map(|forced| forced + self.settings.refetch_every);
            if waits_until.is_some_and(|until| now < until) {
                return Seek::Nothing;
            }
            state.forced = Some(now);
            state.in_flight = true;
        }
        self.fly(false);
        Seek::Started
    }
}

/// The public keys of a client that signs statements about itself. Fetched and kept like those of an issuer.
pub struct ClientKeys(Arc<Keys>);

impl ClientKeys {
    /// `source` is a document or the address of one.
    pub fn open(client: &str, source: KeySource, context: &Context) -> Self {
        let settings = KeySettings {
            name: format!("client {client}").into(),
            url: format!("client:{client}"),
            source,
            stale_for: Duration::from_secs(12 * 3600),
            refresh_every: Duration::from_secs(3600),
            refetch_every: Duration::from_secs(30),
        };
        Self(Keys::open(settings, context, &Arc::default(), None))
    }

    /// Whether one of them signed `token`. Waits only when the key is not known and a fetch may bring it.
    pub async fn check(&self, token: &Compact<'_>, header: &Header, now: Time) -> Result<(), TokenFault> {
        self.0.check(token, header, now).await.map(drop)
    }
}

enum Seek {
    Nothing,
    Joined,
    Started,
}

async fn wait(mut news: watch::Receiver<u64>) {
    let _ = news.changed().await;
}

fn judge(keys: &KeySet, token: &Compact<'_>, header: &Header) -> Result<(), TokenFault> {
    let named: Arc<str> = header.kid.as_deref().map_or_else(|| "(none)".into(), super::jwt::header::printable);
    match keys.choose(header.kid.as_deref(), header.algorithm) {
        Choice::Keys(keys) if keys.iter().any(|key| token.is_signed_by(key)) => Ok(()),
        Choice::Keys(_) => Err(TokenFault::SignatureInvalid { key: named }),
        Choice::OtherAlgorithm => Err(TokenFault::AlgorithmRefused(header.algorithm.name().into())),
        Choice::Unknown => Err(TokenFault::KeyUnknown(named)),
    }
}

#[cfg(test)]
mod tests;

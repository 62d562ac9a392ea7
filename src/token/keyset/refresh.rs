//! When keys are fetched, and what a fetch changes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Good, Keys, fetch};
use crate::ground::Time;
use crate::store::KeptKeySet;
use crate::token::issuer::KeySource;
use crate::token::jwt::KeySet;

/// How often the background looks whether a fetch is due.
const TICK: Duration = Duration::from_secs(1);
/// Without keys the issuer is asked again soon, and the first answer heals; with keys there is time.
const RETRY_WITHOUT_KEYS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(4));
const RETRY_WITH_KEYS: Duration = Duration::from_secs(5);
/// How long a discovered address is believed while fetches succeed.
const ADDRESS_FOR: Duration = Duration::from_secs(3600);

impl Keys {
    /// Starts the first fetch, and the background that does all later ones.
    pub(super) fn begin(self: &Arc<Self>) {
        self.state.lock().in_flight = true;
        self.fly(true);
        self.context.control.spawn(tend(Arc::downgrade(self)));
    }

    /// Starts a fetch when its time has come and none is on its way.
    pub(super) fn refresh_if_due(self: &Arc<Self>) {
        let now = self.context.clock.instant();
        {
            let mut state = self.state.lock();
            if state.in_flight || state.due.is_none_or(|due| now < due) {
                return;
            }
            state.in_flight = true;
        }
        self.fly(false);
    }

    /// Fetches on the control plane. The caller has marked the flight in `state`; its end is marked here, however it ends.
    pub(super) fn fly(self: &Arc<Self>, first: bool) {
        let flight = Flight(Arc::clone(self));
        self.context.control.spawn(async move {
            let keys = Arc::clone(&flight.0);
            if first {
                keys.take_kept().await;
            }
            let kept = keys.fetch().await;
            drop(flight);
            if let Some(kept) = kept {
                keys.keep(kept).await;
            }
        });
    }

    /// One fetch and its consequences; gives what is worth to be kept.
    async fn fetch(&self) -> Option<KeptKeySet> {
        let found = match self.address().await {
            Ok(address) => fetch::key_set(&self.context.http, &address).await,
            Err(cause) => Err(cause),
        };
        match found {
            Ok(found) => {
                self.warn(found.reading.warnings);
                let fetched = self.context.clock.now();
                self.succeed(found.reading.keys, fetched, found.max_age);
                Some(KeptKeySet { document: found.document, fetched })
            }
            Err(cause) => {
                self.fail(&cause);
                None
            }
        }
    }

    /// Says what is wrong with single keys, unless it has been said.
    fn warn(&self, warnings: Vec<String>) {
        let mut state = self.state.lock();
        if state.warnings != warnings {
            for warning in &warnings {
                tracing::warn!(issuer.name = %self.settings.name, "{warning}");
            }
            state.warnings = warnings;
        }
    }

    async fn address(&self) -> Result<String, String> {
        if let KeySource::Url(address) = &self.settings.source {
            return Ok(address.clone());
        }
        let now = self.context.clock.instant();
        let known = self.state.lock().address.clone().filter(|(_, until)| now < *until);
        if let Some((address, _)) = known {
            return Ok(address);
        }
        let address = fetch::discover(&self.context.http, &self.settings.url).await?;
        self.state.lock().address = Some((address.clone(), now + ADDRESS_FOR));
        Ok(address)
    }

    fn succeed(&self, keys: KeySet, fetched: Time, max_age: Option<Duration>) {
        self.replace(keys, fetched);
        self.fetched.fetch_add(1, Ordering::Relaxed);
        // A healthy issuer is asked in time: the present keys serve until `stale_for`, and half of it is left for trouble.
        let most = self.settings.refresh_every.min(self.settings.stale_for / 2);
        let least = self.settings.refetch_every.min(most);
        let span = max_age.unwrap_or(most).clamp(least, most);
        let mut state = self.state.lock();
        if state.failures > 0 {
            tracing::info!(issuer.name = %self.settings.name, "the keys of the issuer can be fetched again");
        }
        (state.failures, state.last_error) = (0, None);
        state.due = Some(self.context.clock.instant() + self.shortened(span));
    }

    fn fail(&self, cause: &str) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let have_keys = self.usable(self.context.clock.now()).is_some();
        let (first, most) = if have_keys {
            (RETRY_WITH_KEYS, self.settings.refetch_every.max(RETRY_WITH_KEYS))
        } else {
            RETRY_WITHOUT_KEYS
        };
        let mut state = self.state.lock();
        if state.failures == 0 {
            tracing::warn!(issuer.name = %self.settings.name, have_keys, "the keys of the issuer cannot be fetched: {cause}");
        }
        let span = first.saturating_mul(1 << state.failures.min(10)).min(most);
        state.failures = state.failures.saturating_add(1);
        state.last_error = Some(cause.into());
        state.address = None;
        state.due = Some(self.context.clock.instant() + self.shortened(span));
    }

    /// Up to a tenth less, so that many gateways do not ask at the same moment.
    fn shortened(&self, span: Duration) -> Duration {
        let [chance] = self.context.random.bytes::<1>();
        span - span / 10 * u32::from(chance) / 255
    }

    fn replace(&self, keys: KeySet, fetched: Time) {
        let old = self.current.swap(Some(Arc::new(Good { keys: Arc::new(keys), fetched })));
        let (Some(old), Some(new)) = (old, self.current.load_full()) else { return };
        if !new.keys.keeps_all_of(&old.keys) {
            self.epoch.fetch_add(1, Ordering::AcqRel);
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
    }

    pub(super) fn read_document(&self, text: &str) {
        match KeySet::read(text) {
            Ok(reading) => {
                self.warn(reading.warnings);
                self.replace(reading.keys, self.context.clock.now());
            }
            Err(cause) => self.state.lock().last_error = Some(cause.into()),
        }
    }

    /// The identifier and the place: another issuer or another address never finds these keys.
    fn store_name(&self) -> String {
        match &self.settings.source {
            KeySource::Url(address) => format!("{} {address}", self.settings.url),
            KeySource::Discovery | KeySource::Document(_) | KeySource::Local(_) => {
                format!("{} discovery", self.settings.url)
            }
        }
    }

    async fn take_kept(&self) {
        let kept = match self.context.store.key_set(self.store_name()).await {
            Ok(kept) => kept,
            Err(fault) => return tracing::warn!(issuer.name = %self.settings.name, "no kept keys: {fault}"),
        };
        // A clock that was ahead when they were fetched must not make them immortal.
        let now = self.context.clock.now();
        let Some(kept) = kept else { return };
        let is_newer = self.current.load().as_ref().is_none_or(|good| kept.fetched > good.fetched);
        if let (Ok(reading), true) = (KeySet::read(&kept.document), is_newer) {
            self.replace(reading.keys, kept.fetched.min(now));
            self.news.send_modify(|count| *count += 1);
        }
    }

    async fn keep(&self, kept: KeptKeySet) {
        if let Err(fault) = self.context.store.keep_key_set(self.store_name(), kept).await {
            tracing::warn!(issuer.name = %self.settings.name, "the keys are not kept for the next start: {fault}");
        }
    }
}

/// A fetch on its way. However it ends, those who wait are woken.
pub(super) struct Flight(pub(super) Arc<Keys>);

impl Drop for Flight {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.in_flight = false;
        self.0.news.send_modify(|count| *count += 1);
    }
}

/// Looks after the keys for as long as somebody else holds them.
async fn tend(keys: Weak<Keys>) {
    loop {
        tokio::time::sleep(TICK).await;
        let Some(keys) = keys.upgrade() else { return };
        keys.refresh_if_due();
    }
}

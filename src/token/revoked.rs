//! Tokens of the hosted authority whose signature is good and which are good for nothing any more.
//!
//! The store says what was revoked, in order; this follows it a quarter of a second behind, and at once when it is told, by
//! this process or through the store by another. A
//! worker asks without a lock: the set is an immutable snapshot that is swapped, and an empty one costs one load.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::ground::{SharedClock, Time};
use crate::store::{GrantId, Revocation, Revoked, SharedStore, StoreFault};

/// How often the store is asked when nobody says that there is something new.
const EVERY: Duration = Duration::from_millis(250);
/// Revocations that are read at once.
const PAGE: usize = 5_000;
/// Most entries, about 64 MB. Beyond it every token that was issued before is refused instead: its holder refreshes.
const MOST: usize = 1_000_000;
/// How often entries whose time is over are dropped.
const SWEEP: Duration = Duration::from_secs(60);

/// What a token can be revoked by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocable {
    /// `jti`.
    pub id: Arc<str>,
    /// Grant, generation and epoch, where a user is behind it.
    pub grant: Option<(GrantId, u32, u32)>,
    pub client: Arc<str>,
    pub issued: Time,
}

/// The revocations in force. Made once per process.
#[derive(Default)]
pub struct Revocations {
    set: ArcSwap<Set>,
    /// There is at least one entry.
    any: AtomicBool,
    kick: Notify,
    /// When the store was read last, in milliseconds of wall time.
    read: AtomicU64,
    /// How old what was read may be, in milliseconds; zero: nobody has said.
    trusted: AtomicU64,
    failures: AtomicU64,
}

#[derive(Clone, Default)]
struct Set {
    tokens: HashMap<Arc<str>, Time>,
    /// Below which epoch, and until when.
    grants: HashMap<GrantId, (u32, Time)>,
    /// Issued up to when, and until when.
    clients: HashMap<Arc<str>, (Time, Time)>,
    /// Every token issued up to then, and until when that has to be said.
    all: Option<(Time, Time)>,
}

/// How the following goes; for metrics and readiness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RevocationStatus {
    pub entries: usize,
    /// The set was too large and everything issued before a moment is refused instead.
    pub is_full: bool,
    /// Since the store was last read.
    pub age: Duration,
    /// It was read lately enough.
    pub is_trusted: bool,
    pub failures: u64,
}

impl Revocations {
    /// Whether this token is refused now.
    pub fn refuse(&self, token: &Revocable) -> bool {
        self.any.load(Ordering::Relaxed) && self.set.load().refuses(token)
    }

    /// From now on what is known counts for so long and no longer, when the store cannot be read.
    pub fn trust_for(&self, span: Duration) {
        self.trusted.store(u64::try_from(span.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Since when the store could not be read, if that is too long ago: nobody knows what has been revoked since.
    pub fn doubt(&self, now: Time) -> Option<Duration> {
        let trusted = Duration::from_millis(self.trusted.load(Ordering::Relaxed));
        let age = now.since(Time::from_millis(self.read.load(Ordering::Relaxed)));
        (!trusted.is_zero() && age > trusted).then_some(age)
    }

    /// Something was revoked: the store is read now.
    pub fn kick(&self) {
        self.kick.notify_one();
    }

    pub fn status(&self, now: Time) -> RevocationStatus {
        let set = self.set.load();
        RevocationStatus {
            entries: set.len(),
            is_full: set.all.is_some(),
            age: now.since(Time::from_millis(self.read.load(Ordering::Relaxed))),
            is_trusted: self.doubt(now).is_none(),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    fn put(&self, set: Set) {
        let any = set.len() > 0 || set.all.is_some();
        self.set.store(Arc::new(set));
        // Behind the set: whoever sees the flag finds what it is about. The flag is never late by more than one request.
        self.any.store(any, Ordering::Release);
    }
}

/// Follows the store for as long as the revocations are wanted.
pub struct Follower {
    revocations: Arc<Revocations>,
    store: SharedStore,
    clock: SharedClock,
    /// The last one taken over.
    number: u64,
    swept: Time,
    failing: bool,
}

impl Follower {
    /// Reads everything that is in force: nothing may be served before that.
    pub async fn open(
        revocations: Arc<Revocations>,
        store: SharedStore,
        clock: SharedClock,
    ) -> Result<Self, StoreFault> {
        let swept = clock.now();
        let mut follower = Self { revocations, store, clock, number: 0, swept, failing: false };
        follower.read().await?;
        Ok(follower)
    }

    /// Runs until its task is dropped. A store that cannot be read leaves the last known set in force.
    pub async fn follow(mut self) {
        let mut news = self.store.news();
        loop {
            // Told by us, told by another gateway, or not told: the store is asked.
            tokio::select! {
                () = self.revocations.kick.notified() => {}
                () = news.next() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
            match self.read().await {
                Ok(()) if self.failing => {
                    self.failing = false;
                    tracing::info!("revocations are read again");
                }
                Ok(()) => {}
                Err(fault) => {
                    self.revocations.failures.fetch_add(1, Ordering::Relaxed);
                    if !self.failing {
                        self.failing = true;
                        tracing::error!("revocations cannot be read, the last known ones stay in force: {fault}");
                    }
                }
            }
        }
    }

    /// Takes over what is new: all of it, or nothing, and then all of it the next time.
    async fn read(&mut self) -> Result<(), StoreFault> {
        let now = self.clock.now();
        let mut fresh = Vec::new();
        let newest = if self.number == 0 { None } else { Some(self.store.versions().await?.revocations) };
        // A database that is behind is another one: a standby that has taken over, or a backup. It counts on from there, and what
        // it says under numbers that were heard before has not been heard.
        let has_gone_back = newest.is_some_and(|newest| newest < self.number);
        let mut number = if has_gone_back { 0 } else { self.number };
        if newest.is_none_or(|newest| newest != self.number) {
            loop {
                let page = self.store.revocations(number, now, PAGE).await?;
                let is_last = page.len() < PAGE;
                number = page.last().map_or(number, |last| last.number);
                fresh.extend(page);
                if is_last {
                    break;
                }
            }
        }
        let is_due = now.since(self.swept) >= SWEEP;
        if !fresh.is_empty() || is_due {
            let mut set = Set::clone(&self.revocations.set.load());
            fresh.into_iter().for_each(|revocation| set.take(revocation));
            if is_due {
                self.swept = now;
                set.forget(now);
            }
            set.bound(now);
            self.revocations.put(set);
        }
        self.number = number;
        self.revocations.read.store(self.clock.now().millis(), Ordering::Relaxed);
        Ok(())
    }
}

impl Set {
    fn refuses(&self, token: &Revocable) -> bool {
        let by_grant =
            |(id, _, epoch): (GrantId, u32, u32)| self.grants.get(&id).is_some_and(|(below, _)| epoch < *below);
        self.tokens.contains_key(&token.id)
            || token.grant.is_some_and(by_grant)
            || self.clients.get(&token.client).is_some_and(|(until, _)| token.issued <= *until)
            || self.all.is_some_and(|(until, _)| token.issued <= until)
    }

    fn take(&mut self, revocation: Revocation) {
        let until = revocation.until;
        match revocation.what {
            Revoked::Token(id) => {
                let kept = self.tokens.entry(id.into()).or_default();
                *kept = until.max(*kept);
            }
            Revoked::Grant { id, below_epoch } => {
                let kept = self.grants.entry(id).or_default();
                *kept = (below_epoch.max(kept.0), until.max(kept.1));
            }
            Revoked::Client { id, issued_until } => {
                let kept = self.clients.entry(id.into()).or_default();
                *kept = (issued_until.max(kept.0), until.max(kept.1));
            }
        }
    }

    fn forget(&mut self, now: Time) {
        self.tokens.retain(|_, until| now < *until);
        self.grants.retain(|_, (_, until)| now < *until);
        self.clients.retain(|_, (_, until)| now < *until);
        self.all = self.all.filter(|(_, until)| now < *until);
    }

    /// A set that has grown too large gives way to one rule that refuses more.
    fn bound(&mut self, now: Time) {
        if self.len() <= MOST {
            return;
        }
        let ends = self.tokens.values().chain(self.grants.values().map(|(_, until)| until));
        let until = ends.chain(self.clients.values().map(|(_, until)| until)).copied().max().unwrap_or(now);
        tracing::error!("more than {MOST} revocations: every token issued before now is refused");
        *self = Self { all: Some((now, until)), ..Self::default() };
    }

    fn len(&self) -> usize {
        self.tokens.len() + self.grants.len() + self.clients.len()
    }
}

#[cfg(test)]
mod tests;

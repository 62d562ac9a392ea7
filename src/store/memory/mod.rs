//! The store in memory: for tests and for trying things out. Forgets everything when it goes.

mod clients;
mod grants;
mod keys;
mod people;
mod whole;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::ready;

use parking_lot::Mutex;

use super::{
    AccessToken, Act, Code, Consent, Grant, GrantId, KeptClient, KeptKeySet, News, Revocation, Revoked, SecretUse,
    Session, SigningKey, Store, StoreStatus, User, Versions,
};
use crate::ground::{Digest, Time};

/// Keeps everything behind one lock, which no verb holds while it waits.
#[derive(Default)]
pub struct Memory {
    rows: Mutex<Rows>,
    /// Every verb fails from now on: for tests of what others do then.
    #[cfg(test)]
    pub(crate) is_down: std::sync::atomic::AtomicBool,
    /// So many verbs more succeed, and then every one fails; `None`: all succeed.
    #[cfg(test)]
    pub(crate) verbs_left: Mutex<Option<usize>>,
    /// Counts the key sets that were kept.
    #[cfg(test)]
    pub(crate) kept: tokio::sync::watch::Sender<usize>,
    /// What somebody else does just before one of the next verbs: for tests of what happens in between.
    #[cfg(test)]
    pub(crate) between: Mutex<Option<(usize, Between)>>,
}

#[cfg(test)]
pub(crate) type Between = Box<dyn FnOnce(&Memory) + Send>;

#[derive(Default)]
struct Rows {
    /// Oldest first.
    keys: Vec<SigningKey>,
    key_sets: HashMap<String, KeptKeySet>,
    clients: BTreeMap<String, KeptClient>,
    secret_uses: BTreeMap<(String, String), SecretUse>,
    /// Clients of the file; `None` before the first reading.
    named_clients: Option<BTreeSet<String>>,
    users: BTreeMap<String, User>,
    /// The hash that the file gave a user last.
    file_hashes: HashMap<String, Option<String>>,
    /// Ids that were somebody's once.
    retired: BTreeSet<String>,
    sessions: HashMap<Digest, Session>,
    consents: BTreeMap<(String, String, String), Consent>,
    codes: HashMap<Digest, Code>,
    finished: HashMap<Digest, Time>,
    grants: HashMap<GrantId, Kept>,
    tokens: HashMap<Digest, AccessToken>,
    revocations: Vec<Revocation>,
    assertions: HashMap<Digest, Time>,
    versions: Versions,
}

/// A grant, and until when it is kept once it is revoked.
struct Kept {
    grant: Grant,
    until: Time,
}

impl Memory {
    /// Runs one verb.
    fn act<T: Send + 'static>(&self, work: impl FnOnce(&mut Rows) -> T) -> Act<'_, T> {
        #[cfg(test)]
        if self.is_down.load(std::sync::atomic::Ordering::SeqCst) || self.is_worn_out() {
            let fault = super::StoreFault { act: "do anything", cause: "the disk is gone".into() };
            return Box::pin(ready(Err(fault)));
        }
        #[cfg(test)]
        self.between();
        let done = work(&mut self.rows.lock());
        Box::pin(ready(Ok(done)))
    }

    /// Uses up one of the verbs that are left.
    #[cfg(test)]
    fn is_worn_out(&self) -> bool {
        let mut left = self.verbs_left.lock();
        let is_over = *left == Some(0);
        *left = left.map(|left| left.saturating_sub(1));
        is_over
    }

    /// Lets somebody else act, when it is their turn.
    #[cfg(test)]
    fn between(&self) {
        let mut waiting = self.between.lock();
        let due = match &mut *waiting {
            Some((0, _)) => waiting.take(),
            Some((verbs, _)) => {
                *verbs -= 1;
                None
            }
            None => None,
        };
        drop(waiting);
        if let Some((_, act)) = due {
            act(self);
        }
    }
}

impl Store for Memory {
    fn versions(&self) -> Act<'_, Versions> {
        self.act(|rows| rows.versions)
    }

    fn sweep(&self, now: Time, most: usize) -> Act<'_, usize> {
        self.act(|rows| rows.sweep(now, most))
    }

    fn ping(&self) -> Act<'_, ()> {
        self.act(|_| ())
    }

    fn news(&self) -> News {
        News::never()
    }

    fn status(&self) -> StoreStatus {
        StoreStatus { kind: "memory", ..StoreStatus::default() }
    }
}

impl Rows {
    fn revoke(&mut self, what: Revoked, until: Time) {
        self.versions.revocations += 1;
        self.revocations.push(Revocation { number: self.versions.revocations, what, until });
    }

    fn sweep(&mut self, now: Time, most: usize) -> usize {
        let is_over = |grant: &Kept| now >= if grant.grant.revoked { grant.until } else { grant.grant.end() };
        let mut gone = take(&mut self.grants, most, |_, grant| is_over(grant));
        let grants = &self.grants;
        let is_unneeded = |code: &Code| match code.grant {
            Some(grant) => !grants.contains_key(&grant),
            None => now >= code.ends,
        };
        gone += take(&mut self.codes, most, |_, code| is_unneeded(code));
        gone += take(&mut self.sessions, most, |_, session| now >= session.ends || now >= session.idle_end);
        gone += take(&mut self.tokens, most, |_, token| now >= token.ends);
        gone += take(&mut self.finished, most, |_, until| now >= *until);
        gone += take(&mut self.assertions, most, |_, until| now >= *until);
        let before = (self.revocations.len(), self.keys.len());
        self.revocations.retain(|revocation| now < revocation.until);
        self.keys.retain(|key| key.ends.is_none_or(|ends| now < ends));
        gone + before.0 - self.revocations.len() + before.1 - self.keys.len()
    }
}

/// Takes at most `most` entries away.
fn take<K: Clone + Eq + std::hash::Hash, V>(
    from: &mut HashMap<K, V>,
    most: usize,
    is_over: impl Fn(&K, &V) -> bool,
) -> usize {
    let over: Vec<K> =
        from.iter().filter(|(key, value)| is_over(key, value)).map(|(key, _)| key.clone()).take(most).collect();
    for key in &over {
        from.remove(key);
    }
    over.len()
}

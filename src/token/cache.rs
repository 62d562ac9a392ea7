//! Verified tokens, remembered: per worker, and between workers. Facts about a token, never a verdict.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use hashbrown::HashTable;
use moka::sync::Cache;

use super::Claims;
use crate::ground::{Digest, Time};

/// What one worker knows about tokens it has seen verified: no lock, no hash of cryptographic cost. A hit needs every byte of
/// the token to be equal, so a collision costs a look and never gives one caller the identity of another.
pub struct Local<V: Remembered> {
    hasher: SeedableRandomState,
    generation: u64,
    /// The place in `slots` of each token.
    table: HashTable<usize>,
    /// In the order of a clock face; the hand looks for one to take over.
    slots: Vec<Option<Slot<V>>>,
    /// Places in `slots` that are empty.
    free: Vec<usize>,
    hand: usize,
    bytes: usize,
    bounds: LocalBounds,
}

/// What a worker knows of a token.
pub trait Remembered: Clone {
    /// Reads what a request will look at: see `ground::cold`.
    fn fetch(&self);
}

/// How much a worker remembers.
#[derive(Clone, Copy, Debug)]
pub struct LocalBounds {
    pub entries: usize,
    /// Of token texts, in bytes.
    pub bytes: usize,
}

impl Default for LocalBounds {
    fn default() -> Self {
        Self { entries: 16 * 1024, bytes: 16 * 1024 * 1024 }
    }
}

struct Slot<V> {
    hash: u64,
    token: Box<[u8]>,
    /// From here on it is no answer any more.
    until: Time,
    value: V,
    /// Looked at since the hand last passed.
    used: bool,
}

impl<V: Remembered> Local<V> {
    /// `seed` is secret and random: who knows it could send tokens that all fall into one place.
    pub fn new(seed: u64) -> Self {
        Self::with_bounds(seed, LocalBounds::default())
    }

    pub fn with_bounds(seed: u64, bounds: LocalBounds) -> Self {
        Self {
            hasher: SeedableRandomState::with_seed(seed, SharedSeed::global_random()),
            generation: 0,
            table: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hand: 0,
            bytes: 0,
            bounds,
        }
    }

    /// What is known about `token` at `now`. A `generation` other than the last one empties the table: keys or settings have
    /// changed, and nothing learned before counts.
    pub fn lookup(&mut self, generation: u64, token: &[u8], now: Time) -> Option<V> {
        self.enter(generation);
        let hash = self.hasher.hash_one(token);
        let slot = self.slot(hash, token)?;
        slot.used = true;
        (now < slot.until).then(|| slot.value.clone())
    }

    /// Remembers `value` for `token` up to `until`. `generation` is the one read before `token` was verified. A token larger
    /// than a sixteenth of the whole is not kept.
    pub fn insert(&mut self, generation: u64, token: &[u8], value: V, until: Time) {
        self.enter(generation);
        if token.len() > self.bounds.bytes / 16 || self.bounds.entries == 0 {
            return;
        }
        let hash = self.hasher.hash_one(token);
        if let Some(slot) = self.slot(hash, token) {
            (slot.value, slot.until) = (value, until);
            return;
        }
        while self.bytes + token.len() > self.bounds.bytes || self.table.len() >= self.bounds.entries {
            self.evict();
        }
        self.bytes += token.len();
        let slot = Some(Slot { hash, token: token.into(), until, value, used: false });
        let place = self.free.pop().unwrap_or(self.slots.len());
        match self.slots.get_mut(place) {
            Some(empty) => *empty = slot,
            None => self.slots.push(slot),
        }
        let slots = &self.slots;
        let rehash = |place: &usize| slots.get(*place).and_then(Option::as_ref).map_or(0, |slot| slot.hash);
        self.table.insert_unique(hash, place, rehash);
    }

    /// How many tokens are remembered.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    fn enter(&mut self, generation: u64) {
        if self.generation != generation {
            self.generation = generation;
            self.table.clear();
            self.slots.clear();
            self.free.clear();
            (self.hand, self.bytes) = (0, 0);
        }
    }

    fn slot(&mut self, hash: u64, token: &[u8]) -> Option<&mut Slot<V>> {
        let slots = &self.slots;
        let is_it = |place: &usize| {
            slots.get(*place).and_then(Option::as_ref).is_some_and(|slot| {
                slot.value.fetch();
                *slot.token == *token
            })
        };
        let place = *self.table.find(hash, is_it)?;
        self.slots.get_mut(place)?.as_mut()
    }

    /// Turns the hand to the next token that nobody has asked for since it last passed, and forgets it.
    fn evict(&mut self) {
        loop {
            let place = self.hand;
            self.hand = if place + 1 < self.slots.len() { place + 1 } else { 0 };
            let Some(held) = self.slots.get_mut(place) else { return };
            match held {
                Some(slot) if slot.used => slot.used = false,
                Some(slot) => {
                    self.bytes -= slot.token.len();
                    if let Ok(entry) = self.table.find_entry(slot.hash, |known| *known == place) {
                        entry.remove();
                    }
                    *held = None;
                    self.free.push(place);
                    return;
                }
                None => {}
            }
        }
    }
}

/// What all workers know, keyed by the SHA-256 of the whole token. Survives reloads.
pub struct Shared {
    entries: Cache<Digest, Arc<Entry>>,
}

/// A verified token and what its verification rested on.
pub struct Entry {
    pub claims: Arc<Claims>,
    /// The issuer's settings it was verified under.
    pub issuer: u64,
    /// The state of the issuer's keys then.
    pub epoch: u64,
    weight: u32,
}

/// 32 MiB.
const CAPACITY: u64 = 32 * 1024 * 1024;

impl Default for Shared {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl Shared {
    pub fn with_capacity(bytes: u64) -> Self {
        let weigh = |_: &Digest, entry: &Arc<Entry>| entry.weight;
        Self { entries: Cache::builder().max_capacity(bytes).weigher(weigh).build() }
    }

    /// What is known under `digest`, unless its time is over or `still_holds` says that its ground has gone.
    pub fn lookup(&self, digest: &Digest, now: Time, still_holds: impl Fn(&Entry) -> bool) -> Option<Arc<Claims>> {
        let entry = self.entries.get(digest)?;
        if now >= entry.claims.fresh_until || now >= entry.claims.expires || !still_holds(&entry) {
            self.entries.invalidate(digest);
            return None;
        }
        Some(Arc::clone(&entry.claims))
    }

    /// `length` is that of the token; parsed claims take a few times as much.
    pub fn insert(&self, claims: Arc<Claims>, issuer: u64, epoch: u64, length: usize) {
        let weight = u32::try_from(length.saturating_mul(4).saturating_add(1024)).unwrap_or(u32::MAX);
        self.entries.insert(claims.digest, Arc::new(Entry { claims, issuer, epoch, weight }));
    }

    /// How many tokens are remembered, roughly.
    pub fn len(&self) -> u64 {
        self.entries.entry_count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;

//! The store in memory: for tests and for trying things out. Forgets everything when it goes.

use std::collections::HashMap;
use std::future::ready;

use parking_lot::Mutex;

use super::{Act, KeptKeySet, SigningKey, Store};

/// Keeps everything behind one lock, which no verb holds while it waits.
#[derive(Default)]
pub struct Memory {
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    /// Oldest first.
    keys: Vec<SigningKey>,
    key_sets: HashMap<String, KeptKeySet>,
}

impl Store for Memory {
    fn signing_keys(&self) -> Act<'_, Vec<SigningKey>> {
        Box::pin(ready(Ok(self.rows.lock().keys.clone())))
    }

    fn first_signing_key(&self, key: SigningKey) -> Act<'_, SigningKey> {
        Box::pin(ready(Ok(self.rows.lock().first_key(key))))
    }

    fn key_set(&self, issuer: String) -> Act<'_, Option<KeptKeySet>> {
        Box::pin(ready(Ok(self.rows.lock().key_sets.get(&issuer).cloned())))
    }

    fn keep_key_set(&self, issuer: String, set: KeptKeySet) -> Act<'_, ()> {
        let mut rows = self.rows.lock();
        if rows.key_sets.get(&issuer).is_none_or(|kept| kept.fetched <= set.fetched) {
            rows.key_sets.insert(issuer, set);
        }
        Box::pin(ready(Ok(())))
    }

    fn ping(&self) -> Act<'_, ()> {
        Box::pin(ready(Ok(())))
    }
}

impl Rows {
    fn first_key(&mut self, key: SigningKey) -> SigningKey {
        if let Some(first) = self.keys.iter().find(|kept| kept.algorithm == key.algorithm) {
            return first.clone();
        }
        let place = self.keys.partition_point(|kept| kept.made <= key.made);
        self.keys.insert(place, key.clone());
        key
    }
}

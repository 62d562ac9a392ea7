//! Keys in memory.

use super::{Memory, Rows};
use crate::store::{Act, KeptKeySet, Keys, SigningKey, Succession};

impl Keys for Memory {
    fn signing_keys(&self) -> Act<'_, Vec<SigningKey>> {
        self.act(|rows| rows.keys.clone())
    }

    fn first_signing_key(&self, key: SigningKey) -> Act<'_, SigningKey> {
        self.act(|rows| rows.first_key(key))
    }

    fn succeed_signing_key(&self, after: String, key: SigningKey, succession: Succession) -> Act<'_, bool> {
        self.act(move |rows| rows.succeed(&after, key, succession))
    }

    fn reseal_signing_key(&self, id: String, old: Vec<u8>, new: Vec<u8>) -> Act<'_, bool> {
        self.act(move |rows| {
            let key = rows.keys.iter_mut().find(|key| key.id == id && key.pkcs8 == old);
            key.map(|key| key.pkcs8 = new).is_some()
        })
    }

    fn key_set(&self, issuer: String) -> Act<'_, Option<KeptKeySet>> {
        self.act(move |rows| rows.key_sets.get(&issuer).cloned())
    }

    fn keep_key_set(&self, issuer: String, set: KeptKeySet) -> Act<'_, ()> {
        let done = self.act(move |rows| {
            if rows.key_sets.get(&issuer).is_none_or(|kept| kept.fetched <= set.fetched) {
                rows.key_sets.insert(issuer, set);
            }
        });
        #[cfg(test)]
        self.kept.send_modify(|count| *count += 1);
        done
    }
}

impl Rows {
    fn first_key(&mut self, key: SigningKey) -> SigningKey {
        if let Some(first) = self.keys.iter().find(|kept| kept.algorithm == key.algorithm) {
            return first.clone();
        }
        self.insert_key(key.clone());
        key
    }

    fn succeed(&mut self, after: &str, key: SigningKey, succession: Succession) -> bool {
        let mut kin: Vec<&mut SigningKey> =
            self.keys.iter_mut().filter(|kept| kept.algorithm == key.algorithm).collect();
        if kin.iter().max_by_key(|kept| kept.starts).is_none_or(|newest| newest.id != after) {
            return false;
        }
        match succession {
            Succession::Planned { old_ends } => {
                for old in &mut kin {
                    old.ends = Some(old.ends.map_or(old_ends, |ends| ends.min(old_ends)));
                }
            }
            Succession::Emergency => self.keys.retain(|kept| kept.algorithm != key.algorithm),
        }
        self.insert_key(key);
        true
    }

    fn insert_key(&mut self, key: SigningKey) {
        let place = self.keys.partition_point(|kept| kept.made <= key.made);
        self.keys.insert(place, key);
        self.versions.keys += 1;
    }
}

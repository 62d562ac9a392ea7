//! Which secrets has a slow hash found right of late? So that a client pays for Argon2id now and then, and not per token.

use std::time::Duration;

use aws_lc_rs::hmac;
use moka::sync::Cache;

use crate::ground::{Random, Secret};

/// How long a secret is not hashed again. Whoever reads our memory could guess faster than the slow hash allows, so it is
/// short, and the key is made anew in every process.
const FOR: Duration = Duration::from_secs(10 * 60);

/// Far more than there are clients with slow hashes; about 2 MB.
const MOST: u64 = 10_000;

/// Right secrets, each under a keyed hash over it and the slow hash that it fits. A changed hash in the file is thus a new
/// entry, and the old one opens nothing.
pub(super) struct Remembered {
    key: hmac::Key,
    right: Cache<[u8; 32], ()>,
}

impl Remembered {
    pub(super) fn new(random: &dyn Random) -> Self {
        let mut key = [0_u8; 32];
        random.fill(&mut key);
        let right = Cache::builder().max_capacity(MOST).time_to_live(FOR).build();
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), right }
    }

    pub(super) fn keep(&self, hash: &str, secret: &Secret) {
        self.right.insert(self.mark(hash, secret), ());
    }

    pub(super) fn has(&self, hash: &str, secret: &Secret) -> bool {
        self.right.contains_key(&self.mark(hash, secret))
    }

    fn mark(&self, hash: &str, secret: &Secret) -> [u8; 32] {
        let mut over = hmac::Context::with_key(&self.key);
        over.update(hash.as_bytes());
        // A PHC string has no NUL, so that no two pairs run together.
        over.update(&[0]);
        over.update(secret.expose().as_bytes());
        let mut mark = [0_u8; 32];
        mark.iter_mut().zip(over.sign().as_ref()).for_each(|(to, from)| *to = *from);
        mark
    }
}

//! The keys: made at the first start, kept in the store, published before they sign and after.
//!
//! For each algorithm the newest key whose time has begun signs. Its successor is kept a day before that, so that everyone
//! who keeps our key set for a while knows it by then, and the old one stays published until the last token it signed is
//! over.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use parking_lot::Mutex;
use serde_json::Value;

use super::error::OAuthError;
use super::jwks;
use super::reply::PublicDocument;
use super::sealing::Sealer;
use crate::ground::{Clock, Random, SharedClock, SharedRandom, Time};
use crate::store::{SharedStore, SigningKey, StoreFault, Succession};
use crate::token::jwt::sign::{SignFault, Signer, generate_pkcs8};
use crate::token::jwt::{Algorithm, KeySet};
use crate::token::verifier::Context;

/// How long before its first use a key is published: many times as long as anybody keeps our key set.
pub const LEAD: Duration = Duration::from_secs(24 * 3600);

/// The algorithm under which the key for refresh tokens and sealed texts is kept.
pub(super) const MAC: &str = "HS256";

/// How long a symmetric key is good after its successor has taken over: as long as any grant may live.
const MAC_LASTS: Duration = Duration::from_secs(400 * 24 * 3600);

/// The keys of the authority, shared by all generations of its settings.
pub(super) struct Ring {
    store: SharedStore,
    clock: SharedClock,
    random: SharedRandom,
    sealer: Arc<Sealer>,
    /// What the settings need now.
    wanted: Mutex<Wanted>,
    /// Held by whoever reads the keys anew.
    reading: tokio::sync::Mutex<()>,
    state: ArcSwap<Keyring>,
    /// The published keys, for the gateway in this process.
    gateway: Arc<ArcSwap<KeySet>>,
}

/// Which keys there have to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub algorithms: Vec<Algorithm>,
    /// How long a key signs.
    pub rotate: Duration,
    /// The longest that a token lives which it signs.
    pub tokens_last: Duration,
}

struct Keyring {
    current: HashMap<Algorithm, Arc<Signer>>,
    /// Public halves of all keys whose signatures are or will be good.
    document: PublicDocument,
    /// Newest first.
    macs: Vec<Arc<MacKey>>,
    /// When a key begins or ends, and this must be made anew.
    next: Option<Time>,
}

/// A symmetric key with its short name.
pub(super) struct MacKey {
    pub name: [u8; 4],
    pub key: hmac::Key,
    bytes: Vec<u8>,
}

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum RingFault {
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// Going on would mean signing with another key than the one everyone was told about.
    #[error("the signing key `{id}` in the store is damaged: {cause}")]
    Damaged { id: String, cause: String },
    #[error("no signing key can be made: {0}")]
    Make(SignFault),
    #[error("the key set cannot be published: {0}")]
    Publish(String),
}

impl Ring {
    /// Loads the keys; makes the first ones when the store has none. Of several gateways that start at the same moment on
    /// one store all get the same keys.
    pub(super) async fn open(context: &Context, sealer: Arc<Sealer>, wanted: Wanted) -> Result<Self, RingFault> {
        let (clock, random) = (Arc::clone(&context.clock), Arc::clone(&context.random));
        make_missing(&*context.store, &*clock, &*random, (&wanted, &sealer)).await?;
        let kept = opened(&*context.store, &sealer).await?;
        let (state, keys) = assembled(kept, clock.now())?;
        Ok(Self {
            store: Arc::clone(&context.store),
            clock,
            random,
            sealer,
            wanted: Mutex::new(wanted),
            reading: tokio::sync::Mutex::default(),
            state: ArcSwap::from_pointee(state),
            gateway: Arc::new(ArcSwap::from_pointee(keys)),
        })
    }

    /// Makes what new settings need.
    pub(super) async fn want(&self, wanted: Wanted) -> Result<(), RingFault> {
        make_missing(&*self.store, &*self.clock, &*self.random, (&wanted, &self.sealer)).await?;
        *self.wanted.lock() = wanted;
        self.refresh().await
    }

    /// Reads the keys again: another process may have changed them, or one's time has come.
    pub(super) async fn refresh(&self) -> Result<(), RingFault> {
        // One after the other: who read first must not be the last to say what there is.
        let _turn = self.reading.lock().await;
        let (state, keys) = assembled(opened(&*self.store, &self.sealer).await?, self.clock.now())?;
        self.state.store(Arc::new(state));
        if keys.fingerprint() != self.gateway.load().fingerprint() {
            self.gateway.store(Arc::new(keys));
        }
        Ok(())
    }

    /// Whether a key has begun or ended since the ring was assembled.
    pub(super) fn is_due(&self) -> bool {
        self.state.load().next.is_some_and(|next| next <= self.clock.now())
    }

    /// Keeps a successor for every key that has a day left to sign. Gives the ids of the new keys.
    pub(super) async fn rotate_by_schedule(&self) -> Result<Vec<String>, RingFault> {
        let (wanted, now) = (self.wanted.lock().clone(), self.clock.now());
        let keys = self.store.signing_keys().await?;
        let mut made = Vec::new();
        for algorithm in names(&wanted) {
            let newest = keys.iter().filter(|key| key.algorithm == algorithm).max_by_key(|key| key.starts);
            let Some(newest) = newest.filter(|newest| newest.starts.plus(wanted.rotate).minus(LEAD) <= now) else {
                continue;
            };
            let starts = now.plus(LEAD);
            let old_ends = starts.plus(lasts(algorithm, wanted.tokens_last));
            let key = new_key(algorithm, (now, starts), &*self.random, &self.sealer)?;
            let id = key.id.clone();
            if self.store.succeed_signing_key(newest.id.clone(), key, Succession::Planned { old_ends }).await? {
                made.push(id);
            }
        }
        if !made.is_empty() {
            self.refresh().await?;
        }
        Ok(made)
    }

    /// What signs with `algorithm` from now on.
    pub(super) fn signer(&self, algorithm: Algorithm) -> Result<Arc<Signer>, OAuthError> {
        let signer = self.state.load().current.get(&algorithm).map(Arc::clone);
        signer.ok_or_else(|| OAuthError::Internal(format!("there is no key for {}", algorithm.name())))
    }

    /// All symmetric keys that are good, newest first.
    pub(super) fn macs(&self) -> Vec<Arc<MacKey>> {
        self.state.load().macs.clone()
    }

    /// The newest symmetric key.
    pub(super) fn mac(&self) -> Result<Arc<MacKey>, OAuthError> {
        let newest = self.state.load().macs.first().map(Arc::clone);
        newest.ok_or_else(|| OAuthError::Internal("there is no symmetric key".into()))
    }

    /// The symmetric key of this name.
    pub(super) fn mac_named(&self, name: [u8; 4]) -> Option<Arc<MacKey>> {
        self.state.load().macs.iter().find(|key| key.name == name).map(Arc::clone)
    }

    /// The published keys, swapped whenever they change.
    pub(super) fn key_set(&self) -> &Arc<ArcSwap<KeySet>> {
        &self.gateway
    }

    /// The JWK set as it is published.
    pub(super) fn document(&self) -> PublicDocument {
        self.state.load().document.clone()
    }
}

impl MacKey {
    fn new(id: &str, bytes: Vec<u8>) -> Self {
        let digest = crate::ground::Digest::of(id.as_bytes());
        let name = digest.as_bytes().first_chunk().copied().unwrap_or_default();
        Self { name, key: hmac::Key::new(hmac::HMAC_SHA256, &bytes), bytes }
    }

    /// A key for another purpose, by HKDF (RFC 5869).
    pub(super) fn derived(&self, purpose: &str) -> [u8; 32] {
        let mut out = [0_u8; 32];
        let salt = aws_lc_rs::hkdf::Salt::new(aws_lc_rs::hkdf::HKDF_SHA256, b"portcullis");
        let prk = salt.extract(&self.bytes);
        let filled = prk.expand(&[purpose.as_bytes()], aws_lc_rs::hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut out));
        // Fails for lengths above 255 hashes alone.
        if filled.is_err() {
            std::process::abort();
        }
        out
    }
}

/// The keys that a store publishes now; an empty set before the first start. Changes nothing.
pub async fn published(store: &SharedStore, sealer: &Sealer, clock: &dyn Clock) -> Result<KeySet, RingFault> {
    let mut keys = store.signing_keys().await?;
    for key in &mut keys {
        let opened = sealer.open(&purpose(&key.id), &key.pkcs8);
        let opened = opened.map_err(|cause| RingFault::Damaged { id: key.id.clone(), cause: cause.to_string() })?;
        key.pkcs8 = opened.clear;
    }
    if keys.iter().all(|key| key.algorithm == MAC) {
        return Ok(KeySet::default());
    }
    Ok(assembled(keys, clock.now())?.1)
}

fn names(wanted: &Wanted) -> impl Iterator<Item = &'static str> {
    wanted.algorithms.iter().map(|algorithm| algorithm.name()).chain([MAC])
}

/// How long a key of this algorithm is needed after it has signed for the last time.
pub(super) fn lasts(algorithm: &str, tokens_last: Duration) -> Duration {
    if algorithm == MAC { MAC_LASTS } else { tokens_last + Duration::from_secs(300) }
}

async fn make_missing(
    store: &dyn crate::store::Store,
    clock: &dyn Clock,
    random: &dyn Random,
    (wanted, sealer): (&Wanted, &Sealer),
) -> Result<(), RingFault> {
    let kept = store.signing_keys().await?;
    for algorithm in names(wanted) {
        if !kept.iter().any(|key| key.algorithm == algorithm) {
            let now = clock.now();
            store.first_signing_key(new_key(algorithm, (now, now), random, sealer)?).await?;
        }
    }
    Ok(())
}

/// The keys of the store with their secrets opened. What was kept clear before there was a key for it is sealed now.
async fn opened(store: &dyn crate::store::Store, sealer: &Sealer) -> Result<Vec<SigningKey>, RingFault> {
    let mut keys = store.signing_keys().await?;
    for key in &mut keys {
        let purpose = purpose(&key.id);
        let opened = match sealer.open(&purpose, &key.pkcs8) {
            Ok(opened) => opened,
            Err(cause) => return Err(RingFault::Damaged { id: key.id.clone(), cause: cause.to_string() }),
        };
        if opened.is_to_seal
            && let Ok(sealed) = sealer.seal(&purpose, &opened.clear)
        {
            store.reseal_signing_key(key.id.clone(), key.pkcs8.clone(), sealed).await?;
        }
        key.pkcs8 = opened.clear;
    }
    Ok(keys)
}

/// Whether an opened key is the one that its id says.
pub(super) fn is_of_its_id(opened: &SigningKey) -> Result<(), RingFault> {
    match Algorithm::from_name(&opened.algorithm) {
        Some(algorithm) => signer(opened, algorithm).map(drop),
        None => Ok(()),
    }
}

/// What a key is sealed for.
pub(super) fn purpose(id: &str) -> String {
    format!("signing-key:{id}")
}

/// A new key, sealed.
pub(super) fn new_key(
    algorithm: &str,
    (made, starts): (Time, Time),
    random: &dyn Random,
    sealer: &Sealer,
) -> Result<SigningKey, RingFault> {
    let (id, bytes) = match Algorithm::from_name(algorithm) {
        Some(algorithm) => {
            let pkcs8 = generate_pkcs8(algorithm).map_err(RingFault::Make)?;
            let id = Signer::from_pkcs8(algorithm, &pkcs8).map_err(RingFault::Make)?.kid().to_string();
            (id, pkcs8)
        }
        None => (random.token(16), random.bytes::<32>().to_vec()),
    };
    let sealed = sealer.seal(&purpose(&id), &bytes);
    let pkcs8 = sealed.map_err(|cause| RingFault::Damaged { id: id.clone(), cause: cause.to_string() })?;
    Ok(SigningKey { id, algorithm: algorithm.to_owned(), pkcs8, made, starts, ends: None })
}

fn assembled(keys: Vec<SigningKey>, now: Time) -> Result<(Keyring, KeySet), RingFault> {
    let mut current: HashMap<Algorithm, (Time, Arc<Signer>)> = HashMap::new();
    let (mut published, mut macs) = (Vec::<Value>::new(), Vec::new());
    let live: Vec<_> = keys.into_iter().filter(|key| key.ends.is_none_or(|ends| now < ends)).collect();
    let turns = live.iter().flat_map(|key| std::iter::once(key.starts).chain(key.ends));
    let next = turns.filter(|turn| *turn > now).min();
    for key in live {
        let Some(algorithm) = Algorithm::from_name(&key.algorithm) else {
            macs.push((key.starts <= now, key.starts, Arc::new(MacKey::new(&key.id, key.pkcs8))));
            continue;
        };
        let signer = Arc::new(signer(&key, algorithm)?);
        published.push(signer.public_jwk());
        let is_better =
            |kept: &(Time, _)| (kept.0 > now && key.starts < kept.0) || (kept.0 < key.starts && key.starts <= now);
        if current.get(&algorithm).is_none_or(is_better) {
            current.insert(algorithm, (key.starts, signer));
        }
    }
    macs.sort_by_key(|(begun, starts, _)| std::cmp::Reverse((*begun, *starts)));
    let document = jwks::document(&published);
    let text = String::from_utf8_lossy(document.body()).into_owned();
    let keys = KeySet::read(&text).map_err(RingFault::Publish)?.keys;
    let current = current.into_iter().map(|(algorithm, (_, signer))| (algorithm, signer)).collect();
    let macs = macs.into_iter().map(|(_, _, key)| key).collect();
    Ok((Keyring { current, document, macs, next }, keys))
}

fn signer(key: &SigningKey, algorithm: Algorithm) -> Result<Signer, RingFault> {
    let damaged = |cause: String| RingFault::Damaged { id: key.id.clone(), cause };
    let signer = Signer::from_pkcs8(algorithm, &key.pkcs8).map_err(|cause| damaged(cause.to_string()))?;
    if **signer.kid() != *key.id {
        return Err(damaged("it does not have the id under which it is kept".into()));
    }
    Ok(signer)
}

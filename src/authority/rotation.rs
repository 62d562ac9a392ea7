//! The signing keys: made at the first start, kept in the store, one of them in use.
//!
//! For now there is one key. The ring already publishes every key that the store holds, so that a key which is to come
//! next is known to everyone before the first token is signed with it.

use std::sync::Arc;

use serde_json::Value;

use crate::ground::Clock;
use crate::store::{SharedStore, SigningKey, StoreFault};
use crate::token::jwt::Algorithm;
use crate::token::jwt::sign::{SignFault, Signer, generate_pkcs8};

/// What tokens are signed with (`access_tokens.algorithm`).
pub(super) const ALGORITHM: Algorithm = Algorithm::Es256;

/// The keys of the authority.
pub(super) struct Ring {
    current: Arc<Signer>,
    /// Oldest first; the current one among them.
    published: Vec<Value>,
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
}

impl Ring {
    /// Loads the keys; makes the first one when the store has none. Of several gateways that start at the same moment on
    /// one store all get the same key.
    pub(super) async fn open(store: &SharedStore, clock: &dyn Clock) -> Result<Self, RingFault> {
        let mut keys = ours(store.signing_keys().await?);
        if keys.is_empty() {
            keys.push(store.first_signing_key(new_key(clock)?).await?);
        }
        let signers = keys.iter().map(signer).collect::<Result<Vec<_>, _>>()?;
        let published = signers.iter().map(|signer| signer.public_jwk()).collect();
        let Some(current) = signers.into_iter().next() else {
            return Err(RingFault::Damaged { id: String::new(), cause: "the store gave no key".into() });
        };
        Ok(Self { current: Arc::new(current), published })
    }

    /// What signs from now on.
    pub(super) fn signer(&self) -> &Arc<Signer> {
        &self.current
    }

    /// Public halves of all keys whose signatures are or will be good.
    pub(super) fn published(&self) -> &[Value] {
        &self.published
    }
}

fn ours(keys: Vec<SigningKey>) -> Vec<SigningKey> {
    keys.into_iter().filter(|key| key.algorithm == ALGORITHM.name()).collect()
}

fn new_key(clock: &dyn Clock) -> Result<SigningKey, RingFault> {
    let pkcs8 = generate_pkcs8(ALGORITHM).map_err(RingFault::Make)?;
    let id = Signer::from_pkcs8(ALGORITHM, &pkcs8).map_err(RingFault::Make)?.kid().to_owned();
    Ok(SigningKey { id: id.to_string(), algorithm: ALGORITHM.name().to_owned(), pkcs8, made: clock.now() })
}

fn signer(key: &SigningKey) -> Result<Signer, RingFault> {
    let damaged = |cause: String| RingFault::Damaged { id: key.id.clone(), cause };
    let signer = Signer::from_pkcs8(ALGORITHM, &key.pkcs8).map_err(|cause| damaged(cause.to_string()))?;
    if **signer.kid() != *key.id {
        return Err(damaged("it does not have the id under which it is kept".into()));
    }
    Ok(signer)
}

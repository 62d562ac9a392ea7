//! Keys of the authority, and the last good key sets of other issuers.

use super::Act;
use crate::ground::Time;

/// A key of the authority: one that signs, or the one that refresh tokens are authenticated with.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// RFC 7638 thumbprint, base64url; for a symmetric key a random name.
    pub id: String,
    /// JWS algorithm (RFC 7518 section 3.1): `ES256`, `RS256`, `HS256`.
    pub algorithm: String,
    /// PKCS#8 DER or the bytes of the symmetric key, as the caller sealed them.
    pub pkcs8: Vec<u8>,
    pub made: Time,
    /// When it begins to sign. Published from the moment it is kept, so that everyone knows it by then.
    pub starts: Time,
    /// When it is forgotten: no token that it signed is good any more. `None` as long as it is the newest.
    pub ends: Option<Time>,
}

/// Never the key itself.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .field("made", &self.made)
            .field("starts", &self.starts)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

/// The last good key set of an issuer, kept so that the gateway starts while the issuer is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptKeySet {
    /// The JWK set document as it was fetched (RFC 7517 section 5).
    pub document: String,
    pub fetched: Time,
}

/// What a command does to the keys of one algorithm at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Succession {
    /// The older keys go on verifying until `old_ends`; a key that had not begun to sign by then never will.
    Planned { old_ends: Time },
    /// The older keys are gone now: one of them is in wrong hands.
    Emergency,
}

/// Keys.
pub trait Keys {
    /// All keys that are not yet forgotten, oldest first.
    fn signing_keys(&self) -> Act<'_, Vec<SigningKey>>;

    /// Keeps `key` unless a key of its algorithm exists already, and gives the oldest of that algorithm: of two processes
    /// that start at the same moment both get the same key.
    fn first_signing_key(&self, key: SigningKey) -> Act<'_, SigningKey>;

    /// Keeps `key` as the successor of `after` (an id), and treats the older keys of its algorithm as `succession` says.
    /// `false` and no change when `after` is not the newest of its algorithm any more: another process was faster.
    fn succeed_signing_key(&self, after: String, key: SigningKey, succession: Succession) -> Act<'_, bool>;

    /// Replaces the sealed bytes of a key, when they still are `old`: after the operator gave another encryption key.
    fn reseal_signing_key(&self, id: String, old: Vec<u8>, new: Vec<u8>) -> Act<'_, bool>;

    /// The last good key set kept under `issuer` (the issuer's identifier and place, not its name in the file).
    fn key_set(&self, issuer: String) -> Act<'_, Option<KeptKeySet>>;

    /// Replaces the kept key set, unless the one there was fetched later.
    fn keep_key_set(&self, issuer: String, set: KeptKeySet) -> Act<'_, ()>;
}

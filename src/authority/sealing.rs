//! What must be secret on the disk too: private keys, secrets of second factors.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf;

use crate::ground::{Digest, Secret};

/// Kept as it is: there was no key.
const CLEAR: u8 = 0;
/// AES-256-GCM: four bytes that name the key, nonce, sealed bytes.
pub(super) const SEALED: u8 = 1;

const DER: u8 = 0x30;

/// The shortest secret that a key is made of, in bytes: 128 bits in base64url.
pub const SHORTEST: usize = 22;

/// Whether what is kept is sealed, under whichever key.
pub(super) fn is_sealed(kept: &[u8]) -> bool {
    kept.first() == Some(&SEALED)
}

/// Seals and opens. Without a key it keeps things clear, and opens what is.
pub struct Sealer {
    key: Option<([u8; 4], [u8; 32])>,
}

/// What was opened.
pub struct Opened {
    pub clear: Vec<u8>,
    /// It was kept clear although there is a key now: time to seal it.
    pub is_to_seal: bool,
}

/// Why something cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    #[error("it is sealed, and no key is configured (`keys.encryption`)")]
    NoKey,
    #[error("it is sealed under another key than the configured one")]
    OtherKey,
    #[error("it is damaged")]
    Damaged,
}

impl Sealer {
    pub fn clear() -> Self {
        Self { key: None }
    }

    /// A key made of the operator's secret.
    pub fn with(secret: &Secret) -> Result<Self, String> {
        let bytes = secret.expose().as_bytes();
        if bytes.len() < SHORTEST {
            return Err(format!(
                "the encryption key has fewer than {SHORTEST} characters; `openssl rand -base64 32` makes a good one"
            ));
        }
        let mut key = [0_u8; 32];
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"portcullis at rest");
        let prk = salt.extract(bytes);
        let filled = prk.expand(&[b"AES-256-GCM"], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut key));
        filled.map_err(|_| "no key can be made of the secret".to_owned())?;
        let name = Digest::of(&key).as_bytes().first_chunk().copied().unwrap_or_default();
        Ok(Self { key: Some((name, key)) })
    }

    /// Whether it seals, or keeps things clear.
    pub fn seals(&self) -> bool {
        self.key.is_some()
    }

    /// Seals for one purpose: what is opened for another is damaged.
    pub fn seal(&self, purpose: &str, clear: &[u8]) -> Result<Vec<u8>, SealFault> {
        let Some((name, key)) = &self.key else { return Ok([&[CLEAR][..], clear].concat()) };
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealFault::Damaged)?;
        let mut sealed = clear.to_vec();
        let nonce =
            key.seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut sealed).map_err(|_| SealFault::Damaged)?;
        Ok([&[SEALED][..], &name[..], &nonce.as_ref()[..], &sealed].concat())
    }

    pub fn open(&self, purpose: &str, kept: &[u8]) -> Result<Opened, SealFault> {
        match kept.split_first() {
            Some((&CLEAR, clear)) => Ok(Opened { clear: clear.to_vec(), is_to_seal: self.key.is_some() }),
            Some((&SEALED, rest)) => self.opened(purpose, rest),
            // PKCS#8 as it was kept before there was a form for it (a DER SEQUENCE).
            Some((&DER, _)) => Ok(Opened { clear: kept.to_vec(), is_to_seal: self.key.is_some() }),
            Some((_, _)) | None => Err(SealFault::Damaged),
        }
    }

    fn opened(&self, purpose: &str, rest: &[u8]) -> Result<Opened, SealFault> {
        let (named, rest) = rest.split_first_chunk::<4>().ok_or(SealFault::Damaged)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or(SealFault::Damaged)?;
        let (name, key) = self.key.as_ref().ok_or(SealFault::NoKey)?;
        if named != name {
            return Err(SealFault::OtherKey);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealFault::Damaged)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealFault::Damaged)?;
        let mut sealed = sealed.to_vec();
        let clear = key
            .open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut sealed)
            .map_err(|_| SealFault::Damaged)?
            .to_vec();
        Ok(Opened { clear, is_to_seal: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_128_random_bits_in_base64url_is_enough_and_a_shorter_one_is_refused() {
        assert!(Sealer::with(&Secret::new("q".repeat(22))).is_ok());
        assert!(Sealer::with(&Secret::new("q".repeat(21))).is_err());
    }
}

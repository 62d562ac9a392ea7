//! Texts that a browser carries for us: sealed, so that it can neither read nor change them.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64_simd::URL_SAFE_NO_PAD;

use super::Authority;
use super::error::OAuthError;

impl Authority {
    /// AES-256-GCM under a key derived for `purpose`; base64url of key name, nonce and sealed text.
    pub(super) fn seal(&self, purpose: &str, text: &[u8]) -> Result<String, OAuthError> {
        let mac = self.ring.mac()?;
        let failed = |_| OAuthError::Internal("sealing failed".into());
        let key = RandomizedNonceKey::new(&AES_256_GCM, &mac.derived(purpose)).map_err(failed)?;
        let mut sealed = text.to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut sealed).map_err(failed)?;
        let bytes = [&mac.name[..], &nonce.as_ref()[..], &sealed].concat();
        Ok(URL_SAFE_NO_PAD.encode_to_string(bytes))
    }

    /// What was sealed for `purpose`; `None` for anything that was not.
    pub(super) fn open_sealed(&self, purpose: &str, text: &str) -> Option<Vec<u8>> {
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(text).ok()?;
        let (name, rest) = bytes.split_first_chunk::<4>()?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.ring.mac_named(*name)?.derived(purpose)).ok()?;
        let mut sealed = sealed.to_vec();
        let opened = key.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut sealed).ok()?;
        Some(opened.to_vec())
    }
}

//! Refresh tokens: derived from their grant, never kept.
//!
//! A token is the name of its grant, a generation and a MAC over both, so the same one can be given twice, and nothing in
//! the store is worth stealing. Opaque to clients, and recognisable to whoever scans for lost secrets.

use aws_lc_rs::hmac;
use base64_simd::URL_SAFE_NO_PAD;

use super::rotation::MacKey;
use crate::store::{Grant, GrantId};

/// What refresh tokens begin with.
pub(super) const PREFIX: &str = "pc_rt_";

/// Key name, grant, generation, MAC.
const BYTES: usize = 4 + 16 + 4 + 32;

/// A refresh token as presented: well formed, and believed by nobody yet.
pub(super) struct Presented {
    pub key: [u8; 4],
    pub grant: GrantId,
    pub generation: u32,
    mac: [u8; 32],
}

impl Presented {
    pub(super) fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(text.strip_prefix(PREFIX)?).ok()?;
        let bytes: &[u8; BYTES] = bytes.as_slice().try_into().ok()?;
        let (key, rest) = bytes.split_first_chunk::<4>()?;
        let (grant, rest) = rest.split_first_chunk::<16>()?;
        let (generation, rest) = rest.split_first_chunk::<4>()?;
        let mac = *rest.first_chunk::<32>()?;
        Some(Self { key: *key, grant: GrantId(*grant), generation: u32::from_be_bytes(*generation), mac })
    }

    /// Whether it was made here for this grant.
    pub(super) fn is_of(&self, grant: &Grant, key: &MacKey, issuer: &str) -> bool {
        hmac::verify(&key.key, &message(issuer, grant, self.generation), &self.mac).is_ok()
    }
}

/// The refresh token of the grant's current generation.
pub(super) fn token(grant: &Grant, key: &MacKey, issuer: &str) -> String {
    let mac = hmac::sign(&key.key, &message(issuer, grant, grant.generation));
    let generation = grant.generation.to_be_bytes();
    let bytes = [&key.name[..], &grant.id.0[..], &generation[..], mac.as_ref()].concat();
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode_to_string(bytes))
}

fn message(issuer: &str, grant: &Grant, generation: u32) -> Vec<u8> {
    [b"refresh\0", issuer.as_bytes(), &[0], &grant.id.0, &generation.to_be_bytes(), &grant.salt].concat()
}

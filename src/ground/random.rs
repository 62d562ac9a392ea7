//! Where chance comes from. Handed in, so that tests can repeat it.

use std::sync::Arc;

/// A cryptographically strong source of random bytes.
pub trait Random: Send + Sync + 'static {
    /// Fills `out`, or aborts the process when the operating system gives no randomness: nothing safe could go on.
    fn fill(&self, out: &mut [u8]);
}

pub type SharedRandom = Arc<dyn Random>;

/// The operating system's generator, by way of aws-lc-rs.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) {
        if aws_lc_rs::rand::fill(out).is_err() {
            std::process::abort();
        }
    }
}

impl dyn Random {
    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0_u8; N];
        self.fill(&mut out);
        out
    }

    /// `bytes` random bytes in unpadded base64url: 22 characters for 16 bytes, 43 for 32.
    pub fn token(&self, bytes: usize) -> String {
        let mut raw = vec![0_u8; bytes];
        self.fill(&mut raw);
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(&raw)
    }
}

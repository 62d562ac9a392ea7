//! Signing, where it hurts nobody: RSA on a thread of its own, the rest at once.

use serde::Serialize;

use super::Authority;
use super::error::OAuthError;
use crate::token::jwt::Algorithm;

impl Authority {
    /// A token of this kind with these claims, signed with the current key of `algorithm`.
    pub(super) async fn sign(
        &self,
        algorithm: Algorithm,
        kind: &'static str,
        claims: &impl Serialize,
    ) -> Result<String, OAuthError> {
        let failed = |cause: &dyn std::fmt::Display| OAuthError::Internal(format!("cannot sign a token: {cause}"));
        let signer = self.ring.signer(algorithm)?;
        if !is_slow(algorithm) {
            return signer.sign(kind, claims).map_err(|cause| failed(&cause));
        }
        let claims = serde_json::to_value(claims).map_err(|cause| failed(&cause))?;
        let signing = self.context.control.spawn_blocking(move || signer.sign(kind, &claims));
        signing.await.map_err(|cause| failed(&cause))?.map_err(|cause| failed(&cause))
    }
}

/// RSA takes about a millisecond, which no thread that serves others may spend.
fn is_slow(algorithm: Algorithm) -> bool {
    match algorithm {
        Algorithm::Rs256
        | Algorithm::Rs384
        | Algorithm::Rs512
        | Algorithm::Ps256
        | Algorithm::Ps384
        | Algorithm::Ps512 => true,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => false,
    }
}

//! Proof key for code exchange (RFC 7636), `S256` alone.

use base64_simd::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::ground::Digest;

/// A challenge of an authorization request: the SHA-256 of a verifier that only the client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge(String);

impl Challenge {
    /// 43 to 128 unreserved characters (section 4.2).
    pub(super) fn new(text: &str) -> Option<Self> {
        is_well_formed(text).then(|| Self(text.to_owned()))
    }

    /// A challenge that was checked when it was kept.
    pub(super) fn kept(text: String) -> Self {
        Self(text)
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// Section 4.6.
    pub(super) fn is_met_by(&self, verifier: &str) -> bool {
        let computed = URL_SAFE_NO_PAD.encode_to_string(Digest::of(verifier.as_bytes()).as_bytes());
        is_well_formed(verifier) && bool::from(computed.as_bytes().ct_eq(self.0.as_bytes()))
    }
}

/// 43 to 128 characters of `[A-Za-z0-9-._~]` (sections 4.1 and 4.2).
pub(super) fn is_well_formed(text: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(is_unreserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b_holds() {
        let challenge = Challenge::new("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(challenge.is_met_by(verifier));
        for wrong in ["", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl", &verifier[1..], &format!("{verifier} ")] {
            assert!(!challenge.is_met_by(wrong), "{wrong}");
        }
    }

    #[test]
    fn az_08_a_challenge_has_43_to_128_unreserved_characters() {
        for (text, good) in [("a".repeat(42), false), ("a".repeat(43), true), ("a".repeat(128), true)] {
            assert_eq!(Challenge::new(&text).is_some(), good, "{text}");
        }
        assert!(Challenge::new(&"a".repeat(129)).is_none());
        assert!(Challenge::new(&format!("{}=", "a".repeat(43))).is_none());
    }
}

//! Signing: tokens of the hosted authority, and the signed identity that upstreams get.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair};
use serde::Serialize;
use serde_json::{Value, json};

use super::Algorithm;
use super::compact::encode;

/// A private key, parsed once, that signs with one algorithm. `Debug` shows its name alone.
pub struct Signer {
    kid: Arc<str>,
    algorithm: Algorithm,
    pair: Pair,
}

/// Why nothing was signed. Never says anything about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignFault {
    #[error("the private key cannot be read or is of another kind than its algorithm")]
    Key,
    #[error("the claims cannot be written as JSON")]
    Claims,
    #[error("signing failed")]
    Failed,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Makes a new private key: PKCS#8 DER (RFC 5208). RSA keys have 2048 bits.
pub fn generate_pkcs8(algorithm: Algorithm) -> Result<Vec<u8>, SignFault> {
    let random = SystemRandom::new();
    let document = match curve(algorithm) {
        Kind::Ecdsa(curve) => EcdsaKeyPair::generate_pkcs8(curve, &random).map(|it| it.as_ref().to_vec()),
        Kind::Ed25519 => Ed25519KeyPair::generate_pkcs8v1(&random).map(|it| it.as_ref().to_vec()),
        Kind::Rsa(_) => RsaKeyPair::generate(KeySize::Rsa2048)
            .and_then(|pair| AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map(|it| it.as_ref().to_vec())),
    };
    document.map_err(|_| SignFault::Failed)
}

impl Signer {
    /// Parses a private key. Its name is its RFC 7638 thumbprint, so that the same key has the same name everywhere.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, SignFault> {
        let pair = match curve(algorithm) {
            Kind::Ecdsa(curve) => EcdsaKeyPair::from_pkcs8(curve, pkcs8).map(Pair::Ecdsa),
            Kind::Ed25519 => Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map(Pair::Ed25519),
            Kind::Rsa(_) => RsaKeyPair::from_pkcs8(pkcs8).map(Pair::Rsa),
        };
        let pair = pair.map_err(|_| SignFault::Key)?;
        let kid = thumbprint(&pair.members(algorithm)).into();
        Ok(Self { kid, algorithm, pair })
    }

    pub fn kid(&self) -> &Arc<str> {
        &self.kid
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// A token in compact form with `typ` in its header: `at+jwt` for access tokens (RFC 9068 section 2.1).
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, SignFault> {
        // None of the three has a character that JSON would escape.
        let header = format!(r#"{{"alg":"{}","kid":"{}","typ":"{typ}"}}"#, self.algorithm.name(), self.kid);
        let claims = serde_json::to_vec(claims).map_err(|_| SignFault::Claims)?;
        let mut token = encode(header);
        token.push('.');
        token.push_str(&encode(claims));
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        token.push_str(&encode(signature));
        Ok(token)
    }

    /// What may be published of the key (RFC 7517 section 4).
    pub fn public_jwk(&self) -> Value {
        let mut jwk = self.pair.members(self.algorithm);
        if let Value::Object(members) = &mut jwk {
            members.insert("kid".to_owned(), Value::from(&*self.kid));
            members.insert("alg".to_owned(), Value::from(self.algorithm.name()));
            members.insert("use".to_owned(), Value::from("sig"));
        }
        jwk
    }

    pub(crate) fn signature(&self, message: &[u8]) -> Result<Vec<u8>, SignFault> {
        let random = SystemRandom::new();
        let signed = match (&self.pair, curve(self.algorithm)) {
            (Pair::Ecdsa(pair), _) => pair.sign(&random, message).map(|it| it.as_ref().to_vec()),
            (Pair::Ed25519(pair), _) => pair.try_sign(message).map(|it| it.as_ref().to_vec()),
            (Pair::Rsa(pair), Kind::Rsa(encoding)) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut out).map(|()| out)
            }
            (Pair::Rsa(_), Kind::Ecdsa(_) | Kind::Ed25519) => return Err(SignFault::Key),
        };
        signed.map_err(|_| SignFault::Failed)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Pair {
    /// The members that RFC 7638 section 3.2 hashes; serde_json keeps names in the order of the alphabet.
    fn members(&self, algorithm: Algorithm) -> Value {
        match self {
            Self::Rsa(pair) => {
                let key = pair.public_key();
                let (n, e) = (key.modulus().big_endian_without_leading_zero(), key.exponent());
                json!({"kty": "RSA", "n": encode(n), "e": encode(e.big_endian_without_leading_zero())})
            }
            Self::Ed25519(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key())}),
            Self::Ecdsa(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = point.split_at(1).1.split_at(point.len() / 2);
                let crv = if algorithm == Algorithm::Es384 { "P-384" } else { "P-256" };
                json!({"kty": "EC", "crv": crv, "x": encode(x), "y": encode(y)})
            }
        }
    }
}

pub(super) fn thumbprint(members: &Value) -> String {
    encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, members.to_string().as_bytes()))
}

enum Kind {
    Ecdsa(&'static EcdsaSigningAlgorithm),
    Rsa(&'static signature::RsaSignatureEncoding),
    Ed25519,
}

fn curve(algorithm: Algorithm) -> Kind {
    match algorithm {
        Algorithm::Es256 => Kind::Ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::Es384 => Kind::Ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        Algorithm::EdDsa => Kind::Ed25519,
        Algorithm::Rs256 => Kind::Rsa(&signature::RSA_PKCS1_SHA256),
        Algorithm::Rs384 => Kind::Rsa(&signature::RSA_PKCS1_SHA384),
        Algorithm::Rs512 => Kind::Rsa(&signature::RSA_PKCS1_SHA512),
        Algorithm::Ps256 => Kind::Rsa(&signature::RSA_PSS_SHA256),
        Algorithm::Ps384 => Kind::Rsa(&signature::RSA_PSS_SHA384),
        Algorithm::Ps512 => Kind::Rsa(&signature::RSA_PSS_SHA512),
    }
}

//! Which signature algorithms exist for us.

use aws_lc_rs::signature::{self, RsaParameters, VerificationAlgorithm};

/// The JWS algorithms that can be accepted (RFC 7518 section 3.1, RFC 8037 section 3.1). `none` and HMAC have no variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// The kind of key an algorithm works with, as JWK says it (`kty` and `crv`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Algorithm {
    pub const ALL: [Algorithm; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The exact word of `alg`; any other case is another word. `Ed25519` is what RFC 9864 calls EdDSA with that curve,
    /// the only one there is here.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    pub const fn family(self) -> Family {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => Family::Rsa,
            Self::Es256 => Family::P256,
            Self::Es384 => Family::P384,
            Self::EdDsa => Family::Ed25519,
        }
    }

    /// How aws-lc-rs checks it.
    pub(super) fn check(self) -> Check {
        match self {
            Self::Rs256 => Check::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Check::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Check::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Check::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Check::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Check::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Self::Es256 => Check::Point(&signature::ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Check::Point(&signature::ECDSA_P384_SHA384_FIXED),
            Self::EdDsa => Check::Point(&signature::ED25519),
        }
    }
}

/// RSA keys are built from numbers, the others from a point.
pub(super) enum Check {
    Rsa(&'static RsaParameters),
    Point(&'static dyn VerificationAlgorithm),
}

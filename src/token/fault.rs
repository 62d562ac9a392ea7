//! Why a token is not good, precisely.

use std::sync::Arc;

/// The first check that failed. Texts are for operators; what the caller is told stands in `gate::refusal`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Cannot be read; the text says where.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    #[error("the token expired {0} seconds ago")]
    Expired(u64),
    #[error("the token is not valid for another {0} seconds")]
    NotYetValid(u64),
    #[error("the signature does not verify with key `{key}`")]
    SignatureInvalid { key: Arc<str> },
    /// Not in the issuer's list, or it does not fit the key.
    #[error("algorithm `{0}` is not accepted for this issuer")]
    AlgorithmRefused(Arc<str>),
    #[error("the issuer does not publish a key `{0}`")]
    KeyUnknown(Arc<str>),
    #[error("the token's issuer is not one of those configured")]
    IssuerUnknown,
    #[error("the token is not for this audience; needed `{needed}`")]
    AudienceMismatch { needed: Arc<str> },
    /// `typ`, or a claim that marks another kind of token.
    #[error("the token is of another kind: {0}")]
    TypeRefused(Arc<str>),
    /// Introspection says `active: false`.
    #[error("the issuer says that the token is not active")]
    Inactive,
    /// Made here, and revoked since.
    #[error("the token has been revoked")]
    Revoked,
    /// Bound to a key (`cnf`), and no proof came with it.
    #[error("the token is bound to a key and came without proof of it")]
    ProofMissing,
    #[error("no usable key set of issuer `{issuer}`: {cause}")]
    KeysUnavailable { issuer: Arc<str>, cause: Arc<str> },
    #[error("the token cannot be looked up: {0}")]
    StoreUnavailable(Arc<str>),
    #[error("issuer `{issuer}` cannot be asked about the token: {cause}")]
    IntrospectionUnavailable { issuer: Arc<str>, cause: Arc<str> },
}

impl TokenFault {
    /// Of the answers of several issuers the one to report: not knowing outweighs knowing better, which outweighs `inactive`.
    pub(super) fn or_graver(self, other: Self) -> Self {
        if other.weight() > self.weight() { other } else { self }
    }

    /// Not that the token is bad, but that it cannot be found out.
    pub(super) fn is_doubt(&self) -> bool {
        self.weight() == DOUBT
    }

    fn weight(&self) -> u8 {
        match self {
            Self::IntrospectionUnavailable { .. } | Self::KeysUnavailable { .. } | Self::StoreUnavailable(_) => DOUBT,
            Self::IssuerUnknown | Self::Malformed(_) => 0,
            Self::Inactive => 1,
            Self::Expired(_)
            | Self::NotYetValid(_)
            | Self::SignatureInvalid { .. }
            | Self::AlgorithmRefused(_)
            | Self::KeyUnknown(_)
            | Self::AudienceMismatch { .. }
            | Self::TypeRefused(_)
            | Self::Revoked
            | Self::ProofMissing => 2,
        }
    }
}

/// The weight of not knowing.
const DOUBT: u8 = 3;

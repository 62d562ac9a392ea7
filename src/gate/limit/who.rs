//! Whose budget a request takes from.

use std::hash::{Hash, Hasher};

use super::Per;
use crate::gate::{Caller, Head};
use crate::ground::address::network;
use crate::ground::{Digest, Fields};

/// What a caller is known by, borrowed from the request: nothing is allocated for who was here before.
pub(super) enum Who<'r> {
    Everybody,
    Network(u128),
    /// Issuer, and client or subject.
    Named(&'r str, &'r str),
    Token(&'r Digest),
    Header(&'r http::HeaderName, &'r Fields),
}

impl<'r> Who<'r> {
    /// Who cannot be known by what the limit counts by is known by the address.
    pub(super) fn of(per: &'r Per, head: &Head<'r>, caller: &'r Caller) -> Self {
        let claims = caller.claims();
        let known = match per {
            Per::Route => Some(Self::Everybody),
            Per::Ip => None,
            Per::Header(name) => Some(Self::Header(name, head.headers)),
            Per::Client => claims.and_then(|claims| Some(Self::Named(&claims.issuer, claims.client.as_ref()?))),
            Per::Subject => claims.and_then(|claims| Some(Self::Named(&claims.issuer, claims.subject.as_ref()?))),
            Per::Token => claims.map(|claims| Self::Token(&claims.digest)),
        };
        known.unwrap_or_else(|| Self::Network(network(head.client)))
    }

    /// The same on every gateway, and never the same for two of them.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let mut part = |bytes: &[u8]| {
            out.extend_from_slice(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            out.extend_from_slice(bytes);
        };
        match self {
            Self::Everybody => part(b"all"),
            Self::Network(network) => [b"ip", network.to_be_bytes().as_slice()].into_iter().for_each(part),
            Self::Named(issuer, name) => [b"named", issuer.as_bytes(), name.as_bytes()].into_iter().for_each(part),
            Self::Token(digest) => [b"token", digest.as_bytes().as_slice()].into_iter().for_each(part),
            Self::Header(name, headers) => {
                part(b"header");
                headers.all(name).for_each(part);
            }
        }
        out
    }
}

impl Hash for Who<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match self {
            Self::Everybody => {}
            Self::Network(network) => network.hash(hasher),
            Self::Named(issuer, name) => (issuer, name).hash(hasher),
            Self::Token(digest) => digest.hash(hasher),
            Self::Header(name, headers) => headers.all(name).for_each(|value| value.hash(hasher)),
        }
    }
}

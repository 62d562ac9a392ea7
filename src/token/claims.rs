//! What was learned from a verified token.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::revoked::Revocable;
use crate::ground::{Digest, Time, cold};

/// As many scopes and roles are read ahead of their use.
const MOST_FETCHED: usize = 8;

/// Facts about the bearer of one verified token. Made by `token` alone; says who, never whether.
#[derive(Clone, Debug)]
pub struct Claims {
    /// Name of the issuer in the file; `authority` for the hosted one.
    pub issuer: Arc<str>,
    /// `sub`.
    pub subject: Option<Arc<str>>,
    /// `client_id`, or `azp` where the issuer sends only that.
    pub client: Option<Arc<str>>,
    /// Sorted, without repetition.
    pub scopes: Vec<Arc<str>>,
    /// Sorted, without repetition.
    pub roles: Vec<Arc<str>>,
    /// `exp`: refused from this moment on (plus the issuer's leeway, already added).
    pub expires: Time,
    /// Up to here this entry may be answered from a cache: the earlier of `expires` and the cache's own bound.
    pub fresh_until: Time,
    /// `kid` of the key that its signature was verified with; `None` where no signature was looked at.
    pub key: Option<Arc<str>>,
    /// `jti`.
    pub id: Option<Arc<str>>,
    /// Set for tokens of the hosted authority: what they can be revoked by.
    pub revocable: Option<Revocable>,
    /// All claims as they came, for conditions.
    pub all: Map<String, Value>,
    /// SHA-256 of the token.
    pub digest: Digest,
}

impl Claims {
    /// Reads what requests look at: see `ground::cold`.
    pub fn fetch(&self) -> u8 {
        let named = [Some(&self.issuer), self.client.as_ref(), self.subject.as_ref()].into_iter().flatten();
        let held = self.scopes.iter().chain(&self.roles).take(MOST_FETCHED);
        named.chain(held).fold(u8::from(self.revocable.is_some()), |sum, text| sum ^ cold::lines(text.as_bytes()))
    }

    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| &**own == scope)
    }

    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| &**own == role)
    }
}

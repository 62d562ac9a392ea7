//! `identity: signed`: one short-lived token that tells an upstream who calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::gate::Identity;
use crate::ground::{Digest, Time};
use crate::token::Claims;

/// Makes the token in `X-Auth-Token`. Handed in, because the key belongs to the authority.
pub trait IdentitySigner: Send + Sync {
    /// A signed statement of who calls, for `audience` alone; `None` when it cannot be signed, which refuses the request.
    fn sign(&self, identity: &Identity, audience: &str, now: Time) -> Option<HeaderValue>;
}

/// How long one statement is used for the same caller and upstream. A signature costs as much as the rest of a request;
/// most of the statement's own lifetime has to be left when it is used last.
const REUSE: Duration = Duration::from_secs(10);
/// Statements kept by one worker; beyond them each request is signed anew.
const MOST_KEPT: usize = 4096;

/// What was signed a moment ago, by one worker.
#[derive(Default)]
pub struct Statements {
    /// By the token and the audience.
    kept: HashMap<(Digest, Arc<str>), Statement>,
}

struct Statement {
    /// What it says. Claims that were fetched anew are other claims, though their token is the same.
    claims: Arc<Claims>,
    /// Where its signer is. After a reload the new one may stand at the same place; then it speaks `REUSE` later at most.
    signer: usize,
    value: HeaderValue,
    until: Time,
}

impl Statements {
    /// The statement of who calls, from a moment ago where there is one.
    pub(super) fn of(
        &mut self,
        identity: &Identity,
        audience: &Arc<str>,
        signer: &dyn IdentitySigner,
        now: Time,
    ) -> Option<HeaderValue> {
        let key = (identity.claims.digest, Arc::clone(audience));
        let by = std::ptr::from_ref(signer).addr();
        if let Some(kept) = self.kept.get(&key)
            && now < kept.until
            && now.plus(REUSE) >= kept.until
            && kept.signer == by
            && Arc::ptr_eq(&kept.claims, &identity.claims)
        {
            return Some(kept.value.clone());
        }
        let value = signer.sign(identity, audience, now)?;
        if self.kept.len() < MOST_KEPT || self.kept.contains_key(&key) {
            let claims = Arc::clone(&identity.claims);
            self.kept.insert(key, Statement { claims, signer: by, value: value.clone(), until: now.plus(REUSE) });
        }
        Some(value)
    }

    /// Drops what is too old to be used.
    pub(super) fn forget(&mut self, now: Time) {
        self.kept.retain(|_, kept| now < kept.until);
    }
}

#[cfg(test)]
mod tests;

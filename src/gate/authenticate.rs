//! Who is calling: from the credential of a request to a `Caller`.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use http::header::AUTHORIZATION;

use super::{Caller, Head, Identity, Refusal};
use crate::ground::Time;
use crate::observe::record::TokenUse;
use crate::token::bearer::{self, BearerFault};
use crate::token::cache::Local;
use crate::token::unproved::{self, Unproved};
use crate::token::{TokenFault, Verifier};

/// Whether a route asks for a token, and whose.
pub enum Authenticate {
    /// Tokens are not looked at.
    Public,
    Required {
        /// Names of the issuers whose tokens are taken; `None`: all.
        issuers: Option<Vec<Arc<str>>>,
        /// The scopes the route needs, for the challenge.
        scope: Option<Arc<str>>,
    },
}

/// What a worker knows of tokens.
pub struct Tokens<'a> {
    pub verifier: &'a Verifier,
    pub local: &'a RefCell<Local<Rc<Identity>>>,
    /// Of the configuration; entries of an older one are not used.
    pub generation: u64,
}

impl Authenticate {
    /// Finds and verifies the one credential. A token that this worker has seen costs a look-up and no waiting.
    pub async fn caller(&self, head: &Head<'_>, tokens: &Tokens<'_>, now: Time) -> Result<(Caller, TokenUse), Refusal> {
        let (issuers, scope) = match self {
            Self::Public => return Ok((Caller::Anonymous, TokenUse::None)),
            Self::Required { issuers, scope } => (issuers.as_deref(), scope),
        };
        let refused = |fault| Refusal::Token { fault, scope: scope.clone() };
        let malformed = |fault| match fault {
            BearerFault::Duplicated => Refusal::CredentialsDuplicated,
            BearerFault::Malformed(what) => refused(TokenFault::Malformed(what)),
        };
        let presented = bearer::find(head.headers.all(&AUTHORIZATION)).map_err(malformed)?;
        let presented = presented.ok_or_else(|| Refusal::TokenMissing { scope: scope.clone() })?;
        // What was verified has the form of a token; to look at each byte again would cost more than finding it.
        let known = tokens.local.borrow_mut().lookup(tokens.generation, presented.bytes(), now);
        if known.is_none() {
            presented.token().map_err(malformed)?;
        }
        if in_query(head) {
            return Err(Refusal::CredentialsDuplicated);
        }
        let accepted = |issuer: &Arc<str>| issuers.is_none_or(|names| names.contains(issuer));
        // What another issuer's introspection said of the same text is no answer for this route.
        if let Some(identity) = known.filter(|identity| accepted(&identity.claims.issuer)) {
            tokens.verifier.standing(&identity.claims, now).map_err(refused)?;
            return Ok((Caller::Known(identity), TokenUse::Local));
        }
        let token = presented.token().map_err(malformed)?;
        // Boxed, like all that waits rarely: what is not taken here need not be moved about with each request.
        let (claims, level) =
            Box::pin(tokens.verifier.verify_for(Some(head.client), token, issuers, now)).await.map_err(refused)?;
        if !accepted(&claims.issuer) {
            return Err(refused(TokenFault::IssuerUnknown));
        }
        let fresh_until = claims.fresh_until;
        let identity = Rc::new(Identity::new(claims));
        tokens.local.borrow_mut().insert(tokens.generation, presented.bytes(), Rc::clone(&identity), fresh_until);
        Ok((Caller::Known(identity), level))
    }
}

/// What a token that was refused says of itself.
pub fn unproved(head: &Head<'_>) -> Option<Unproved> {
    let presented = bearer::find(head.headers.all(&AUTHORIZATION)).ok().flatten()?;
    unproved::of(presented.token().ok()?)
}

/// A token in the query as well (RFC 6750 section 2.3, which this gateway never reads).
fn in_query(head: &Head<'_>) -> bool {
    let named = |pair: &str| pair.split('=').next() == Some("access_token");
    head.query.is_some_and(|query| query.split('&').any(named))
}

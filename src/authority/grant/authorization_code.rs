//! A code for tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
//!
//! The code is looked at, everything about the request is judged, and only then is it used up in one act: a request that
//! asks for too much does not cost the user another login, and of many at the same moment one wins.

use std::time::Duration;

use crate::authority::Authority;
use crate::authority::client::Client;
use crate::authority::error::OAuthError;
use crate::authority::form::Form;
use crate::authority::grant::family;
use crate::authority::pkce::Challenge;
use crate::authority::token::Tokens;
use crate::authority::{audit, resource, scope};
use crate::ground::{Digest, Time};
use crate::store::{Code, Redeem, Whose};

/// What codes begin with.
pub(in crate::authority) const PREFIX: &str = "pc_ac_";

pub(in crate::authority) async fn tokens(
    authority: &Authority,
    client: &Client,
    form: &Form,
) -> Result<Tokens, OAuthError> {
    let Some(presented) = form.one("code") else {
        return Err(OAuthError::Malformed("the code is missing"));
    };
    let digest = Digest::of(presented.as_bytes());
    let code = authority.store.code(digest).await?.filter(|code| code.client == **client.id());
    let code = code.ok_or(OAuthError::Grant("the code is unknown or another client's"))?;
    check_redirect(&code, form)?;
    check_verifier(authority, &code, form).await?;
    if let Some(grant) = code.grant {
        return Err(replayed(authority, client, &code, grant).await?);
    }
    let now = authority.clock.now();
    if now >= code.ends {
        return Err(OAuthError::Grant("the code is over"));
    }
    let settings = &authority.settings;
    let resource = resource::of_grant(form, client, settings, &code.allowed.resources)?;
    let user = family::user(authority, &code.allowed.user).await?;
    let granted = scope::narrowed(form.one("scope"), &scope::split(&code.allowed.scope))?;
    // What is wrong with it is said while the code is still good.
    family::scope_now(authority, client, &user, resource, granted.clone())?;
    let lasts = settings.token_terms(client, resource).1;
    let grant = new_grant(authority, client, &code, (now, lasts));
    match authority.store.redeem_code(digest, grant.clone(), now).await? {
        Redeem::Granted => {
            // Who lost a role before had no grant yet whose tokens could be refused.
            let user = family::user(authority, &grant.allowed.user).await?;
            let scope = family::scope_now(authority, client, &user, resource, granted)?;
            family::tokens(authority, client, &grant, &user, (scope, resource), false).await
        }
        Redeem::Again(grant) => Err(replayed(authority, client, &code, grant).await?),
        Redeem::Gone => Err(OAuthError::Grant("the code is over")),
    }
}

/// Another place than the one the code was sent to: it was stolen on the way. A client may leave it out (OAuth 2.1).
fn check_redirect(code: &Code, form: &Form) -> Result<(), OAuthError> {
    match form.one("redirect_uri") {
        Some(named) if named != code.redirect_uri => {
            Err(OAuthError::Grant("the redirect_uri is not that of the request"))
        }
        Some(_) | None => Ok(()),
    }
}

/// AC-05. Wrong verifiers are counted; the store burns the code at the fifth.
async fn check_verifier(authority: &Authority, code: &Code, form: &Form) -> Result<(), OAuthError> {
    match (code.challenge.clone().map(Challenge::kept), form.one("code_verifier")) {
        (None, None) => Ok(()),
        (None, Some(_)) => {
            Err(OAuthError::Malformed("a code_verifier was sent, and the request had no code_challenge"))
        }
        (Some(challenge), Some(verifier)) if challenge.is_met_by(verifier) => Ok(()),
        (Some(_), Some(_)) => {
            authority.store.miss_code(code.digest).await?;
            Err(OAuthError::Grant("the code_verifier is wrong"))
        }
        (Some(_), None) => Err(OAuthError::Grant("the code_verifier is missing")),
    }
}

/// Whoever shows the same code again with everything else right may be a thief, or the first one was: all of it ends
/// (AC-03).
async fn replayed(
    authority: &Authority,
    client: &Client,
    code: &Code,
    grant: crate::store::GrantId,
) -> Result<OAuthError, OAuthError> {
    let now = authority.clock.now();
    let revoked = authority.store.revoke_grants(Whose::Grant(grant), now, authority.tokens_end(now)).await?;
    authority.revocations_changed();
    if revoked > 0 {
        authority.tell(audit::code_replayed(client.id(), &code.allowed.user, grant)).await?;
    }
    Ok(OAuthError::Grant("the code was used before; what came of it is revoked"))
}

fn new_grant(
    authority: &Authority,
    client: &Client,
    code: &Code,
    (now, lasts): (Time, Duration),
) -> crate::store::Grant {
    let granted = family::New { client, allowed: code.allowed.clone(), nonce: code.nonce.clone(), lasts };
    family::grant(authority, granted, now)
}

//! A refresh token for new tokens (RFC 6749 section 6): the state machine is the store's, what it means is here.

use std::time::Duration;

use crate::authority::Authority;
use crate::authority::client::Client;
use crate::authority::error::OAuthError;
use crate::authority::form::Form;
use crate::authority::grant::family;
use crate::authority::refresh_token::Presented;
use crate::authority::token::Tokens;
use crate::authority::{audit, resource, scope};
use crate::store::{Grant, Turn, Turning};

/// How long an answer may have been lost for its question to be answered again.
const RETRY: Duration = Duration::from_secs(24 * 3600);

pub(in crate::authority) async fn tokens(
    authority: &Authority,
    client: &Client,
    form: &Form,
) -> Result<Tokens, OAuthError> {
    let Some(presented) = form.one("refresh_token") else {
        return Err(OAuthError::Malformed("the refresh_token is missing"));
    };
    let presented = Presented::read(presented).ok_or(OAuthError::Grant("it is not a refresh token"))?;
    let grant = known(authority, client, &presented).await?;
    // All that can be wrong with the request comes before the act, so that nothing is used up for it (TK-05).
    let settings = &authority.settings;
    let resource = resource::of_grant(form, client, settings, &grant.allowed.resources)?;
    let granted = scope::narrowed(form.one("scope"), &scope::split(&grant.allowed.scope))?;
    let mut user = family::user(authority, &grant.allowed.user).await?;
    let mut scope = family::scope_now(authority, client, &user, resource, granted.clone())?;

    let terms = client.refresh_terms(&settings.refresh_terms());
    let turning =
        Turning { rotates: terms.rotates, grace: settings.refresh_tokens.grace, retry: RETRY, idle: terms.idle };
    let now = authority.clock.now();
    let end = authority.tokens_end(now);
    match authority.store.turn_grant(grant.id, presented.generation, turning, now, end).await? {
        Turn::Good(turned) => {
            let repeated = terms.rotates && turned.generation == grant.generation;
            if turned.epoch != grant.epoch {
                // A role was taken away in between, and the epoch says that these tokens know of it.
                user = family::user(authority, &turned.allowed.user).await?;
                scope = family::scope_now(authority, client, &user, resource, granted)?;
            }
            family::tokens(authority, client, &turned, &user, (scope, resource), repeated).await
        }
        Turn::Replayed => {
            authority.revocations_changed();
            authority.tell(audit::refresh_replayed(client.id(), &user.id, grant.id)).await?;
            Err(OAuthError::Grant("the refresh token was used before; its grant is revoked"))
        }
        Turn::Gone => Err(OAuthError::Grant("the grant is over or revoked")),
    }
}

/// The grant of a token that was made here for this client. Nothing is revoked for one that was not.
async fn known(authority: &Authority, client: &Client, presented: &Presented) -> Result<Grant, OAuthError> {
    let key = authority.ring.mac_named(presented.key).ok_or(OAuthError::Grant("its key is gone"))?;
    let grant = authority.store.grant(presented.grant).await?;
    let grant = grant.filter(|grant| presented.is_of(grant, &key, authority.settings.issuer.as_str()));
    let grant = grant.ok_or(OAuthError::Grant("it was not made here"))?;
    if grant.client != **client.id() {
        return Err(OAuthError::Grant("it is another client's"));
    }
    Ok(grant)
}

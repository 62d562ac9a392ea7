//! Tokens in a redirect (RFC 6749 section 4.2, OpenID Connect Core section 3.2). No refresh token, ever.

use crate::authority::authorize::answer::Parameters;
use crate::authority::authorize::request::{Asked, Response};
use crate::authority::client::Client;
use crate::authority::error::OAuthError;
use crate::authority::grant::family;
use crate::authority::mint::Grantee;
use crate::authority::{Authority, LEEWAY};
use crate::authority::{resource, scope};
use crate::store::User;

/// What stands in the fragment. The grant is kept, so that the token can be revoked with the session.
pub(in crate::authority) async fn parameters(
    authority: &Authority,
    client: &Client,
    new: family::New<'_>,
    user: &User,
    asked: &Asked,
) -> Result<Parameters, OAuthError> {
    let now = authority.clock.now();
    let ends = now.plus(new.lasts).plus(LEEWAY);
    let mut grant = family::grant(authority, new, now);
    (grant.refreshable, grant.idle_end, grant.ends) = (false, ends, ends);
    let settings = &authority.settings;
    let resource = resource::of_names(client, settings, &grant.allowed.resources)?;
    let granted = scope::split(&grant.allowed.scope);
    family::scope_now(authority, client, user, resource, granted.clone())?;
    authority.store.keep_grant(grant.clone()).await?;
    // Who lost a role before had no grant yet whose tokens could be refused.
    let user = &family::user(authority, &user.id).await?;
    let scope = family::scope_now(authority, client, user, resource, granted)?;
    let grantee = Grantee { client, subject: &user.id, scope, resource, grant: Some(&grant), roles: &user.roles };
    let access = authority.mint(grantee).await?;
    let mut parameters = vec![
        ("access_token", access.token.clone()),
        ("token_type", "Bearer".to_owned()),
        ("expires_in", access.expires_in.to_string()),
        ("scope", access.scope),
    ];
    if asked.response == Response::IdTokenToken {
        let id_token = authority.id_token(client, &grant.allowed, asked.nonce.as_deref(), Some(&access.token)).await?;
        parameters.push(("id_token", id_token));
    }
    Ok(parameters)
}

//! What the grants with a user behind them share: the family of tokens that comes from one act of consent.

use std::time::Duration;

use crate::authority::client::Client;
use crate::authority::error::OAuthError;
use crate::authority::grant::Grant;
use crate::authority::issuer::Resource;
use crate::authority::mint::Grantee;
use crate::authority::refresh_token;
use crate::authority::scope::{self, OFFLINE_ACCESS, OPENID};
use crate::authority::token::{RefreshToken, Tokens};
use crate::authority::{Authority, LEEWAY};
use crate::ground::Time;
use crate::store::{self, Allowed, GrantId, User};

/// A grant to be.
pub(in crate::authority) struct New<'a> {
    pub client: &'a Client,
    pub allowed: Allowed,
    pub nonce: Option<String>,
    /// How long the access token lives that comes with it.
    pub lasts: Duration,
}

/// The row of a new grant. With a refresh token it lives as the client's terms say, without one as long as its access token.
pub(in crate::authority) fn grant(authority: &Authority, new: New<'_>, now: Time) -> store::Grant {
    let New { client, allowed, nonce, lasts } = new;
    let refreshable = has_refresh_token(client, &allowed.scope);
    let terms = client.refresh_terms(&authority.settings.refresh_terms());
    let (idle_end, ends) = if refreshable {
        (now.plus(terms.idle).min(now.plus(terms.lasts)), now.plus(terms.lasts))
    } else {
        let end = now.plus(lasts).plus(LEEWAY);
        (end, end)
    };
    store::Grant {
        id: GrantId(authority.random.bytes()),
        client: client.id().to_string(),
        allowed,
        nonce,
        salt: authority.random.bytes(),
        refreshable,
        made: now,
        idle_end,
        ends,
        generation: 0,
        superseded: None,
        confirmed: false,
        epoch: 0,
        revoked: false,
        used: now,
    }
}

/// RT-07: the client has the grant, and where it is about OpenID Connect the user has allowed `offline_access`.
fn has_refresh_token(client: &Client, scope: &str) -> bool {
    let has = |wanted: &str| scope.split(' ').any(|own| own == wanted);
    client.may_use(Grant::RefreshToken) && (!has(OPENID) || has(OFFLINE_ACCESS))
}

/// The user behind a grant; gone or disabled ends it (TK-07).
pub(in crate::authority) async fn user(authority: &Authority, id: &str) -> Result<User, OAuthError> {
    let user = authority.store.user(id.to_owned()).await?.filter(|user| !user.disabled);
    user.ok_or(OAuthError::Grant("its user is gone or disabled"))
}

/// What of `granted` the client and the user's roles still give, at a resource (TK-06).
pub(in crate::authority) fn scope_now(
    authority: &Authority,
    client: &Client,
    user: &User,
    resource: &Resource,
    granted: Vec<String>,
) -> Result<Vec<String>, OAuthError> {
    let still = granted.into_iter().filter(|scope| client.may_have(scope)).collect();
    let scope = scope::by_roles(still, &user.roles, &authority.settings);
    let scope = scope::at(resource, scope, &authority.settings);
    if scope.is_empty() {
        return Err(OAuthError::Scope("nothing is left of what was granted"));
    }
    Ok(scope)
}

/// The tokens of a grant as it stands.
pub(in crate::authority) async fn tokens(
    authority: &Authority,
    client: &Client,
    grant: &store::Grant,
    user: &User,
    (scope, resource): (Vec<String>, &Resource),
    repeated: bool,
) -> Result<Tokens, OAuthError> {
    let is_openid = grant.allowed.scope.split(' ').any(|scope| scope == OPENID);
    let grantee = Grantee { client, subject: &user.id, scope, resource, grant: Some(grant), roles: &user.roles };
    let access = authority.mint(grantee).await?;
    let id_token = if is_openid {
        Some(authority.id_token(client, &grant.allowed, grant.nonce.as_deref(), Some(&access.token)).await?)
    } else {
        None
    };
    let refresh = if grant.refreshable { Some(refresh(authority, grant)?) } else { None };
    Ok(Tokens { access, refresh, id_token, family: Some(grant.id), subject: user.id.clone(), repeated })
}

fn refresh(authority: &Authority, grant: &store::Grant) -> Result<RefreshToken, OAuthError> {
    let key = authority.ring.mac()?;
    let token = refresh_token::token(grant, &key, authority.settings.issuer.as_str());
    Ok(RefreshToken { token, expires_in: grant.idle_end.since(authority.clock.now()).as_secs() })
}

//! The user's password for tokens (RFC 6749 section 4.3): the client sees it. Same throttling as the login page, and no way
//! around a second factor.

use crate::authority::Authority;
use crate::authority::client::Client;
use crate::authority::endpoint::Incoming;
use crate::authority::error::OAuthError;
use crate::authority::form::Form;
use crate::authority::grant::{Grant, family};
use crate::authority::prove::{Place, Proof};
use crate::authority::token::Tokens;
use crate::authority::{audit, resource, scope};
use crate::ground::Secret;
use crate::store::{Allowed, Proven, User};

const REFUSED: OAuthError = OAuthError::Grant("the user's name or password is wrong");

pub(in crate::authority) async fn tokens(
    authority: &Authority,
    client: &Client,
    form: &Form,
    request: &Incoming,
) -> Result<Tokens, OAuthError> {
    let (Some(name), Some(password)) = (form.one("username"), form.one("password")) else {
        return Err(OAuthError::Malformed("username or password is missing"));
    };
    let asked = scope::for_user(form.one("scope"), client, client.may_use(Grant::RefreshToken))?;
    let resource = resource::for_client(form, client, &authority.settings)?;
    let user = proven(authority, name, Secret::new(password), request).await?;
    let granted = scope::by_roles(asked, &user.roles, &authority.settings);
    // What is wrong with it is said before anything is kept.
    family::scope_now(authority, client, &user, resource, granted.clone())?;
    let now = authority.clock.now();
    let allowed = Allowed {
        user: user.id.clone(),
        session: None,
        offline: true,
        scope: granted.join(" "),
        resources: vec![resource.as_str().to_owned()],
        authenticated: now,
        methods: vec!["pwd".into()],
        tells_auth_time: false,
    };
    let lasts = authority.settings.token_terms(client, resource).1;
    let grant = family::grant(authority, family::New { client, allowed, nonce: None, lasts }, now);
    if !authority.store.keep_proven_grant(grant.clone(), Proven::of(&user)).await? {
        authority.tell(audit::login_failed(name, request)).await?;
        return Err(REFUSED);
    }
    authority.tell(audit::login_ok(&user.id, "password_grant", request)).await?;
    // Who lost a role before had no grant yet whose tokens could be refused.
    let user = family::user(authority, &user.id).await?;
    let scope = family::scope_now(authority, client, &user, resource, granted)?;
    family::tokens(authority, client, &grant, &user, (scope, resource), false).await
}

async fn proven(authority: &Authority, name: &str, password: Secret, request: &Incoming) -> Result<User, OAuthError> {
    let user = authority.user_named(name).await?;
    let place = Place { source: request.client, device: None };
    match authority.prove_password(name, user, &password, place).await? {
        // Whoever has a second factor uses the login page (RO-01).
        Proof::Right(user) if user.second_factor.is_some() => Err(REFUSED),
        Proof::Right(user) => Ok(*user),
        Proof::Wrong => {
            authority.tell(audit::login_failed(name, request)).await?;
            Err(REFUSED)
        }
        Proof::Wait(retry_after) => Err(OAuthError::TooManyFailures { retry_after }),
    }
}

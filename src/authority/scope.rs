//! Which scopes a token gets: what was asked for, as far as client, consent, roles and resource let it.

use std::fmt;
use std::sync::Arc;

use super::client::Client;
use super::error::OAuthError;
use super::issuer::Resource;
use super::settings::Settings;

/// More than anyone asks for in earnest.
const MOST: usize = 256;

pub(super) const OPENID: &str = "openid";
pub(super) const PROFILE: &str = "profile";
pub(super) const EMAIL: &str = "email";
pub(super) const OFFLINE_ACCESS: &str = "offline_access";

/// Scopes of OpenID Connect, which need a person behind them (Core sections 3.1.2.1, 5.4 and 11).
pub(super) const BUILT_IN: [&str; 4] = [OPENID, PROFILE, EMAIL, OFFLINE_ACCESS];

/// One `scope-token` of RFC 6749 section 3.3.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeName(Arc<str>);

impl ScopeName {
    /// One or more printable ASCII characters without blank, `"` and `\`.
    pub fn new(text: &str) -> Result<Self, String> {
        if !is_scope_token(text) {
            return Err(format!(
                "`{}` is not a scope: use printable ASCII characters without blanks, `\"` and `\\` (RFC 6749 section 3.3)",
                text.escape_debug()
            ));
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `openid` and its kin: known without being listed under `scopes`.
    pub fn is_built_in(&self) -> bool {
        BUILT_IN.contains(&&*self.0)
    }
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A role: gives its scopes to whoever has it. A scope that some role gives is for its holders alone; one that no role
/// gives is for every user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub name: String,
    pub scopes: Vec<ScopeName>,
}

/// The scopes of a token for the client itself, space separated. Nothing asked for means its registered API scopes.
/// A token without any scope is never made: the answer must say its scope, and an empty one has no form.
pub(super) fn for_client_itself(asked: Option<&str>, client: &Client) -> Result<Vec<String>, OAuthError> {
    let granted = match asked {
        None => registered(client),
        Some(asked) => {
            let mut granted = Vec::new();
            for scope in named(asked)? {
                // Clients send it out of habit; where it cannot be had it is ignored (OpenID Connect Core section 11).
                if scope == OFFLINE_ACCESS {
                    continue;
                }
                if BUILT_IN.contains(&scope) {
                    return Err(OAuthError::Scope("a scope was asked for that needs a user"));
                }
                granted.push(allowed(scope, client)?);
            }
            granted
        }
    };
    if granted.is_empty() {
        return Err(OAuthError::Scope("the client has no scope that it could get without a user"));
    }
    Ok(granted)
}

/// The scopes that a client asks a user for. Nothing asked for means its registered API scopes. `offline_access` without
/// the grant for it is ignored (RT-07).
pub(super) fn for_user(asked: Option<&str>, client: &Client, can_refresh: bool) -> Result<Vec<String>, OAuthError> {
    let Some(asked) = asked else {
        let granted = registered(client);
        if granted.is_empty() {
            return Err(OAuthError::Scope("no scope was asked for, and the client has no API scope"));
        }
        return Ok(granted);
    };
    let mut granted = Vec::new();
    for scope in named(asked)? {
        if scope == OFFLINE_ACCESS && !(can_refresh && client.may_have(scope)) {
            continue;
        }
        granted.push(allowed(scope, client)?);
    }
    if granted.is_empty() {
        return Err(OAuthError::Scope("no scope is left of those asked for"));
    }
    Ok(granted)
}

/// A part of what was granted, when the client asks for less (RFC 6749 section 6).
pub(super) fn narrowed(asked: Option<&str>, granted: &[String]) -> Result<Vec<String>, OAuthError> {
    let Some(asked) = asked else { return Ok(granted.to_vec()) };
    let mut narrowed = Vec::new();
    for scope in named(asked)? {
        if !granted.iter().any(|own| own == scope) {
            return Err(OAuthError::Scope("a scope was asked for that was not granted"));
        }
        narrowed.push(scope.to_owned());
    }
    Ok(narrowed)
}

/// What of `scopes` a user with these roles may have now (TK-06).
pub(super) fn by_roles(scopes: Vec<String>, roles: &[String], settings: &Settings) -> Vec<String> {
    let gives = |role: &Role, scope: &str| role.scopes.iter().any(|own| own.as_str() == scope);
    scopes
        .into_iter()
        .filter(|scope| {
            let mut givers = settings.roles.iter().filter(|role| gives(role, scope)).peekable();
            givers.peek().is_none() || givers.any(|role| roles.contains(&role.name))
        })
        .collect()
}

/// What of `scopes` means something at a resource; those of OpenID Connect do everywhere.
pub(super) fn at(resource: &Resource, scopes: Vec<String>, settings: &Settings) -> Vec<String> {
    let meant = settings.resource_parts(resource).and_then(|parts| parts.scopes.as_ref());
    let Some(meant) = meant else { return scopes };
    let is_meant =
        |scope: &String| BUILT_IN.contains(&scope.as_str()) || meant.iter().any(|own| own.as_str() == scope.as_str());
    scopes.into_iter().filter(is_meant).collect()
}

/// The list behind a `scope` text that was made here.
pub(super) fn split(scope: &str) -> Vec<String> {
    scope.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

fn registered(client: &Client) -> Vec<String> {
    client.scopes().iter().filter(|scope| !scope.is_built_in()).map(ToString::to_string).collect()
}

fn allowed(scope: &str, client: &Client) -> Result<String, OAuthError> {
    if !client.may_have(scope) {
        return Err(OAuthError::Scope("a scope was asked for that the client may not have"));
    }
    Ok(scope.to_owned())
}

/// Each scope asked for, once, in the order of the request.
fn named(asked: &str) -> Result<Vec<&str>, OAuthError> {
    let mut scopes: Vec<&str> = Vec::new();
    for (count, scope) in asked.split(' ').enumerate() {
        if count >= MOST {
            return Err(OAuthError::Scope("too many scopes"));
        }
        if !is_scope_token(scope) {
            return Err(OAuthError::Scope("the scope parameter is malformed"));
        }
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(scopes)
}

fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

//! Which scopes a token gets: what was asked for, as far as the client may have it.

use std::fmt;
use std::sync::Arc;

use super::client::Client;
use super::error::OAuthError;

/// More than anyone asks for in earnest.
const MOST: usize = 256;

/// Scopes of OpenID Connect, which need a person behind them (Core sections 3.1.2.1, 5.4 and 11).
const BUILT_IN: [&str; 4] = ["openid", "profile", "email", "offline_access"];

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

/// The scopes of a token for the client itself, space separated. Nothing asked for means its registered API scopes.
/// A token without any scope is never made: the answer must say its scope, and an empty one has no form.
pub(super) fn for_client_itself(asked: Option<&str>, client: &Client) -> Result<String, OAuthError> {
    let granted = match asked {
        None => client.scopes().iter().filter(|scope| !scope.is_built_in()).map(ScopeName::as_str).collect(),
        Some(asked) => allowed(asked, client)?,
    };
    if granted.is_empty() {
        return Err(OAuthError::Scope("the client has no scope that it could get without a user"));
    }
    Ok(granted.join(" "))
}

/// Each scope asked for, once, in the order of the request.
fn allowed<'a>(asked: &'a str, client: &Client) -> Result<Vec<&'a str>, OAuthError> {
    let mut granted: Vec<&str> = Vec::new();
    for (count, scope) in asked.split(' ').enumerate() {
        if count >= MOST {
            return Err(OAuthError::Scope("too many scopes"));
        }
        if !is_scope_token(scope) {
            return Err(OAuthError::Scope("the scope parameter is malformed"));
        }
        // Clients send it out of habit; where it cannot be had it is ignored (OpenID Connect Core section 11).
        if scope == "offline_access" {
            continue;
        }
        if BUILT_IN.contains(&scope) {
            return Err(OAuthError::Scope("a scope was asked for that needs a user"));
        }
        if !client.scopes().iter().any(|registered| registered.as_str() == scope) {
            return Err(OAuthError::Scope("a scope was asked for that the client may not have"));
        }
        if !granted.contains(&scope) {
            granted.push(scope);
        }
    }
    Ok(granted)
}

fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

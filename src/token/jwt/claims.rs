//! What a token says, once it is known who said it: read from claims into `Claims`, each claim in its one form.
//!
//! Used for signed tokens and for answers of introspection alike. The first thing that is wrong ends it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::ground::{Digest, Time};
use crate::token::issuer::{ClaimPath, IssuerSettings};
use crate::token::{Claims, TokenFault, hosted};

/// Longest `sub`, `client_id`, `jti`, scope and role, in bytes.
const LONGEST: usize = 512;
/// 9999-12-31T23:59:59Z: no honest token lives longer, and all sums stay far from overflow.
const LATEST: f64 = 253_402_300_799.0;

/// What may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A signed token: `exp` and `aud` are required (RFC 9068 section 2.2).
    Signed,
    /// An answer of introspection (RFC 7662 section 2.2): the issuer has vouched for it a moment ago.
    Introspected,
}

/// Reads `all`. `until` is the cache's own bound, which also stands in for an `exp` that introspection left out.
pub fn read(
    settings: &IssuerSettings,
    origin: Origin,
    all: Map<String, Value>,
    digest: Digest,
    (now, until): (Time, Time),
) -> Result<Claims, TokenFault> {
    let expires = check_times(&all, origin, settings.leeway, now)?.unwrap_or(until.plus(settings.leeway));
    check_audience(&all, origin, &settings.audience)?;
    if all.contains_key("cnf") {
        return Err(TokenFault::ProofMissing);
    }
    let subject = text(settings.claims.subject.find(&all), "the subject is not a short string")?;
    let client = match &settings.claims.client {
        Some(path) => path.find(&all),
        None => all.get("client_id").or_else(|| all.get("azp")),
    };
    // What an issuer says of its own clock needs no leeway to be remembered by.
    let remembered = match origin {
        Origin::Signed => expires,
        Origin::Introspected => expires.minus(settings.leeway),
    };
    Ok(Claims {
        issuer: Arc::clone(&settings.name),
        subject,
        client: text(client, "the client is not a short string")?,
        scopes: scopes(&all, settings.claims.scopes.as_ref())?,
        roles: roles(&all, settings.claims.roles.as_ref())?,
        expires,
        fresh_until: remembered.min(until),
        key: None,
        id: text(all.get("jti"), "`jti` is not a short string")?,
        revocable: match &settings.hosted {
            Some(_) => Some(hosted::revocable(&all).ok_or(TokenFault::Malformed("a claim of our own is missing"))?),
            None => None,
        },
        all,
        digest,
    })
}

/// `exp`, `nbf` and `iat` (RFC 7519 section 4.1) against the clock; gives the end of life with leeway.
fn check_times(
    all: &Map<String, Value>,
    origin: Origin,
    leeway: Duration,
    now: Time,
) -> Result<Option<Time>, TokenFault> {
    let expires = moment(all.get("exp"), "`exp` is not a time")?.map(|at| at.plus(leeway));
    match (expires, origin) {
        (None, Origin::Signed) => return Err(TokenFault::Malformed("`exp` is missing")),
        (Some(at), _) if now >= at => return Err(TokenFault::Expired(now.since(at.minus(leeway)).as_secs())),
        (None, Origin::Introspected) | (Some(_), _) => {}
    }
    for (name, fault) in [("nbf", "`nbf` is not a time"), ("iat", "`iat` is not a time")] {
        match moment(all.get(name), fault)? {
            Some(at) if at > now.plus(leeway) => {
                return Err(TokenFault::NotYetValid(at.since(now).as_millis().div_ceil(1000) as u64));
            }
            Some(_) | None => {}
        }
    }
    Ok(expires)
}

/// A `NumericDate`: a finite number that is not negative; never a text, however numeric.
fn moment(value: Option<&Value>, fault: &'static str) -> Result<Option<Time>, TokenFault> {
    let Some(value) = value else { return Ok(None) };
    match value.as_f64() {
        Some(secs) if secs.is_finite() && (0.0..=LATEST).contains(&secs) => {
            Ok(Some(Time::from_millis((secs * 1000.0) as u64)))
        }
        Some(_) | None => Err(TokenFault::Malformed(fault)),
    }
}

/// `aud` is a string or an array of strings (RFC 7519 section 4.1.3); one of them must be one of ours, exactly.
fn check_audience(all: &Map<String, Value>, origin: Origin, ours: &[String]) -> Result<(), TokenFault> {
    let mismatch = || TokenFault::AudienceMismatch { needed: ours.join(" ").into() };
    let is_ours = |value: &Value| value.as_str().is_some_and(|text| ours.iter().any(|own| own == text));
    match (all.get("aud"), origin) {
        (None, Origin::Introspected) => Ok(()),
        (None, Origin::Signed) => Err(mismatch()),
        (Some(Value::String(_)), _) if all.get("aud").is_some_and(is_ours) => Ok(()),
        (Some(Value::String(_)), _) => Err(mismatch()),
        (Some(Value::Array(list)), _) if !list.iter().all(Value::is_string) => {
            Err(TokenFault::Malformed("`aud` holds something else than strings"))
        }
        (Some(Value::Array(list)), _) if list.iter().any(is_ours) => Ok(()),
        (Some(Value::Array(_)), _) => Err(mismatch()),
        (Some(_), _) => Err(TokenFault::Malformed("`aud` is neither a string nor an array of strings")),
    }
}

/// One string of RFC 6749 section 3.3. Arrays only where the file says in which claim scopes stand: then it knows its issuer.
fn scopes(all: &Map<String, Value>, path: Option<&ClaimPath>) -> Result<Vec<Arc<str>>, TokenFault> {
    const FAULT: TokenFault = TokenFault::Malformed("the scopes are not in a form that is accepted");
    let value = match path {
        Some(path) => path.find(all),
        None => all.get("scope"),
    };
    let is_scope = |word: &str| {
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        (1..=LONGEST).contains(&word.len()) && word.bytes().all(allowed)
    };
    let words: Vec<&str> = match (value, path) {
        (None, _) => Vec::new(),
        (Some(Value::String(text)), _) => text.split(' ').filter(|word| !word.is_empty()).collect(),
        (Some(Value::Array(list)), Some(_)) => list.iter().map(Value::as_str).collect::<Option<_>>().ok_or(FAULT)?,
        (Some(_), _) => return Err(FAULT),
    };
    if !words.iter().all(|word| is_scope(word)) {
        return Err(FAULT);
    }
    Ok(sorted(words))
}

/// An array of strings, or one string for one role. Without a path, `roles` of RFC 9068 section 2.2.3.1 counts when it has
/// that form, and grants nothing otherwise.
fn roles(all: &Map<String, Value>, path: Option<&ClaimPath>) -> Result<Vec<Arc<str>>, TokenFault> {
    const FAULT: TokenFault = TokenFault::Malformed("the roles are not in a form that is accepted");
    let value = match path {
        Some(path) => path.find(all),
        None => all.get("roles"),
    };
    let words: Option<Vec<&str>> = match value {
        None => Some(Vec::new()),
        Some(Value::String(text)) => Some(vec![text]),
        Some(Value::Array(list)) => list.iter().map(Value::as_str).collect(),
        Some(_) => None,
    };
    match (words.filter(|words| words.iter().all(|word| is_plain(word))), path) {
        (Some(words), _) => Ok(sorted(words)),
        (None, None) => Ok(Vec::new()),
        (None, Some(_)) => Err(FAULT),
    }
}

fn sorted(mut words: Vec<&str>) -> Vec<Arc<str>> {
    words.sort_unstable();
    words.dedup();
    words.into_iter().map(Into::into).collect()
}

fn is_plain(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn text(value: Option<&Value>, fault: &'static str) -> Result<Option<Arc<str>>, TokenFault> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) if is_plain(text) => Ok(Some(text.as_str().into())),
        Some(_) => Err(TokenFault::Malformed(fault)),
    }
}

#[cfg(test)]
mod tests;

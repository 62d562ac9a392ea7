//! What an answer of introspection means (RFC 7662 section 2.2), and how we say who asks (RFC 6749 section 2.3.1).

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use crate::ground::{Digest, Time};
use crate::token::issuer::{ClientAuth, IntrospectionSettings, IssuerSettings};
use crate::token::jwt::claims::{self, Origin};
use crate::token::jwt::header::printable;
use crate::token::{Claims, TokenFault, strict};

/// The members of an answer that says `active: true`; `None` for `false`. Everything else is no answer: a text `"true"`, a
/// number, two members of one name, a page of HTML.
pub(super) fn read(body: &[u8]) -> Result<Option<Map<String, Value>>, String> {
    let members = strict::object(body).map_err(|fault| format!("its answer is unreadable: {fault}"))?;
    match members.get("active") {
        Some(Value::Bool(true)) => Ok(Some(members)),
        Some(Value::Bool(false)) => Ok(None),
        Some(_) | None => Err("its answer is unreadable: `active` is neither true nor false".to_owned()),
    }
}

/// Whether an active token is an access token for us, from this issuer, for whoever bears it.
pub(super) fn judge(
    issuer: &IssuerSettings,
    members: Map<String, Value>,
    digest: Digest,
    times: (Time, Time),
) -> Result<Claims, TokenFault> {
    match (members.get("iss"), &issuer.url) {
        (Some(Value::String(named)), Some(own)) if named == own => {}
        (Some(Value::String(_)), None) | (None, _) => {}
        (Some(_), _) => return Err(TokenFault::IssuerUnknown),
    }
    check_kind(&members)?;
    claims::read(issuer, Origin::Introspected, members, digest, times)
}

/// `token_type` is how the token is presented (RFC 6749 section 7.1); some servers write its kind there. `token_use` and `typ`
/// are what others call the kind.
fn check_kind(members: &Map<String, Value>) -> Result<(), TokenFault> {
    match members.get("token_type") {
        None => {}
        Some(Value::String(name)) if matches_any(name, &["bearer", "access_token"]) => {}
        Some(Value::String(name)) if matches_any(name, &["dpop"]) => return Err(TokenFault::ProofMissing),
        Some(other) => return Err(TokenFault::TypeRefused(printable(other.as_str().unwrap_or("?")))),
    }
    for name in ["token_use", "typ"] {
        let kind = members.get(name).and_then(Value::as_str).unwrap_or_default();
        if matches_any(kind, &["refresh_token", "refresh", "offline", "id", "id_token"]) {
            return Err(TokenFault::TypeRefused(printable(kind)));
        }
    }
    Ok(())
}

/// How long a refusal is remembered: never past the moment from which the token is good.
pub(super) fn refused_for(fault: &TokenFault, usual: Duration, leeway: Duration) -> Duration {
    match fault {
        TokenFault::NotYetValid(seconds) => usual.min(Duration::from_secs(*seconds).saturating_sub(leeway)),
        TokenFault::Malformed(_)
        | TokenFault::IssuerUnknown
        | TokenFault::Expired(_)
        | TokenFault::SignatureInvalid { .. }
        | TokenFault::AlgorithmRefused(_)
        | TokenFault::KeyUnknown(_)
        | TokenFault::AudienceMismatch { .. }
        | TokenFault::TypeRefused(_)
        | TokenFault::Revoked
        | TokenFault::ProofMissing
        | TokenFault::Inactive
        | TokenFault::KeysUnavailable { .. }
        | TokenFault::IntrospectionUnavailable { .. }
        | TokenFault::StoreUnavailable(_) => usual,
    }
}

/// How long an issuer that is busy wants to be left alone, where it says so in seconds (RFC 9110 section 10.2.3).
pub(super) fn pause(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

fn matches_any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Both halves are form-encoded before they are joined (RFC 6749 section 2.3.1).
pub(super) fn authorization(settings: &IntrospectionSettings) -> Option<HeaderValue> {
    if settings.auth != ClientAuth::Basic {
        return None;
    }
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(&settings.client_id), encoded(settings.client_secret.expose()));
    let mut value = HeaderValue::try_from(format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

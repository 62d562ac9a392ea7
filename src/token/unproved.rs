//! What a token that was refused says of itself: for the operator who asks why, never for a decision.

use serde_json::{Map, Value};

use super::jwt::Compact;

/// Longest token that is looked into, in bytes.
const LONGEST_TOKEN: usize = 4096;
/// Longest text of one fact, in characters.
const LONGEST_TEXT: usize = 200;

/// Claims and header of a token, as it has them; nothing of it is proved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unproved(pub Vec<(String, String)>);

/// The facts that help: `alg kid typ` of the header, `iss aud sub exp nbf` of the claims. `None` for what is no signed token.
pub fn of(token: &str) -> Option<Unproved> {
    if token.len() > LONGEST_TOKEN {
        return None;
    }
    let claims = Compact::split(token)?.claims().ok()?;
    let header = token.split('.').next()?;
    let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).ok()?;
    let header: Map<String, Value> = serde_json::from_slice(&header).ok()?;
    let named = |map: &Map<String, Value>, names: &[&str]| {
        let fact = |name: &&str| Some(((*name).to_owned(), short(map.get(*name)?)));
        names.iter().filter_map(fact).collect::<Vec<_>>()
    };
    let mut facts = named(&header, &["alg", "kid", "typ"]);
    facts.extend(named(&claims, &["iss", "aud", "sub", "exp", "nbf"]));
    Some(Unproved(facts))
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    text.chars().take(LONGEST_TEXT).collect()
}

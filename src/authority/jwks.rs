//! The public keys, for everyone who checks our tokens (RFC 7517 section 5).

use serde_json::{Map, Value, json};

use super::reply::PublicDocument;

/// Members of a public key. Anything else stays inside, so that no change elsewhere can let a private one out.
const PUBLIC: [&str; 9] = ["kty", "kid", "use", "alg", "crv", "x", "y", "n", "e"];

/// The document under `jwks_uri`.
pub(super) fn document(keys: &[Value]) -> PublicDocument {
    let keys: Vec<Value> = keys.iter().map(public).collect();
    PublicDocument::new(&json!({ "keys": keys }))
}

fn public(key: &Value) -> Value {
    let members = PUBLIC.iter().filter_map(|name| key.get(name).map(|value| ((*name).to_owned(), value.clone())));
    Value::Object(members.collect::<Map<_, _>>())
}

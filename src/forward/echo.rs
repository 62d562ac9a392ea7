//! `respond: echo`: what an upstream would have received, for trying things out.

use http::header::{CONTENT_TYPE, HOST};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::rewrite::{self, Facts};
use crate::gate::Refusal;
use crate::ground::{Body, Fields, Reply};

/// A JSON answer with method, target and headers after the same rewriting that a forwarded request gets. Credentials are
/// shown as dots.
pub fn answer(method: &Method, target: &str, mut fields: Fields, facts: &Facts<'_>) -> Result<Reply, Refusal> {
    rewrite::request(&mut fields, facts, None)?;
    fields.append(&HOST, facts.authority.as_bytes());
    let mut shown: Map<String, Value> = Map::new();
    for (name, value) in fields.iter() {
        let name = String::from_utf8_lossy(name).into_owned();
        let secret = ["authorization", "cookie", "x-auth-token"].contains(&name.as_str());
        let value = if secret { "…".into() } else { String::from_utf8_lossy(value) };
        match shown.get_mut(&name) {
            Some(_) if secret => {}
            Some(Value::String(all)) => {
                all.push_str(", ");
                all.push_str(&value);
            }
            Some(_) | None => drop(shown.insert(name, Value::String(value.into_owned()))),
        }
    }
    let document = json!({ "method": method.as_str(), "target": target, "headers": shown });
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    let mut reply = Reply::new(StatusCode::OK, Body::full(text));
    reply.fields.append(&CONTENT_TYPE, "application/json");
    Ok(reply)
}

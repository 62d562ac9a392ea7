//! `respond: echo`: what an upstream would have received, for trying things out.

use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap};
use http::{HeaderValue, Method, Response};
use serde_json::{Map, Value, json};

use super::rewrite::{self, Facts};
use crate::gate::Refusal;
use crate::ground::Body;

/// A JSON answer with method, target and headers after the same rewriting that a forwarded request gets. Credentials are
/// shown as dots.
pub fn answer(
    method: &Method,
    target: &str,
    mut headers: HeaderMap,
    facts: &Facts<'_>,
) -> Result<Response<Body>, Refusal> {
    rewrite::request(&mut headers, facts, None)?.put_into(&mut headers);
    let mut shown: Map<String, Value> = Map::new();
    for name in headers.keys() {
        let secret = *name == AUTHORIZATION || *name == COOKIE || name == "x-auth-token";
        let lines = headers.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
        let text = if secret { "…".to_owned() } else { lines.collect::<Vec<_>>().join(", ") };
        shown.insert(name.as_str().to_owned(), Value::String(text));
    }
    let document = json!({ "method": method.as_str(), "target": target, "headers": shown });
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    let mut response = Response::new(Body::full(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

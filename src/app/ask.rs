//! Questions to a running gateway, by its admin listener.

use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderValue, StatusCode};
use serde_json::Value;

use crate::config::diff::Model;
use crate::config::source::{Files, Source as _};
use crate::dial::client::{Bounds, Client};
use crate::observe::explanation::Explanation;

/// The variable that names the operator who asks.
const OPERATOR: &str = "PORTCULLIS_OPERATOR";

/// How large an answer may be.
const LARGEST: usize = 16 * 1024 * 1024;

/// The explanation of a request that the gateway behind `admin` has judged.
pub fn decision(admin: &str, request_id: &str) -> anyhow::Result<Explanation> {
    let plain = request_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    anyhow::ensure!(plain, "`{request_id}` is neither a method with an address nor the identifier of a request");
    let body = get(admin, &format!("/decisions/{request_id}"))?;
    serde_json::from_value(body).with_context(|| format!("the answer of {admin} cannot be read"))
}

/// What the gateway behind `admin` lets whom do.
pub fn access(admin: &str) -> anyhow::Result<Model> {
    let body = get(admin, "/access")?;
    serde_json::from_value(body).with_context(|| format!("the answer of {admin} cannot be read"))
}

/// What the gateway behind `admin` says at `/readyz`, and whether traffic may come.
pub fn readiness(admin: &str) -> anyhow::Result<(bool, Value)> {
    let (status, body) = ask(admin, "/readyz")?;
    Ok((status == StatusCode::OK, body))
}

/// Asks for a JSON document.
fn get(admin: &str, path: &str) -> anyhow::Result<Value> {
    let (status, body) = ask(admin, path)?;
    if status != StatusCode::OK {
        let detail = body.get("detail").and_then(Value::as_str).unwrap_or("it gives no reason");
        let status = status.as_u16();
        let advice = if status == 401 { format!("; set {OPERATOR} to NAME:PASSWORD") } else { String::new() };
        anyhow::bail!("the gateway at {admin} answers {status}: {detail}{advice}");
    }
    Ok(body)
}

/// Asks for a JSON document, and takes what comes.
fn ask(admin: &str, path: &str) -> anyhow::Result<(StatusCode, Value)> {
    let address = format!("{}{path}", admin.trim_end_matches('/'));
    let operator = operator()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        let bounds = Bounds { time: Duration::from_secs(10), size: LARGEST };
        let client = Client::with_system_roots(bounds).map_err(anyhow::Error::msg)?;
        client.get_as(&address, operator).await.with_context(|| format!("no gateway answers at {admin}"))
    })?;
    let body = serde_json::from_slice(&answer.body).with_context(|| format!("the answer of {address} is no JSON"))?;
    Ok((answer.status, body))
}

/// Who asks, from the environment: an argument would be read by everybody on the machine (RFC 7617).
fn operator() -> anyhow::Result<Option<HeaderValue>> {
    let Ok(Some(operator)) = Files.env(OPERATOR) else { return Ok(None) };
    anyhow::ensure!(operator.contains(':'), "{OPERATOR} is not of the form NAME:PASSWORD");
    let value = format!("Basic {}", base64_simd::STANDARD.encode_to_string(operator));
    Ok(Some(HeaderValue::try_from(value)?))
}

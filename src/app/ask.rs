//! Questions to a running gateway, by its admin listener.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::config::diff::Model;
use crate::dial::client::{Bounds, Client};
use crate::observe::explanation::Explanation;

/// How large an answer may be.
const LARGEST: usize = 16 * 1024 * 1024;

/// The explanation of a request that the gateway behind `admin` has judged.
pub fn decision(admin: &str, request_id: &str) -> anyhow::Result<Explanation> {
    let plain = request_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    anyhow::ensure!(plain, "`{request_id}` is neither a method with an address nor the identifier of a request");
    let (status, body) = get(admin, &format!("/decisions/{request_id}"))?;
    if status != 200 {
        let detail = body.get("detail").and_then(Value::as_str).unwrap_or("it gives no reason");
        anyhow::bail!("the gateway at {admin} answers {status}: {detail}");
    }
    serde_json::from_value(body).with_context(|| format!("the answer of {admin} cannot be read"))
}

/// What the gateway behind `admin` lets whom do.
pub fn access(admin: &str) -> anyhow::Result<Model> {
    let (status, body) = get(admin, "/access")?;
    anyhow::ensure!(status == 200, "the gateway at {admin} answers {status}");
    serde_json::from_value(body).with_context(|| format!("the answer of {admin} cannot be read"))
}

/// Asks for a JSON document.
pub fn get(admin: &str, path: &str) -> anyhow::Result<(u16, Value)> {
    let address = format!("{}{path}", admin.trim_end_matches('/'));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        let bounds = Bounds { time: Duration::from_secs(10), size: LARGEST };
        let client = Client::with_system_roots(bounds).map_err(anyhow::Error::msg)?;
        client.get(&address).await.with_context(|| format!("no gateway answers at {admin}"))
    })?;
    let body = serde_json::from_slice(&answer.body).with_context(|| format!("the answer of {address} is no JSON"))?;
    Ok((answer.status.as_u16(), body))
}

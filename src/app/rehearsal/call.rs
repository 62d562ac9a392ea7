//! One described call, made.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context as _;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt as _;

use crate::config::Plan;
use crate::config::plan::test::Call;
use crate::ground::{Body, RequestHead};
use crate::listen::Peer;
use crate::listen::peer::Tls;
use crate::serve::decisions::{Account, Wanted};
use crate::serve::{Worker, pipeline, reply};

/// What was answered.
pub struct Made {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub upstream: Option<serde_json::Value>,
}

/// Walks the pipeline once.
pub async fn make(worker: &Rc<Worker>, plan: &Plan, call: &Call, token: Option<&str>) -> anyhow::Result<Made> {
    let host = call.host.clone().unwrap_or_else(|| usual_host(plan));
    let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name).to_ascii_lowercase();
    let secure = plan.listeners.first().is_some_and(|listener| !listener.certificates.is_empty());
    let tls = Tls { server_name: Some(name), http2: false, version: "TLSv1.3" };
    let peer = Peer {
        address: SocketAddr::new(call.from, 40_000),
        local: SocketAddr::from(([127, 0, 0, 1], 443)),
        listener: 0,
        tls: secure.then(|| Arc::new(tls)),
    };
    let (head, body) = RequestHead::of(request(call, &host, token)?);
    let answer = pipeline::handle(worker, &peer, head, body).await;
    let body = answer.body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let upstream = serde_json::from_slice(&body).ok().filter(|body: &serde_json::Value| body.get("target").is_some());
    Ok(Made { status: answer.status, headers: answer.fields.to_map(), upstream })
}

impl Made {
    /// What the worker remembers of it.
    pub fn account(&self, worker: &Worker) -> Option<Account> {
        let request_id = self.headers.get(reply::X_REQUEST_ID)?.to_str().ok()?.to_owned();
        let wanted = Wanted { request_id: Some(request_id), ..Wanted::default() };
        worker.decisions.borrow().told(&wanted, 1).into_iter().next()
    }
}

fn request(call: &Call, host: &str, token: Option<&str>) -> anyhow::Result<Request<Body>> {
    let mut request = Request::builder().method(call.method.clone()).uri(&call.target).body(Body::Empty);
    let request = request.as_mut().map_err(|fault| anyhow::anyhow!("this cannot be a request: {fault}"))?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::try_from(host).context("the host")?);
    if let Some((size, kind)) = &call.body {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(*size));
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, HeaderValue::try_from(kind).context("the type of the body")?);
        }
    }
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).context("the token")?);
    }
    for (name, value) in &call.headers {
        headers.append(name.clone(), value.clone());
    }
    Ok(std::mem::take(request))
}

/// The host that the file serves: the issuer's, else any.
fn usual_host(plan: &Plan) -> String {
    let issuer = plan.authority.as_ref().and_then(|authority| url::Url::parse(&authority.issuer).ok());
    issuer.and_then(|issuer| issuer.host_str().map(str::to_owned)).unwrap_or_else(|| "localhost".to_owned())
}

//! Who answers a permitted request: an upstream, the authority, or the file itself.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, HeaderValue, UPGRADE};
use http::request::Parts;
use http::{Response, Version};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::snapshot::{Destination, Route, Snapshot};
use super::worker::Worker;
use crate::authority::endpoint::Endpoint;
use crate::authority::{Authority, Incoming};
use crate::forward::rewrite::Facts;
use crate::forward::upgrade::Lease;
use crate::forward::{self, Engine, Outgoing, echo};
use crate::gate::admit::Admitted;
use crate::gate::{Permit, Refusal};
use crate::ground::{Body, Time};
use crate::observe::Record;

/// The authority reads one byte more than it allows, to see that there is one.
const MOST_FORM_BYTES: usize = 64 * 1024 + 1;

/// A permitted request.
pub struct Asked<'a> {
    pub permit: &'a Permit,
    pub admitted: &'a Admitted,
    pub parts: Parts,
    pub body: Body,
    pub now: Time,
    pub engine: Engine,
}

/// Lets the route's destination act.
pub async fn answer(
    worker: &Rc<Worker>,
    house: &Arc<Snapshot>,
    route: &Route,
    asked: Asked<'_>,
    record: &mut Record,
) -> Result<Response<Body>, Refusal> {
    match &route.destination {
        Destination::Upstream(to) => {
            record.upstream = Some(Arc::clone(&to.series));
            let request_id = Arc::clone(&record.request_id);
            let facts = facts(house, route, &asked, &request_id, record);
            let asks = route.websocket && asked.parts.headers.contains_key(UPGRADE);
            let websocket = asks.then(|| lease(worker, house, route, asked.permit));
            let outgoing = Outgoing {
                target: target(asked.admitted),
                facts,
                parts: asked.parts,
                body: asked.body,
                max_body: route.policy.body.max,
                timeouts: to.timeouts,
                websocket,
                engine: asked.engine,
            };
            let answer = forward::send(&to.upstream, &worker.pools, outgoing).await?;
            record.server = Some(answer.server);
            record.upstream_time = Some(answer.time);
            record.retries = answer.retries;
            record.bytes_in = Some(answer.bytes_in);
            Ok(answer.response)
        }
        Destination::Authority(endpoint) => {
            let authority = house.authority.as_ref().ok_or(Refusal::RouteUnknown)?;
            Box::pin(ask_authority(authority, *endpoint, asked, record)).await
        }
        Destination::Fixed(fixed) => Ok(fixed.response()),
        Destination::Echo => {
            let request_id = Arc::clone(&record.request_id);
            let facts = facts(house, route, &asked, &request_id, record);
            echo::answer(&asked.parts.method, &target(asked.admitted), asked.parts.headers.clone(), &facts)
        }
    }
}

/// A tunnel stands as long as the token that opened it: it ends with it, and soon after it is revoked.
fn lease(worker: &Rc<Worker>, house: &Arc<Snapshot>, route: &Route, permit: &Permit) -> Lease {
    let claims = permit.caller().claims().filter(|_| !route.websocket_outlives_token).map(Arc::clone);
    let (verifier, clock) = (Arc::clone(&house.verifier), Arc::clone(&worker.shared.clock));
    Box::new(move || claims.as_ref().is_none_or(|claims| clock.now() < claims.expires && !verifier.has_revoked(claims)))
}

fn target(admitted: &Admitted) -> String {
    match &admitted.query {
        Some(query) => format!("{}?{query}", admitted.path),
        None => admitted.path.clone(),
    }
}

fn facts<'a>(
    house: &'a Snapshot,
    route: &Route,
    asked: &Asked<'a>,
    request_id: &'a Arc<str>,
    record: &Record,
) -> Facts<'a> {
    let admitted = asked.admitted;
    let written = asked.parts.headers.get(HOST).cloned();
    let authority = written
        .or_else(|| HeaderValue::try_from(asked.parts.uri.authority()?.as_str()).ok())
        .or_else(|| HeaderValue::try_from(admitted.host.as_str()).ok());
    Facts {
        permit: asked.permit,
        host: &admitted.host,
        authority: authority.unwrap_or(HeaderValue::from_static("")),
        client: admitted.client,
        secure: admitted.secure,
        version: if asked.parts.version == Version::HTTP_2 { Version::HTTP_2 } else { Version::HTTP_11 },
        request_id,
        traced: record.trace_id.is_some(),
        forward_token: route.forward_token,
        signer: house.signer.as_deref(),
        now: asked.now,
    }
}

/// Collects the form and lets the authority answer. What takes long, such as hashing, RSA and the store, it hands to threads
/// of their own, so that this one only waits.
async fn ask_authority(
    authority: &Arc<Authority>,
    endpoint: Endpoint,
    asked: Asked<'_>,
    record: &mut Record,
) -> Result<Response<Body>, Refusal> {
    let body = collect(asked.body).await?;
    record.bytes_in = Some(Rc::new(Cell::new(body.len() as u64)));
    let request = Incoming {
        method: asked.parts.method,
        headers: asked.parts.headers,
        path: asked.admitted.path.clone(),
        query: asked.admitted.query.clone(),
        body,
        client: asked.admitted.client,
        request_id: Arc::clone(&record.request_id),
    };
    Ok(authority.answer(endpoint, request).await.map(Body::full))
}

async fn collect(body: Body) -> Result<Bytes, Refusal> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    match Limited::new(body, MOST_FORM_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(fault) if fault.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge { limit: 64 * 1024 }),
        Err(_) => Err(Refusal::Malformed { what: "the body broke off", close: true }),
    }
}

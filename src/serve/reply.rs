//! Refusal to response: status, problem document, challenge.

use std::rc::Rc;

use http::StatusCode;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

use super::worker::Worker;
use crate::gate::Refusal;
use crate::ground::{Body, Fields, Reply};
use crate::listen::Peer;
use crate::observe::Reason;

pub use crate::forward::rewrite::X_REQUEST_ID;

/// A problem document (RFC 9457 section 3) with our two members.
#[derive(Serialize)]
struct Problem<'a> {
    /// Where the code is explained.
    r#type: String,
    title: &'static str,
    status: u16,
    /// The reason code.
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The limit that was hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'a str>,
    request_id: &'a str,
}

/// What the caller is told. Nothing of the request is repeated but its own identifier.
pub fn refuse(refusal: &Refusal, request_id: &str, realm: &str, http1: bool) -> Reply {
    let reason = refusal.reason();
    let limit = match refusal {
        Refusal::RateLimited { limit, .. } | Refusal::LimitUnavailable { limit } => Some(&**limit),
        Refusal::Malformed { .. }
        | Refusal::HeadTooLarge(_)
        | Refusal::CredentialsDuplicated
        | Refusal::HostUnknown
        | Refusal::RouteUnknown
        | Refusal::MethodNotAllowed { .. }
        | Refusal::ExpectationFailed
        | Refusal::OriginRefused { .. }
        | Refusal::TokenMissing { .. }
        | Refusal::Token { .. }
        | Refusal::ScopeMissing { .. }
        | Refusal::RoleMissing { .. }
        | Refusal::ConditionFailed { .. }
        | Refusal::BodyTooLarge { .. }
        | Refusal::BodyTypeRefused { .. }
        | Refusal::UpstreamUnreachable { .. }
        | Refusal::UpstreamInvalid { .. }
        | Refusal::UpstreamOverloaded { .. }
        | Refusal::UpstreamTimeout { .. }
        | Refusal::StoreUnavailable
        | Refusal::Internal(_) => None,
    };
    let mut reply = problem(reason, refusal.public_detail(), limit, request_id);
    let fields = &mut reply.fields;
    if let Some(challenge) = refusal.challenge(realm) {
        fields.insert(&WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = refusal.retry_after() {
        fields.insert(&RETRY_AFTER, seconds.to_string());
    }
    if let Refusal::MethodNotAllowed { allow } = refusal {
        fields.insert(&ALLOW, allow);
    }
    if http1 && refusal.closes() {
        fields.insert(&CONNECTION, "close");
    }
    reply
}

/// The answer to a preflight that is allowed.
pub fn preflight(fields: Fields) -> Reply {
    Reply { status: StatusCode::NO_CONTENT, fields, body: Body::Empty }
}

fn problem(reason: Reason, detail: Option<String>, limit: Option<&str>, request_id: &str) -> Reply {
    let problem = Problem {
        r#type: format!("urn:portcullis:refusal:{}", reason.code()),
        title: reason.title(),
        status: reason.status(),
        code: reason.code(),
        detail,
        limit,
        request_id,
    };
    let status = StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = Reply::new(status, Body::full(serde_json::to_vec(&problem).unwrap_or_default()));
    reply.fields.append(&CONTENT_TYPE, "application/problem+json");
    reply.fields.append(&CACHE_CONTROL, "no-store");
    reply
}

/// A request that hyper could not read and has answered by itself: counted and logged like any other refusal.
pub fn unreadable(worker: &Rc<Worker>, peer: &Peer, fault: &hyper::Error, violation: Option<&'static str>) {
    let mut entry = worker.open_record(peer, http::Method::default(), http::Version::HTTP_11);
    let house = worker.house();
    let what = violation.unwrap_or("the bytes of the request are not HTTP");
    let refusal =
        if fault.is_parse_too_large() { Refusal::HeadTooLarge(what) } else { Refusal::Malformed { what, close: true } };
    let reason = refusal.reason();
    let record = &mut entry.record;
    record.refusal = Some(reason);
    record.status = reason.status();
    record.detail = Some(what.to_owned());
    record.route = Some(std::sync::Arc::clone(&house.unmatched));
    (entry.facts.generation, entry.facts.refusal) = (house.generation, Some(refusal));
    worker.write_down(&mut entry, house.remembers);
}

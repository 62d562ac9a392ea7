//! The two kinds of answer: documents that anyone may keep, and secrets that nobody may.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE,
    LOCATION, PRAGMA, RETRY_AFTER, VARY,
};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;

/// How public documents are read.
pub(super) const READ: &str = "GET, HEAD, OPTIONS";

/// How long a public document may be kept, five minutes: well under the time a new key is published before its first use.
const KEEP: &str = "public, max-age=300";

/// A JSON answer with a secret or a refusal in it: kept nowhere. `Pragma` because RFC 6749 section 5.1 asks for it.
pub(super) fn unkept_json(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    // Names are texts and nothing fails while it is written, so that this cannot fail.
    let mut response = Response::new(Bytes::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// Another page, asked for with GET whatever this request was (RFC 9110 section 15.4.4): a form's contents go nowhere
/// (G-12).
pub(super) fn see_other(to: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match HeaderValue::try_from(to) {
        Ok(to) => drop(headers.insert(LOCATION, to)),
        // Addresses are checked when they are registered and encoded when they are made.
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    response
}

/// Says when to come again.
pub(super) fn after(wait: Duration, mut response: Response<Bytes>) -> Response<Bytes> {
    let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// Headers of an answer that a script may look at.
const EXPOSED: &str = "WWW-Authenticate, Retry-After";

/// Lets scripts of `origin` read the answer; never with cookies. The answer differs by origin, so caches are told.
pub(super) fn readable_by(origin: Option<HeaderValue>, mut response: Response<Bytes>) -> Response<Bytes> {
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    response
}

/// The answer to the question of a browser whether a script of `origin` may call; without one: no.
pub(super) fn preflight(origin: Option<HeaderValue>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if origin.is_some() {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    }
    readable_by(origin, response)
}

/// A JSON document for everybody, scripts of any site included: it is the same for all and holds no secret.
#[derive(Clone)]
pub(super) struct PublicDocument {
    body: Bytes,
}

impl PublicDocument {
    pub(super) fn new(body: &Value) -> Self {
        Self { body: Bytes::from(body.to_string()) }
    }

    pub(super) fn body(&self) -> &Bytes {
        &self.body
    }

    pub(super) fn answer(&self, method: &Method) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        let read = *method == Method::GET || *method == Method::HEAD;
        if read {
            // HEAD gets the head of the answer to GET (RFC 9110 section 9.3.2).
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(KEEP));
        }
        if *method == Method::GET {
            *response.body_mut() = self.body.clone();
        } else if *method == Method::OPTIONS {
            *response.status_mut() = StatusCode::NO_CONTENT;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(READ));
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
            response.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
            response.headers_mut().insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
        } else if !read {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(READ));
        }
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    }
}

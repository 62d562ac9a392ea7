//! `respond: {status, headers, body}`: an answer that needs no upstream.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::ground::Body;

/// A fixed answer, ready made.
#[derive(Clone, Debug)]
pub struct FixedAnswer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl FixedAnswer {
    /// A status that ends a request: 1xx is none, and 204 and 304 have no body (RFC 9110 section 6.4.1).
    pub fn new(status: StatusCode, headers: Vec<(HeaderName, HeaderValue)>, body: String) -> Result<Self, String> {
        if status.is_informational() {
            return Err(format!("{} is not the end of an answer", status.as_u16()));
        }
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) && !body.is_empty() {
            return Err(format!("an answer with status {} has no body", status.as_u16()));
        }
        Ok(Self { status, headers, body: body.into() })
    }

    pub fn response(&self) -> Response<Body> {
        let mut response = Response::new(Body::full(self.body.clone()));
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers.iter().cloned());
        response
    }
}

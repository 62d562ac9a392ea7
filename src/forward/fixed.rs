//! `respond: {status, headers, body}`: an answer that needs no upstream.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::ground::{Body, Fields, Reply};

/// A fixed answer, ready made.
#[derive(Clone, Debug)]
pub struct FixedAnswer {
    status: StatusCode,
    fields: Fields,
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
        let fields = headers.iter().map(|(name, value)| (name, value)).collect();
        Ok(Self { status, fields, body: body.into() })
    }

    pub fn reply(&self) -> Reply {
        Reply { status: self.status, fields: self.fields.clone(), body: Body::full(self.body.clone()) }
    }
}

//! A request's head and an answer, as they go through the house, whichever engine has read them.

use http::{Extensions, HeaderValue, Method, Request, Response, StatusCode, Version};

use super::{Body, Fields};

/// The head of a request as it came (RFC 9112 section 2).
#[derive(Debug)]
pub struct RequestHead {
    pub method: Method,
    pub version: Version,
    /// The authority of the target where it names one: HTTP/2, and absolute form.
    pub authority: Option<Box<str>>,
    /// Path and query of the target; empty for CONNECT.
    pub target: String,
    pub fields: Fields,
    /// What hyper hands over with a request: its upgrade.
    pub extensions: Extensions,
}

impl RequestHead {
    pub fn new(method: Method, target: String, fields: Fields) -> Self {
        let (version, authority, extensions) = (Version::HTTP_11, None, Extensions::new());
        Self { method, version, authority, target, fields, extensions }
    }

    /// Boxed: it is handed from room to room.
    pub fn of<B>(request: Request<B>) -> (Box<Self>, B) {
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
        // A query alone is one of the root.
        let target = if target.starts_with('?') { format!("/{target}") } else { target.to_owned() };
        let head = Self {
            method: parts.method,
            version: parts.version,
            authority: parts.uri.authority().map(|authority| authority.as_str().into()),
            target,
            fields: Fields::from(&parts.headers),
            extensions: parts.extensions,
        };
        (Box::new(head), body)
    }

    /// The path as it came, and the query without the `?`.
    pub fn path_and_query(&self) -> (&str, Option<&str>) {
        let mark = memchr::memchr(b'?', self.target.as_bytes());
        match mark.and_then(|at| Some((self.target.get(..at)?, self.target.get(at + 1..)?))) {
            Some((path, query)) => (path, Some(query)),
            None => (&self.target, None),
        }
    }
}

/// An answer, whoever made it.
pub struct Reply<B = Body> {
    pub status: StatusCode,
    pub fields: Fields,
    pub body: B,
}

impl<B> Reply<B> {
    pub fn new(status: StatusCode, body: B) -> Self {
        Self { status, fields: Fields::new(), body }
    }

    pub fn map<C>(self, change: impl FnOnce(B) -> C) -> Reply<C> {
        Reply { status: self.status, fields: self.fields, body: change(self.body) }
    }

    /// As it was made in typed headers.
    pub fn of(response: Response<B>) -> Self {
        let (parts, body) = response.into_parts();
        Self { status: parts.status, fields: Fields::from(&parts.headers), body }
    }

    /// In typed headers, for whoever wants them.
    pub fn typed(self) -> Response<B> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.fields.to_map();
        response
    }

    /// Says that the connection ends with this answer, unless it has said what becomes of it.
    pub fn close(&mut self) {
        if !self.fields.contains(&http::header::CONNECTION) {
            self.fields.append(&http::header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

//! Brings a request into its one normal form, or refuses it.
//!
//! One reading: host, path and body length are read once, strictly, and the same canonical value is used for routing,
//! policy, log and forwarding. What has more than one reading is refused, not guessed.

pub mod address;
pub mod host;
pub mod path;

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{self, HeaderMap};
use http::request::Parts;
use http::{Method, Version};
use ipnet::IpNet;

use super::head::Headers;
use super::{Head, Refusal};
use crate::listen::Peer;

/// Bounds of a head; larger ones are refused (RFC 9110 section 17.5 asks for limits, attackers for more).
const MOST_METHOD: usize = 32;
const MOST_TARGET: usize = 8 * 1024;
const MOST_HEAD: usize = 32 * 1024;
/// hyper itself refuses more than 100, without a body; below that the refusal is ours.
const MOST_FIELDS: usize = 96;

/// What one listener admits.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// Peers in here may say who the client is (`X-Forwarded-*`, `X-Request-Id`).
    pub trusted: Vec<IpNet>,
}

/// The normal form of one request's head; owns what had to be rewritten.
#[derive(Debug)]
pub struct Admitted {
    pub host: String,
    pub path: String,
    pub query: Option<String>,
    pub client: IpAddr,
    pub secure: bool,
    /// Set by a trusted proxy; ours is made when this is `None`.
    pub request_id: Option<Arc<str>>,
}

impl Admission {
    /// Judges and normalises the head of `parts`. Everything later uses the result, never `parts.uri` or `Host`.
    pub fn admit(&self, parts: &Parts, peer: &Peer) -> Result<Admitted, Refusal> {
        size(parts)?;
        framing(parts)?;
        expectation(&parts.headers)?;
        let host = host::canonical(parts)?;
        let (path, query) = target(parts)?;
        let trusted = self.trusts(peer.ip());
        let client = if trusted { self.client(&parts.headers, peer.ip())? } else { peer.ip() };
        let secure = peer.tls.is_some() || (trusted && address::forwarded_https(&parts.headers));
        let request_id = if trusted { address::request_id(&parts.headers) } else { None };
        Ok(Admitted { host, path, query, client, secure, request_id })
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }

    fn client(&self, headers: &HeaderMap, peer: IpAddr) -> Result<IpAddr, Refusal> {
        address::client(headers, peer, |address| self.trusts(address))
    }
}

impl Admitted {
    pub fn head<'a>(&'a self, method: &'a Method, headers: &'a HeaderMap) -> Head<'a> {
        Head {
            method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            client: self.client,
            secure: self.secure,
            headers: Headers::Typed(headers),
        }
    }
}

/// A refusal of admission whose connection must not go on.
fn malformed(what: &'static str) -> Refusal {
    Refusal::Malformed { what, close: true }
}

fn size(parts: &Parts) -> Result<(), Refusal> {
    if parts.method.as_str().len() > MOST_METHOD {
        return Err(malformed("the method is too long"));
    }
    let target = parts.uri.path().len() + parts.uri.query().map_or(0, str::len);
    if target > MOST_TARGET {
        return Err(Refusal::HeadTooLarge("the request target is longer than 8 KiB"));
    }
    if parts.headers.len() > MOST_FIELDS {
        return Err(Refusal::HeadTooLarge("there are more than 96 header fields"));
    }
    let fields: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if target + fields > MOST_HEAD {
        return Err(Refusal::HeadTooLarge("the head is larger than 32 KiB"));
    }
    Ok(())
}

/// Where the body ends must have one answer (RFC 9112 section 6).
fn framing(parts: &Parts) -> Result<(), Refusal> {
    let headers = &parts.headers;
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let length = lengths.next();
    if lengths.next().is_some() {
        return Err(malformed("there is more than one Content-Length"));
    }
    if let Some(length) = length {
        let digits = length.as_bytes();
        let plain = !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit);
        if !plain || (digits.len() > 1 && digits.starts_with(b"0")) {
            return Err(malformed("Content-Length is not a plain number"));
        }
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if length.is_some() {
            return Err(malformed("Content-Length and Transfer-Encoding are both there"));
        }
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(malformed("Transfer-Encoding is not a single `chunked`"));
        }
        if parts.version != Version::HTTP_11 {
            return Err(malformed("Transfer-Encoding belongs to HTTP/1.1 alone"));
        }
    }
    for single in [header::CONTENT_TYPE, header::ORIGIN, header::HOST] {
        if headers.get_all(&single).iter().nth(1).is_some() {
            return Err(malformed("a header that may stand once stands there twice"));
        }
    }
    Ok(())
}

/// `100-continue` is the only expectation there is (RFC 9110 section 10.1.1).
fn expectation(headers: &HeaderMap) -> Result<(), Refusal> {
    let met =
        headers.get_all(header::EXPECT).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if met { Ok(()) } else { Err(Refusal::ExpectationFailed) }
}

fn target(parts: &Parts) -> Result<(String, Option<String>), Refusal> {
    if parts.method == Method::CONNECT {
        // Its target is a host and no path; no route can name it, so it ends as 405 or 404 without being looked at.
        return Ok(("/".to_owned(), None));
    }
    let path = path::canonical(parts.uri.path()).map_err(malformed)?;
    let query = parts.uri.query();
    if query.is_some_and(|query| query.bytes().any(|byte| !matches!(byte, b'!'..=b'~') || byte == b'#')) {
        return Err(malformed("the query holds characters that must be percent-encoded"));
    }
    Ok((path.into_owned(), query.map(str::to_owned)))
}

#[cfg(test)]
mod tests;

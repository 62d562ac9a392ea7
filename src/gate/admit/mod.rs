//! Brings a request into its one normal form, or refuses it.
//!
//! One reading: host, path and body length are read once, strictly, and the same canonical value is used for routing,
//! policy, log and forwarding. What has more than one reading is refused, not guessed.

pub mod address;
mod forwarded;
pub mod host;
pub mod path;

use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;

use http::header::{self, HeaderName};
use http::{Method, Version};
use ipnet::IpNet;

use super::{Head, Refusal};
use crate::ground::{Fields, RequestHead};
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
    /// Peers in here may say who the client is (`X-Forwarded-*`, `Forwarded`, `X-Request-Id`).
    pub trusted: Vec<IpNet>,
}

/// The normal form of one request's head; owns what had to be rewritten.
#[derive(Debug)]
pub struct Admitted {
    pub host: String,
    /// Canonical path, and the query behind a `?` where there is one: what goes on.
    pub target: String,
    /// How much of the target is the path.
    path: usize,
    pub client: IpAddr,
    pub secure: bool,
    /// Set by a trusted proxy; ours is made when this is `None`.
    pub request_id: Option<Rc<str>>,
}

impl Admission {
    /// Judges and normalises a head. Everything later uses the result, never the target, which is taken, or `Host`.
    pub fn admit(&self, head: &mut RequestHead, peer: &Peer) -> Result<Admitted, Refusal> {
        let lines = Lines::count(&head.fields);
        size(head, &lines)?;
        framing(head, &lines)?;
        expectation(&head.fields, &lines)?;
        let host = host::canonical(head)?;
        let (target, path) = target(head)?;
        let trusted = self.trusts(peer.ip());
        let (client, https) = if trusted { self.told(&head.fields, peer.ip())? } else { (peer.ip(), false) };
        let secure = peer.tls.is_some() || https;
        let request_id = if trusted { address::request_id(&head.fields) } else { None };
        Ok(Admitted { host, target, path, client, secure, request_id })
    }

    /// Whether this is a proxy that speaks for others.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }

    fn told(&self, headers: &Fields, peer: IpAddr) -> Result<(IpAddr, bool), Refusal> {
        address::told(headers, peer, |address| self.trusts(address))
    }
}

impl Admitted {
    /// Canonical.
    pub fn path(&self) -> &str {
        self.target.get(..self.path).unwrap_or_default()
    }

    /// Without the `?`.
    pub fn query(&self) -> Option<&str> {
        self.target.get(self.path.saturating_add(1)..)
    }

    pub fn head<'a>(&'a self, method: &'a Method, headers: &'a Fields) -> Head<'a> {
        Head {
            method,
            host: &self.host,
            path: self.path(),
            query: self.query(),
            client: self.client,
            secure: self.secure,
            headers,
        }
    }
}

/// A refusal of admission whose connection must not go on.
fn malformed(what: &'static str) -> Refusal {
    Refusal::Malformed { what, close: true }
}

/// How often the headers stand there that framing and admission depend on, and how large all are. Counted in one pass:
/// a look-up for each would cost more than the pass.
#[derive(Default)]
struct Lines {
    content_length: u8,
    transfer_encoding: u8,
    expect: u8,
    /// A header that may stand once stands there twice.
    repeated: bool,
    bytes: usize,
}

impl Lines {
    fn count(fields: &Fields) -> Self {
        let mut lines = Self::default();
        let (mut content_type, mut origin, mut host) = (0_u8, 0_u8, 0_u8);
        for (name, value) in fields.iter() {
            lines.bytes += name.len() + value.len() + 4;
            let line = match name {
                b"content-length" => &mut lines.content_length,
                b"transfer-encoding" => &mut lines.transfer_encoding,
                b"expect" => &mut lines.expect,
                b"content-type" => &mut content_type,
                b"origin" => &mut origin,
                b"host" => &mut host,
                _ => continue,
            };
            *line = line.saturating_add(1);
        }
        lines.repeated = content_type > 1 || origin > 1 || host > 1;
        lines
    }
}

fn size(head: &RequestHead, lines: &Lines) -> Result<(), Refusal> {
    if head.method.as_str().len() > MOST_METHOD {
        return Err(malformed("the method is too long"));
    }
    // `get` is not `GET`, but there are servers that take it for that.
    if head.method.as_str().bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(malformed("the method is not in capital letters"));
    }
    if head.target.len() > MOST_TARGET {
        return Err(Refusal::HeadTooLarge("the request target is longer than 8 KiB"));
    }
    if head.fields.len() > MOST_FIELDS {
        return Err(Refusal::HeadTooLarge("there are more than 96 header fields"));
    }
    if head.target.len() + lines.bytes > MOST_HEAD {
        return Err(Refusal::HeadTooLarge("the head is larger than 32 KiB"));
    }
    Ok(())
}

/// Where the body ends must have one answer (RFC 9112 section 6).
fn framing(head: &RequestHead, lines: &Lines) -> Result<(), Refusal> {
    if lines.repeated {
        return Err(malformed("a header that may stand once stands there twice"));
    }
    if lines.content_length > 1 {
        return Err(malformed("there is more than one Content-Length"));
    }
    if let Some(digits) = present(&head.fields, lines.content_length, &header::CONTENT_LENGTH) {
        let plain = !digits.is_empty() && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit);
        if !plain || (digits.len() > 1 && digits.starts_with(b"0")) {
            return Err(malformed("Content-Length is not a plain number"));
        }
    }
    if let Some(coding) = present(&head.fields, lines.transfer_encoding, &header::TRANSFER_ENCODING) {
        if lines.content_length > 0 {
            return Err(malformed("Content-Length and Transfer-Encoding are both there"));
        }
        if lines.transfer_encoding > 1 || !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(malformed("Transfer-Encoding is not a single `chunked`"));
        }
        if head.version != Version::HTTP_11 {
            return Err(malformed("Transfer-Encoding belongs to HTTP/1.1 alone"));
        }
    }
    Ok(())
}

fn present<'h>(fields: &'h Fields, lines: u8, name: &HeaderName) -> Option<&'h [u8]> {
    if lines == 0 { None } else { fields.first(name) }
}

/// `100-continue` is the only expectation there is (RFC 9110 section 10.1.1).
fn expectation(fields: &Fields, lines: &Lines) -> Result<(), Refusal> {
    let is_continue = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
    if lines.expect == 0 || fields.all(&header::EXPECT).all(is_continue) {
        Ok(())
    } else {
        Err(Refusal::ExpectationFailed)
    }
}

/// The canonical target, and how much of it is the path.
fn target(head: &mut RequestHead) -> Result<(String, usize), Refusal> {
    if head.method == Method::CONNECT {
        // Its target is a host and no path; no route can name it, so it ends as 405 or 404 without being looked at.
        return Ok(("/".to_owned(), 1));
    }
    let (path, query) = head.path_and_query();
    let path = path::canonical(path).map_err(malformed)?;
    if query.is_some_and(|query| query.bytes().any(|byte| !matches!(byte, b'!'..=b'~') || byte == b'#')) {
        return Err(malformed("the query holds characters that must be percent-encoded"));
    }
    let length = path.len();
    match (path, query) {
        (Cow::Borrowed(_), _) => {}
        (Cow::Owned(path), None) => return Ok((path, length)),
        (Cow::Owned(path), Some(query)) => return Ok((format!("{path}?{query}"), length)),
    }
    Ok((std::mem::take(&mut head.target), length))
}

#[cfg(test)]
mod tests;

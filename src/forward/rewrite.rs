//! What an upstream is sent: a head built from the canonical request, without what must not pass, with our own word last.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, FORWARDED, HOST, HeaderMap, HeaderName, TRANSFER_ENCODING, VIA};
use http::{HeaderValue, Version};

use super::cookies;
use super::identity::IdentitySigner;
use super::upstream::{IdentityMode, UpstreamSettings};
use crate::gate::caller::is_identity_name;
use crate::gate::{Caller, Permit, Refusal};
use crate::ground::{Time, address};

/// What the gateway says about a request to whoever serves it.
pub struct Facts<'a> {
    pub permit: &'a Permit,
    /// Canonical.
    pub host: &'a str,
    /// `Host` as the client wrote it, with its port; canonical host when it wrote none.
    pub authority: HeaderValue,
    pub client: IpAddr,
    pub secure: bool,
    pub version: Version,
    pub request_id: &'a Arc<str>,
    /// The request's trace context is well-formed and goes on as it came.
    pub traced: bool,
    pub forward_token: bool,
    pub signer: Option<&'a dyn IdentitySigner>,
    pub now: Time,
}

const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The upstream that is told, and the signed statement of who calls, where it takes one.
pub struct Told<'a> {
    pub settings: &'a UpstreamSettings,
    pub statement: Option<HeaderValue>,
}

/// What the gateway itself says to an upstream. None of its names is left in the headers that it goes with, but for `Via`,
/// which grows.
pub struct Said {
    host: HeaderValue,
    lines: Vec<(HeaderName, HeaderValue)>,
}

impl Said {
    /// A server that is to hear its own name.
    pub(super) fn host_is(&mut self, host: &HeaderValue) {
        self.host.clone_from(host);
    }

    pub(super) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// All but `Host`, to be said after what passes of the client's.
    pub(super) fn lines(&self) -> &[(HeaderName, HeaderValue)] {
        &self.lines
    }

    /// All of it in typed headers.
    pub fn put_into(&self, headers: &mut HeaderMap) {
        // Room for all: a map that grows step by step is hashed anew at each.
        headers.reserve(self.lines.len().saturating_add(4));
        headers.insert(HOST, self.host.clone());
        for (name, value) in &self.lines {
            headers.append(name.clone(), value.clone());
        }
    }
}

/// Takes off a request's headers what must not pass, and gives what is said instead. `told` is `None` for `respond: echo`.
/// `Host` is the client's.
pub fn request(headers: &mut HeaderMap, facts: &Facts<'_>, told: Option<Told<'_>>) -> Result<Said, Refusal> {
    strip(headers, |name| match name.as_str() {
        "authorization" => !facts.forward_token,
        "traceparent" | "tracestate" => !facts.traced,
        // It was met, or refused, on this side already; and the host is said anew.
        "expect" | "host" => true,
        _ => is_identity_name(name),
    });
    cookies::of_request(headers);
    let mut lines = Vec::with_capacity(16);
    say_whence(&mut lines, facts);
    lines.push((X_REQUEST_ID, value(Bytes::copy_from_slice(facts.request_id.as_bytes()))));
    say_who(&mut lines, facts, told)?;
    Ok(Said { host: facts.authority.clone(), lines })
}

/// Takes off an answer's headers what belongs to the connection behind us.
pub fn response(headers: &mut HeaderMap) {
    strip(headers, |_| false);
    cookies::of_answer(headers);
}

/// Whether an answer's length has one reading. hyper has picked one already; an answer that leaves a choice is refused, so
/// that no cache or client before us picks another (RFC 9112 section 6.3).
pub fn is_framed_clearly(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (codings.next(), lengths.next()) {
        (None, None) => true,
        (Some(_), Some(_)) => false,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none(),
        (None, Some(length)) => {
            let digits = length.as_bytes();
            let plain = digits.len() == 1 || !digits.starts_with(b"0");
            plain && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) && lengths.next().is_none()
        }
    }
}

/// Removes hop-by-hop headers, those that `Connection` names, and whatever else is `unwanted` (RFC 9110 section 7.6.1).
/// Our own are set after this, so that naming them in `Connection` removes nothing of ours.
fn strip(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    let mut gone: Vec<HeaderName> = headers.keys().filter(|name| is_hop(name) || unwanted(name)).cloned().collect();
    for line in headers.get_all(CONNECTION) {
        for word in line.as_bytes().split(|byte| *byte == b',') {
            // Framing and host are not the client's to take away.
            if let Ok(name) = HeaderName::from_bytes(word.trim_ascii())
                && name != CONTENT_LENGTH
                && name != HOST
            {
                gone.push(name);
            }
        }
    }
    for name in gone {
        headers.remove(name);
    }
}

fn is_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authorization"
            | "proxy-authenticate"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// `X-Forwarded-*` and `Forwarded` (RFC 7239): one client, as the gateway knows it, and not the list it was sent.
fn say_whence(lines: &mut Vec<(HeaderName, HeaderValue)>, facts: &Facts<'_>) {
    let protocol = if facts.secure { "https" } else { "http" };
    let host = facts.authority.to_str().unwrap_or(facts.host);
    let (open, close) = if facts.client.is_ipv6() { ("\"[", "]\"") } else { ("", "") };
    // Joined by hand: this is said of every request, and formatting would cost as much as all the rest of it.
    let mut forwarded = Vec::with_capacity(128);
    forwarded.extend_from_slice(b"for=");
    forwarded.extend_from_slice(open.as_bytes());
    let start = forwarded.len();
    address::push(&mut forwarded, facts.client);
    let client = start..forwarded.len();
    for part in [close, ";host=\"", host, "\";proto=", protocol] {
        forwarded.extend_from_slice(part.as_bytes());
    }
    // The address stands in it already.
    let forwarded = Bytes::from(forwarded);
    lines.push((X_FORWARDED_FOR, value(forwarded.slice(client))));
    lines.push((FORWARDED, value(forwarded)));
    lines.push((X_FORWARDED_HOST, facts.authority.clone()));
    lines.push((X_FORWARDED_PROTO, HeaderValue::from_static(protocol)));
    let via = if facts.version == Version::HTTP_2 { "2.0 portcullis" } else { "1.1 portcullis" };
    lines.push((VIA, HeaderValue::from_static(via)));
}

fn say_who(
    lines: &mut Vec<(HeaderName, HeaderValue)>,
    facts: &Facts<'_>,
    told: Option<Told<'_>>,
) -> Result<(), Refusal> {
    let Caller::Known(identity) = facts.permit.caller() else { return Ok(()) };
    match told.as_ref().map_or(IdentityMode::Headers, |told| told.settings.identity) {
        IdentityMode::None => {}
        IdentityMode::Headers => {
            lines.extend_from_slice(&identity.block);
        }
        IdentityMode::Signed => {
            let statement = told.and_then(|told| told.statement);
            let statement = statement.ok_or_else(|| Refusal::Internal("the identity token cannot be signed".into()))?;
            lines.push((X_AUTH_TOKEN, statement));
        }
    }
    Ok(())
}

fn value(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;

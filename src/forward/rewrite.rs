//! What an upstream is sent: a head built from the canonical request, without what must not pass, with our own word last.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::IpAddr;

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use http::{HeaderValue, Version};

use super::cookies;
use super::identity::IdentitySigner;
use super::upstream::{IdentityMode, UpstreamSettings};
use super::whence::{self, Whence};
use crate::gate::caller::is_identity_name;
use crate::gate::{Caller, Permit, Refusal};
use crate::ground::fields::Marks;
use crate::ground::{Fields, Time};

/// What the gateway says about a request to whoever serves it.
pub struct Facts<'a> {
    pub permit: &'a Permit,
    /// Canonical.
    pub host: &'a str,
    /// `Host` as the client wrote it, with its port; canonical host when it wrote none.
    pub authority: Cow<'a, str>,
    pub client: IpAddr,
    pub secure: bool,
    pub version: Version,
    pub request_id: &'a str,
    /// The request's trace context is well-formed and goes on as it came.
    pub traced: bool,
    pub forward_token: bool,
    pub signer: Option<&'a dyn IdentitySigner>,
    pub now: Time,
}

const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The upstream that is told, and the signed statement of who calls, where it takes one.
pub struct Told<'a> {
    pub settings: &'a UpstreamSettings,
    pub statement: Option<HeaderValue>,
    /// What was said of clients of late.
    pub whence: &'a RefCell<Whence>,
}

/// Takes off a request's headers what must not pass, and says what the gateway says instead, after what passes of the
/// client's. `Host` is left out: it depends on the server. `told` is `None` for `respond: echo`.
pub fn request(fields: &mut Fields, facts: &Facts<'_>, told: Option<Told<'_>>) -> Result<(), Refusal> {
    strip(fields);
    let unwanted = |name: &[u8]| match name {
        b"authorization" => !facts.forward_token,
        b"traceparent" | b"tracestate" => !facts.traced,
        // It was met, or refused, on this side already; and the host is said anew.
        b"expect" | b"host" => true,
        _ => is_identity_name(name),
    };
    fields.retain(|name, _| !unwanted(name));
    cookies::of_request(fields);
    match told.as_ref().map(|told| told.whence) {
        Some(known) => known.borrow_mut().say(facts, fields),
        None => fields.append_all(&whence::lines(facts)),
    }
    fields.append(&X_REQUEST_ID, facts.request_id.as_bytes());
    say_who(fields, facts, told)
}

/// Takes off an answer's headers what belongs to the connection behind us.
pub fn response(fields: &mut Fields) {
    strip(fields);
    cookies::of_answer(fields);
}

/// Whether an answer's length has one reading. hyper has picked one already; an answer that leaves a choice is refused, so
/// that no cache or client before us picks another (RFC 9112 section 6.3).
pub fn is_framed_clearly(fields: &Fields) -> bool {
    let mut codings = fields.all(&TRANSFER_ENCODING);
    let mut lengths = fields.all(&CONTENT_LENGTH);
    match (codings.next(), lengths.next()) {
        (None, None) => true,
        (Some(_), Some(_)) => false,
        (Some(coding), None) => coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none(),
        (None, Some(digits)) => {
            let plain = digits.len() == 1 || !digits.starts_with(b"0");
            // One that is too large for a number is read as none: as much as is taken of a request.
            let fits = (1..=18).contains(&digits.len());
            plain && fits && digits.iter().all(u8::is_ascii_digit) && lengths.next().is_none()
        }
    }
}

/// Removes hop-by-hop headers, and those that `Connection` names (RFC 9110 section 7.6.1). Our own are set after this, so that
/// naming them in `Connection` removes nothing of ours.
fn strip(fields: &mut Fields) {
    // Framing and host are not the client's to take away; the others name nothing.
    let spared = |word: &[u8]| {
        [&b"keep-alive"[..], b"close", b"content-length", b"host"].iter().any(|own| word.eq_ignore_ascii_case(own))
    };
    let is_hop = |name: &[u8]| HOPS.iter().any(|hop| hop.as_bytes() == name);
    if words(fields).all(spared) {
        return fields.take_off(HOP_MARKS, is_hop);
    }
    let named: Vec<Vec<u8>> = words(fields).filter(|word| !spared(word)).map(<[u8]>::to_ascii_lowercase).collect();
    let marks = named.iter().fold(HOP_MARKS, |all, name| all.and(name));
    fields.take_off(marks, |name| is_hop(name) || named.iter().any(|named| named == name));
}

/// What `Connection` says.
fn words(fields: &Fields) -> impl Iterator<Item = &[u8]> {
    fields.all(&CONNECTION).flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// Fields of one connection (RFC 9110 section 7.6.1), in small letters.
const HOPS: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];
const HOP_MARKS: Marks = Marks::of(&HOPS);

fn say_who(fields: &mut Fields, facts: &Facts<'_>, told: Option<Told<'_>>) -> Result<(), Refusal> {
    let Caller::Known(identity) = facts.permit.caller() else { return Ok(()) };
    match told.as_ref().map_or(IdentityMode::Headers, |told| told.settings.identity) {
        IdentityMode::None => {}
        IdentityMode::Headers => fields.append_all(&identity.block),
        IdentityMode::Signed => {
            let statement = told.and_then(|told| told.statement);
            let statement = statement.ok_or_else(|| Refusal::Internal("the identity token cannot be signed".into()))?;
            fields.append(&X_AUTH_TOKEN, statement);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

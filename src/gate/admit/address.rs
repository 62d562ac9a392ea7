//! What a trusted proxy says about the client.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use http::HeaderName;

use super::{forwarded, malformed};
use crate::gate::Refusal;
use crate::ground::{Fields, fields};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Hops that are looked at; a longer list is refused.
pub(super) const MOST_HOPS: usize = 50;

/// Who the client is and whether it came by TLS, as a trusted proxy says. Of proxies that know one of the two forms only, the
/// other form is whatever a stranger wrote: where they contradict one another, nobody is believed.
pub fn told(headers: &Fields, peer: IpAddr, trusted: impl Fn(IpAddr) -> bool) -> Result<(IpAddr, bool), Refusal> {
    let has_for = headers.first(&X_FORWARDED_FOR).is_some();
    let client = client(headers, peer, &trusted)?;
    let https = forwarded_https(headers);
    let Some(told) = forwarded::told(headers, peer, &trusted)? else { return Ok((client, https)) };
    if has_for && told.client != client {
        return Err(malformed("X-Forwarded-For and Forwarded name different clients"));
    }
    let has_proto = headers.first(&X_FORWARDED_PROTO).is_some();
    let secure = match told.https {
        Some(says) if has_proto => says && https,
        Some(says) => says && !has_for,
        None => https,
    };
    Ok((told.client, secure))
}

/// The rightmost address of `X-Forwarded-For` that is no trusted proxy: what stands left of it, anyone may have written.
/// When all are trusted, the leftmost.
fn client(headers: &Fields, peer: IpAddr, trusted: impl Fn(IpAddr) -> bool) -> Result<IpAddr, Refusal> {
    let mut hops = Vec::new();
    for line in headers.all(&X_FORWARDED_FOR) {
        let line = fields::visible(line).ok_or_else(|| malformed("X-Forwarded-For is not a list of addresses"))?;
        hops.extend(line.split(',').map(str::trim).filter(|hop| !hop.is_empty()));
        if hops.len() > MOST_HOPS {
            return Err(malformed("X-Forwarded-For lists more than 50 hops"));
        }
    }
    let mut client = peer;
    for hop in hops.into_iter().rev() {
        client = address(hop).ok_or_else(|| malformed("X-Forwarded-For is not a list of addresses"))?;
        if !trusted(client) {
            break;
        }
    }
    Ok(client)
}

/// An address, also with the port that some proxies add.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip())).ok()?;
    Some(address.to_canonical())
}

/// Whether the client reached the proxy by TLS.
fn forwarded_https(headers: &Fields) -> bool {
    let mut values = headers.all(&X_FORWARDED_PROTO);
    let first = values.next();
    values.next().is_none() && first.is_some_and(|value| value.eq_ignore_ascii_case(b"https"))
}

/// A request id that is short and plain; any other is replaced by ours.
pub fn request_id(headers: &Fields) -> Option<Rc<str>> {
    let mut values = headers.all(&X_REQUEST_ID);
    let value = fields::visible(values.next()?)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    let good = values.next().is_none() && (1..=128).contains(&value.len()) && value.bytes().all(plain);
    good.then(|| value.into())
}

//! One request's record: filled on the way, written once when the last byte of the answer has gone.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;

use super::Reason;
use super::log::json;
use super::metrics::{RouteSeries, UpstreamSeries};
use crate::ground::cold;

/// What is written down as the status when nobody waits for the answer any more, as nginx does.
pub const CLIENT_LEFT: u16 = 499;

/// Everything worth knowing about one request. Filled by the pipeline (and by `forward` for what it does); policies return
/// values and do not write here. Holds no token, no cookie, no header value but the ones named.
pub struct Record {
    /// What `X-Request-Id` says.
    pub request_id: Rc<str>,
    /// When the head had been read.
    pub started: Instant,
    /// Wall time of the same moment, in milliseconds.
    pub at: crate::ground::Time,
    pub method: Method,
    /// Canonical host, empty when the request was refused before it had one.
    pub host: String,
    /// Canonical path without the query: a query can hold secrets.
    pub path: String,
    /// HTTP version as `1.1` or `2`.
    pub version: &'static str,
    pub client: IpAddr,
    pub tls: bool,
    /// The route's name and counters; `None` when no route was found.
    pub route: Option<Arc<RouteSeries>>,
    /// Set when the gateway itself said no.
    pub refusal: Option<Reason>,
    /// One sentence about the refusal with what was needed and seen; never with a secret.
    pub detail: Option<String>,
    /// Set when something that is only observed would have said no.
    pub observed: Option<Reason>,
    /// How the token was verified.
    pub token: TokenUse,
    /// Where the request went.
    pub upstream: Option<Arc<UpstreamSeries>>,
    pub server: Option<Arc<str>>,
    /// From the first byte sent upstream to the head of its answer.
    pub upstream_time: Option<Duration>,
    pub retries: u8,
    /// Trace id of the W3C trace context, 32 hexadecimal digits.
    pub trace_id: Option<Arc<str>>,
    pub status: u16,
    /// Bytes of the request's body that went on; counted while it streams, `None` without a body.
    pub bytes_in: Option<Rc<Cell<u64>>>,
    pub bytes_out: u64,
    /// The answer broke off before its end.
    pub aborted: bool,
}

impl Record {
    /// A request has begun.
    pub fn begun(request_id: Rc<str>, (started, at): (Instant, crate::ground::Time), client: IpAddr) -> Self {
        Self {
            request_id,
            started,
            at,
            method: Method::GET,
            host: String::new(),
            path: String::new(),
            version: "1.1",
            client,
            tls: false,
            route: None,
            refusal: None,
            detail: None,
            observed: None,
            token: TokenUse::None,
            upstream: None,
            server: None,
            upstream_time: None,
            retries: 0,
            trace_id: None,
            status: 0,
            bytes_in: None,
            bytes_out: 0,
            aborted: false,
        }
    }

    /// An empty one, to stand in for this one.
    pub fn spare(&self) -> Self {
        Self::begun(Rc::clone(&self.request_id), (self.started, self.at), self.client)
    }

    /// Bytes of the request's body so far.
    pub fn received(&self) -> u64 {
        self.bytes_in.as_ref().map_or(0, |count| count.get())
    }
}

/// Who asked, as verified: made once for a token, and the same with each of its requests.
#[derive(Clone, Debug)]
pub struct Who {
    pub subject: Option<Arc<str>>,
    pub client: Option<Arc<str>>,
    /// The same and the issuer, as a JSON line of the access log says it.
    pub(super) json: Box<[u8]>,
}

impl Who {
    /// Reads what a line of the log says: see `ground::cold`.
    pub fn fetch(&self) -> u8 {
        cold::lines(&self.json)
    }

    /// `issuer` is its name in the file.
    pub fn new(client: Option<&Arc<str>>, subject: Option<&Arc<str>>, issuer: &str) -> Self {
        let said = [
            ("client.id", client.map(|id| &**id)),
            ("user.id", subject.map(|id| &**id)),
            ("issuer.name", Some(issuer)),
        ];
        let json =
            said.iter().filter_map(|(key, value)| Some(json::member(key, (*value)?))).collect::<Vec<_>>().concat();
        Self { subject: subject.cloned(), client: client.cloned(), json: json.into() }
    }
}

/// Which level answered the question "is this token good?".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenUse {
    /// No token was looked at.
    #[default]
    None,
    /// The worker's own table.
    Local,
    /// The table shared by the workers.
    Shared,
    /// Verified (or introspected) anew.
    Verified,
    /// Looked at, and not found good.
    Refused,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::ground::{Clock, SystemClock, Time};

    /// A record of a plain passed request, for the tests of the writers.
    pub(crate) fn record() -> Record {
        let times = (SystemClock.instant(), Time::from_millis(1_795_571_234_567));
        Record {
            host: "api.example.com".to_owned(),
            path: "/v1/orders/7".to_owned(),
            tls: true,
            status: 200,
            bytes_out: 138,
            ..Record::begun("0123456789abcdef0123456789abcdef".into(), times, IpAddr::from([192, 0, 2, 7]))
        }
    }
}

//! One request to one upstream: which server, which connection, and when a second try is safe.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use hyper::body::Incoming;

use super::body::{Broken, Progress, Received, Return, Sent};
use super::connection::{Connection, Engine, Speaker, Typed};
use super::pool::Pools;
use super::rewrite::{self, Facts, Said, Told};
use super::upgrade::{self, Handshake, Lease};
use super::upstream::{HostMode, IdentityMode, InFlight, Server, Timeouts, Upstream};
use super::wire::{Wire, WireFault};
use crate::gate::{Caller, Refusal};
use crate::ground::Body;

/// A permitted request on its way out.
pub struct Outgoing<'a> {
    pub facts: Facts<'a>,
    /// Canonical path and query.
    pub target: String,
    pub parts: Parts,
    pub body: Body,
    /// The largest body, in bytes, that goes on.
    pub max_body: Option<u64>,
    /// The upstream's, with those of the route put in.
    pub timeouts: Timeouts,
    /// How long a WebSocket may stand; `None`: no handshake passes.
    pub websocket: Option<Lease>,
    pub engine: Engine,
}

/// An upstream's answer, with what the record wants to know.
pub struct Answer {
    pub response: Response<Body>,
    pub server: Arc<str>,
    /// From sending to the head of the answer.
    pub time: Duration,
    pub retries: u8,
    /// Counts on while the body streams.
    pub bytes_in: Rc<Cell<u64>>,
}

/// Sends a permitted request and gives the head of its answer; bodies stream on both ways after that.
pub async fn send(upstream: &Arc<Upstream>, pools: &Rc<Pools>, outgoing: Outgoing<'_>) -> Result<Answer, Refusal> {
    let Outgoing { facts, target, mut parts, body, max_body, timeouts, websocket, engine } = outgoing;
    let handshake = match websocket {
        Some(lease) => upgrade::handshake(&mut parts, lease)?,
        None => None,
    };
    let path =
        PathAndQuery::try_from(target).map_err(|_| Refusal::Internal("the canonical target is no target".into()))?;
    let (body, progress) = Sent::wrap(body, max_body);
    let mut request = Request::from_parts(parts, body);
    *request.uri_mut() = Uri::from(path);
    *request.version_mut() = http::Version::HTTP_11;
    request.extensions_mut().clear();

    // What follows a handshake is handed over by hyper alone.
    let engine = if handshake.is_some() { Engine::Compat } else { engine };
    let attempt = Attempt { upstream, pools, facts, progress, timeouts, engine };
    attempt.run(request, handshake).await
}

struct Attempt<'a> {
    upstream: &'a Arc<Upstream>,
    pools: &'a Rc<Pools>,
    facts: Facts<'a>,
    progress: Rc<Progress>,
    timeouts: Timeouts,
    engine: Engine,
}

/// What came of one exchange.
enum Outcome {
    Answered(Response<Source>),
    /// Nothing of the request was sent: it may go anywhere.
    Unsent(Request<Body>),
    /// The connection ended without one byte of an answer. The request, if it may be sent once more.
    Closed(String, Option<Request<Body>>),
    Refused(Refusal),
}

impl Attempt<'_> {
    async fn run(self, mut request: Request<Body>, handshake: Option<Handshake>) -> Result<Answer, Refusal> {
        let mut said = self.rewrite(&mut request, handshake.is_some())?;
        if self.engine == Engine::Compat {
            said.put_into(request.headers_mut());
        }
        let mut retries: u8 = 0;
        let mut cause = String::from("it has no server");
        for server in &self.upstream.order(|| self.pools.now_millis()) {
            if self.upstream.settings.host == HostMode::Server {
                said.host_is(&server.host);
            }
            if self.engine == Engine::Compat {
                request.headers_mut().insert(HOST, said.host().clone());
            }
            let mut idle = self.pools.idle(server, self.engine);
            loop {
                let mut connection = match idle.take() {
                    Some(connection) => connection,
                    None => match Box::pin(self.pools.fresh(server, &self.timeouts, self.engine)).await {
                        Ok(connection) => connection,
                        Err(fault) => {
                            cause = format!("{}: {fault}", server.text);
                            retries = retries.saturating_add(1);
                            break;
                        }
                    },
                };
                let reused = connection.reused;
                let in_flight = InFlight::new(server);
                let start = self.pools.clock().instant();
                match self.exchange(&mut connection, request, &said).await {
                    Outcome::Answered(response) => {
                        let time = self.pools.clock().instant().saturating_duration_since(start);
                        let back = self.back(server, connection, in_flight);
                        let response = self.answered(response, handshake, back)?;
                        let (server, bytes_in) = (Arc::clone(&server.text), Rc::clone(&self.progress.bytes));
                        return Ok(Answer { response, server, time, retries, bytes_in });
                    }
                    // A pooled connection that its server had closed: the next one is new.
                    Outcome::Unsent(same) => request = same,
                    Outcome::Closed(_, Some(same)) => request = same,
                    Outcome::Closed(fault, None) => {
                        return Err(self.unreachable(&format!("{}: {fault}", server.text)));
                    }
                    Outcome::Refused(refusal) => return Err(refusal),
                }
                retries = retries.saturating_add(1);
                if !reused {
                    return Err(self.unreachable(&format!("{}: it closes every connection", server.text)));
                }
            }
        }
        Err(self.unreachable(&cause))
    }

    /// All that is the same for every server of the upstream.
    fn rewrite(&self, request: &mut Request<Body>, handshake: bool) -> Result<Said, Refusal> {
        let settings = &self.upstream.settings;
        let statement = match (settings.identity, self.facts.permit.caller(), self.facts.signer) {
            (IdentityMode::Signed, Caller::Known(identity), Some(signer)) => {
                self.pools.statements.borrow_mut().of(identity, &settings.name, signer, self.facts.now)
            }
            (IdentityMode::Signed | IdentityMode::Headers | IdentityMode::None, _, _) => None,
        };
        let said = rewrite::request(request.headers_mut(), &self.facts, Some(Told { settings, statement }))?;
        if handshake {
            upgrade::ask(request.headers_mut());
        }
        if request.body().size_hint().exact().is_none() && !request.headers().contains_key(CONTENT_LENGTH) {
            // Unless told, hyper leaves such a body out of GET and HEAD.
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        Ok(said)
    }

    /// Whether it may be sent once more if a kept connection turns out to be dead: only what may be repeated (RFC 9110
    /// section 9.2.2) and has no body.
    fn is_repeatable(&self, method: &Method, reused: bool) -> bool {
        reused && [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) && self.progress.ended.get()
    }

    async fn exchange(&self, connection: &mut Connection, request: Request<Body>, said: &Said) -> Outcome {
        let reused = connection.reused;
        match &mut connection.speaker {
            Speaker::Strict(wire) => self.over_wire(wire, request, said, reused).await,
            Speaker::Compat(typed) => self.over_hyper(typed, request, reused).await,
        }
    }

    /// Waits for the head of an answer. A body that is still moving is no reason to give up.
    async fn in_time<T>(&self, mut sending: Pin<&mut impl Future<Output = T>>) -> Result<T, Refusal> {
        loop {
            let sent = self.progress.bytes.get();
            match self.pools.wheel.within(self.timeouts.response, sending.as_mut()).await {
                Some(done) => return Ok(done),
                None if self.progress.bytes.get() > sent => {}
                None => {
                    let upstream = Arc::clone(&self.upstream.settings.name);
                    return Err(Refusal::UpstreamTimeout { upstream, after: self.timeouts.response });
                }
            }
        }
    }

    async fn over_wire(&self, wire: &mut Wire, request: Request<Body>, said: &Said, reused: bool) -> Outcome {
        let repeatable = self.is_repeatable(request.method(), reused);
        let (parts, body) = request.into_parts();
        let exchanged = self.in_time(std::pin::pin!(wire.exchange(&parts, said, body))).await;
        match exchanged {
            Err(refusal) => Outcome::Refused(refusal),
            Ok(Ok(response)) => Outcome::Answered(response.map(|()| Source::Strict)),
            Ok(Err(WireFault::Unsent)) => Outcome::Unsent(Request::from_parts(parts, Body::Empty)),
            Ok(Err(WireFault::Closed(cause))) => {
                Outcome::Closed(cause, repeatable.then(|| Request::from_parts(parts, Body::Empty)))
            }
            Ok(Err(WireFault::BrokeOff(cause))) => {
                Outcome::Refused(self.invalid(&format!("its answer broke off within the head: {cause}")))
            }
            Ok(Err(WireFault::Unreadable(cause))) => {
                Outcome::Refused(self.invalid(&format!("its answer cannot be read: {cause}")))
            }
            Ok(Err(WireFault::Body)) => Outcome::Refused(self.body_fault().unwrap_or(BROKE_OFF)),
        }
    }

    async fn over_hyper(&self, typed: &mut Typed, request: Request<Body>, reused: bool) -> Outcome {
        let again = self.is_repeatable(request.method(), reused).then(|| copy(&request));
        typed.begin();
        match self.in_time(std::pin::pin!(typed.sender.try_send_request(request))).await {
            Err(refusal) => Outcome::Refused(refusal),
            Ok(Ok(response)) => Outcome::Answered(response.map(Source::Compat)),
            Ok(Err(mut fault)) => match fault.take_message() {
                Some(request) => Outcome::Unsent(request),
                None => self.failed(&fault.into_error(), typed.has_answered(), again),
            },
        }
    }

    fn body_fault(&self) -> Option<Refusal> {
        self.progress.broken.get().map(|broken| match broken {
            Broken::TooLarge(limit) => Refusal::BodyTooLarge { limit },
            Broken::Stalled | Broken::Malformed => BROKE_OFF,
        })
    }

    fn failed(&self, fault: &hyper::Error, answered: bool, again: Option<Request<Body>>) -> Outcome {
        if let Some(refusal) = self.body_fault() {
            return Outcome::Refused(refusal);
        }
        if fault.is_parse() || fault.is_parse_too_large() || fault.is_parse_status() {
            return Outcome::Refused(self.invalid(&format!("its answer cannot be read: {fault}")));
        }
        let source = std::error::Error::source(fault).map_or_else(|| fault.to_string(), ToString::to_string);
        if answered {
            return Outcome::Refused(self.invalid(&format!("its answer broke off within the head: {source}")));
        }
        Outcome::Closed(source, again)
    }

    fn back(&self, server: &Arc<Server>, connection: Connection, in_flight: InFlight) -> Return {
        let settings = &self.upstream.settings;
        Return {
            pools: Rc::clone(self.pools),
            server: Arc::clone(server),
            connection,
            keep: settings.keepalive,
            timeout: self.timeouts.idle,
            request: Rc::clone(&self.progress),
            in_flight,
        }
    }

    fn answered(
        &self,
        mut response: Response<Source>,
        handshake: Option<Handshake>,
        back: Return,
    ) -> Result<Response<Body>, Refusal> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(handshake) = handshake.filter(|_| upgrade::agreed(response.status(), response.headers())) else {
                return Err(self.invalid("it switches protocols without having been asked"));
            };
            let Some(upstream) = taken_over(&mut response) else {
                return Err(self.invalid("it switches protocols without having been asked"));
            };
            upgrade::tunnel(handshake, upstream, Arc::clone(&self.pools.wheel), back.in_flight);
            let (mut parts, _) = response.into_parts();
            rewrite::response(&mut parts.headers);
            parts.headers.remove(CONTENT_LENGTH);
            parts.extensions.clear();
            upgrade::ask(&mut parts.headers);
            return Ok(Response::from_parts(parts, Body::Empty));
        }
        if !rewrite::is_framed_clearly(response.headers()) {
            back.connection.tear_down();
            return Err(self.invalid("the length of its answer has more than one reading"));
        }
        let (mut parts, source) = response.into_parts();
        rewrite::response(&mut parts.headers);
        parts.extensions.clear();
        let body = match source {
            Source::Compat(body) => Received::compat(body, back),
            Source::Strict => Received::strict(back),
        };
        Ok(Response::from_parts(parts, body))
    }

    fn unreachable(&self, cause: &str) -> Refusal {
        Refusal::UpstreamUnreachable { upstream: Arc::clone(&self.upstream.settings.name), cause: cause.into() }
    }

    fn invalid(&self, cause: &str) -> Refusal {
        Refusal::UpstreamInvalid { upstream: Arc::clone(&self.upstream.settings.name), cause: cause.into() }
    }
}

const BROKE_OFF: Refusal =
    Refusal::Malformed { what: "the body broke off or is not framed as it should be", close: true };

/// Where an answer's body comes from.
enum Source {
    Strict,
    Compat(Incoming),
}

/// The stream of a connection that has switched protocols.
fn taken_over(response: &mut Response<Source>) -> Option<hyper::upgrade::OnUpgrade> {
    let Source::Compat(_) = response.body() else { return None };
    Some(hyper::upgrade::on(response))
}

/// The same request without a body.
fn copy(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::Empty);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    copy
}

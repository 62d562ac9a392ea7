//! One request to one upstream: which server, which connection, and when a second try is safe.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use hyper::body::Incoming;

use super::body::{Broken, Progress, Received, Return, Sent};
use super::connection::{Connection, Engine, Speaker, Typed};
use super::pool::Pools;
use super::rewrite::{self, Facts, Told};
use super::upgrade::{self, Handshake, Lease};
use super::upstream::{HostMode, IdentityMode, InFlight, Timeouts, Upstream};
use super::wire::{Wire, WireFault};
use crate::gate::{Caller, Refusal};
use crate::ground::{Body, Fields, Reply, RequestHead};
use crate::observe::Record;

/// A permitted request on its way out.
pub struct Outgoing<'a> {
    pub facts: Facts<'a>,
    /// Canonical path and query.
    pub target: &'a str,
    pub head: Box<RequestHead>,
    pub body: Body,
    /// The largest body, in bytes, that goes on.
    pub max_body: Option<u64>,
    /// The upstream's, with those of the route put in.
    pub timeouts: Timeouts,
    /// How long a WebSocket may stand; `None`: no handshake passes.
    pub websocket: Option<Lease>,
    pub engine: Engine,
}

/// Sends a permitted request and gives the head of its answer; bodies stream on both ways after that. What `record` wants to
/// know of the way stands there as it happens: also when there is no answer, or nobody waits for it any more.
pub fn send<'a>(
    upstream: &'a Arc<Upstream>,
    pools: &'a Rc<Pools>,
    outgoing: Outgoing<'a>,
    record: &'a mut Record,
) -> impl Future<Output = Result<Reply, Refusal>> + 'a {
    let Outgoing { facts, target, mut head, body, max_body, timeouts, websocket, engine } = outgoing;
    let handshake = websocket.map_or(Ok(None), |lease| upgrade::handshake(&mut head, lease));
    let (body, progress) = Sent::wrap(body, max_body);
    record.bytes_in.clone_from(&progress.bytes);
    // What follows a handshake is handed over by hyper alone.
    let engine = if matches!(handshake, Ok(None)) { engine } else { Engine::Compat };
    let attempt = Attempt { upstream, pools, facts, progress, timeouts, engine };
    attempt.run(target, (head, body), handshake, record)
}

/// What a server is told: the client's own words where they pass, and then the gateway's.
pub(super) struct Departing<'a> {
    pub method: &'a Method,
    pub target: &'a str,
    pub host: &'a [u8],
    pub fields: &'a Fields,
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
    Answered(Reply<Source>),
    /// Nothing of the request was sent: it may go anywhere, with this body.
    Unsent(Body),
    /// The connection ended without one byte of an answer.
    Closed {
        cause: String,
        /// The request may be sent once more.
        again: bool,
    },
    Refused(Refusal),
}

impl Attempt<'_> {
    async fn run(
        self,
        target: &str,
        (mut head, mut body): (Box<RequestHead>, Body),
        handshake: Result<Option<Handshake>, Refusal>,
        record: &mut Record,
    ) -> Result<Reply, Refusal> {
        let handshake = handshake?;
        self.rewrite(&mut head.fields, &body, handshake.is_some())?;
        let mut tried = false;
        let mut cause = String::from("it has no server");
        for server in self.upstream.order(|| self.pools.now_millis()).iter() {
            let host = match self.upstream.settings.host {
                HostMode::Server => server.host.as_bytes(),
                HostMode::Original => self.facts.authority.as_bytes(),
            };
            let told = Departing { method: &head.method, target, host, fields: &head.fields };
            let mut idle = self.pools.idle(server, self.engine);
            record.server = Some(Arc::clone(&server.text));
            loop {
                // Counted when it is sent again, and not when it only could be.
                record.retries = record.retries.saturating_add(u8::from(std::mem::replace(&mut tried, true)));
                let mut connection = match idle.take() {
                    Some(connection) => connection,
                    None => match Box::pin(self.pools.fresh(server, &self.timeouts, self.engine)).await {
                        Ok(connection) => connection,
                        Err(fault) => {
                            cause = format!("{}: {fault}", server.text);
                            break;
                        }
                    },
                };
                let reused = connection.reused;
                let in_flight = InFlight::new(server);
                let start = self.pools.clock().instant();
                match self.exchange(&mut connection, &told, body).await {
                    Outcome::Answered(reply) => {
                        server.answers(|| self.pools.now_millis());
                        record.upstream_time = Some(self.pools.clock().instant().saturating_duration_since(start));
                        let back = self.back(connection, in_flight);
                        return self.answered(reply, handshake, back);
                    }
                    // A pooled connection that its server had closed: the next one is new.
                    Outcome::Unsent(same) => body = same,
                    Outcome::Closed { again: true, .. } => body = Body::Empty,
                    Outcome::Closed { cause, again: false } => {
                        return Err(self.unreachable(&format!("{}: {cause}", server.text)));
                    }
                    Outcome::Refused(refusal) => return Err(refusal),
                }
                if !reused {
                    return Err(self.unreachable(&format!("{}: it closes every connection", server.text)));
                }
            }
        }
        Err(self.unreachable(&cause))
    }

    /// All that is the same for every server of the upstream.
    fn rewrite(&self, fields: &mut Fields, body: &Body, handshake: bool) -> Result<(), Refusal> {
        let settings = &self.upstream.settings;
        let statement = match (settings.identity, self.facts.permit.caller(), self.facts.signer) {
            (IdentityMode::Signed, Caller::Known(identity), Some(signer)) => {
                self.pools.statements.borrow_mut().of(identity, &settings.name, signer, self.facts.now)
            }
            (IdentityMode::Signed | IdentityMode::Headers | IdentityMode::None, _, _) => None,
        };
        rewrite::request(fields, &self.facts, Some(Told { settings, statement, whence: &self.pools.whence }))?;
        if handshake {
            upgrade::ask(fields);
        }
        if body.size_hint().exact().is_none() && !fields.contains(&CONTENT_LENGTH) {
            // Unless told, hyper leaves such a body out of GET and HEAD.
            fields.append(&TRANSFER_ENCODING, "chunked");
        }
        Ok(())
    }

    /// Whether it may be sent once more if a kept connection turns out to be dead: only what may be repeated (RFC 9110
    /// section 9.2.2) and has no body.
    fn is_repeatable(&self, method: &Method, reused: bool) -> bool {
        reused && [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) && self.progress.ended.get()
    }

    async fn exchange(&self, connection: &mut Connection, told: &Departing<'_>, body: Body) -> Outcome {
        let repeatable = self.is_repeatable(told.method, connection.reused);
        match &mut connection.speaker {
            Speaker::Strict(wire) => self.over_wire(wire, told, body, repeatable).await,
            Speaker::Compat(typed) => Box::pin(self.over_hyper(typed, told, body, repeatable)).await,
        }
    }

    /// Waits for the head of an answer. A body that is still moving is no reason to give up.
    async fn in_time<T>(&self, mut sending: Pin<&mut impl Future<Output = T>>) -> Result<T, Refusal> {
        loop {
            let sent = self.progress.sent();
            match self.pools.wheel.within(self.timeouts.response, sending.as_mut()).await {
                Some(done) => return Ok(done),
                None if self.progress.sent() > sent => {}
                None => {
                    let upstream = Arc::clone(&self.upstream.settings.name);
                    return Err(Refusal::UpstreamTimeout { upstream, after: self.timeouts.response });
                }
            }
        }
    }

    async fn over_wire(&self, wire: &mut Wire, told: &Departing<'_>, body: Body, repeatable: bool) -> Outcome {
        let exchanged = self.in_time(std::pin::pin!(wire.exchange(told, body))).await;
        match exchanged {
            Err(refusal) => Outcome::Refused(refusal),
            Ok(Ok(reply)) => Outcome::Answered(reply.map(|()| Source::Strict)),
            Ok(Err(WireFault::Unsent)) => Outcome::Unsent(Body::Empty),
            Ok(Err(WireFault::Closed(cause))) => Outcome::Closed { cause, again: repeatable },
            Ok(Err(WireFault::BrokeOff(cause))) => {
                Outcome::Refused(self.invalid(&format!("its answer broke off within the head: {cause}")))
            }
            Ok(Err(WireFault::Unreadable(cause))) => {
                Outcome::Refused(self.invalid(&format!("its answer cannot be read: {cause}")))
            }
            Ok(Err(WireFault::Body)) => Outcome::Refused(self.body_fault().unwrap_or(BROKE_OFF)),
        }
    }

    async fn over_hyper(&self, typed: &mut Typed, told: &Departing<'_>, body: Body, repeatable: bool) -> Outcome {
        let Ok(request) = told.typed(body) else {
            return Outcome::Refused(Refusal::Internal("the canonical target is no target".into()));
        };
        typed.begin();
        match self.in_time(std::pin::pin!(typed.sender.try_send_request(request))).await {
            Err(refusal) => Outcome::Refused(refusal),
            Ok(Ok(response)) => {
                let (status, fields) = (response.status(), Fields::from(response.headers()));
                Outcome::Answered(Reply { status, fields, body: Source::Compat(response) })
            }
            Ok(Err(mut fault)) => match fault.take_message() {
                Some(request) => Outcome::Unsent(request.into_body()),
                None => self.failed(&fault.into_error(), typed.has_answered(), repeatable),
            },
        }
    }

    fn body_fault(&self) -> Option<Refusal> {
        self.progress.broken.get().map(|broken| match broken {
            Broken::TooLarge(limit) => Refusal::BodyTooLarge { limit },
            Broken::Stalled | Broken::Malformed => BROKE_OFF,
        })
    }

    fn failed(&self, fault: &hyper::Error, answered: bool, again: bool) -> Outcome {
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
        Outcome::Closed { cause: source, again }
    }

    fn back(&self, connection: Connection, in_flight: InFlight) -> Return {
        let settings = &self.upstream.settings;
        Return {
            pools: Rc::clone(self.pools),
            connection,
            keep: settings.keepalive,
            timeout: self.timeouts.idle,
            request: Rc::clone(&self.progress),
            in_flight,
        }
    }

    fn answered(&self, mut reply: Reply<Source>, handshake: Option<Handshake>, back: Return) -> Result<Reply, Refusal> {
        if reply.status == StatusCode::SWITCHING_PROTOCOLS {
            let handshake = handshake.filter(|_| upgrade::agreed(reply.status, &reply.fields));
            let (Some(handshake), Source::Compat(response)) = (handshake, reply.body) else {
                return Err(self.invalid("it switches protocols without having been asked"));
            };
            let upstream = hyper::upgrade::on(response);
            upgrade::tunnel(handshake, upstream, Arc::clone(&self.pools.wheel), back.in_flight);
            rewrite::response(&mut reply.fields);
            reply.fields.remove(&CONTENT_LENGTH);
            upgrade::ask(&mut reply.fields);
            return Ok(Reply { status: reply.status, fields: reply.fields, body: Body::Empty });
        }
        if !rewrite::is_framed_clearly(&reply.fields) {
            back.connection.tear_down();
            return Err(self.invalid("the length of its answer has more than one reading"));
        }
        rewrite::response(&mut reply.fields);
        Ok(reply.map(|source| match source {
            Source::Compat(response) => Received::compat(response.into_body(), back),
            Source::Strict => Received::strict(back),
        }))
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
    /// What hyper has made of it; its head has been taken out.
    Compat(Response<Incoming>),
}

impl Departing<'_> {
    /// The same for hyper.
    fn typed(&self, body: Body) -> Result<Request<Body>, http::uri::InvalidUri> {
        let mut request = Request::new(body);
        request.method_mut().clone_from(self.method);
        *request.uri_mut() = Uri::from(PathAndQuery::try_from(self.target)?);
        *request.headers_mut() = self.fields.to_map();
        request.headers_mut().insert(HOST, HeaderValue::from_bytes(self.host).unwrap_or(HeaderValue::from_static("")));
        Ok(request)
    }
}

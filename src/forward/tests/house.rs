//! A gateway's worker with a clock that is turned by hand, and servers that do what they are told.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Version};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

pub use super::feed::feed;
use crate::dial::connect::Target;
use crate::forward::balance::Balance;
use crate::forward::identity::IdentitySigner;
use crate::forward::pool::Pools;
use crate::forward::rewrite::Facts;
use crate::forward::upgrade::{Lease, Standing};
use crate::forward::upstream::{HostMode, IdentityMode, ServerSettings, Timeouts, Upstream, UpstreamSettings};
use crate::forward::{Engine, Outgoing, send};
use crate::gate::{Caller, Permit, Refusal};
use crate::ground::{Body, BodyFault, Clock, ManualClock, Reply, RequestHead, Time, Wheel};
use crate::observe::Record;
use crate::observe::record::tests::record;

pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// An answer that is known to be over when its body has been read.
pub const STREAMED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

thread_local! {
    static ENGINE: Cell<Engine> = const { Cell::new(Engine::Strict) };
}

/// Runs a test as a worker runs: everything on one thread, once with each engine. A test that hangs fails.
pub fn run(test: impl AsyncFn()) {
    run_with(&[Engine::Strict, Engine::Compat], test);
}

/// The same, with these engines.
pub fn run_with(engines: &[Engine], test: impl AsyncFn()) {
    for engine in engines {
        ENGINE.set(*engine);
        // Said where a test fails.
        eprintln!("with {engine:?}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let bounded = async { tokio::time::timeout(Duration::from_secs(60), test()).await.expect("the test hangs") };
        tokio::task::LocalSet::new().block_on(&runtime, bounded);
    }
}

/// An upstream's answer, and what the record says of its way.
pub struct Answer {
    pub reply: Reply,
    pub server: Arc<str>,
    pub time: Duration,
    pub retries: u8,
    pub bytes_in: Option<Rc<Cell<u64>>>,
}

/// One worker and one upstream.
pub struct House {
    pub clock: Arc<ManualClock>,
    pub wheel: Arc<Wheel>,
    pub pools: Rc<Pools>,
    pub upstream: Arc<Upstream>,
    pub timeouts: Timeouts,
    pub max_body: Option<u64>,
    pub caller: Caller,
    pub signer: Option<Arc<dyn IdentitySigner>>,
    pub websocket: bool,
    /// Whether tunnels may go on.
    pub lease: Rc<Cell<fn() -> Standing>>,
}

impl House {
    pub fn before(servers: &[SocketAddr]) -> Self {
        Self::with(servers, |_| {})
    }

    pub fn with(servers: &[SocketAddr], change: impl FnOnce(&mut UpstreamSettings)) -> Self {
        let server = |address: &SocketAddr| ServerSettings {
            text: format!("http://{address}").into(),
            target: Target {
                host: address.ip().to_string(),
                port: address.port(),
                tls: None,
                reach: Default::default(),
            },
        };
        let mut settings = UpstreamSettings {
            name: "backend".into(),
            servers: servers.iter().map(server).collect(),
            balance: Balance::RoundRobin,
            host: HostMode::Original,
            identity: IdentityMode::Headers,
            forward_token: false,
            keepalive: 8,
        };
        change(&mut settings);
        let clock = ManualClock::at(Time::from_secs(1_700_000_000));
        let wheel = Wheel::new(clock.instant());
        let pools = Pools::new(Arc::clone(&wheel), Arc::clone(&clock) as _);
        let upstream = Arc::new(Upstream::new(settings, None));
        let timeouts = Timeouts { connect: Duration::from_secs(5), response: RESPONSE_TIMEOUT, idle: IDLE_TIMEOUT };
        let (caller, signer) = (Caller::Anonymous, None);
        Self {
            clock,
            wheel,
            pools,
            upstream,
            timeouts,
            max_body: None,
            caller,
            signer,
            websocket: false,
            lease: Rc::new(Cell::new(|| Standing::Stands)),
        }
    }

    /// Lets `span` pass, as a worker does.
    pub fn pass(&self, span: Duration) {
        self.clock.advance(span);
        self.wheel.turn(self.clock.instant());
    }

    /// Sends a request whose URI is the canonical target.
    pub async fn send(&self, request: Request<Body>) -> Result<Answer, Refusal> {
        let mut record = record();
        let reply = self.send_with(request, &mut record).await?;
        let Record { server, upstream_time, retries, bytes_in, .. } = record;
        Ok(Answer { reply, server: server.unwrap(), time: upstream_time.unwrap(), retries, bytes_in })
    }

    /// The same, with what is left in the record.
    pub async fn send_with(&self, request: Request<Body>, record: &mut Record) -> Result<Reply, Refusal> {
        let permit = Permit::for_tests(self.caller.clone());
        let request_id = "id-1";
        let facts = self.facts(&permit, request_id, false);
        let target = request.uri().to_string();
        let (head, body) = RequestHead::of(request);
        let (max_body, timeouts) = (self.max_body, self.timeouts);
        let lease = Rc::clone(&self.lease);
        let websocket = self.websocket.then(|| Box::new(move || lease.get()()) as Lease);
        let engine = ENGINE.get();
        let outgoing = Outgoing { facts, target: &target, head, body, max_body, timeouts, websocket, engine };
        send(&self.upstream, &self.pools, outgoing, record).await
    }

    /// Does `act` with what the gateway says about a request.
    pub fn told<T>(&self, forward_token: bool, act: impl FnOnce(&Facts<'_>) -> T) -> T {
        let permit = Permit::for_tests(self.caller.clone());
        act(&self.facts(&permit, &Arc::from("id-1"), forward_token))
    }

    fn facts<'a>(&'a self, permit: &'a Permit, request_id: &'a str, forward_token: bool) -> Facts<'a> {
        Facts {
            permit,
            host: "api.test",
            authority: "api.test:8443".into(),
            client: Ipv4Addr::new(192, 0, 2, 1).into(),
            secure: true,
            version: Version::HTTP_11,
            request_id,
            traced: false,
            forward_token,
            signer: self.signer.as_deref(),
            now: self.clock.now(),
        }
    }

    /// A request that a new connection answers with `answer`; gives that connection.
    pub async fn first(&self, peer: &Peer, request: Request<Body>, answer: &str) -> (Answer, Wire) {
        let play = async {
            let mut wire = peer.accept().await;
            wire.head().await;
            wire.say(answer).await;
            wire
        };
        let (sent, wire) = tokio::join!(self.send(request), play);
        (sent.unwrap(), wire)
    }

    /// A request that has to come on `wire`, read to the end of its answer.
    pub async fn again(&self, wire: &mut Wire, request: Request<Body>) {
        let play = async {
            wire.head().await;
            wire.say(OK).await;
        };
        let (sent, ()) = tokio::join!(self.send(request), play);
        assert_eq!(read(sent.unwrap()).await, "ok");
    }

    /// A connection that has answered one request and waits for the next.
    pub async fn kept(&self, peer: &Peer) -> Wire {
        let (answer, wire) = self.first(peer, get("/first"), OK).await;
        assert_eq!(read(answer).await, "ok");
        assert_eq!(self.pools.count(), 1);
        wire
    }

    /// Until no idle connection is left, because their servers closed them.
    pub async fn until_none_is_kept(&self) {
        while self.pools.count() > 0 {
            tokio::task::yield_now().await;
            self.pools.sweep(self.clock.instant());
        }
    }

    pub fn in_flight(&self) -> Vec<usize> {
        self.upstream.servers.iter().map(|server| server.figures().in_flight).collect()
    }
}

/// A server at an address of its own.
pub struct Peer {
    listener: TcpListener,
    pub address: SocketAddr,
}

impl Peer {
    pub async fn listen() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    pub async fn accept(&self) -> Wire {
        Wire { stream: self.listener.accept().await.unwrap().0, read: Vec::new() }
    }

    /// Accepts a connection and answers the request on it; gives that connection.
    pub async fn answer(&self, answer: &str) -> Wire {
        let mut wire = self.accept().await;
        wire.head().await;
        wire.say(answer).await;
        wire
    }

    /// Whether a connection waits to be accepted.
    pub async fn is_called(&self) -> bool {
        tokio::task::yield_now().await;
        tokio::select! {
            biased;
            _ = self.listener.accept() => true,
            () = tokio::task::yield_now() => false,
        }
    }
}

/// An address that refuses connections for as long as this lives.
pub struct Closed {
    _socket: TcpSocket,
    pub address: SocketAddr,
}

impl Closed {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = socket.local_addr().unwrap();
        Self { _socket: socket, address }
    }
}

/// A server's side of one connection.
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    /// The next bytes up to and with `end`.
    pub async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end.as_bytes()) {
                let rest = self.read.split_off(at + end.len());
                return String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
            }
            let count = self.stream.read_buf(&mut self.read).await.unwrap();
            assert!(count > 0, "the connection ended after {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    /// A request's head.
    pub async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// The head of the next request, unless the connection ends.
    pub async fn next_head(&mut self) -> Option<String> {
        while self.read.is_empty() {
            self.stream.read_buf(&mut self.read).await.ok().filter(|count| *count > 0)?;
        }
        Some(self.head().await)
    }

    pub async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(self.stream.read_buf(&mut self.read).await.unwrap() > 0, "the connection ended");
        }
        let rest = self.read.split_off(count);
        std::mem::replace(&mut self.read, rest)
    }

    /// Ends this side; the other may go on.
    pub async fn say_no_more(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Ends it without a word, whatever is on its way.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// What still comes until the other side has nothing more to say.
    pub async fn last_words(&mut self) -> Vec<u8> {
        while self.stream.read_buf(&mut self.read).await.unwrap() > 0 {}
        std::mem::take(&mut self.read)
    }

    /// Whether nothing has come that was not asked for.
    pub fn has_nothing(&self) -> bool {
        let waiting = self.stream.try_read(&mut [0]);
        self.read.is_empty() && waiting.is_err_and(|fault| fault.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// The bare socket, before anything has been read from it.
    pub fn into_stream(self) -> TcpStream {
        assert!(self.read.is_empty());
        self.stream
    }

    /// What still comes until the other side closes.
    pub async fn rest(mut self) -> Vec<u8> {
        // A reset ends a connection as well.
        while self.stream.read_buf(&mut self.read).await.is_ok_and(|count| count > 0) {}
        self.read
    }

    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }
}

pub fn request(method: Method, target: &str, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(target).body(body).unwrap()
}

pub fn get(target: &str) -> Request<Body> {
    request(Method::GET, target, Body::Empty)
}

/// The whole of an answer's body, which has to end well and without trailers.
pub async fn read(answer: Answer) -> String {
    let collected = answer.reply.body.collect().await.unwrap();
    assert!(collected.trailers().is_none());
    String::from_utf8(collected.to_bytes().to_vec()).unwrap()
}

/// The next piece of an answer's body.
pub async fn piece(response: &mut Response<Body>) -> Option<Result<Bytes, BodyFault>> {
    let frame = response.body_mut().frame().await?;
    Some(frame.map(|frame| frame.into_data().unwrap()))
}

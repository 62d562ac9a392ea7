//! The same bytes to both engines: what each lets in, what it says of it, and where it stops must be the same.
//!
//! Included by the fuzz targets and by `tests/it`. Everything runs on one thread, without a socket: the gateway answers with
//! what an upstream would have been sent (`respond: echo`), so that an answer shows how its request was read.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis::app::open::{self, Context};
use portcullis::config::{self, source::Memory as InMemory};
use portcullis::dial::client::{Bounds, Client};
use portcullis::forward::Engine;
use portcullis::ground::{SystemClock, SystemRandom, turns};
use portcullis::listen::Peer;
use portcullis::observe::log::{LogFormat, Writer};
use portcullis::observe::metrics::Metrics;
use portcullis::serve::accept::attend;
use portcullis::serve::crowd::Bounds as Crowded;
use portcullis::serve::snapshot::DoorLimits;
use portcullis::serve::{Door, Shared, Worker};
use portcullis::store::{Memory, SharedStore};
use portcullis::token::Hosted;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

const YAML: &str = "version: 1\nlisten: [{address: \"127.0.0.1:8080\"}]\n\
                    routes:\n  - {match: \"* /**\", access: public, respond: echo, body: {max: 1MiB}}\n  \
                    - {match: GET /fixed, access: public, respond: {status: 200, body: fixed}}\n";

/// Two gateways that differ in nothing but who reads HTTP/1.1.
struct Pair {
    runtime: Runtime,
    strict: Rc<Worker>,
    compat: Rc<Worker>,
}

thread_local! {
    static PAIR: RefCell<Option<Pair>> = const { RefCell::new(None) };
}

/// Panics where the engines differ about `bytes`. The first byte says into what pieces the rest is cut.
pub fn check(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let piece = if *cut < 128 { usize::MAX } else { usize::from(*cut - 127) };
    PAIR.with_borrow_mut(|pair| {
        let pair = pair.get_or_insert_with(Pair::new);
        let strict = pair.said_by(&pair.strict, bytes, piece);
        let compat = pair.said_by(&pair.compat, bytes, piece);
        assert_eq!(strict, compat, "the engines differ about b\"{}\" in pieces of {piece}", bytes.escape_ascii());
    });
}

impl Pair {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let [strict, compat] = [Engine::Strict, Engine::Compat].map(|engine| worker(&runtime, engine));
        Self { runtime, strict, compat }
    }

    /// What the gateway says to these bytes, answer by answer.
    fn said_by(&self, worker: &Rc<Worker>, bytes: &[u8], piece: usize) -> Vec<String> {
        let worker = Rc::clone(worker);
        let local = LocalSet::new();
        let said = local.block_on(&self.runtime, async move {
            let (mut client, server) = tokio::io::duplex(1 << 20);
            let peer = Peer {
                address: ([192, 0, 2, 7], 40_000).into(),
                local: ([192, 0, 2, 1], 8080).into(),
                listener: 0,
                tls: None,
            };
            let serving = tokio::task::spawn_local(async move { attend(&worker, server, peer).await });
            let mut said = Vec::new();
            for part in bytes.chunks(piece.max(1)) {
                if client.write_all(part).await.is_err() {
                    break;
                }
                settle().await;
            }
            for _ in 0..4 {
                settle().await;
            }
            // Whatever is in flight now waits for bytes that do not come.
            let _ = client.shutdown().await;
            let _ = client.read_to_end(&mut said).await;
            serving.await.expect("serving does not panic");
            said
        });
        answers(&said)
    }
}

/// Lets the server act on what it has been given.
async fn settle() {
    for _ in 0..8 {
        // The only client there is: nothing of it waits for others.
        turns::round_is_over();
        tokio::task::yield_now().await;
    }
}

/// Answer by answer, without what differs from request to request.
fn answers(mut said: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    while !said.is_empty() {
        let mut lines = [httparse::EMPTY_HEADER; 128];
        let mut head = httparse::Response::new(&mut lines);
        let Ok(httparse::Status::Complete(end)) = head.parse(said) else {
            all.push(format!("unreadable: {}", said.escape_ascii()));
            break;
        };
        let mut fields: Vec<String> = head
            .headers
            .iter()
            .filter(|line| !["date", "x-request-id"].contains(&line.name))
            .map(|line| format!("{}: {}", line.name, line.value.escape_ascii()))
            .collect();
        fields.sort();
        let id = head.headers.iter().find(|line| line.name == "x-request-id").map_or(&[][..], |line| line.value);
        let id = String::from_utf8_lossy(id).into_owned();
        let length = head.headers.iter().find(|line| line.name == "content-length");
        let length = length.and_then(|line| std::str::from_utf8(line.value).ok()?.parse::<usize>().ok()).unwrap_or(0);
        let (status, rest) = (head.code.unwrap_or(0), &said[end..]);
        // An answer to HEAD says a length and has no body; what follows then is an answer again.
        let length = if rest.starts_with(b"HTTP/1.1 ") { 0 } else { length.min(rest.len()) };
        let body = String::from_utf8_lossy(&rest[..length]).into_owned();
        let body = if id.is_empty() { body } else { body.replace(&id, "ID") };
        all.push(format!("{status} {fields:?} {body}"));
        said = &rest[length..];
    }
    // Whether hyper says so before it closes on bytes that are no request depends on how they came.
    while all.last().is_some_and(|last| last == r#"400 ["connection: close", "content-length: 0"] "#) {
        all.pop();
    }
    all
}

fn worker(runtime: &Runtime, engine: Engine) -> Rc<Worker> {
    let source = InMemory::of("gateway.yaml", YAML);
    let plan = config::load(Path::new("gateway.yaml"), &source).unwrap_or_else(|problems| panic!("{problems:?}"));
    let metrics = Metrics::new(1);
    let store: SharedStore = Arc::new(Memory::default());
    let (sightings, _) = tokio::sync::mpsc::channel(1);
    let context = Context {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        control: runtime.handle().clone(),
        hosted: Arc::new(Hosted::new(Arc::clone(&store), Arc::default(), sightings)),
        store,
        client: Client::with_roots(rustls::RootCertStore::empty(), Bounds::default()).expect("a client"),
        metrics: Arc::clone(&metrics),
        together: None,
    };
    let long = Duration::from_secs(3600);
    let limits = DoorLimits {
        connections: Crowded { all: 10, of_one_address: 10 },
        head: long,
        idle: long,
        body: long,
        body_rate: 0,
    };
    let door = Door { admission: Default::default(), limits, tls: None, engine };
    let opened = runtime.block_on(open::open(plan, vec![door], None, 1, &context)).expect("it opens");
    let (log, _) =
        Writer::start(LogFormat::Json, Box::new(std::io::sink()), metrics.log_lines_dropped()).expect("a log");
    let shared = Shared {
        house: Arc::new(ArcSwap::new(opened.snapshot)),
        clock: context.clock,
        random: context.random,
        control: context.control,
        metrics,
        log,
        connections: Arc::default(),
    };
    Worker::new(0, Arc::new(shared))
}

//! One request from door to door, without a socket: everything between hyper's two halves but the way to an upstream.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use criterion::Criterion;
use http::header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT};
use http::{Request, StatusCode};
use portcullis::app::open::{self, Context};
use portcullis::config::{self, source::Memory as InMemory};
use portcullis::dial::client::{Bounds, Client};
use portcullis::ground::{Body, SystemClock, SystemRandom};
use portcullis::listen::Peer;
use portcullis::observe::log::{LogFormat, Writer};
use portcullis::observe::metrics::Metrics;
use portcullis::serve::snapshot::DoorLimits;
use portcullis::serve::{Door, Gateway, Shared, Worker};
use portcullis::store::{Memory, SharedStore};
use portcullis::token::Hosted;
use portcullis::token::jwt::Algorithm;
use tokio::runtime::Runtime;
use tower::Service as _;

use crate::setting::{AUDIENCE, CLIENT, ISSUER, key_set, signer, token};

/// Requests that are made ready while no time is taken.
const READY: u64 = 256;

pub fn bench(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let signer = signer(Algorithm::Es256);
    let token = token(&signer, 1);
    let (mut gateway, metrics) = gateway(&key_set(&signer), &runtime);

    // What is measured below is what it says: the token verified once and known from then on, each request counted.
    runtime.block_on(run(&mut gateway, 2, StatusCode::NO_CONTENT, || request("/v1/orders/7", Some(&token))));
    let page = metrics.page();
    for line in [
        r#"portcullis_token_checks_total{level="verified",result="good"} 1"#,
        r#"portcullis_token_checks_total{level="local",result="good"} 1"#,
        r#"portcullis_requests_total{route="orders",code="ok",status="2xx"} 2"#,
    ] {
        assert!(page.lines().any(|own| own == line), "{page}");
    }

    let mut group = criterion.benchmark_group("pipeline");
    for (name, path, token, status) in [
        ("everything on", "/v1/orders/7", Some(token.as_str()), StatusCode::NO_CONTENT),
        ("public", "/public", None, StatusCode::NO_CONTENT),
        ("refused: no token", "/v1/orders/7", None, StatusCode::UNAUTHORIZED),
        ("refused: no route", "/v2/orders/7", None, StatusCode::NOT_FOUND),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| runtime.block_on(run(&mut gateway, times, status, || request(path, token))));
        });
    }
    group.finish();
}

/// The time that the gateway takes for so many requests, each read to its end.
async fn run(gateway: &mut Gateway, times: u64, status: StatusCode, request: impl Fn() -> Request<Body>) -> Duration {
    let mut passed = Duration::ZERO;
    let mut left = times;
    while left > 0 {
        let ready: Vec<_> = (0..left.min(READY)).map(|_| request()).collect();
        left -= ready.len() as u64;
        let start = Instant::now();
        for request in ready {
            let Ok(response) = gateway.call(request).await;
            assert_eq!(response.status(), status);
        }
        passed += start.elapsed();
    }
    passed
}

fn request(path: &str, token: Option<&str>) -> Request<Body> {
    let mut request =
        Request::get(path).header(HOST, "api.example.com").header(USER_AGENT, "curl/8.5.0").header(ACCEPT, "*/*");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Body::Empty).expect("a request")
}

/// One worker's gateway as `portcullis run` would have it, with a log that goes nowhere.
fn gateway(keys: &str, runtime: &Runtime) -> (Gateway, Arc<Metrics>) {
    let source = InMemory::of("gateway.yaml", &yaml()).with("keys.json", keys);
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
    let limits = DoorLimits {
        connections: portcullis::serve::crowd::Bounds { all: 10_000, of_one_address: 10_000 },
        head: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        body: Duration::from_secs(30),
        body_rate: 64,
    };
    let door = Door { admission: Default::default(), limits, tls: None, engine: portcullis::forward::Engine::Strict };
    let opened = runtime.block_on(open::open(plan, vec![door], None, 1, &context)).expect("it opens");
    let (log, _) =
        Writer::start(LogFormat::Json, Box::new(std::io::sink()), metrics.log_lines_dropped()).expect("a log");
    let shared = Shared {
        house: Arc::new(ArcSwap::new(opened.snapshot)),
        clock: context.clock,
        random: context.random,
        control: context.control,
        metrics: Arc::clone(&metrics),
        log,
        connections: Arc::default(),
    };
    let peer = Peer { address: (CLIENT, 40_000).into(), local: ([192, 0, 2, 1], 8080).into(), listener: 0, tls: None };
    (Gateway::new(Worker::new(0, Arc::new(shared)), peer), metrics)
}

fn yaml() -> String {
    format!(
        r#"version: 1
listen: [{{address: "127.0.0.1:8080"}}]
observe: {{log: {{format: json}}}}
issuers:
  corp: {{url: "{ISSUER}", audience: "{AUDIENCE}", keys: {{file: keys.json}}}}
routes:
  - match: GET /v1/orders/{{id}}
    name: orders
    access: {{scope: "orders:read"}}
    limit: {{rate: 1000000000/s, burst: 4000000000, per: client}}
    respond: {{status: 204}}
  - match: GET /public
    name: public
    access: public
    respond: {{status: 204}}
"#
    )
}

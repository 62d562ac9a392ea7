//! The stage for tests of this room: an issuer on a real socket, a store in memory, keys and tokens of every kind.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_rustls::rustls::RootCertStore;

use super::jwt::compact::encode;
use super::jwt::{Algorithm, Signer, sign};
use super::verifier::Context;
use crate::dial::client::{Bounds, Client};
use crate::ground::{ManualClock, SystemRandom, Time};
use crate::store::Memory;

/// 2026-01-01T00:00:00Z.
pub(super) const NOW: u64 = 1_767_225_600;

pub(super) fn signer(algorithm: Algorithm) -> Signer {
    Signer::from_pkcs8(algorithm, &sign::generate_pkcs8(algorithm).unwrap()).unwrap()
}

pub(super) fn key_set(keys: &[&Signer]) -> String {
    json!({"keys": keys.iter().map(|key| key.public_jwk()).collect::<Vec<_>>()}).to_string()
}

/// A token with this very header and payload, correctly signed.
pub(super) fn forge(signer: &Signer, header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = encode(signer.signature(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

/// Good claims of `issuer` for `https://api.test`, with `changes` on top; `null` removes.
pub(super) fn claims(issuer: &str, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": issuer, "aud": "https://api.test", "exp": NOW + 600, "iat": NOW, "sub": "alice",
        "client_id": "web", "scope": "read write", "jti": "1",
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    pub(super) store: Arc<Memory>,
    pub(super) context: Context,
}

/// A world at `NOW` whose control plane is the test's own runtime.
pub(super) fn world() -> World {
    world_with(Bounds::default())
}

pub(super) fn world_with(bounds: Bounds) -> World {
    let clock = ManualClock::at(Time::from_secs(NOW));
    let store = Arc::new(Memory::default());
    let context = Context {
        clock: clock.clone(),
        store: store.clone(),
        control: tokio::runtime::Handle::current(),
        http: Client::with_roots(RootCertStore::empty(), bounds).unwrap(),
        random: Arc::new(SystemRandom),
    };
    World { clock, store, context }
}

/// What the server answers at one path.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn json(body: impl ToString) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status: 200, headers, body: body.to_string() }
    }

    pub(super) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }
}

/// A request that has arrived at the server.
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// An HTTP server on a socket of this machine, played by the test.
pub(super) struct Server {
    pub(super) url: String,
    replies: Mutex<HashMap<String, Reply>>,
    pub(super) asked: Mutex<Vec<Asked>>,
    arrived: watch::Sender<usize>,
    held: watch::Sender<bool>,
    connections: AtomicUsize,
}

impl Server {
    pub(super) async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            replies: Mutex::default(),
            asked: Mutex::default(),
            arrived: watch::Sender::new(0),
            held: watch::Sender::new(false),
            connections: AtomicUsize::new(0),
        });
        let this = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                this.connections.fetch_add(1, Ordering::Relaxed);
                let this = Arc::clone(&this);
                let service = hyper::service::service_fn(move |request| Arc::clone(&this).answer(request));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        server
    }

    /// From now on answers this at `path`; what is not set is 404.
    pub(super) fn set(&self, path: &str, reply: Reply) {
        self.replies.lock().insert(path.to_owned(), reply);
    }

    /// Keeps everyone waiting, or lets everyone go.
    pub(super) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Waits until `count` requests have arrived since the start.
    pub(super) async fn arrived(&self, count: usize) {
        self.arrived.subscribe().wait_for(|arrived| *arrived >= count).await.unwrap();
    }

    pub(super) fn count(&self, path: &str) -> usize {
        self.asked.lock().iter().filter(|asked| asked.path == path).count()
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let path = head.uri.path().to_owned();
        self.asked.lock().push(Asked { path: path.clone(), headers: head.headers, body });
        self.arrived.send_modify(|count| *count += 1);
        self.held.subscribe().wait_for(|held| !held).await.unwrap();
        let reply = self.replies.lock().get(&path).cloned().unwrap_or_else(|| Reply::status(404));
        let mut response = Response::builder().status(reply.status);
        for (name, value) in reply.headers {
            response = response.header(name, value);
        }
        Ok(response.body(Full::from(reply.body)).unwrap())
    }
}

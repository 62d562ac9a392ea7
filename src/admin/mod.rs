//! The private listener: health, readiness, metrics, decisions, reload, and the console for people.
//!
//! In: operators' requests on an address that is never public. Out: what the `Desk` says, which `app` hands in: this room
//! sits below it and cannot reach up. Runs on the control plane.

mod answer;
pub mod console;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde_json::Value;

use crate::ground::Secret;
use crate::observe::explanation::{Brief, Explanation};
use console::chart::Minute;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at once; Prometheus and a few people need no more.
const MOST_CONNECTIONS: usize = 256;

/// What the listener asks of the house.
pub trait Desk: Send + Sync + 'static {
    /// The Prometheus page.
    fn metrics(&self) -> String;
    fn ready(&self) -> Pin<Box<dyn Future<Output = Readiness> + Send + '_>>;
    fn reload(&self) -> Pin<Box<dyn Future<Output = ReloadReport> + Send + '_>>;
    /// Everything that the console shows; refusals of one reason alone where one is named.
    fn console(&self, code: Option<String>) -> Pin<Box<dyn Future<Output = Console> + Send + '_>>;
    /// What would be decided about a described request.
    fn rehearse(&self, call: Described) -> Pin<Box<dyn Future<Output = Result<Explanation, String>> + Send + '_>>;
    /// Whether somebody has to log in, and whether this is somebody who may.
    fn operator(&self, shown: Option<Credentials>) -> Pin<Box<dyn Future<Output = Door> + Send + '_>>;
    /// What the configuration in force lets whom do, for `check --against`.
    fn access(&self) -> Value;
    /// Recent decisions, the newest first, each as a JSON object. `Err` says what is wrong with the question.
    fn decisions(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Result<Vec<Brief>, String>> + Send + '_>>;
    /// The explanation of one request; `None` when it is not kept, or not any more.
    fn explain(&self, request_id: String) -> Pin<Box<dyn Future<Output = Option<Explanation>> + Send + '_>>;
}

/// What the console shows.
#[derive(Clone, Debug)]
pub struct Console {
    pub readiness: Readiness,
    pub traffic: Traffic,
    pub refusals: Vec<Brief>,
    pub issuers: Vec<String>,
    /// Caches and limits: what, and how much.
    pub figures: Vec<(String, String)>,
    /// Route, who may call it, where it goes, its limits.
    pub map: Vec<[String; 4]>,
    /// Line and text of what is worth a look.
    pub warnings: Vec<(usize, String)>,
    /// The newest first.
    pub reloads: Vec<ReloadTold>,
}

/// The last hour.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Requests a second, of the last few seconds.
    pub now: f64,
    /// The oldest first.
    pub minutes: Vec<Minute>,
    /// The busiest first.
    pub routes: Vec<RouteTraffic>,
    /// Reason codes and how often, the most frequent first.
    pub codes: Vec<(&'static str, u64)>,
}

/// The last hour of one route.
#[derive(Clone, Debug)]
pub struct RouteTraffic {
    pub name: String,
    pub now: f64,
    pub minutes: Vec<Minute>,
}

/// One reload, told.
#[derive(Clone, Debug)]
pub struct ReloadTold {
    /// As people read it.
    pub at: String,
    pub generation: u64,
    pub problems: Option<String>,
    pub opens: usize,
    pub closes: usize,
    /// `opens`, `closes` or `changes`, and the sentence.
    pub changes: Vec<(&'static str, String)>,
}

/// A described request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    pub method: String,
    pub url: String,
    pub scopes: Vec<String>,
    pub roles: Vec<String>,
    pub client: Option<String>,
    pub subject: Option<String>,
    pub issuer: Option<String>,
    pub from: Option<String>,
}

/// What an operator shows (RFC 7617).
#[derive(Clone, Debug)]
pub struct Credentials {
    pub name: String,
    pub password: Secret,
}

/// Whether whoever asks may see more than health and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Open,
    /// Somebody has to log in, and has not, or wrongly.
    Locked,
    /// The listener can be reached from elsewhere, and the file names no operators.
    Shut,
}

/// Which decisions are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Reason code.
    pub code: Option<String>,
    /// Name of the route.
    pub route: Option<String>,
    /// Only what was refused, or would have been.
    pub refused: bool,
    /// At most so many.
    pub most: usize,
}

/// Whether traffic may come, and how what we depend on is doing.
#[derive(Clone, Debug, Serialize)]
pub struct Readiness {
    pub ready: bool,
    /// Of the configuration.
    pub generation: u64,
    pub dependencies: Vec<Dependency>,
}

/// One thing we depend on.
#[derive(Clone, Debug, Serialize)]
pub struct Dependency {
    /// `store`, `shared`, `issuer`, `upstream`.
    pub kind: &'static str,
    pub name: String,
    /// `up`, `degraded` or `down`.
    pub state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Dependency {
    /// The store, and why it does not answer.
    pub fn store(name: &str, fault: Option<String>) -> Self {
        let state = if fault.is_none() { "up" } else { "down" };
        Self { kind: "store", name: name.to_owned(), state, detail: fault }
    }

    /// What a fleet counts together: while it is down each gateway counts for itself.
    pub fn shared(is_up: bool, nodes: u32, fault: Option<String>) -> Self {
        let (state, detail) = match (is_up, nodes) {
            (true, 1) => ("up", Some("1 gateway".to_owned())),
            (true, nodes) => ("up", Some(format!("{nodes} gateways"))),
            (false, _) => ("down", fault),
        };
        Self { kind: "shared", name: "redis".to_owned(), state, detail }
    }

    /// An issuer: down when no token of it can be verified, degraded when its keys are old ones.
    pub fn issuer(name: &str, usable: bool, fault: Option<&str>, keys: Option<usize>) -> Self {
        let state = match (usable, fault) {
            (true, None) => "up",
            (true, Some(_)) => "degraded",
            (false, _) => "down",
        };
        let keys = keys.map(|keys| format!("{keys} keys"));
        Self { kind: "issuer", name: name.to_owned(), state, detail: fault.map(str::to_owned).or(keys) }
    }

    /// An upstream, by how many of its servers could not be reached.
    pub fn upstream(name: &str, (shunned, all): (usize, usize)) -> Self {
        let state = match shunned {
            0 => "up",
            some if some < all => "degraded",
            _ => "down",
        };
        let detail = (shunned > 0).then(|| format!("{shunned} of {all} servers cannot be reached"));
        Self { kind: "upstream", name: name.to_owned(), state, detail }
    }
}

/// What came of a reload.
#[derive(Clone, Debug, Serialize)]
pub struct ReloadReport {
    pub done: bool,
    /// Of the configuration in force after it.
    pub generation: u64,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problems: Option<String>,
}

/// Serves until the runtime ends.
pub async fn serve(listener: TcpListener, desk: Arc<dyn Desk>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let desk = Arc::clone(&desk);
                async move { Ok::<_, Infallible>(answer::answer(&*desk, request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .serve_connection(TokioIo::new(stream), service);
            // Who hangs up in the middle has no one to tell.
            let _ = tokio::time::timeout(Duration::from_secs(600), connection).await;
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests;

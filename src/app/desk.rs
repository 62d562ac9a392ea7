//! What the admin listener asks of the house.

use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use super::house::House;
use parking_lot::Mutex;
use serde_json::Value;

use super::console;
use crate::admin::{Asked, Console, Credentials, Dependency, Described, Door, Readiness, ReloadReport};
use crate::config::diff::Model;
use crate::observe::Reason;
use crate::observe::explanation::{Brief, Explanation};
use crate::observe::metrics::Metrics;
use crate::serve::decisions::Wanted;
use crate::serve::explain;

/// The house behind the admin listener. Weak: the listener does not keep a house alive that is ending.
pub struct Desk {
    /// Empty until the house stands.
    house: OnceLock<Weak<House>>,
    metrics: Arc<Metrics>,
    /// Why the store is not open yet.
    waiting: Mutex<Option<String>>,
}

impl Desk {
    /// Of a house that does not stand yet.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { house: OnceLock::new(), metrics, waiting: Mutex::new(None) }
    }

    pub fn waits_for_store(&self, cause: &str) {
        *self.waiting.lock() = Some(cause.to_owned());
    }

    pub fn belongs_to(&self, house: &Arc<House>) {
        // It belongs to one house all its life.
        let _ = self.house.set(Arc::downgrade(house));
    }

    fn house(&self) -> Option<Arc<House>> {
        self.house.get()?.upgrade()
    }

    /// Of a house that does not stand yet, or any more.
    fn absent(&self) -> Readiness {
        let waiting = self.waiting.lock().clone().filter(|_| self.house.get().is_none());
        let dependencies = waiting.map(|cause| Dependency::store("postgres", Some(cause))).into_iter().collect();
        Readiness { ready: false, generation: 0, dependencies }
    }
}

/// How long the store may take to answer a probe.
const PROBE: Duration = Duration::from_secs(2);

impl crate::admin::Desk for Desk {
    fn metrics(&self) -> String {
        self.metrics.page()
    }

    fn ready(&self) -> Pin<Box<dyn Future<Output = Readiness> + Send + '_>> {
        Box::pin(async move {
            match self.house() {
                Some(house) => ready(&house).await,
                None => self.absent(),
            }
        })
    }

    fn reload(&self) -> Pin<Box<dyn Future<Output = ReloadReport> + Send + '_>> {
        Box::pin(async move {
            match self.house() {
                Some(house) => house.reload().await,
                None => ReloadReport { done: false, generation: 0, problems: Some("the gateway is ending".to_owned()) },
            }
        })
    }

    fn access(&self) -> Value {
        let model = self.house().map(|house| Model::of(&house.current.load().plan)).unwrap_or_default();
        serde_json::to_value(model).unwrap_or_default()
    }

    fn decisions(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Result<Vec<Brief>, String>> + Send + '_>> {
        Box::pin(async move {
            let Some(house) = self.house() else { return Ok(Vec::new()) };
            let reason = asked.code.as_deref().map(|code| {
                let known = Reason::ALL.iter().find(|reason| reason.code() == code);
                known.copied().ok_or_else(|| format!("there is no reason code `{code}`"))
            });
            let wanted =
                Wanted { reason: reason.transpose()?, route: asked.route, refused: asked.refused, request_id: None };
            let accounts = house.accounts(&wanted, asked.most).await;
            Ok(accounts.iter().map(explain::brief).collect())
        })
    }

    fn explain(&self, request_id: String) -> Pin<Box<dyn Future<Output = Option<Explanation>> + Send + '_>> {
        Box::pin(async move {
            let house = self.house()?;
            let wanted = Wanted { request_id: Some(request_id), ..Wanted::default() };
            let account = house.accounts(&wanted, 1).await.into_iter().next()?;
            let snapshot = house.shared.house.load_full();
            Some(explain::explain(&account, &snapshot))
        })
    }

    fn console(&self, code: Option<String>) -> Pin<Box<dyn Future<Output = Console> + Send + '_>> {
        Box::pin(async move {
            let Some(house) = self.house() else { return console::ending() };
            console::of(&house, ready(&house).await, code.as_deref()).await
        })
    }

    fn rehearse(&self, call: Described) -> Pin<Box<dyn Future<Output = Result<Explanation, String>> + Send + '_>> {
        Box::pin(async move {
            let house = self.house().ok_or("the gateway is ending")?;
            let plan = house.current.load().plan.clone();
            let explaining = tokio::task::spawn_blocking(move || console::rehearse(&plan, &call));
            explaining.await.map_err(|fault| fault.to_string())?.map_err(|fault| format!("{fault:#}"))
        })
    }

    fn operator(&self, shown: Option<Credentials>) -> Pin<Box<dyn Future<Output = Door> + Send + '_>> {
        Box::pin(async move {
            match self.house() {
                Some(house) => house.operators.door(shown).await,
                None => Door::Shut,
            }
        })
    }
}

/// Ready as long as it serves: an issuer or upstream that is down refuses its own routes and no others, and without Redis a
/// gateway counts for itself.
async fn ready(house: &House) -> Readiness {
    let mut dependencies = vec![store(house).await];
    if let Some(together) = &house.context.together {
        let (counters, status) = (together.counters(), together.counters().status());
        dependencies.push(Dependency::shared(status.is_up, counters.nodes(), status.fault));
    }
    let opened = house.current.load_full();
    for issuer in opened.verifier.status() {
        let keys = issuer.keys.as_ref();
        let asked = issuer.introspection.as_ref();
        let fault = keys.and_then(|keys| keys.last_error.as_deref()).or(asked.and_then(|it| it.last_error.as_deref()));
        let count = keys.map(|keys| keys.count);
        dependencies.push(Dependency::issuer(&issuer.name, issuer.usable, fault, count));
    }
    for upstream in opened.upstreams.values() {
        dependencies.push(Dependency::upstream(&upstream.settings.name, upstream.shunned()));
    }
    Readiness { ready: !house.is_draining(), generation: opened.snapshot.generation, dependencies }
}

async fn store(house: &House) -> Dependency {
    let fault = match tokio::time::timeout(PROBE, house.context.store.ping()).await {
        Ok(Ok(())) => None,
        Ok(Err(fault)) => Some(fault.to_string()),
        Err(_) => Some("it does not answer".to_owned()),
    };
    Dependency::store(house.context.store.status().kind, fault.map(|fault| format!("{fault}{}", what_holds(house))))
}

/// What its absence means for the tokens of the hosted authority.
fn what_holds(house: &House) -> String {
    let opened = house.current.load();
    let Some(authority) = &opened.plan.authority else { return String::new() };
    let known = house.context.hosted.revocations.status(house.context.clock.now());
    let age = known.age.as_secs();
    if known.is_trusted {
        let left = authority.revocations_stale_for.saturating_sub(known.age).as_secs();
        format!("; revocations are known up to {age} s ago, the authority's tokens are honoured for {left} s more")
    } else {
        format!("; revocations are known up to {age} s ago, which is too long: the authority's tokens are refused")
    }
}

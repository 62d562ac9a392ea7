//! Plan to snapshot: builds what needs the world, and takes over from the old snapshot what has the same name.

pub mod authority;
pub mod issuers;
pub(super) mod routes;
pub mod shared;
pub mod store;
mod upstreams;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime::Handle;

use crate::authority::Authority;
use crate::config::Plan;
use crate::dial::client::Client;
use crate::forward::upstream::Upstream;
use crate::gate::Policy;
use crate::gate::limit::Together;
use crate::ground::{SharedClock, SharedRandom};
use crate::observe::metrics::Metrics;
use crate::serve::{Door, Snapshot};
use crate::store::SharedStore;
use crate::token::{Hosted, Verifier};

/// What outlives configurations and is needed to open one.
#[derive(Clone)]
pub struct Context {
    pub clock: SharedClock,
    pub random: SharedRandom,
    pub control: Handle,
    pub store: SharedStore,
    pub client: Client,
    pub metrics: Arc<Metrics>,
    /// What a fleet counts together; `None`: each gateway for itself.
    pub together: Option<Together>,
    /// What the gateway knows of the hosted authority's tokens.
    pub hosted: Arc<Hosted>,
}

impl Context {
    /// The part of it that whoever verifies tokens needs.
    pub fn for_tokens(&self) -> crate::token::verifier::Context {
        crate::token::verifier::Context {
            clock: Arc::clone(&self.clock),
            store: Arc::clone(&self.store),
            control: self.control.clone(),
            http: self.client.clone(),
            random: Arc::clone(&self.random),
        }
    }
}

/// A configuration that runs, and the plan it was made of.
pub struct Opened {
    pub plan: Plan,
    pub snapshot: Arc<Snapshot>,
    pub upstreams: BTreeMap<Arc<str>, Arc<Upstream>>,
    pub authority: Option<Arc<Authority>>,
    pub verifier: Arc<Verifier>,
}

impl Opened {
    /// Brings users and clients of the file into the store: the last that can fail before it is in force.
    pub async fn begin(&self) -> anyhow::Result<()> {
        match &self.authority {
            Some(authority) => authority.reconcile().await.context("the authority"),
            None => Ok(()),
        }
    }

    /// Ends what the predecessor gave while this came up.
    pub async fn succeed(&self, previous: &Self) {
        if let (Some(new), Some(old)) = (&self.authority, &previous.authority) {
            new.succeed(old).await;
        }
    }
}

/// Where requests without a route are counted.
const UNMATCHED: &str = "-";

/// Opens `plan`. Nothing of what runs is touched, so that a failure changes nothing; what the file says of users and clients
/// is brought in by `Opened::begin`.
pub async fn open(
    plan: Plan,
    doors: Vec<Door>,
    previous: Option<&Opened>,
    generation: u64,
    context: &Context,
) -> anyhow::Result<Opened> {
    anyhow::ensure!(plan.complete, "the configuration was read without its files and secrets, and cannot run");
    let authority = authority::open(&plan, previous, context).await?;
    let verifier = issuers::open(&plan, authority.as_deref(), previous, context)?;
    let upstreams = upstreams::open(&plan, previous)?;
    let table = routes::open(&plan, &upstreams, previous, context)?;
    let signer = authority.as_ref().map(|authority| authority::identity_signer(authority));
    let snapshot = Snapshot {
        generation,
        table,
        doors,
        verifier: Arc::clone(&verifier),
        authority: authority.clone(),
        signer,
        bare: Policy::bare(),
        unmatched: context.metrics.route(UNMATCHED),
        remembers: plan.decisions,
        realm: plan.authority.as_ref().map_or("portcullis", |authority| authority.issuer.as_str()).into(),
    };
    Ok(Opened { plan, snapshot: Arc::new(snapshot), upstreams, authority, verifier })
}

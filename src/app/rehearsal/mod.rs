//! A file tried out: its routes, judged by the real pipeline, with nothing behind them and nobody in front.
//!
//! In: a plan and described calls. Out: the answer that the gateway would give, and its explanation. Nothing is forwarded:
//! every upstream is an echo. Described tokens are signed by a key made for the occasion and verified like any other; time
//! is turned by hand. `test`, `explain` and the check before a reload stand on this.

mod call;
#[cfg(test)]
mod fault;
mod mint;
pub mod tests;

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use http::StatusCode;

use super::doors;
use super::open::{Context, authority, issuers, routes, store};
use crate::config::Plan;
use crate::config::plan::Destination;
use crate::config::plan::test::{Call, Token};
use crate::dial::client::{Bounds, Client};
use crate::forward::fixed::FixedAnswer;
use crate::gate::Policy;
use crate::ground::{Clock as _, ManualClock, SharedClock, SystemClock, SystemRandom, Time};
use crate::observe::explanation::{Explanation, Verdict};
use crate::observe::log::{LogFormat, Writer};
use crate::observe::metrics::Metrics;
use crate::serve::{self, Shared, Snapshot, Worker};
use crate::store::{Memory, SharedStore};
use crate::token::revoked::{Follower, Revocations};
use crate::token::{Hosted, Verifier};

use mint::Mint;

/// Time that a rehearsal may use up between calls before its limits are made anew; they count in 64 bits of nanoseconds.
const LONGEST: Duration = Duration::from_secs(200 * 365 * 24 * 3600);

/// A gateway on a stage.
pub struct Rehearsal {
    plan: Plan,
    context: Context,
    worker: Rc<Worker>,
    verifier: Arc<Verifier>,
    house: Arc<ArcSwap<Snapshot>>,
    /// By route, the upstream that it would forward to.
    forwards: HashMap<String, String>,
    /// `None`: tokens are real, and so is time.
    stage: Option<Stage>,
}

struct Stage {
    clock: Arc<ManualClock>,
    mint: Mint,
    begun: Time,
    used: Cell<Duration>,
    /// How long the slowest limit of the file takes to forget everything.
    forgetting: Duration,
}

/// What came of one call.
pub struct Told {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    /// The request that the upstream would have got: `{method, target, headers}`.
    pub upstream: Option<serde_json::Value>,
    pub explanation: Explanation,
}

impl Rehearsal {
    /// With tokens that are described.
    pub fn staged(plan: &Plan) -> anyhow::Result<Self> {
        let begun = SystemClock.now();
        let clock = ManualClock::at(begun);
        let mint = Mint::new(plan)?;
        let store: SharedStore = Arc::new(Memory::default());
        let context = context(Arc::<ManualClock>::clone(&clock), store, Arc::default())?;
        let settings = mint.issuers(plan, &context.hosted)?;
        let forgetting = plan.routes.iter().flat_map(|route| &route.limits).map(forgetting).max().unwrap_or_default();
        let stage = Stage { clock, mint, begun, used: Cell::default(), forgetting };
        Self::open(plan, context, settings, Some(stage))
    }

    /// With tokens as they are: asks issuers for keys, and the store for revocations, where there is one.
    pub async fn real(plan: &Plan) -> anyhow::Result<Self> {
        let store: SharedStore =
            if plan.authority.is_some() { store::open(plan).await? } else { Arc::new(Memory::default()) };
        let revocations = Arc::new(Revocations::default());
        // What was revoked is read once; nothing follows it from there.
        Follower::open(Arc::clone(&revocations), Arc::clone(&store), Arc::new(SystemClock)).await?;
        let context = context(Arc::new(SystemClock), Arc::clone(&store), revocations)?;
        let mut settings = Vec::new();
        if let Some(planned) = &plan.authority {
            let keys = authority::published_keys(planned, &store).await?;
            settings.push(issuers::hosted(planned, keys, &context.hosted));
        }
        settings.extend(issuers::foreign_ones(plan)?);
        let rehearsal = Self::open(plan, context, settings, None)?;
        rehearsal.verifier.warm().await;
        Ok(rehearsal)
    }

    fn open(
        plan: &Plan,
        context: Context,
        issuers: Vec<crate::token::issuer::IssuerSettings>,
        stage: Option<Stage>,
    ) -> anyhow::Result<Self> {
        let forwards = forwards(plan);
        let plan = on_stage(plan);
        let verifier = Arc::new(Verifier::open(issuers, None, &context.for_tokens()));
        let snapshot = snapshot(&plan, &verifier, &context, 1)?;
        let house = Arc::new(ArcSwap::from_pointee(snapshot));
        let metrics = Arc::clone(&context.metrics);
        let (log, _) = Writer::start(LogFormat::Off, Box::new(std::io::sink()), metrics.log_lines_dropped())?;
        let shared = Shared {
            house: Arc::clone(&house),
            clock: Arc::clone(&context.clock),
            random: Arc::clone(&context.random),
            control: context.control.clone(),
            metrics,
            log,
            connections: Arc::default(),
        };
        Ok(Self { plan, context, worker: Worker::new(0, Arc::new(shared)), verifier, house, forwards, stage })
    }

    /// Makes `call`, after as many like it as `after` says. Nothing that was called before counts.
    pub async fn call(&self, call: &Call, after: Option<(u32, Duration)>) -> anyhow::Result<Told> {
        self.forget()?;
        let now = call.at.unwrap_or_else(|| self.stage.as_ref().map_or_else(|| SystemClock.now(), |stage| stage.begun));
        if let Some(stage) = &self.stage {
            stage.clock.jump_to(now);
        }
        let token = match (&call.token, &self.stage) {
            (Token::None, _) => None,
            (Token::Given(token), _) => Some(token.clone()),
            (Token::Described(described), Some(stage)) => Some(stage.mint.token(described, now)?),
            (Token::Described(_), None) => anyhow::bail!("a described token is for a stage"),
        };
        if let Some((calls, ago)) = after {
            for _ in 0..calls {
                call::make(&self.worker, &self.plan, call, token.as_deref()).await?;
            }
            self.wait(ago);
        }
        // What passed is kept once in a while alone.
        self.wait(Duration::from_millis(10));
        if let Some(stage) = &self.stage {
            stage.clock.jump_to(now);
        }
        let made = call::make(&self.worker, &self.plan, call, token.as_deref()).await?;
        let account = made.account(&self.worker).context("the decision was not kept")?;
        let mut explanation = serve::explain::explain(&account, &self.house.load());
        self.name_destination(&mut explanation);
        Ok(Told { status: made.status, headers: made.headers, upstream: made.upstream, explanation })
    }

    /// The echo on the stage stands for an upstream of the file.
    fn name_destination(&self, explanation: &mut Explanation) {
        let Some(route) = &mut explanation.route else { return };
        let Some(name) = self.forwards.get(&route.name) else { return };
        route.goes_to = format!("upstream {name}");
        if explanation.outcome != Verdict::Refused {
            explanation.answered_by = Some(format!("upstream {name}, if this were real"));
        }
        if let Some(step) = explanation.steps.last_mut().filter(|step| step.step == "answer") {
            step.needed = format!("an answer of upstream {name}");
            if explanation.outcome != Verdict::Refused {
                step.seen = "not asked".to_owned();
            }
        }
    }

    /// Lets every limit forget what it has counted.
    fn forget(&self) -> anyhow::Result<()> {
        let Some(stage) = &self.stage else { return Ok(()) };
        if stage.used.get() < LONGEST {
            self.wait(stage.forgetting);
            return Ok(());
        }
        stage.used.set(Duration::ZERO);
        let generation = self.house.load().generation + 1;
        self.house.store(Arc::new(snapshot(&self.plan, &self.verifier, &self.context, generation)?));
        Ok(())
    }

    fn wait(&self, span: Duration) {
        if let Some(stage) = &self.stage {
            stage.clock.advance(span);
            stage.used.set(stage.used.get().saturating_add(span));
        }
    }
}

fn forwards(plan: &Plan) -> HashMap<String, String> {
    let named = |route: &crate::config::plan::Route| match &route.destination {
        Destination::Upstream { index, .. } => Some((route.name.clone(), plan.upstreams.get(*index)?.name.clone())),
        Destination::Echo | Destination::Fixed(_) => None,
    };
    plan.routes.iter().filter_map(named).collect()
}

/// The same gateway with an echo wherever it would forward.
fn on_stage(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for route in &mut plan.routes {
        if matches!(route.destination, Destination::Upstream { .. }) {
            route.destination = Destination::Echo;
        }
    }
    plan
}

/// Until a full bucket of `limit` has refilled.
fn forgetting(limit: &crate::config::plan::Limit) -> Duration {
    let each = limit.window / limit.count.max(1);
    each.saturating_mul(limit.burst).saturating_add(Duration::from_secs(1))
}

fn context(clock: SharedClock, store: SharedStore, revocations: Arc<Revocations>) -> anyhow::Result<Context> {
    let (sightings, _) = tokio::sync::mpsc::channel(1);
    Ok(Context {
        clock,
        random: Arc::new(SystemRandom),
        control: tokio::runtime::Handle::current(),
        hosted: Arc::new(Hosted::new(Arc::clone(&store), revocations, sightings)),
        store,
        client: Client::with_system_roots(Bounds::default()).map_err(anyhow::Error::msg)?,
        metrics: Metrics::new(1),
        together: None,
    })
}

fn snapshot(plan: &Plan, verifier: &Arc<Verifier>, context: &Context, generation: u64) -> anyhow::Result<Snapshot> {
    let mut table = routes::open(plan, &std::collections::BTreeMap::new(), None, context)?;
    // Where the authority would answer there is none; who may ask it is its own business.
    for route in table.values_mut() {
        if matches!(route.destination, serve::Destination::Authority(_)) {
            let empty = FixedAnswer::new(StatusCode::OK, Vec::new(), String::new());
            route.destination = serve::Destination::Fixed(empty.map_err(anyhow::Error::msg)?);
        }
    }
    Ok(Snapshot {
        generation,
        table,
        doors: plan.listeners.iter().map(doors::on_stage).collect(),
        verifier: Arc::clone(verifier),
        authority: None,
        signer: None,
        bare: Policy::bare(),
        unmatched: context.metrics.route("-"),
        remembers: true,
        realm: plan.authority.as_ref().map_or("portcullis", |authority| authority.issuer.as_str()).into(),
    })
}

/// Runs `work` on a thread's own runtime: a worker never leaves its thread.
pub fn on_its_own<T>(work: impl AsyncFnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, work())
}

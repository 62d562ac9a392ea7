//! The running house: what outlives a configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, UnboundedSender, channel, unbounded_channel};

use super::desk::Desk;
use super::doors::Doors;
use super::history::History;
use super::notify;
use super::open::{self, Context, Opened};
use super::operators::Operators;
use super::run::Options;
use super::sources;
use super::traffic::{self, Samples};
use crate::admin;
use crate::config::Plan;
use crate::config::plan::LogFormat as Planned;
use crate::dial::client::{Bounds, Client};
use crate::ground::{Clock as _, SharedClock, SharedRandom, SystemClock, SystemRandom};
use crate::observe::events::Events;
use crate::observe::log::{Ending, LogFormat, Writer};
use crate::observe::metrics::Metrics;
use crate::serve::Order;
use crate::serve::decisions::{Account, Wanted};
use crate::serve::worker::{self, Shared};
use crate::store::SharedStore;
use crate::token::Hosted;
use crate::token::hosted::Sighting;
use crate::token::revoked::{Follower, Revocations};

/// Sightings that may wait for the store.
const SIGHTINGS: usize = 1024;

/// Workers, listeners, stores and counters of one process, and the configuration in force.
pub struct House {
    pub(super) options: Options,
    pub(super) context: Context,
    pub(super) shared: Arc<Shared>,
    /// Held through a whole reload, so that there is one at a time.
    pub(super) opened: tokio::sync::Mutex<Arc<Opened>>,
    /// The same for readers that must not wait for a reload.
    pub(super) current: ArcSwap<Opened>,
    pub(super) doors: Mutex<Doors>,
    orders: Vec<UnboundedSender<Order>>,
    workers: Mutex<Vec<JoinHandle<()>>>,
    log_ending: Mutex<Option<Ending>>,
    draining: AtomicBool,
    pub(super) history: Mutex<History>,
    pub(super) traffic: Mutex<Samples>,
    pub(super) operators: Operators,
}

impl House {
    /// Opens everything that `plan` needs and starts the workers. Fails before the first request is accepted, or not at
    /// all.
    pub async fn open(options: Options, plan: Plan, control: Handle, events: &Events) -> anyhow::Result<Arc<Self>> {
        let count = options.workers.unwrap_or_else(cores);
        let format = log_format(&plan, &options);
        let metrics = Metrics::new(count);
        sources::events(&metrics, events.dropped());
        let admin = tokio::net::TcpListener::bind(plan.admin).await;
        let admin = admin.with_context(|| format!("cannot listen on {} for the admin listener", plan.admin))?;
        let desk = Arc::new(Desk::new(Arc::clone(&metrics)));
        // Whoever looks at a gateway that waits for its store hears what it waits for.
        tokio::spawn(admin::serve(admin, Arc::<Desk>::clone(&desk)));
        let store = open::store::wait_for(&plan, |cause| {
            desk.waits_for_store(cause);
            notify::waiting(cause);
        });
        let store = store.await?;
        let (hosted, sightings) = hosted(&store, &control).await?;
        let (clock, random): (SharedClock, SharedRandom) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let together = open::shared::open(&plan, &clock, &random, &control)?;
        let context = Context {
            clock,
            random,
            control,
            store: Arc::clone(&store),
            hosted,
            client: Client::with_system_roots(Bounds::default()).map_err(anyhow::Error::msg)?,
            metrics: Arc::clone(&metrics),
            together,
        };
        let operators = Operators::of(&plan).await?;
        let mut doors = Doors::new(count);
        let change = doors.prepare(&plan.listeners)?;
        let opened = Arc::new(open::open(plan, change.doors.clone(), None, 1, &context).await?);
        opened.begin().await?;

        opened.verifier.warm().await;
        if let Some(together) = &context.together {
            open::shared::warm(together).await;
        }

        let (log, log_ending) = Writer::start(format, Box::new(std::io::stdout()), metrics.log_lines_dropped())?;
        let shared = Arc::new(Shared {
            house: Arc::new(ArcSwap::new(Arc::clone(&opened.snapshot))),
            clock: Arc::clone(&context.clock),
            random: Arc::clone(&context.random),
            control: context.control.clone(),
            metrics: Arc::clone(&metrics),
            log,
            connections: Arc::default(),
        });
        let (orders, workers) = start_workers(count, &shared)?;
        let house = Arc::new(Self {
            options,
            context,
            shared,
            current: ArcSwap::new(Arc::clone(&opened)),
            opened: tokio::sync::Mutex::new(opened),
            doors: Mutex::new(doors),
            orders,
            workers: Mutex::new(workers),
            log_ending: Mutex::new(Some(log_ending)),
            draining: AtomicBool::new(false),
            history: Mutex::default(),
            traffic: Mutex::default(),
            operators,
        });
        house.trust();
        house.obey(change);
        metrics.loaded(1, SystemClock.now().secs(), true);
        sources::register(&house);
        tokio::spawn(sweep(Arc::downgrade(&house)));
        tokio::spawn(confirm(store, sightings));
        tokio::spawn(traffic::follow(Arc::downgrade(&house)));
        tokio::spawn(open::authority::keep_up(Arc::downgrade(&house)));
        desk.belongs_to(&house);
        Ok(house)
    }

    /// What is known of revocations counts as long as the configuration in force says.
    pub(super) fn trust(&self) {
        if let Some(authority) = &self.current.load().plan.authority {
            self.context.hosted.revocations.trust_for(authority.revocations_stale_for);
        }
    }

    /// Carries a change of doors out.
    pub(super) fn obey(&self, change: super::doors::Change) {
        let orders = self.doors.lock().commit(change);
        for (sender, orders) in self.orders.iter().zip(orders) {
            for order in orders {
                // A worker that has gone takes no orders; the process is ending.
                let _ = sender.send(order);
            }
        }
    }

    pub(super) fn order_all(&self, order: impl Fn() -> Order) {
        for sender in &self.orders {
            let _ = sender.send(order());
        }
    }

    /// From now on not ready.
    pub(super) fn drain_begins(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    pub(super) fn take_workers(&self) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut *self.workers.lock())
    }

    pub(super) fn take_log_ending(&self) -> Option<Ending> {
        self.log_ending.lock().take()
    }

    /// Whether every worker still takes orders: what the watchdog asks.
    pub async fn workers_answer(&self) -> bool {
        let mut answers = Vec::new();
        for sender in &self.orders {
            let (answer, answered) = tokio::sync::oneshot::channel();
            if sender.send(Order::Answer(answer)).is_err() {
                return false;
            }
            answers.push(answered);
        }
        for answered in answers {
            if !matches!(tokio::time::timeout(Duration::from_secs(5), answered).await, Ok(Ok(()))) {
                return false;
            }
        }
        true
    }

    /// What the workers have decided lately, the newest first, at most this many.
    pub async fn accounts(&self, wanted: &Wanted, most: usize) -> Vec<Account> {
        let mut answers = Vec::new();
        for sender in &self.orders {
            let (answer, answered) = tokio::sync::oneshot::channel();
            if sender.send(Order::Tell { wanted: wanted.clone(), most, answer }).is_ok() {
                answers.push(answered);
            }
        }
        let mut accounts = Vec::new();
        for answered in answers {
            // A worker that does not answer is the watchdog's business.
            if let Ok(Ok(told)) = tokio::time::timeout(Duration::from_secs(5), answered).await {
                accounts.extend(told);
            }
        }
        accounts.sort_by_key(|account| std::cmp::Reverse(account.at));
        accounts.truncate(most);
        accounts
    }

    /// Says where it listens and what to look out for.
    pub fn announce(&self) {
        let opened = self.current.load();
        warn(&opened.plan);
        for listener in &opened.plan.listeners {
            let scheme = if listener.certificates.is_empty() { "http" } else { "https" };
            tracing::info!("listening on {scheme}://{}", listener.address);
        }
        tracing::info!("admin on http://{}", opened.plan.admin);
    }
}

/// Says what to look out for, but for what somebody has acknowledged.
pub(super) fn warn(plan: &Plan) {
    for warning in plan.warnings.iter().filter(|warning| warning.acknowledged.is_none()) {
        let name = warning.name.unwrap_or("notice");
        tracing::warn!(line = warning.line, key = %warning.path, finding = name, "{}", warning.text);
    }
}

type Workers = Vec<JoinHandle<()>>;

fn start_workers(count: usize, shared: &Arc<Shared>) -> anyhow::Result<(Vec<UnboundedSender<Order>>, Workers)> {
    let mut orders = Vec::with_capacity(count);
    let mut workers = Vec::with_capacity(count);
    for index in 0..count {
        let (sender, receiver) = unbounded_channel();
        workers.push(worker::start(index, Arc::clone(shared), receiver).context("cannot start a worker")?);
        orders.push(sender);
    }
    Ok((orders, workers))
}

/// Once a second: limits forget who has recovered.
async fn sweep(house: std::sync::Weak<House>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        let Some(house) = house.upgrade() else { return };
        let snapshot = house.shared.house.load_full();
        let sweeping = tokio::task::spawn_blocking(move || {
            for route in snapshot.table.values() {
                route.policy.limits.iter().for_each(crate::gate::limit::Limit::sweep);
            }
        });
        let _ = sweeping.await;
    }
}

/// What the gateway knows of the hosted authority's tokens; reads the revocations before the first request is served.
async fn hosted(store: &SharedStore, control: &Handle) -> anyhow::Result<(Arc<Hosted>, Receiver<Sighting>)> {
    let revocations = Arc::new(Revocations::default());
    let follower = Follower::open(Arc::clone(&revocations), Arc::clone(store), Arc::new(SystemClock)).await;
    control.spawn(follower.context("the revocations")?.follow());
    let (seen, sightings) = channel(SIGHTINGS);
    Ok((Arc::new(Hosted::new(Arc::clone(store), revocations, seen)), sightings))
}

/// Tells the store which generations of grants have been seen in use, until the house is gone.
async fn confirm(store: SharedStore, mut sightings: Receiver<Sighting>) {
    while let Some((grant, generation)) = sightings.recv().await {
        if let Err(fault) = store.confirm_grant(grant, generation).await {
            tracing::warn!("a grant could not be confirmed: {fault}");
        }
    }
}

/// Cores that the affinity mask (and a container's quota) allows.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// How both logs look.
pub(super) fn log_format(plan: &Plan, options: &Options) -> LogFormat {
    let people = LogFormat::People { color: options.color };
    match plan.log {
        Some(Planned::Json) => LogFormat::Json,
        Some(Planned::People) => people,
        Some(Planned::Off) => LogFormat::Off,
        None if options.terminal => people,
        None => LogFormat::Json,
    }
}

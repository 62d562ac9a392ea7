//! One core: its runtime and everything that belongs to it alone.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use http::{Method, Version};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinHandle, LocalSet};

use super::accept;
use super::connection::{Fate, Ticks, Watch};
use super::snapshot::Snapshot;
use crate::forward::pool::Pools;
use crate::gate::Identity;
use crate::ground::wheel::TICK;
use crate::ground::{SharedClock, SharedRandom, Wheel};
use crate::listen::Peer;
use crate::listen::tls::ServerTls;
use crate::observe::Record;
use crate::observe::log::{Buffer, Writer};
use crate::observe::metrics::{Metrics, WorkerMetrics};
use crate::observe::record::TokenUse;
use crate::token::cache::Local;

/// What the workers share. None of it is locked on a request's way.
pub struct Shared {
    pub house: Arc<ArcSwap<Snapshot>>,
    pub clock: SharedClock,
    pub random: SharedRandom,
    /// Where everything runs that may take long: the authority, key sets, introspection.
    pub control: tokio::runtime::Handle,
    pub metrics: Arc<Metrics>,
    pub log: Writer,
    /// Open client connections of the whole process.
    pub connections: AtomicUsize,
}

/// What `app` tells a worker.
pub enum Order {
    /// Accept from this socket; `id` is what `Peer::listener` will say.
    Open { id: usize, listener: std::net::TcpListener, tls: Option<Arc<ServerTls>> },
    /// Stop accepting there, and let its connections finish what they are at.
    Close { id: usize },
    /// Stop accepting everywhere, finish what is being answered, and end; at the latest after this long.
    Drain(Duration),
    /// Say that you live.
    Answer(tokio::sync::oneshot::Sender<()>),
}

/// Everything that belongs to one core. Lives on its thread and never leaves it.
pub struct Worker {
    pub index: usize,
    pub shared: Arc<Shared>,
    pub wheel: Arc<Wheel>,
    pub pools: Rc<Pools>,
    pub metrics: WorkerMetrics,
    pub tokens: RefCell<Local<Arc<Identity>>>,
    pub(super) log: RefCell<Buffer>,
    dice: RefCell<fastrand::Rng>,
    cache: RefCell<arc_swap::Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>>,
    #[expect(
        clippy::redundant_allocation,
        reason = "the inner count is shared by all cores, the outer one is ours alone"
    )]
    house: RefCell<Rc<Arc<Snapshot>>>,
    start: Instant,
    ticks: Ticks,
    connections: RefCell<HashMap<u64, (usize, Weak<Watch>)>>,
    next_connection: Cell<u64>,
}

impl Worker {
    pub fn new(index: usize, shared: Arc<Shared>) -> Rc<Self> {
        let start = shared.clock.instant();
        let wheel = Wheel::new(start);
        let seed = || u64::from_ne_bytes(shared.random.bytes::<8>());
        Rc::new(Self {
            index,
            pools: Pools::new(Arc::clone(&wheel), Arc::clone(&shared.clock)),
            metrics: shared.metrics.worker(index),
            tokens: RefCell::new(Local::new(seed())),
            log: RefCell::new(shared.log.buffer()),
            dice: RefCell::new(fastrand::Rng::with_seed(seed())),
            cache: RefCell::new(arc_swap::Cache::new(Arc::clone(&shared.house))),
            house: RefCell::new(Rc::new(shared.house.load_full())),
            start,
            ticks: Ticks::default(),
            connections: RefCell::default(),
            next_connection: Cell::new(0),
            wheel,
            shared,
        })
    }

    /// The configuration in force, for one request. Counted on this thread alone: the shared count would be one cache
    /// line that all cores write at each request.
    pub fn house(&self) -> Rc<Arc<Snapshot>> {
        let mut cache = self.cache.borrow_mut();
        let newest = cache.load();
        let mut house = self.house.borrow_mut();
        if !Arc::ptr_eq(newest, &house) {
            *house = Rc::new(Arc::clone(newest));
        }
        Rc::clone(&house)
    }

    /// Random numbers for identifiers; not for secrets.
    pub fn dice(&self) -> u128 {
        self.dice.borrow_mut().u128(..)
    }

    /// A new record: the request has begun.
    pub fn open_record(&self, peer: &Peer, method: Method, version: Version) -> Box<Record> {
        self.metrics.request_begins();
        Box::new(Record {
            request_id: hex(self.dice()).into(),
            started: self.shared.clock.instant(),
            at: self.shared.clock.now(),
            method,
            host: String::new(),
            path: String::new(),
            version: if version == Version::HTTP_2 { "2" } else { "1.1" },
            client: peer.ip(),
            tls: peer.tls.is_some(),
            route: None,
            refusal: None,
            detail: None,
            subject: None,
            client_id: None,
            issuer: None,
            token: TokenUse::None,
            upstream: None,
            server: None,
            upstream_time: None,
            retries: 0,
            trace_id: None,
            status: 0,
            bytes_in: None,
            bytes_out: 0,
            aborted: false,
        })
    }

    /// The last byte has gone: counts and logs.
    pub fn write_down(&self, record: &Record) {
        let duration = self.shared.clock.instant().saturating_duration_since(record.started);
        self.metrics.request_ends(record, duration);
        self.log.borrow_mut().line(record, duration);
    }

    pub(super) fn ticks(&self) -> Ticks {
        Arc::clone(&self.ticks)
    }

    /// Keeps an eye on a connection until the returned number is given to `forget`.
    pub(super) fn watch(&self, listener: usize, watch: &Arc<Watch>) -> u64 {
        let id = self.next_connection.get();
        self.next_connection.set(id.wrapping_add(1));
        self.connections.borrow_mut().insert(id, (listener, Arc::downgrade(watch)));
        id
    }

    pub(super) fn forget(&self, id: u64) {
        self.connections.borrow_mut().remove(&id);
    }

    fn each_connection(&self, act: impl Fn(usize, &Watch)) {
        let watches: Vec<_> = self.connections.borrow().values().cloned().collect();
        for (listener, watch) in watches {
            if let Some(watch) = watch.upgrade() {
                act(listener, &watch);
            }
        }
    }

    /// Ten times a second: timeouts. Once a second: connections, pools, the log.
    async fn tick(self: Rc<Self>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for count in 0_u64.. {
            ticks.tick().await;
            let now = self.shared.clock.instant();
            let passed = now.saturating_duration_since(self.start).as_millis();
            self.ticks.store(u64::try_from(passed).unwrap_or(u64::MAX - 1), Ordering::Relaxed);
            self.wheel.turn(now);
            if count % 10 == 0 {
                self.each_connection(|_, watch| watch.inspect());
                self.pools.sweep(now);
                self.log.borrow_mut().flush();
            }
        }
    }

    /// Runs until drained.
    async fn live(self: Rc<Self>, mut orders: UnboundedReceiver<Order>) {
        let ticking = tokio::task::spawn_local(Rc::clone(&self).tick());
        let mut accepting: HashMap<usize, JoinHandle<()>> = HashMap::new();
        let bound = loop {
            match orders.recv().await {
                Some(Order::Open { id, listener, tls }) => {
                    accepting.insert(id, tokio::task::spawn_local(accept::accept(Rc::clone(&self), id, listener, tls)));
                }
                Some(Order::Close { id }) => {
                    if let Some(task) = accepting.remove(&id) {
                        task.abort();
                    }
                    self.each_connection(|listener, watch| {
                        if listener == id {
                            watch.decide(Fate::Drain);
                        }
                    });
                }
                // Nobody may be waiting any more.
                Some(Order::Answer(answer)) => drop(answer.send(())),
                Some(Order::Drain(bound)) => break bound,
                None => break Duration::ZERO,
            }
        };
        accepting.into_values().for_each(|task| task.abort());
        self.drain(bound).await;
        ticking.abort();
        self.log.borrow_mut().flush();
    }

    /// Lets connections finish, for at most `bound`; then cuts what is left.
    async fn drain(&self, bound: Duration) {
        // Aborted accept tasks close their sockets at their next turn; connections that the kernel had accepted for
        // them are served there until then.
        tokio::task::yield_now().await;
        self.each_connection(|_, watch| watch.decide(Fate::Drain));
        let all_gone = async {
            while !self.connections.borrow().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if self.wheel.within(bound, all_gone).await.is_none() {
            self.each_connection(|_, watch| watch.decide(Fate::Cut));
            tokio::task::yield_now().await;
        }
    }
}

/// 32 hexadecimal digits.
fn hex(number: u128) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    number.to_be_bytes().into_iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Starts the thread of one worker. It ends when it has been drained.
pub fn start(
    index: usize,
    shared: Arc<Shared>,
    orders: UnboundedReceiver<Order>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        LocalSet::new().block_on(&runtime, async move { Worker::new(index, shared).live(orders).await });
    })
}

//! One core: its runtime and everything that belongs to it alone.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Method, Version};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::UnboundedReceiver;

use super::accept::Accepting;
use super::connection::{Fate, Ticks};
use super::crowd::Crowd;
use super::decisions::{Account, Decisions, Entry, Facts, Wanted};
use super::places::Places;
use super::snapshot::Snapshot;
use crate::forward::pool::Pools;
use crate::gate::Identity;
use crate::ground::wheel::TICK;
use crate::ground::{SharedClock, SharedRandom, Wheel, turns};
use crate::listen::Peer;
use crate::listen::tls::ServerTls;
use crate::observe::Record;
use crate::observe::log::{Buffer, Writer};
use crate::observe::metrics::{Metrics, WorkerMetrics};
use crate::token::cache::Local;

/// As many tasks are polled before the system is asked what else has come: twice as many as there are requests in a round.
const ROUND: u32 = 256;

/// What the workers share. None of it is locked on a request's way.
pub struct Shared {
    pub house: Arc<ArcSwap<Snapshot>>,
    pub clock: SharedClock,
    pub random: SharedRandom,
    /// Where everything runs that may take long: the authority, key sets, introspection.
    pub control: tokio::runtime::Handle,
    pub metrics: Arc<Metrics>,
    pub log: Writer,
    /// Client connections of the whole process.
    pub connections: Arc<Crowd>,
}

/// What `app` tells a worker.
pub enum Order {
    /// Accept from this socket; `id` is what `Peer::listener` will say.
    Open { id: usize, listener: std::net::TcpListener, tls: Option<Arc<ServerTls>> },
    /// Stop accepting there, and let its connections finish what they are at. Who has been let in by the kernel is served.
    Close { id: usize },
    /// The same everywhere, and then end; at the latest after this long.
    Drain(Duration),
    /// Tell what you have decided, the newest first, at most this many.
    Tell { wanted: Wanted, most: usize, answer: tokio::sync::oneshot::Sender<Vec<Account>> },
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
    pub tokens: RefCell<Local<Rc<Identity>>>,
    pub decisions: RefCell<Decisions>,
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
    /// What `Date` says; as old as the last tick.
    date: RefCell<Bytes>,
    pub(super) places: Rc<Places>,
}

impl Worker {
    pub fn new(index: usize, shared: Arc<Shared>) -> Rc<Self> {
        let start = shared.clock.instant();
        let wheel = Wheel::new(start);
        let seed = || u64::from_ne_bytes(shared.random.bytes::<8>());
        let metrics = shared.metrics.worker(index);
        Rc::new(Self {
            index,
            pools: Pools::new(Arc::clone(&wheel), Arc::clone(&shared.clock)),
            tokens: RefCell::new(Local::new(seed())),
            decisions: RefCell::default(),
            log: RefCell::new(shared.log.buffer()),
            dice: RefCell::new(fastrand::Rng::with_seed(seed())),
            cache: RefCell::new(arc_swap::Cache::new(Arc::clone(&shared.house))),
            house: RefCell::new(Rc::new(shared.house.load_full())),
            start,
            ticks: Ticks::default(),
            date: RefCell::new(shared.clock.now().http_date().into()),
            places: Places::new(Arc::clone(&shared.connections), metrics.clone()),
            metrics,
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
    pub fn open_record(&self, peer: &Peer, method: Method, version: Version) -> Box<Entry> {
        self.metrics.request_begins();
        let times = (self.shared.clock.instant(), self.shared.clock.now());
        let record = Record {
            method,
            version: if version == Version::HTTP_2 { "2" } else { "1.1" },
            tls: peer.tls.is_some(),
            ..Record::begun(hex(self.dice()), times, peer.ip())
        };
        Box::new(Entry { record, facts: Facts::default(), caller: None })
    }

    /// The last byte has gone: counts, logs, and remembers where `remember` says so.
    pub fn write_down(&self, entry: &mut Box<Entry>, remember: bool) {
        let record = &entry.record;
        let duration = self.shared.clock.instant().saturating_duration_since(record.started);
        self.metrics.request_ends(record, duration);
        self.log.borrow_mut().line(record, entry.caller.as_ref().map(|caller| &caller.who), duration);
        if remember {
            self.decisions.borrow_mut().keep(entry, duration);
        }
    }

    /// The time, as the `Date` of an answer says it.
    pub(super) fn date(&self) -> std::cell::Ref<'_, Bytes> {
        self.date.borrow()
    }

    pub(super) fn ticks(&self) -> Ticks {
        Arc::clone(&self.ticks)
    }

    /// Ten times a second: timeouts, and a tenth of the connections. Once a second: the date, pools, the log.
    async fn tick(self: Rc<Self>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for count in 0_u64.. {
            ticks.tick().await;
            let now = self.shared.clock.instant();
            let passed = now.saturating_duration_since(self.start).as_millis();
            self.ticks.store(u64::try_from(passed).unwrap_or(u64::MAX - 1), Ordering::Relaxed);
            self.wheel.turn(now);
            self.places.inspect(count);
            if count % 10 == 0 {
                *self.date.borrow_mut() = self.shared.clock.now().http_date().into();
                self.pools.sweep(now);
                self.log.borrow_mut().flush();
            }
        }
    }

    /// Runs until drained.
    async fn live(self: Rc<Self>, mut orders: UnboundedReceiver<Order>) {
        let ticking = tokio::task::spawn_local(Rc::clone(&self).tick());
        let mut accepting: HashMap<usize, Accepting> = HashMap::new();
        let bound = loop {
            match orders.recv().await {
                Some(Order::Open { id, listener, tls }) => {
                    accepting.insert(id, Accepting::begin(&self, id, listener, tls));
                }
                Some(Order::Close { id }) => {
                    self.places.close(id);
                    if let Some(listener) = accepting.remove(&id) {
                        listener.end().await;
                    }
                }
                Some(Order::Tell { wanted, most, answer }) => {
                    drop(answer.send(self.decisions.borrow().told(&wanted, most)));
                }
                // Nobody may be waiting any more.
                Some(Order::Answer(answer)) => drop(answer.send(())),
                Some(Order::Drain(bound)) => break bound,
                None => break Duration::ZERO,
            }
        };
        for id in accepting.keys() {
            self.places.close(*id);
        }
        for listener in accepting.into_values() {
            listener.end().await;
        }
        self.drain(bound).await;
        ticking.abort();
        self.log.borrow_mut().flush();
    }

    /// Lets connections finish, for at most `bound`; then cuts what is left.
    async fn drain(&self, bound: Duration) {
        let all_gone = async {
            while !self.places.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if self.wheel.within(bound, all_gone).await.is_none() {
            self.places.each(|_, watch| watch.decide(Fate::Cut));
            tokio::task::yield_now().await;
        }
    }
}

/// The two hexadecimal digits of each byte.
#[expect(clippy::indexing_slicing, reason = "worked out by the compiler, which would say so")]
const DIGITS: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut all = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        all[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    all
};

/// 32 hexadecimal digits.
fn hex(number: u128) -> Rc<str> {
    let digits = number.to_be_bytes().map(|byte| DIGITS.get(usize::from(byte)).copied().unwrap_or_default());
    std::str::from_utf8(digits.as_flattened()).unwrap_or_default().into()
}

/// Starts the thread of one worker. It ends when it has been drained.
pub fn start(
    index: usize,
    shared: Arc<Shared>,
    orders: UnboundedReceiver<Order>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let (started, heard) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(fault) => return drop(started.send(Err(fault))),
        };
        drop(started.send(Ok(())));
        runtime.block_on(async move { Worker::new(index, shared).live(orders).await });
    })?;
    heard.recv().map_err(std::io::Error::other)??;
    Ok(thread)
}

/// The runtime of the thread that asks, which belongs to it.
fn runtime() -> std::io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .event_interval(ROUND)
        .on_thread_park(turns::round_is_over)
        .build_local(LocalOptions::default())
}

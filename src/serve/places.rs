//! The client connections of one worker: how many are open, and what is to become of each.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use super::connection::{Fate, Watch};
use super::crowd::{Bounds, Crowd};
use crate::observe::metrics::WorkerMetrics;

/// One worker's connections. Those that still shake hands have a place and nobody who watches them.
pub struct Places {
    /// Connections of the whole process.
    crowd: Arc<Crowd>,
    metrics: WorkerMetrics,
    taken: Cell<usize>,
    next: Cell<u64>,
    /// In parts, of which one is inspected at a time: thousands at once would make requests wait.
    watched: [RefCell<HashMap<u64, Watched>>; PARTS],
    /// Listeners that have closed; their ids are never used again.
    closed: RefCell<HashSet<usize>>,
}

/// A connection's listener, and what is known of it.
type Watched = (usize, Weak<Watch>);

const PARTS: usize = 10;

/// One connection's place, given back when this is dropped: also when its task panics, or the limit of connections would
/// shrink with each of them.
pub struct Place {
    places: Rc<Places>,
    seat: Arc<Seat>,
    id: u64,
}

/// What a connection counts for in the limits and the figures. A tunnel that has come of it holds this as well, and not the
/// place: nobody waits for tunnels when the worker ends. `Send` because that is how hyper hands it over; it stays on its
/// thread.
pub struct Seat {
    crowd: Arc<Crowd>,
    metrics: WorkerMetrics,
    address: Option<IpAddr>,
}

impl Places {
    pub fn new(crowd: Arc<Crowd>, metrics: WorkerMetrics) -> Rc<Self> {
        let (taken, next) = (Cell::new(0), Cell::new(0));
        Rc::new(Self { crowd, metrics, taken, next, watched: Default::default(), closed: RefCell::default() })
    }

    /// A place for one more connection of this address, which is `None` for a peer that speaks for many; `None` when there
    /// are too many.
    pub fn take(self: &Rc<Self>, address: Option<IpAddr>, bounds: Bounds) -> Option<Place> {
        if let Err(crowded) = self.crowd.enter(address, bounds) {
            self.metrics.connection_refused(crowded);
            return None;
        }
        self.metrics.connection_opened();
        self.taken.set(self.taken.get().saturating_add(1));
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        let seat = Arc::new(Seat { crowd: Arc::clone(&self.crowd), metrics: self.metrics.clone(), address });
        Some(Place { places: Rc::clone(self), seat, id })
    }

    pub fn is_empty(&self) -> bool {
        self.taken.get() == 0
    }

    /// Lets a listener's connections finish, those included that are still to be watched.
    pub fn close(&self, listener: usize) {
        self.closed.borrow_mut().insert(listener);
        self.each(|own, watch| {
            if own == listener {
                watch.decide(Fate::Drain);
            }
        });
    }

    /// Does `act` with every watched connection and the listener it came by.
    pub fn each(&self, act: impl Fn(usize, &Watch)) {
        self.watched.iter().for_each(|part| each_of(part, &act));
    }

    /// Cuts what takes too long, in one part of all connections; after ten calls everybody has been looked at.
    pub fn inspect(&self, turn: u64) {
        let part = usize::try_from(turn % PARTS as u64).unwrap_or(0);
        self.watched.iter().skip(part).take(1).for_each(|part| each_of(part, &|_, watch: &Watch| watch.inspect()));
    }

    fn part(&self, id: u64) -> Option<&RefCell<HashMap<u64, Watched>>> {
        self.watched.get(usize::try_from(id % PARTS as u64).unwrap_or(0))
    }
}

/// What is done to a connection here wakes its task and lets nothing run, so the part can stay borrowed.
fn each_of(part: &RefCell<HashMap<u64, Watched>>, act: &impl Fn(usize, &Watch)) {
    for (listener, watch) in part.borrow().values() {
        if let Some(watch) = watch.upgrade() {
            act(*listener, &watch);
        }
    }
}

impl Place {
    /// What a tunnel that comes of the connection has to hold.
    pub fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// Lets the worker keep an eye on the connection from now on.
    pub fn watch(&self, listener: usize, watch: &Arc<Watch>) {
        if let Some(part) = self.places.part(self.id) {
            part.borrow_mut().insert(self.id, (listener, Arc::downgrade(watch)));
        }
        if self.places.closed.borrow().contains(&listener) {
            watch.decide(Fate::Drain);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = &self.places;
        if let Some(part) = places.part(self.id) {
            part.borrow_mut().remove(&self.id);
        }
        places.taken.set(places.taken.get().saturating_sub(1));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.crowd.leave(self.address);
        // Last, so that whoever sees the figure fall finds the room.
        self.metrics.connection_closed();
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};
    use std::time::Duration;

    use super::*;
    use crate::observe::metrics::Metrics;
    use crate::serve::snapshot::DoorLimits;

    fn watch() -> Arc<Watch> {
        let long = Duration::from_secs(10);
        let limits = DoorLimits {
            connections: Bounds { all: 10, of_one_address: 10 },
            head: long,
            idle: long,
            body: long,
            body_rate: 0,
        };
        Watch::new(limits, false, Default::default())
    }

    fn fate(watch: &Watch) -> Fate {
        watch.fate(&Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn a_place_is_given_back_however_its_connection_ends() {
        let (metrics, one) = (Metrics::new(1), Bounds { all: 1, of_one_address: 1 });
        let places = Places::new(Arc::default(), metrics.worker(0));
        let open = || {
            let page = metrics.page();
            let line = page.lines().find(|line| line.starts_with("portcullis_connections_open ")).unwrap();
            line.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap()
        };
        let watch = watch();
        let place = places.take(None, one).unwrap();
        assert!(places.take(None, one).is_none());
        assert_eq!((open(), places.is_empty()), (1, false));
        // Dropped before its end, as a panic leaves it.
        tokio::task::LocalSet::new()
            .run_until(async {
                let connection = tokio::task::spawn_local(async move {
                    place.watch(0, &watch);
                    std::future::pending::<()>().await;
                    drop(place);
                });
                tokio::task::yield_now().await;
                connection.abort();
                assert!(connection.await.is_err());
            })
            .await;
        assert_eq!((open(), places.is_empty()), (0, true));
        assert!(places.take(None, one).is_some());
        places.each(|_, _| panic!("nobody is there"));
    }

    #[test]
    fn a_tunnel_counts_as_a_connection_and_nobody_waits_for_it() {
        let one = Bounds { all: 1, of_one_address: 1 };
        let places = Places::new(Arc::default(), Metrics::new(1).worker(0));
        let place = places.take(None, one).unwrap();
        let tunnel = Arc::clone(place.seat());
        drop(place);
        assert!(places.is_empty() && places.take(None, one).is_none());
        drop(tunnel);
        assert!(places.take(None, one).is_some());
    }

    #[test]
    fn a_listener_that_closes_drains_its_connections_and_those_that_come_yet() {
        let places = Places::new(Arc::default(), Metrics::new(1).worker(0));
        let (old, new, other) = (watch(), watch(), watch());
        let taken: Vec<_> =
            (0..3).map(|_| places.take(None, Bounds { all: 10, of_one_address: 10 }).unwrap()).collect();
        taken[0].watch(7, &old);
        taken[1].watch(8, &other);
        places.close(7);
        taken[2].watch(7, &new);
        assert_eq!([fate(&old), fate(&new), fate(&other)], [Fate::Drain, Fate::Drain, Fate::GoOn]);
    }
}

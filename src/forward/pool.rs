//! Connections to servers, kept warm by one worker for itself.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use hyper::client::conn::http1;

use super::connection::{Connection, Engine};
use super::identity::Statements;
use super::upstream::{Server, Timeouts};
use super::whence::Whence;
use crate::dial::connect::{ConnectFault, connect};
use crate::ground::{SharedClock, Wheel};

/// How long a server is tried last after a connection to it failed.
const SHUN: Duration = Duration::from_secs(5);
/// Room for a whole head of an answer. Its fields are at most hyper's 100: more of them would cost an allocation of 12 KiB
/// for each answer.
const MOST_HEAD_BYTES: usize = 64 * 1024;

/// All idle connections of one worker.
pub struct Pools {
    pub(super) wheel: Arc<Wheel>,
    clock: SharedClock,
    start: Instant,
    /// By the address of the server, which the entry keeps alive.
    servers: RefCell<HashMap<usize, Pool, foldhash::fast::RandomState>>,
    /// The time of the last sweep; exact enough for idle timeouts.
    now: Cell<Instant>,
    /// What `identity: signed` has said of late.
    pub(super) statements: RefCell<Statements>,
    /// What was said of clients of late.
    pub(super) whence: RefCell<Whence>,
}

struct Pool {
    server: Arc<Server>,
    idle: Vec<Idle>,
    keep: usize,
}

struct Idle {
    connection: Connection,
    since: Instant,
    /// How long it may be idle: what the route says that used it last.
    timeout: Duration,
}

impl Pools {
    pub fn new(wheel: Arc<Wheel>, clock: SharedClock) -> Rc<Self> {
        let start = clock.instant();
        let (servers, statements, whence) = (RefCell::default(), RefCell::default(), RefCell::default());
        Rc::new(Self { wheel, clock, start, servers, now: Cell::new(start), statements, whence })
    }

    /// Milliseconds since this pool began; what `Server::shunned_until` counts in. All workers start together, so their
    /// times differ by less than matters here.
    pub(super) fn now_millis(&self) -> u64 {
        let passed = self.clock.instant().saturating_duration_since(self.start).as_millis();
        u64::try_from(passed).unwrap_or(u64::MAX)
    }

    pub(super) fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// An idle connection that is ready, the one used last first. One whose task has not run since its answer ended stays
    /// for the next request.
    pub(super) fn idle(&self, server: &Arc<Server>, engine: Engine) -> Option<Connection> {
        let mut servers = self.servers.borrow_mut();
        let pool = servers.get_mut(&key(server))?;
        loop {
            let fits = |idle: &Idle| idle.connection.engine() == engine && idle.connection.is_ready();
            let ready = pool.idle.iter().rposition(fits)?;
            let mut connection = pool.idle.remove(ready).connection;
            if !connection.is_closed() {
                return Some(connection);
            }
        }
    }

    /// A new connection.
    pub(super) async fn fresh(
        &self,
        server: &Arc<Server>,
        timeouts: &Timeouts,
        engine: Engine,
    ) -> Result<Connection, String> {
        let made = connect(&server.target, timeouts.connect, &self.wheel).await;
        let stream = made.map_err(|fault| self.shun(server, &fault))?;
        server.shunned_until.store(0, Relaxed);
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MOST_HEAD_BYTES);
        Connection::over(stream, engine, &builder).await.map_err(|fault| fault.to_string())
    }

    fn shun(&self, server: &Arc<Server>, fault: &ConnectFault) -> String {
        server.connect_failures.fetch_add(1, Relaxed);
        let until = self.now_millis().saturating_add(u64::try_from(SHUN.as_millis()).unwrap_or(u64::MAX));
        server.shunned_until.store(until, Relaxed);
        fault.to_string()
    }

    /// Takes a connection back whose answer has been read to its end.
    pub(super) fn give_back(&self, server: &Arc<Server>, mut connection: Connection, keep: usize, timeout: Duration) {
        // Whether it has been closed since is asked when it is taken again.
        if !connection.is_reusable() {
            return;
        }
        let mut servers = self.servers.borrow_mut();
        let new = || Pool { server: Arc::clone(server), idle: Vec::new(), keep };
        let pool = servers.entry(key(server)).or_insert_with(new);
        pool.keep = keep;
        if pool.idle.len() < pool.keep {
            connection.reused = true;
            pool.idle.push(Idle { connection, since: self.now.get(), timeout });
        }
    }

    /// Closes what has been idle for too long or has been closed by its server, lets the others hold no more than they need,
    /// and forgets servers that no configuration has any more. Called every second: a connection in use keeps its room.
    pub fn sweep(&self, now: Instant) {
        self.now.set(now);
        self.statements.borrow_mut().forget(self.clock.now());
        self.servers.borrow_mut().retain(|_, pool| {
            let in_time = |idle: &Idle| now.saturating_duration_since(idle.since) < idle.timeout;
            pool.idle.retain_mut(|idle| !idle.connection.is_closed() && in_time(idle));
            pool.idle.iter_mut().for_each(|idle| idle.connection.rest());
            !pool.idle.is_empty() || Arc::strong_count(&pool.server) > 1
        });
    }

    /// How much room idle connections hold for what comes.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        let mut servers = self.servers.borrow_mut();
        let idle = servers.values_mut().flat_map(|pool| &mut pool.idle);
        idle.map(|idle| match &mut idle.connection.speaker {
            super::connection::Speaker::Strict(wire) => wire.room(),
            super::connection::Speaker::Compat(_) => 0,
        })
        .sum()
    }

    /// Idle connections of this worker, all servers together.
    pub fn count(&self) -> usize {
        self.servers.borrow().values().map(|pool| pool.idle.len()).sum()
    }
}

fn key(server: &Arc<Server>) -> usize {
    Arc::as_ptr(server) as usize
}

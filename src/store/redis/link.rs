//! The connection, and whoever keeps it up.
//!
//! One task connects, says every second that this gateway is there, and connects anew, with growing and uneven pauses, when
//! that fails. Everybody else uses what there is and never waits for a connection: without one a command fails at once.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use redis::aio::ConnectionLike as _;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use tokio::sync::Notify;

use super::connect::{Connection, Settings};
use super::figures::{Figures, Verb};
use super::scripts::{Scripts, Text};
use crate::ground::{SharedClock, SharedRandom};

/// How often this gateway says that it is there.
const GREET: Duration = Duration::from_secs(1);
/// How long a greeting may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// A gateway that has said nothing for so long is not counted any more.
const GONE: Duration = Duration::from_secs(5);
/// The first pause before connecting anew, and the longest; uneven, so that a fleet does not come all at once.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

/// The way to the server.
pub(super) struct Link {
    settings: Settings,
    pub(super) scripts: Scripts,
    current: ArcSwapOption<Connection>,
    /// Something did not answer in time: nobody else waits for the same until a greeting has been answered.
    in_doubt: AtomicBool,
    doubt: Notify,
    pub(super) nodes: AtomicU32,
    /// Connections that were made.
    pub(super) made: AtomicU64,
    pub(super) fault: Mutex<Option<String>>,
    pub(super) figures: Figures,
    clock: SharedClock,
    random: SharedRandom,
    /// What this gateway is called among the others.
    name: String,
}

impl Link {
    pub(super) fn new(settings: Settings, scripts: Scripts, clock: SharedClock, random: SharedRandom) -> Self {
        Self {
            settings,
            scripts,
            current: ArcSwapOption::empty(),
            in_doubt: AtomicBool::new(false),
            doubt: Notify::new(),
            nodes: AtomicU32::new(1),
            made: AtomicU64::new(0),
            fault: Mutex::new(Some("not connected yet".to_owned())),
            figures: Figures::default(),
            clock,
            name: random.token(9),
            random,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        !self.in_doubt.load(Relaxed) && self.current.load().is_some()
    }

    /// `fleet:kind:name`.
    pub(super) fn key(&self, kind: &str, name: &str) -> String {
        format!("{}:{kind}:{name}", self.settings.fleet)
    }

    /// Runs a script on one key.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        verb: Verb,
        script: &Text,
        key: &str,
        arguments: &[&str],
        within: Duration,
    ) -> Result<T, String> {
        let connection = self.connection()?;
        self.run_on(connection, verb, script, (key, arguments), within).await
    }

    async fn run_on<T: FromRedisValue>(
        &self,
        connection: Connection,
        verb: Verb,
        script: &Text,
        (key, arguments): (&str, &[&str]),
        within: Duration,
    ) -> Result<T, String> {
        let mut by_digest = redis::cmd("EVALSHA");
        by_digest.arg(&script.digest).arg(1).arg(key).arg(arguments);
        let answer = self.ask(connection.clone(), verb, &by_digest, within).await;
        let unknown = |fault: &RedisError| fault.kind() == ErrorKind::Server(ServerErrorKind::NoScript);
        match answer {
            // The server was started anew, or another one took over: the text teaches it.
            Err(fault) if fault.redis().is_some_and(unknown) => {
                let mut by_text = redis::cmd("EVAL");
                by_text.arg(&script.code).arg(1).arg(key).arg(arguments);
                self.ask(connection, verb, &by_text, within).await.map_err(|fault| self.told(verb, fault))
            }
            answer => answer.map_err(|fault| self.told(verb, fault)),
        }
    }

    /// One command as it is.
    pub(super) async fn command<T: FromRedisValue>(
        &self,
        verb: Verb,
        command: &Cmd,
        within: Duration,
    ) -> Result<T, String> {
        let connection = self.connection()?;
        self.ask(connection, verb, command, within).await.map_err(|fault| self.told(verb, fault))
    }

    fn connection(&self) -> Result<Connection, String> {
        if self.in_doubt.load(Relaxed) {
            return Err("it does not answer".to_owned());
        }
        self.current.load().as_deref().cloned().ok_or_else(|| "it is not connected".to_owned())
    }

    async fn ask<T: FromRedisValue>(
        &self,
        mut connection: Connection,
        verb: Verb,
        command: &Cmd,
        within: Duration,
    ) -> Result<T, Fault> {
        let start = self.clock.instant();
        let asking = async {
            let value = connection.req_packed_command(command).await?;
            T::from_redis_value(value.extract_error()?).map_err(RedisError::from)
        };
        match tokio::time::timeout(within, asking).await {
            Ok(Ok(answer)) => {
                self.figures.done(verb, self.clock.instant().saturating_duration_since(start));
                Ok(answer)
            }
            Ok(Err(fault)) if fault.is_timeout() => Err(Fault::Silent),
            Ok(Err(fault)) => Err(Fault::Redis(fault)),
            Err(_) => Err(Fault::Silent),
        }
    }

    /// Counts a failure, and lets the keeper look where it may be more than one command's.
    fn told(&self, verb: Verb, fault: Fault) -> String {
        self.figures.failed(verb);
        let text = match &fault {
            Fault::Silent => "it does not answer".to_owned(),
            Fault::Redis(fault) => fault.to_string(),
        };
        self.in_doubt.store(true, Relaxed);
        self.doubt.notify_one();
        text
    }

    /// Keeps the connection up until nobody needs it any more.
    pub(super) async fn keep(link: Weak<Self>) {
        let mut failures = 0_u32;
        loop {
            let Some(this) = link.upgrade() else { return };
            match this.open().await {
                Ok(connection) => {
                    failures = 0;
                    this.publish(connection);
                    drop(this);
                    let Some(why) = Self::follow(&link).await else { return };
                    let Some(this) = link.upgrade() else { return };
                    this.current.store(None);
                    this.fail(why, true);
                }
                Err(why) => this.fail(why, failures == 0),
            }
            failures = failures.saturating_add(1);
            let pause = link.upgrade().map(|this| this.pause(failures)).unwrap_or_default();
            tokio::time::sleep(pause).await;
        }
    }

    async fn open(&self) -> Result<Connection, String> {
        let connection = self.settings.connect().await?;
        self.greet(&connection).await?;
        Ok(connection)
    }

    fn publish(&self, connection: Connection) {
        self.current.store(Some(Arc::new(connection)));
        self.in_doubt.store(false, Relaxed);
        self.made.fetch_add(1, Relaxed);
        *self.fault.lock() = None;
        tracing::info!(redis.nodes = self.nodes.load(Relaxed), "connected to Redis; limits are counted together");
    }

    fn fail(&self, why: String, first: bool) {
        if first {
            tracing::warn!("Redis is away: {why}; each gateway counts for itself until it is back");
        }
        *self.fault.lock() = Some(why);
    }

    /// Greets once a second, and at once when something failed; gives why that is over. `None`: nobody needs it any more.
    async fn follow(link: &Weak<Self>) -> Option<String> {
        loop {
            let this = link.upgrade()?;
            let called = tokio::time::timeout(GREET, this.doubt.notified()).await.is_ok();
            let connection = this.current.load().as_deref().cloned()?;
            if let Err(why) = this.greet(&connection).await {
                return Some(why);
            }
            if called {
                this.in_doubt.store(false, Relaxed);
            }
        }
    }

    /// Says that this gateway is there. It writes, so that a server that has become a replica shows itself.
    async fn greet(&self, connection: &Connection) -> Result<(), String> {
        let key = self.key("nodes", "all");
        let span = GONE.as_micros().to_string();
        let arguments = [self.name.as_str(), span.as_str()];
        let joining = self.run_on(connection.clone(), Verb::Join, &self.scripts.join, (&key, &arguments), PATIENCE);
        let nodes: u32 = joining.await?;
        self.nodes.store(nodes.max(1), Relaxed);
        Ok(())
    }

    /// Between half and all of a span that doubles with each failure.
    fn pause(&self, failures: u32) -> Duration {
        let (first, longest) = PAUSES;
        let whole = first.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(longest);
        let [chance] = self.random.bytes::<1>();
        whole / 2 + whole / 2 * u32::from(chance) / 255
    }
}

/// Why a command gave nothing.
enum Fault {
    Silent,
    Redis(RedisError),
}

impl Fault {
    fn redis(&self) -> Option<&RedisError> {
        match self {
            Self::Silent => None,
            Self::Redis(fault) => Some(fault),
        }
    }
}

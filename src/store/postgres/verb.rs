//! How a verb is carried out: on a connection of its own, with a deadline, tried again where that is safe.
//!
//! A verb that was begun is carried out, whether or not somebody still waits for it. Reading, and writing what may be
//! written twice, is one statement; everything else is one transaction, which can be tried again until its commit was sent.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::runtime::Handle;

use super::fault::Failure;
use super::health::Health;
use super::session::Session;
use crate::store::{Act, StoreFault};

/// A verb's work on a session. Called again for each try.
pub(super) type Work<I, T> =
    for<'s> fn(&'s mut Session, &'s I) -> futures_util::future::BoxFuture<'s, Result<T, Failure>>;

/// What it means to be carried out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The same as once: one statement by itself.
    Repeatable,
    /// Something else: a transaction.
    Once,
}

/// Tries of one verb.
const TRIES: u32 = 8;

/// How long a verb waits before its second try; then twice as long, and so on.
const PAUSE: Duration = Duration::from_millis(10);

/// How long a database that is there takes at most to say so.
const PROBE: Duration = Duration::from_secs(1);

/// The pool and what is known of it.
pub(super) struct Office {
    pub(super) pool: Pool,
    pub(super) health: Health,
    /// Of a whole verb, all its tries included.
    pub(super) deadline: Duration,
    /// Where verbs run, whoever asks for them: connections live there.
    pub(super) control: Handle,
    /// Opens a transaction that the server ends by itself, should we be gone.
    pub(super) begin: String,
}

impl Office {
    pub(super) fn new(pool: Pool, deadline: Duration, control: Handle) -> Self {
        // The server gives up first, and says so: that is no absence.
        let most = (deadline * 4 / 5).as_millis();
        let begin = format!(
            "BEGIN; SET LOCAL statement_timeout = {most}; SET LOCAL idle_in_transaction_session_timeout = {most}"
        );
        Self { pool, health: Health::new(), deadline, control, begin }
    }

    /// Begins at once.
    pub(super) fn run<'a, I, T>(
        self: &Arc<Self>,
        kind: Kind,
        act: &'static str,
        input: I,
        work: Work<I, T>,
    ) -> Act<'a, T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        let office = Arc::clone(self);
        let task = self.control.spawn(async move { office.carry_out(kind, act, &input, work).await });
        Box::pin(async move {
            let ending = |_| Err(StoreFault { act, cause: "the gateway is ending".to_owned() });
            task.await.unwrap_or_else(ending)
        })
    }

    async fn carry_out<I: Sync, T>(
        &self,
        kind: Kind,
        act: &'static str,
        input: &I,
        work: Work<I, T>,
    ) -> Result<T, StoreFault> {
        if let Some(cause) = self.health.refusal() {
            self.health.count();
            return Err(StoreFault { act, cause });
        }
        let failure = match tokio::time::timeout(self.deadline, self.tried(kind, input, work)).await {
            Ok(Ok(given)) => return Ok(given),
            Ok(Err(failure)) => failure,
            Err(_) => {
                let cause = format!("PostgreSQL did not answer within {} ms", self.deadline.as_millis());
                self.health.count();
                if !self.answers().await {
                    self.health.bad(cause.clone());
                }
                return Err(StoreFault { act, cause });
            }
        };
        self.health.count();
        if failure.is_absence(self.pool.status().size) {
            self.health.bad(failure.in_words());
        }
        Err(failure.told(act))
    }

    /// Whether the database is there although a verb took too long, or the one that listens was not let in.
    pub(super) async fn answers(&self) -> bool {
        let probe = async {
            let session = Session::on(self.pool.get().await?);
            session.plain("SELECT 1").await?;
            session.give_back();
            Ok(())
        };
        match tokio::time::timeout(PROBE, probe).await {
            Ok(Ok(()) | Err(Failure::Crowded)) => true,
            Ok(Err(Failure::Full(_))) => self.pool.status().size > 0,
            Ok(Err(_)) | Err(_) => false,
        }
    }

    async fn tried<I: Sync, T>(&self, kind: Kind, input: &I, work: Work<I, T>) -> Result<T, Failure> {
        let mut pause = PAUSE;
        for tries in 1.. {
            match self.once(kind, input, work).await {
                Ok(given) => {
                    self.health.good();
                    return Ok(given);
                }
                Err(failure) if tries >= TRIES || !failure.is_worth_a_try() || self.health.is_away() => {
                    return Err(failure);
                }
                Err(failure) => tracing::debug!("a verb of the store is tried again: {}", failure.in_words()),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(Failure::Crowded)
    }

    /// One try.
    pub(super) async fn once<I: Sync, T>(&self, kind: Kind, input: &I, work: Work<I, T>) -> Result<T, Failure> {
        let mut session = Session::on(self.pool.get().await?);
        let done = match kind {
            Kind::Repeatable => work(&mut session, input).await,
            Kind::Once => self.transacted(&mut session, input, work).await,
        };
        match done {
            Err(failure) if failure.spoils_its_connection() => Err(failure),
            done => {
                session.give_back();
                done
            }
        }
    }

    async fn transacted<I: Sync, T>(&self, session: &mut Session, input: &I, work: Work<I, T>) -> Result<T, Failure> {
        session.plain(&self.begin).await?;
        let done = match work(session, input).await {
            Ok(given) => session.commit().await.map(|()| given),
            Err(failure) => Err(failure),
        };
        match done {
            Err(failure) if !failure.spoils_its_connection() => {
                session.plain("ROLLBACK").await?;
                Err(failure)
            }
            done => done,
        }
    }
}

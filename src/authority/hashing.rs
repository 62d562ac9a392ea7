//! Slow hashes, run where they can hurt nobody: on as many threads as there are cores, behind a short queue, and behind
//! everything else that the machine has to do.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::error::OAuthError;

/// Requests that may wait per core. A hash takes tens of milliseconds, so the last one waits about a second.
const WAITING_PER_CORE: usize = 32;
/// How far these threads stand back (`nice`): where requests and hashes want the same core, a hash gets a tenth of it.
/// Measured: without it, 50 logins a second make callers with a token wait for whole time slices.
const NICE: i32 = 10;

type Job = Box<dyn FnOnce() + Send>;

/// The pool. Memory is bounded by cores times what one hash asks for. Its threads end with it.
pub(super) struct Hashing {
    jobs: Sender<Job>,
    /// One permit per hash that runs.
    running: Arc<Semaphore>,
    /// One permit per request that runs or waits.
    admitted: Arc<Semaphore>,
}

/// Leave to wait for a turn: a place in the queue.
pub(super) struct Admitted<'a> {
    hashing: &'a Hashing,
    permit: OwnedSemaphorePermit,
}

/// A turn in the pool: given back when the hash is done, even if its request has gone away by then.
pub(super) struct Turn {
    jobs: Sender<Job>,
    permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl Hashing {
    /// As many threads as there are cores.
    pub(super) fn new() -> Self {
        Self::with(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    pub(super) fn with(cores: usize) -> Self {
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for index in 0..cores {
            let waiting = Arc::clone(&waiting);
            let started = std::thread::Builder::new().name(format!("hash-{index}")).spawn(move || work(&waiting));
            if let Err(fault) = started {
                tracing::error!(error = %fault, "a thread for password hashes cannot be started");
            }
        }
        Self {
            jobs,
            running: Arc::new(Semaphore::new(cores)),
            admitted: Arc::new(Semaphore::new(cores.saturating_mul(1 + WAITING_PER_CORE))),
        }
    }

    /// Takes a place in the queue; a full one is an error at once.
    pub(super) fn admit(&self) -> Result<Admitted<'_>, OAuthError> {
        let permit = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| busy())?;
        Ok(Admitted { hashing: self, permit })
    }

    /// Waits for a turn; a full queue is an error at once.
    pub(super) async fn turn(&self) -> Result<Turn, OAuthError> {
        self.admit()?.turn().await
    }
}

impl Admitted<'_> {
    /// Waits for a turn.
    pub(super) async fn turn(self) -> Result<Turn, OAuthError> {
        let running = Arc::clone(&self.hashing.running).acquire_owned().await.map_err(|_| busy())?;
        Ok(Turn { jobs: self.hashing.jobs.clone(), permits: (self.permit, running) })
    }
}

fn busy() -> OAuthError {
    OAuthError::Busy { retry_after: Duration::from_secs(1) }
}

/// One thread of the pool.
fn work(waiting: &Mutex<Receiver<Job>>) {
    // Where it may not stand back, it competes.
    let _ = rustix::process::setpriority_process(None, NICE);
    loop {
        // One waits for the next job, and the others for their turn to wait.
        let job = waiting.lock().recv();
        let Ok(job) = job else { return };
        // A hash that panics must not take the thread along: its request hears of it.
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
            tracing::error!("hashing a secret panicked");
        }
    }
}

impl Turn {
    pub(super) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, OAuthError> {
        let Self { jobs, permits } = self;
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move || {
            // Whoever asked may have gone.
            drop(answer.send(work()));
            drop(permits);
        });
        let failed = |cause: &str| OAuthError::Internal(format!("hashing a secret failed: {cause}"));
        jobs.send(job).map_err(|_| failed("its threads have ended"))?;
        answered.await.map_err(|_| failed("it panicked"))
    }
}

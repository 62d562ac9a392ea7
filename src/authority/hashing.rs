//! Slow hashes, run where they can hurt nobody: on as many blocking threads as there are cores, behind a short queue.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::OAuthError;

/// Requests that may wait per core. A hash takes tens of milliseconds, so the last one waits about a second.
const WAITING_PER_CORE: usize = 32;

/// The pool. Memory is bounded by cores times what one hash asks for.
pub(super) struct Hashing {
    control: Handle,
    /// One permit per hash that runs.
    running: Arc<Semaphore>,
    /// One permit per request that runs or waits.
    admitted: Arc<Semaphore>,
}

/// A turn in the pool: given back when the hash is done, even if its request has gone away by then.
pub(super) struct Turn {
    control: Handle,
    permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl Hashing {
    pub(super) fn new(control: Handle) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            control,
            running: Arc::new(Semaphore::new(cores)),
            admitted: Arc::new(Semaphore::new(cores.saturating_mul(1 + WAITING_PER_CORE))),
        }
    }

    /// Waits for a turn; a full queue is an error at once.
    pub(super) async fn turn(&self) -> Result<Turn, OAuthError> {
        let busy = || OAuthError::Busy { retry_after: Duration::from_secs(1) };
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| busy())?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| busy())?;
        Ok(Turn { control: self.control.clone(), permits: (admitted, running) })
    }
}

impl Turn {
    pub(super) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, OAuthError> {
        let Self { control, permits } = self;
        let task = control.spawn_blocking(move || {
            let result = work();
            drop(permits);
            result
        });
        task.await.map_err(|cause| OAuthError::Internal(format!("hashing a secret failed: {cause}")))
    }
}

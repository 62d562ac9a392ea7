//! Whether the database is there. Once it is away, one verb a second looks for it and all others fail at once: nobody waits
//! for what is known to be gone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long after the last try another verb may look.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is known of the database.
pub(super) struct Health {
    is_away: AtomicBool,
    away: Mutex<Option<Away>>,
    faults: AtomicU64,
}

struct Away {
    since: Instant,
    tried: Instant,
    cause: String,
}

impl Health {
    pub(super) fn new() -> Self {
        Self { is_away: AtomicBool::new(false), away: Mutex::new(None), faults: AtomicU64::new(0) }
    }

    /// It has answered.
    pub(super) fn good(&self) {
        if self.is_away.swap(false, Ordering::SeqCst)
            && let Some(away) = self.away.lock().take()
        {
            tracing::info!(seconds = away.since.elapsed().as_secs(), "PostgreSQL answers again");
        }
    }

    /// It is away; the first one to notice tells about it.
    pub(super) fn bad(&self, cause: String) {
        let (mut away, now) = (self.away.lock(), Instant::now());
        match &mut *away {
            Some(away) => (away.tried, away.cause) = (now, cause),
            None => {
                tracing::error!("PostgreSQL is away, what needs the store is refused until it is back: {cause}");
                *away = Some(Away { since: now, tried: now, cause });
                self.is_away.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Why there is no use in trying now; `None`: the caller tries.
    pub(super) fn refusal(&self) -> Option<String> {
        if !self.is_away.load(Ordering::Relaxed) {
            return None;
        }
        let mut away = self.away.lock();
        let away = away.as_mut()?;
        if away.tried.elapsed() >= LOOK_AGAIN {
            away.tried = Instant::now();
            return None;
        }
        Some(format!("{} (for {} s now)", away.cause, away.since.elapsed().as_secs()))
    }

    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }

    /// Verbs that failed.
    pub(super) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }
}

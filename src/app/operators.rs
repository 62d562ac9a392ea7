//! Who may see the console where it can be reached from other machines.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::admin::{Credentials, Door};
use crate::authority::password::{self, PasswordHash, Verdict};
use crate::config::Plan;
use crate::config::plan::authority::Password;
use crate::ground::{Clock as _, Digest, SystemClock, SystemRandom};

/// How long a password that was right is not hashed again: a page asks every few seconds.
const REMEMBERED_FOR: Duration = Duration::from_secs(300);

/// The operators of the file. Whom it names does not change while the process runs, like the listener itself.
pub struct Operators {
    /// Everybody who reaches the listener is on this machine.
    local: bool,
    known: Arc<HashMap<String, PasswordHash>>,
    /// By a digest of name and password.
    remembered: Mutex<HashMap<Digest, Instant>>,
    /// Hashes take memory and time: one at once, and who guesses waits for it.
    hashing: Arc<Semaphore>,
}

impl Operators {
    pub async fn of(plan: &Plan) -> anyhow::Result<Self> {
        let mut known = HashMap::new();
        for operator in &plan.operators {
            let hash = match operator.password.clone() {
                Password::Hash(hash) => hash,
                Password::Clear(secret) => {
                    let hashing = tokio::task::spawn_blocking(move || password::hash(&secret, &SystemRandom));
                    hashing.await?.map_err(|cause| anyhow!("operator `{}`: {cause}", operator.name))?
                }
            };
            let hash = PasswordHash::new(&hash).map_err(|cause| anyhow!("operator `{}`: {cause}", operator.name))?;
            known.insert(operator.name.clone(), hash);
        }
        Ok(Self {
            local: plan.admin.ip().is_loopback(),
            known: Arc::new(known),
            remembered: Mutex::default(),
            hashing: Arc::new(Semaphore::new(1)),
        })
    }

    /// Where operators are named they log in, on this machine too; where none is, only this machine gets in.
    pub async fn door(&self, shown: Option<Credentials>) -> Door {
        if self.known.is_empty() {
            return if self.local { Door::Open } else { Door::Shut };
        }
        let Some(shown) = shown else { return Door::Locked };
        let digest = Digest::of(format!("{}\n{}", shown.name, shown.password.expose()).as_bytes());
        let now = SystemClock.instant();
        if self.remembered.lock().get(&digest).is_some_and(|until| *until > now) {
            return Door::Open;
        }
        let Ok(_turn) = self.hashing.acquire().await else { return Door::Locked };
        let known = Arc::clone(&self.known);
        let verifying = tokio::task::spawn_blocking(move || {
            password::verify_or_decoy(known.get(&shown.name), &shown.password) != Verdict::Wrong
        });
        if !verifying.await.unwrap_or(false) {
            tracing::warn!("a log-in to the console failed");
            return Door::Locked;
        }
        let mut remembered = self.remembered.lock();
        remembered.retain(|_, until| *until > now);
        remembered.insert(digest, now + REMEMBERED_FOR);
        Door::Open
    }
}

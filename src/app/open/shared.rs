//! What a fleet counts together, opened once for the life of the process.

#[cfg(feature = "redis")]
mod redis;

use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Handle;

use crate::config::Plan;
use crate::gate::limit::{Together, together};
use crate::ground::{SharedClock, SharedRandom};
use crate::store::SharedCounters;

/// How long a start waits for the server: who begins before it has answered counts for itself.
const START: Duration = Duration::from_secs(1);

/// Waits until the server answers, for a while.
pub async fn warm(together: &Together) {
    let answers = async {
        while !together.counters().is_up() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    if tokio::time::timeout(START, answers).await.is_err() {
        tracing::warn!("Redis does not answer; the start goes on without it");
    }
}

/// `None`: this gateway counts for itself. Whether the server is there decides nothing about the start: without it each
/// gateway counts for itself until it comes.
pub fn open(
    plan: &Plan,
    clock: &SharedClock,
    random: &SharedRandom,
    control: &Handle,
) -> anyhow::Result<Option<Together>> {
    let Some(shared) = &plan.shared else { return Ok(None) };
    let address = shared.address.as_ref().context("the address of Redis was not read")?;
    let counters: anyhow::Result<SharedCounters> = match (address, random) {
        #[cfg(feature = "redis")]
        (address, random) => {
            let settings = redis::settings(shared, address);
            Ok(crate::store::redis::open_redis(settings, clock.clone(), random.clone(), control))
        }
        #[cfg(not(feature = "redis"))]
        (_, _) => Err(anyhow::anyhow!("this build knows no Redis: build it with the feature `redis`")),
    };
    Ok(Some(together(counters?, shared.wait, clock.clone(), control)))
}

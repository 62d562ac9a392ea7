//! What a fleet counts together, opened once for the life of the process.

#[cfg(feature = "redis")]
mod redis;

use anyhow::Context as _;
use tokio::runtime::Handle;

use crate::config::Plan;
use crate::gate::limit::{Together, together};
use crate::ground::{SharedClock, SharedRandom};

/// `None`: this gateway counts for itself. Whether the server is there decides nothing about the start: without it each
/// gateway counts for itself until it comes.
pub fn open(
    plan: &Plan,
    clock: &SharedClock,
    random: &SharedRandom,
    control: &Handle,
) -> anyhow::Result<Option<Together>> {
    let Some(shared) = &plan.shared else { return Ok(None) };
    let counters = match shared.address.as_ref().context("the address of Redis was not read")? {
        #[cfg(feature = "redis")]
        address => {
            let settings = redis::settings(shared, address);
            crate::store::redis::open_redis(settings, clock.clone(), random.clone(), control)
        }
        #[cfg(not(feature = "redis"))]
        _ => {
            drop(random.clone());
            anyhow::bail!("this build knows no Redis: build it with the feature `redis`")
        }
    };
    Ok(Some(together(counters, shared.wait, clock.clone(), control)))
}

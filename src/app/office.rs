//! The store of a configuration, opened for an operator's command beside the gateway that may be running on it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::open::{authority, store};
use crate::authority::administration::Administration;
use crate::config::{self, Files, Plan, Problems};
use crate::ground::{SystemClock, SystemRandom};
use crate::store::SharedStore;

/// Why there is no office.
#[derive(Debug, thiserror::Error)]
pub enum OfficeFault {
    #[error("the configuration has problems")]
    Problems(Problems),
    /// The file is right and the world is not.
    #[error("{0:#}")]
    Fault(#[from] anyhow::Error),
}

/// What a command works with.
pub struct Office {
    pub plan: Plan,
    pub store: SharedStore,
    pub administration: Administration,
}

impl Office {
    /// Reads the file and opens its store; changes nothing in it.
    pub async fn open(file: &Path) -> Result<Self, OfficeFault> {
        let plan = config::load(file, &Files).map_err(OfficeFault::Problems)?;
        let planned = plan.authority.as_ref().context("the file has no `authority`: there is nothing to administer")?;
        let store = store::open(&plan).await?;
        let administration = Administration {
            settings: authority::settings(planned, &store, &SystemRandom).await?,
            sealer: Arc::new(authority::sealer(planned)?),
            password_rules: authority::password_rules(planned),
            audit: authority::audit(planned)?,
            store: Arc::clone(&store),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        };
        Ok(Self { plan, store, administration })
    }
}

//! The store of a plan.

use std::time::Duration;

use anyhow::Context as _;

use crate::config::Plan;
use crate::config::plan::Store;
use crate::store::SharedStore;

/// The first pause before another try, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Why a store is not open.
struct Closed {
    cause: anyhow::Error,
    /// Waiting could help.
    may_pass: bool,
}

/// Opens it, or says why not.
pub async fn open(plan: &Plan) -> anyhow::Result<SharedStore> {
    opened(plan).await.map_err(|closed| closed.cause)
}

/// The same for a gateway that starts: a database that is not there yet is waited for. `waiting` is told why, at each try.
pub async fn wait_for(plan: &Plan, waiting: impl Fn(&str)) -> anyhow::Result<SharedStore> {
    let mut pause = PAUSE.0;
    loop {
        match opened(plan).await {
            Ok(store) => return Ok(store),
            Err(closed) if closed.may_pass => {
                let cause = format!("{:#}", closed.cause);
                // Whoever reads the line may look at `/readyz` at once.
                waiting(&cause);
                tracing::warn!("the gateway does not serve yet, it waits for its store: {cause}");
            }
            Err(closed) => return Err(closed.cause),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Whatever a file is not there for stays so until somebody comes.
fn for_good(cause: anyhow::Error) -> Closed {
    Closed { cause, may_pass: false }
}

async fn opened(plan: &Plan) -> Result<SharedStore, Closed> {
    match &plan.store {
        #[cfg(feature = "sqlite")]
        Store::Sqlite(path) => {
            let opened = crate::store::open_sqlite(path);
            opened.with_context(|| format!("store {}", path.display())).map_err(for_good)
        }
        #[cfg(not(feature = "sqlite"))]
        Store::Sqlite(_) => {
            Err(for_good(anyhow::anyhow!("this build has no SQLite store: build it with the feature `sqlite`")))
        }
        #[cfg(feature = "postgres")]
        Store::Postgres(planned) => postgres::open(planned).await,
        #[cfg(not(feature = "postgres"))]
        Store::Postgres(_) => {
            Err(for_good(anyhow::anyhow!("this build has no PostgreSQL store: build it with the feature `postgres`")))
        }
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use anyhow::Context as _;

    use super::{Closed, for_good};
    use crate::config::plan::Postgres;
    use crate::store::SharedStore;
    use crate::store::postgres::{PostgresSettings, PostgresTls, open_postgres};

    pub(super) async fn open(planned: &Postgres) -> Result<SharedStore, Closed> {
        let url = planned.url.clone().context("the configuration was read without its secrets").map_err(for_good)?;
        let identity = planned.identity.as_ref().and_then(|pair| {
            let key = pair.key.as_ref()?.expose().as_bytes().to_vec();
            Some((pair.certificate.contents.clone(), key))
        });
        let ca = planned.ca.as_ref().map(|file| file.contents.clone());
        let settings = PostgresSettings {
            url,
            connections: planned.connections,
            deadline: planned.timeout,
            tls: planned.encrypted.then_some(PostgresTls { ca, identity }),
        };
        open_postgres(settings).await.map_err(|fault| {
            let may_pass = fault.may_pass;
            Closed { cause: anyhow::Error::from(fault).context(format!("store {}", planned.shown)), may_pass }
        })
    }
}

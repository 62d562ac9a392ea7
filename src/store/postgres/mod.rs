//! The store of a fleet: PostgreSQL, shared by any number of gateways.
//!
//! Acknowledged means committed. A verb is one transaction at READ COMMITTED that locks the rows it decides by, or one
//! statement that decides by itself; what cannot be locked because it is not there yet is made under a lock of our own
//! (`Session::alone`). Verbs run on the control plane with a deadline, however long the database takes.

mod clients;
mod column;
mod families;
mod fault;
mod grants;
mod health;
mod hosts;
mod keys;
mod listen;
mod migrate;
mod people;
mod reconcile;
mod revoke;
mod session;
mod sessions;
mod sweep;
#[cfg(test)]
pub(super) mod tests;
mod tls;
mod tokens;
mod users;
mod verb;
mod whole;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolConfig, RecyclingMethod, Runtime, Timeouts};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::{Config, Row};

use self::fault::Failure;
use self::hosts::Hosts;
use self::listen::Ear;
use self::verb::{Kind, Office, Work};
use super::{Act, News, SharedStore, Store, StoreFault, StoreStatus, Versions};
use crate::ground::{Secret, Time};

pub use self::tls::PostgresTls;

/// Acts that one gateway does at a time: bringing in the file, making keys, changing tables.
const FILE: i32 = 1;
const KEYS: i32 = 2;
const TABLES: i32 = 3;

/// How long tables may take to be brought up to date, another gateway's turn included.
const MIGRATION: Duration = Duration::from_secs(600);

/// How long a connection may take to be made, to whichever of the hosts.
const CONNECT: Duration = Duration::from_secs(3);

/// Where the database is, and how it is used.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:5432/database`.
    pub url: Secret,
    /// Connections at most, beside the one that listens. At least one.
    pub connections: usize,
    /// How long a verb may take, all its tries included.
    pub deadline: Duration,
    /// `None`: the connections are not encrypted.
    pub tls: Option<PostgresTls>,
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{fault}")]
pub struct OpenFault {
    pub fault: StoreFault,
    /// It may be other in a while without anybody's doing: the database is away, or starting.
    pub may_pass: bool,
}

/// Connects, and brings the tables up to date. Connections and verbs live on the runtime of the caller.
pub async fn open_postgres(settings: PostgresSettings) -> Result<SharedStore, OpenFault> {
    Ok(Arc::new(Postgres::open(settings).await?))
}

/// A pool of connections, and one that listens.
struct Postgres {
    office: Arc<Office>,
    told: watch::Receiver<u64>,
    hears: Arc<AtomicBool>,
    ear: JoinHandle<()>,
}

impl Postgres {
    async fn open(settings: PostgresSettings) -> Result<Self, OpenFault> {
        let broken = |cause: String| OpenFault { fault: StoreFault { act: "open", cause }, may_pass: false };
        let config = config(&settings).map_err(broken)?;
        let tls = tls::connector(settings.tls.as_ref()).map_err(broken)?;
        let hosts = Hosts { config, tls, within: CONNECT.min(settings.deadline) };
        let pool = pool(&settings, &hosts).map_err(broken)?;
        let office = Arc::new(Office::new(pool, settings.deadline, Handle::current()));
        let opening = office.once(Kind::Once, &(), |db, ()| Box::pin(migrate::up_to_date(db)));
        match tokio::time::timeout(MIGRATION, opening).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => {
                let may_pass = failure.may_pass();
                return Err(OpenFault { fault: failure.told("open"), may_pass });
            }
            Err(_) => {
                let cause = "its tables could not be brought up to date in ten minutes".to_owned();
                return Err(OpenFault { fault: StoreFault { act: "open", cause }, may_pass: true });
            }
        }
        let (tell, told) = watch::channel(0);
        let hears = Arc::new(AtomicBool::new(false));
        let ear = Ear { hosts, office: Arc::clone(&office), told: tell, hears: Arc::clone(&hears) };
        let ear = tokio::spawn(ear.listen());
        Ok(Self { office, told, hears, ear })
    }

    /// A verb that reads, or writes what may be written twice, in one statement.
    fn repeatable<I, T>(&self, act: &'static str, input: I, work: Work<I, T>) -> Act<'_, T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.office.run(Kind::Repeatable, act, input, work)
    }

    /// A verb that must not be carried out twice, or has several statements: a transaction.
    fn once<I, T>(&self, act: &'static str, input: I, work: Work<I, T>) -> Act<'_, T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.office.run(Kind::Once, act, input, work)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.ear.abort();
    }
}

impl Store for Postgres {
    fn versions(&self) -> Act<'_, Versions> {
        self.repeatable("read what has changed", (), |db, ()| {
            Box::pin(async move {
                let mut versions = Versions::default();
                for row in db.rows("SELECT subject, number FROM portcullis.version", &[]).await? {
                    note(&mut versions, &row)?;
                }
                Ok(versions)
            })
        })
    }

    fn sweep(&self, now: Time, most: usize) -> Act<'_, usize> {
        self.repeatable("forget what is over", (now, most), |db, (now, most)| Box::pin(sweep::sweep(db, *now, *most)))
    }

    fn ping(&self) -> Act<'_, ()> {
        self.repeatable("answer", (), |db, ()| {
            Box::pin(async move { db.one("SELECT count(*) FROM portcullis.version", &[]).await.map(drop) })
        })
    }

    fn news(&self) -> News {
        News::of(self.told.clone())
    }

    fn status(&self) -> StoreStatus {
        let pool = self.office.pool.status();
        StoreStatus {
            kind: "postgres",
            connections: Some((pool.size, pool.size.saturating_sub(pool.available), pool.max_size)),
            hears: Some(self.hears.load(Ordering::Relaxed)),
            faults: self.office.health.faults(),
        }
    }
}

fn note(versions: &mut Versions, row: &Row) -> Result<(), Failure> {
    let number: i64 = row.try_get("number")?;
    let number = u64::try_from(number).unwrap_or(0);
    match row.try_get("subject")? {
        "clients" => versions.clients = number,
        "keys" => versions.keys = number,
        "revocations" => versions.revocations = number,
        // A newer version's.
        _ => {}
    }
    Ok(())
}

/// What the connection string says, and what we add. The parser's own words may repeat a piece of the password.
fn config(settings: &PostgresSettings) -> Result<Config, String> {
    let parsed: Result<Config, _> = settings.url.expose().parse();
    let mut config = parsed.map_err(|_| {
        "the connection string cannot be read; write `postgres://user:password@host:5432/database`, with `%` and two \
         hexadecimal digits for each special character of the password"
            .to_owned()
    })?;
    if config.get_application_name().is_none() {
        config.application_name("portcullis");
    }
    config
        .ssl_mode(if settings.tls.is_some() { SslMode::Require } else { SslMode::Disable })
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .connect_timeout(CONNECT.min(settings.deadline))
        .keepalives_idle(Duration::from_secs(30))
        .keepalives_interval(Duration::from_secs(10))
        .keepalives_retries(3)
        .tcp_user_timeout(settings.deadline * 2);
    Ok(config)
}

fn pool(settings: &PostgresSettings, hosts: &Hosts) -> Result<Pool, String> {
    // A connection that broke is seen when it is taken, and costs no round trip to find out.
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let mut timeouts = PoolConfig::new(settings.connections);
    timeouts.timeouts =
        Timeouts { wait: Some(settings.deadline / 2), create: Some(hosts.within), recycle: Some(hosts.within) };
    Pool::builder(Manager::from_connect(hosts.config.clone(), hosts.clone(), manager))
        .config(timeouts)
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|cause| cause.to_string())
}

//! Starts the house and waits for signals.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::house::{House, log_format};
use super::rehearsal::tests;
use super::{notify, shutdown};
use crate::config::{self, Files, Problems};
use crate::observe::events;

/// What the command line and the environment decide.
#[derive(Clone, Debug)]
pub struct Options {
    pub file: PathBuf,
    /// Workers; one per core that the affinity mask allows when `None`.
    pub workers: Option<usize>,
    /// Standard output is a terminal.
    pub terminal: bool,
    /// It takes colour.
    pub color: bool,
    /// Filter for events: `info`, `portcullis=debug`.
    pub log_level: Option<String>,
}

/// Why the house did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunFault {
    #[error("the configuration has problems")]
    Problems(Problems),
    /// The file is right and the world is not.
    #[error("{0:#}")]
    Fault(#[from] anyhow::Error),
}

/// Runs until SIGTERM or SIGINT has been obeyed.
pub fn run(options: &Options) -> Result<(), RunFault> {
    let plan = config::load(&options.file, &Files).map_err(RunFault::Problems)?;
    tests::must_pass(&plan).map_err(|failed| anyhow::anyhow!("{failed}\n`portcullis test` says more"))?;
    // Dropped last, when nobody tells anything any more.
    let events =
        events::start(log_format(&plan, options), options.log_level.as_deref()).map_err(anyhow::Error::from)?;
    let control = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    let result = control.block_on(async {
        let house = House::open(options.clone(), plan, control.handle().clone(), &events).await?;
        let result = live(&house).await;
        shutdown::drain(house).await;
        result
    });
    control.shutdown_timeout(Duration::from_secs(2));
    result.map_err(RunFault::from)
}

/// Serves until it is told to end.
async fn live(house: &Arc<House>) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    house.announce();
    notify::ready();
    let pinging = notify::watchdog().map(|every| tokio::spawn(ping(Arc::downgrade(house), every)));
    loop {
        tokio::select! {
            // Signals that come while a reload runs make one more: the newest file ends up in force.
            _ = hangup.recv() => {
                notify::reloading();
                Arc::clone(house).reload().await;
                notify::ready();
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    let again = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    shutdown::give_notice(house, again).await;
    if let Some(task) = pinging {
        task.abort();
    }
    Ok(())
}

/// Tells systemd that we live, as long as every worker answers.
async fn ping(house: std::sync::Weak<House>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        let Some(house) = house.upgrade() else { return };
        if house.workers_answer().await {
            notify::alive();
        }
    }
}

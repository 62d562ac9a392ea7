//! Say so, stop accepting, drain, deadline.

use std::sync::Arc;
use std::time::Duration;

use super::house::House;
use super::notify;
use crate::ground::duration;
use crate::serve::Order;

/// How long the last lines of the access log may take: a reader that has stopped must not keep the process.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Readiness goes off first, and everything is served on for as long as the file says, so that load balancers look
/// elsewhere before connections are refused. `again`, a second signal, ends the wait.
pub async fn give_notice(house: &House, again: impl Future<Output = ()>) {
    notify::stopping();
    house.drain_begins();
    let notice = house.current.load().plan.shutdown.notice;
    if notice.is_zero() {
        return;
    }
    let span = duration::format(notice);
    tracing::info!("not ready from now on; connections are accepted for {span} more");
    tokio::select! {
        () = tokio::time::sleep(notice) => {}
        () = again => tracing::info!("told to end again: not waiting any longer"),
    }
}

/// Stops accepting; then every request in flight is finished, within the time that the file gives.
pub async fn drain(house: Arc<House>) {
    house.drain_begins();
    let bound = house.current.load().plan.shutdown.drain;
    tracing::info!("draining: no new connections, requests in flight are finished");
    house.order_all(|| Order::Drain(bound));
    let workers = house.take_workers();
    let log_ending = house.take_log_ending();
    let ended = tokio::task::spawn_blocking(move || {
        for worker in workers {
            if worker.join().is_err() {
                tracing::error!("a worker ended by panic");
            }
        }
        // The last writer goes with the house; then the log's thread has written everything and ends.
        drop(house);
        if log_ending.is_some_and(|ending| !ending.wait(LAST_LINES)) {
            tracing::warn!("the last lines of the access log are lost: nobody reads them");
        }
    });
    let _ = ended.await;
    tracing::info!("stopped");
}

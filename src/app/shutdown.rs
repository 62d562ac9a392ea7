//! Stop accepting, drain, deadline.

use std::sync::Arc;
use std::time::Duration;

use super::house::House;
use super::notify;
use crate::serve::Order;

/// How long requests may take to finish after SIGTERM. systemd's own limit is longer (`TimeoutStopSec` in the unit).
const DRAIN: Duration = Duration::from_secs(30);

/// Readiness off first, so that load balancers look elsewhere; then every request in flight is finished.
pub async fn drain(house: Arc<House>) {
    notify::stopping();
    house.drain_begins();
    tracing::info!("draining: no new connections, requests in flight are finished");
    house.order_all(|| Order::Drain(DRAIN));
    let workers = house.take_workers();
    let log_thread = house.take_log_thread();
    let ended = tokio::task::spawn_blocking(move || {
        for worker in workers {
            if worker.join().is_err() {
                tracing::error!("a worker ended by panic");
            }
        }
        // The last writer goes with the house; then the log's thread has written everything and ends.
        drop(house);
        if let Some(thread) = log_thread {
            let _ = thread.join();
        }
    });
    let _ = ended.await;
    tracing::info!("stopped");
}

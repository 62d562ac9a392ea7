//! `shutdown`: how the gateway ends.

use std::time::Duration;

use crate::config::place::At;

section! {
    /// How the gateway ends after `SIGTERM`. Whoever would kill it (systemd's `TimeoutStopSec`, Kubernetes'
    /// `terminationGracePeriodSeconds`) must wait for longer than both spans together.
    Shutdown ("`shutdown`") {
        /// How long it serves on while `/readyz` says 503 already, so that load balancers notice before connections are
        /// refused: as long as they take to notice, and two seconds. A second signal cuts it short. Default: none.
        notice: Option<At<Duration>>,
        /// How long requests in flight may take to finish after that; what is left is cut. Default: `30s`.
        drain: Option<At<Duration>>,
    }
    instead [
        delay: "the key is `notice`",
        timeout: "the key is `drain`",
        grace: "the key is `drain`"
    ]
}

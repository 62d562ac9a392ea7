//! What systemd is told (sd_notify(3)); nothing without it.

use std::time::Duration;

use sd_notify::NotifyState;

/// Serving.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Reading the configuration again. systemd wants the monotonic time of it, for `Type=notify-reload`.
pub fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// Not serving yet, and why. systemd gives it half a minute more each time (`TimeoutStartSec` does not end it).
pub fn waiting(why: &str) {
    tell(&[NotifyState::Status(why), NotifyState::ExtendTimeoutUsec(30_000_000)]);
}

/// Draining.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// All workers answer.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often `alive` is wanted: half of what systemd waits for.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|within| within / 2)
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(fault) = sd_notify::notify(state) {
        tracing::debug!(error = %fault, "systemd cannot be told");
    }
}

//! Events: what the gateway says about itself, apart from the access log.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::log::LogFormat;

/// Sends events to standard error, in the form of the access log. `level` is a filter such as `info` or
/// `portcullis=debug`; the default is `info`. Calling it again changes nothing.
pub fn start(format: LogFormat, level: Option<&str>) {
    let filter = EnvFilter::try_new(level.unwrap_or("info")).unwrap_or_else(|_| EnvFilter::new("info"));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let registry = tracing_subscriber::registry().with(filter);
    // A second start (in tests) finds a subscriber there: that one stays.
    let _ = match format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        LogFormat::People { color } => registry.with(layer.without_time().with_ansi(color)).try_init(),
        LogFormat::Off => registry.with(layer.with_ansi(false)).try_init(),
    };
}

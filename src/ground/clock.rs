//! What time it is. Handed in everywhere, so that tests turn the hands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Wall time: milliseconds since 1970-01-01T00:00:00Z. Tokens are judged by it; limits and timeouts never are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From a JWT `NumericDate` (RFC 7519 section 2), in whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    pub const fn millis(self) -> u64 {
        self.0
    }

    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }

    /// Later by `span`; stays at the end of time instead of wrapping.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Earlier by `span`; stays at zero instead of wrapping.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// As HTTP writes it, for example `Wed, 25 Nov 2026 21:29:10 GMT` (RFC 9110 section 5.6.7).
    pub fn http_date(self) -> String {
        let at = jiff::Timestamp::from_second(i64::try_from(self.secs()).unwrap_or(0)).unwrap_or_default();
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
    }

    /// How long after `earlier` this is; zero when it is not.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// Wall time, which may jump.
    fn now(&self) -> Time;
    /// Time that never goes backwards, for measuring spans.
    fn instant(&self) -> Instant;
}

pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[allow(clippy::disallowed_methods, reason = "the one place that may ask the machine for the time")]
impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// A clock for tests: stands still until turned, and both of its hands move together.
#[derive(Debug)]
pub struct ManualClock {
    start: Instant,
    wall: AtomicU64,
    passed: AtomicU64,
}

impl ManualClock {
    pub fn at(time: Time) -> Arc<Self> {
        Arc::new(Self { start: SystemClock.instant(), wall: AtomicU64::new(time.0), passed: AtomicU64::new(0) })
    }

    /// Lets `span` pass.
    pub fn advance(&self, span: Duration) {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.wall.fetch_add(millis, Ordering::SeqCst);
        self.passed.fetch_add(millis, Ordering::SeqCst);
    }

    /// Sets wall time alone, as a jumping system clock does.
    pub fn jump_to(&self, time: Time) {
        self.wall.store(time.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time(self.wall.load(Ordering::SeqCst))
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_millis(self.passed.load(Ordering::SeqCst))
    }
}

//! How much: rate limits, by the generic cell rate algorithm: here (governor), or together with the gateways of a fleet.
//!
//! State is shared by all workers and found by a hash of the key under a secret seed, so that no request allocates for it
//! and nobody can aim at another's bucket. Memory is bounded: entries that have fully recovered are swept, and when there
//! are too many all keys fall together into a fixed number of buckets, which only ever limits more.

use std::hash::BuildHasher as _;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};

mod all;
mod fleet;
mod keeper;
mod share;
mod terms;
mod who;

use all::value;
pub use all::{Limits, Standings};
use fleet::{Fleet, Step};
pub use fleet::{Mode, Together, WhenAway};
pub use keeper::together;
use who::Who;

use super::{Caller, Head, Refusal};
use crate::ground::{Digest, SharedClock};
use crate::store::counters::Bucket;

/// Keys of one limit before they begin to share buckets.
const MOST_KEYS: usize = 200_000;
/// Buckets they share then.
const SHARED_BUCKETS: u64 = 1 << 16;

pub const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How many in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    window: Duration,
}

impl Rate {
    /// Reads `100/s 10/m 1000/h`. The error says what is wrong in the user's words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let advice = "write a number and `/s`, `/m` or `/h`: `100/s`, `10/m`, `1000/h`";
        let (count, unit) = text.split_once('/').ok_or_else(|| format!("`{text}` is not a rate; {advice}"))?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(format!("`{unit}` is not a unit of a rate; {advice}")),
        };
        let count = count.parse::<u32>().map_err(|_| format!("`{text}` is not a rate; {advice}"))?;
        Self::new(count, Duration::from_secs(seconds))
    }

    /// How long so many units take to come, in whole seconds and rounded up.
    fn seconds_of(&self, units: u32) -> u64 {
        const SECOND: u64 = 1_000_000_000;
        let count = u64::from(self.count.get());
        let short = u64::try_from(self.window.as_nanos()).ok().and_then(|window| window.checked_mul(u64::from(units)));
        match short {
            Some(nanos) => (nanos / count).div_ceil(SECOND),
            // Too long for a number that a processor divides.
            None => {
                let nanos = self.window.as_nanos() * u128::from(units) / u128::from(count);
                u64::try_from(nanos.div_ceil(u128::from(SECOND))).unwrap_or(u64::MAX)
            }
        }
    }

    /// `count` in `window`; at most one per nanosecond.
    pub fn new(count: u32, window: Duration) -> Result<Self, String> {
        let count = NonZeroU32::new(count).ok_or("a rate of 0 lets nothing pass; take the route out instead")?;
        if window.as_nanos() < u128::from(count.get()) {
            return Err("the rate is faster than can be counted".to_owned());
        }
        Ok(Self { count, window })
    }
}

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Per {
    /// `client_id` of the token; the address of anonymous callers.
    Client,
    /// Issuer and `sub` of the token; the address of anonymous callers.
    Subject,
    /// The client's address; IPv6 by /64.
    Ip,
    /// The token itself; the address of anonymous callers.
    Token,
    /// The value of a header; its absence is a value too.
    Header(HeaderName),
    /// All requests of the route.
    Route,
}

impl std::fmt::Display for Per {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client => f.write_str("client"),
            Self::Subject => f.write_str("subject"),
            Self::Ip => f.write_str("ip"),
            Self::Token => f.write_str("token"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Route => f.write_str("route"),
        }
    }
}

impl Per {
    /// Reads `client subject ip token route header:NAME`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "client" => Ok(Self::Client),
            "subject" => Ok(Self::Subject),
            "ip" => Ok(Self::Ip),
            "token" => Ok(Self::Token),
            "route" => Ok(Self::Route),
            _ => match text.strip_prefix("header:").map(|name| HeaderName::try_from(name.to_ascii_lowercase())) {
                Some(Ok(name)) if name != AUTHORIZATION => Ok(Self::Header(name)),
                Some(Ok(_)) => Err("count by `token` instead of by the Authorization header".to_owned()),
                _ => Err(format!(
                    "`{text}` cannot be counted by; choose `client`, `subject`, `ip`, `token`, `route` or `header:NAME`"
                )),
            },
        }
    }

    /// Whether it needs no token: then it is taken before the token is looked at, so that a flood of bad tokens is
    /// limited too.
    fn before_token(&self) -> bool {
        match self {
            Self::Ip | Self::Header(_) | Self::Route => true,
            Self::Client | Self::Subject | Self::Token => false,
        }
    }
}

/// One limit of one route.
pub struct Limit {
    name: Arc<str>,
    rate: Rate,
    burst: NonZeroU32,
    per: Per,
    /// What it would refuse is noted and passes.
    only_observes: bool,
    policy: HeaderValue,
    count: Count,
}

/// Who counts.
#[derive(Clone)]
enum Count {
    Here(Arc<State>),
    Together(Arc<Fleet>),
}

struct State {
    limiter: Limiter,
    seed: foldhash::quality::RandomState,
    full: AtomicBool,
}

type Limiter = RateLimiter<u64, DashMapStateStore<u64>, Monotonic, StateInformationMiddleware>;

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// `left` after it.
    Passed { left: u32 },
    /// `wait` until there is a unit again.
    Refused { wait: Duration },
    /// It cannot be counted.
    Unknown,
}

/// What is left of a limit after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub remaining: u32,
    /// Seconds until the bucket is full again.
    pub reset: u64,
}

impl Limit {
    /// `burst` is the size of the bucket.
    pub fn new(name: &str, rate: Rate, burst: u32, per: Per, clock: SharedClock) -> Result<Self, String> {
        let burst = NonZeroU32::new(burst).ok_or("a burst of 0 lets nothing pass; the least is 1")?;
        let period = rate.window / rate.count.get();
        let quota = Quota::with_period(period).ok_or("the rate is faster than can be counted")?.allow_burst(burst);
        let policy = format!("\"{name}\";q={burst};w={}", rate.window.as_secs().max(1));
        let policy = HeaderValue::try_from(policy).map_err(|_| format!("`{name}` cannot stand in a header"))?;
        let limiter: Limiter = RateLimiter::new(quota, DashMapStateStore::default(), Monotonic::new(clock));
        let state = State { limiter, seed: foldhash::quality::RandomState::default(), full: AtomicBool::new(false) };
        Ok(Self {
            name: name.into(),
            rate,
            burst,
            per,
            only_observes: false,
            policy,
            count: Count::Here(Arc::new(state)),
        })
    }

    /// Counts together with the gateways of a fleet that have the same limit on the same route.
    #[must_use]
    pub fn together(mut self, route: &str, mode: Mode, together: Together) -> Self {
        let each = self.rate.window.as_nanos() / u128::from(self.rate.count.get());
        let what = format!("{route}\0{}\0{}\0{each}\0{}", self.name, self.per, self.burst);
        let key = Digest::of(what.as_bytes());
        let each = u64::try_from(each).unwrap_or(u64::MAX);
        let bucket = Bucket { key, each, burst: self.burst.get() };
        self.count = Count::Together(Arc::new(Fleet::new(together, mode, bucket)));
        self
    }

    /// Counts, and refuses nobody.
    #[must_use]
    pub fn observing(mut self, only_observes: bool) -> Self {
        self.only_observes = only_observes;
        self
    }

    /// Goes on counting where `old` stood, as long as the limit is unchanged.
    pub fn resume(mut self, old: &Self) -> Self {
        let same = self.name == old.name && self.rate == old.rate && self.burst == old.burst && self.per == old.per;
        if same && self.mode() == old.mode() {
            self.count = old.count.clone();
        }
        self
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// As people read it: `100/s per client, burst 200`.
    pub fn text(&self) -> String {
        let unit = match self.rate.window.as_secs() {
            1 => "s".to_owned(),
            60 => "m".to_owned(),
            3600 => "h".to_owned(),
            _ => crate::ground::duration::format(self.rate.window),
        };
        let watched = if self.only_observes { ", only observed" } else { "" };
        let shared = match self.mode() {
            None => "",
            Some(Mode::Lease) => ", shared",
            Some(Mode::Exact(_)) => ", shared exactly",
        };
        format!("{}/{unit} per {}, burst {}{shared}{watched}", self.rate.count, self.per, self.burst)
    }

    /// How a fleet counts it; `None`: each gateway for itself.
    pub fn mode(&self) -> Option<Mode> {
        match &self.count {
            Count::Here(_) => None,
            Count::Together(fleet) => Some(fleet.mode()),
        }
    }

    /// Whether it is taken before the token is looked at.
    pub fn is_early(&self) -> bool {
        self.per.before_token()
    }

    /// Callers being counted.
    pub fn keys(&self) -> usize {
        match &self.count {
            Count::Here(state) => state.limiter.len(),
            Count::Together(fleet) => fleet.keys(),
        }
    }

    /// Forgets who has fully recovered. Called every second, off the request path.
    pub fn sweep(&self) {
        match &self.count {
            Count::Here(state) => state.sweep(),
            Count::Together(fleet) => fleet.sweep(),
        }
    }

    /// Takes one request from the bucket of this caller.
    fn take(&self, head: &Head<'_>, caller: &Caller) -> Step {
        let who = Who::of(&self.per, head, caller);
        match &self.count {
            Count::Here(state) => Step::Done(state.take(&who)),
            Count::Together(fleet) => fleet.take(&who),
        }
    }

    /// What a verdict means for the request.
    fn judged(&self, verdict: Verdict) -> Result<Standing, Refusal> {
        match verdict {
            Verdict::Passed { left } => Ok(self.standing(left)),
            Verdict::Refused { wait } => Err(Refusal::RateLimited {
                limit: Arc::clone(&self.name),
                retry_after: wait,
                policy: self.policy.clone(),
                state: value(&self.name, self.standing(0)),
            }),
            Verdict::Unknown => Err(Refusal::LimitUnavailable { limit: Arc::clone(&self.name) }),
        }
    }

    fn standing(&self, remaining: u32) -> Standing {
        let used = self.burst.get().saturating_sub(remaining);
        Standing { remaining, reset: self.rate.seconds_of(used) }
    }
}

impl State {
    fn take(&self, who: &Who<'_>) -> Verdict {
        let mut key = self.seed.hash_one(who);
        if self.full.load(Ordering::Relaxed) {
            key %= SHARED_BUCKETS;
        }
        match self.limiter.check_key(&key) {
            Ok(snapshot) => Verdict::Passed { left: snapshot.remaining_burst_capacity() },
            Err(refused) => Verdict::Refused { wait: refused.wait_time_from(self.limiter.clock().now_nanos()) },
        }
    }

    fn sweep(&self) {
        self.limiter.retain_recent();
        self.full.store(self.limiter.len() > MOST_KEYS, Ordering::Relaxed);
    }
}

/// Monotonic time for governor, from the clock that is handed in.
#[derive(Clone)]
struct Monotonic {
    clock: SharedClock,
    start: Instant,
}

impl Monotonic {
    fn new(clock: SharedClock) -> Self {
        Self { start: clock.instant(), clock }
    }

    fn now_nanos(&self) -> Nanos {
        self.clock.instant().saturating_duration_since(self.start).into()
    }
}

impl std::fmt::Debug for Monotonic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Monotonic")
    }
}

impl governor::clock::Clock for Monotonic {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.now_nanos()
    }
}

#[cfg(test)]
mod tests;

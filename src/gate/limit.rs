//! How much: rate limits, by the generic cell rate algorithm (governor).
//!
//! State is shared by all workers and found by a hash of the key under a secret seed, so that no request allocates for it
//! and nobody can aim at another's bucket. Memory is bounded: entries that have fully recovered are swept, and when there
//! are too many all keys fall together into a fixed number of buckets, which only ever limits more.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;
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

use all::value;
pub use all::{Limits, Standings};

use super::{Caller, Head, Refusal};
use crate::ground::SharedClock;

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
    state: Arc<State>,
}

struct State {
    limiter: Limiter,
    seed: foldhash::quality::RandomState,
    full: AtomicBool,
}

type Limiter = RateLimiter<u64, DashMapStateStore<u64>, Monotonic, StateInformationMiddleware>;

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
        Ok(Self { name: name.into(), rate, burst, per, only_observes: false, policy, state: Arc::new(state) })
    }

    /// Counts, and refuses nobody.
    #[must_use]
    pub fn observing(mut self, only_observes: bool) -> Self {
        self.only_observes = only_observes;
        self
    }

    /// Goes on counting where `old` stood, as long as the limit is unchanged.
    pub fn resume(mut self, old: &Self) -> Self {
        if self.name == old.name && self.rate == old.rate && self.burst == old.burst && self.per == old.per {
            self.state = Arc::clone(&old.state);
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
        format!("{}/{unit} per {}, burst {}{watched}", self.rate.count, self.per, self.burst)
    }

    /// Whether it is taken before the token is looked at.
    pub fn is_early(&self) -> bool {
        self.per.before_token()
    }

    /// Callers being counted.
    pub fn keys(&self) -> usize {
        self.state.limiter.len()
    }

    /// Forgets who has fully recovered. Called every second, off the request path.
    pub fn sweep(&self) {
        self.state.limiter.retain_recent();
        self.state.full.store(self.state.limiter.len() > MOST_KEYS, Ordering::Relaxed);
    }

    /// Takes one request from the bucket of this caller.
    fn take(&self, head: &Head<'_>, caller: &Caller) -> Result<Standing, Refusal> {
        let mut key = self.key(head, caller);
        if self.state.full.load(Ordering::Relaxed) {
            key %= SHARED_BUCKETS;
        }
        match self.state.limiter.check_key(&key) {
            Ok(snapshot) => Ok(self.standing(snapshot.remaining_burst_capacity())),
            Err(refused) => {
                let wait = refused.wait_time_from(self.state.limiter.clock().now_nanos());
                let state = self.standing(0);
                Err(Refusal::RateLimited {
                    limit: Arc::clone(&self.name),
                    retry_after: wait,
                    policy: self.policy.clone(),
                    state: value(&self.name, state),
                })
            }
        }
    }

    fn standing(&self, remaining: u32) -> Standing {
        let used = u128::from(self.burst.get().saturating_sub(remaining));
        let nanos = self.rate.window.as_nanos() * used / u128::from(self.rate.count.get());
        Standing { remaining, reset: u64::try_from(nanos.div_ceil(1_000_000_000)).unwrap_or(u64::MAX) }
    }

    fn key(&self, head: &Head<'_>, caller: &Caller) -> u64 {
        let mut hasher = self.state.seed.build_hasher();
        let claims = caller.claims();
        match &self.per {
            Per::Route => {}
            Per::Ip => network(head.client).hash(&mut hasher),
            Per::Header(name) => head.headers.all(name).for_each(|value| value.hash(&mut hasher)),
            Per::Client => match claims.and_then(|claims| Some((&claims.issuer, claims.client.as_ref()?))) {
                Some(client) => client.hash(&mut hasher),
                None => network(head.client).hash(&mut hasher),
            },
            Per::Subject => match claims.and_then(|claims| Some((&claims.issuer, claims.subject.as_ref()?))) {
                Some(subject) => subject.hash(&mut hasher),
                None => network(head.client).hash(&mut hasher),
            },
            Per::Token => match claims {
                Some(claims) => claims.digest.hash(&mut hasher),
                None => network(head.client).hash(&mut hasher),
            },
        }
        hasher.finish()
    }
}

/// The part of an address that stands for one customer: all of IPv4, the /64 of IPv6.
fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6) >> 64 << 64 | 1,
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

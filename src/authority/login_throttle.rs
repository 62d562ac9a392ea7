//! How often may passwords be guessed? By account, by source and by both together.
//!
//! A stranger who hammers an account makes strangers wait, and not its owner: a browser that the account knows has a budget
//! of its own. Each wrong attempt doubles the wait, and time takes it back. Attempts are paid for before they are looked at,
//! so that guesses at the same moment all count; right ones are paid back.
//!
//! Where gateways share counters, guesses are counted there as well, so that nobody has a fresh start on each of them. While
//! nobody answers there, what is counted here holds.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;

use crate::ground::Digest;
use crate::store::SharedCounters;
use crate::store::counters::Guess;

/// Wrong attempts that cost nothing.
const FREE: u32 = 5;
/// The same for a source as a whole: many people sit behind one address.
const FREE_OF_SOURCE: u32 = 50;
/// The same for an account as a whole, from everywhere.
const FREE_OF_ACCOUNT: u32 = 25;
/// Of a second factor.
const FREE_OF_CODE: u32 = 5;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// After so long without a wrong attempt one is forgotten.
const FORGET: Duration = Duration::from_secs(5 * 60);
/// Budgets remembered; about 20 MB.
const MOST: u64 = 100_000;

/// Who tries to log in, and where.
#[derive(Clone, Copy)]
pub struct Attempting {
    /// Digest of the folded name, whether or not there is such a user.
    pub account: Digest,
    pub source: IpAddr,
    /// The mark of a browser that the account knows.
    pub device: Option<[u8; 32]>,
}

/// Budgets of everybody who tried lately.
pub struct LoginThrottle {
    budgets: Cache<Key, Arc<Mutex<Budget>>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Pair(Digest, IpAddr),
    Account(Digest),
    Source(IpAddr),
    Device(Digest, [u8; 32]),
    Code(Digest),
}

impl Key {
    /// The same on every gateway.
    fn digest(self) -> Digest {
        let source = |source: IpAddr| match source {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        };
        let parts = match &self {
            Self::Pair(account, from) => [b"pair", account.as_bytes().as_slice(), &source(*from)].concat(),
            Self::Account(account) => [b"account", account.as_bytes().as_slice()].concat(),
            Self::Source(from) => [b"source", source(*from).as_slice()].concat(),
            Self::Device(account, device) => [b"device", account.as_bytes().as_slice(), device].concat(),
            Self::Code(user) => [b"code", user.as_bytes().as_slice()].concat(),
        };
        Digest::of(&parts)
    }
}

#[derive(Default)]
struct Budget {
    wrong: u32,
    last: Option<Instant>,
}

/// An attempt that has been paid for in all its budgets.
pub struct LoginAttempt {
    paid: Vec<Arc<Mutex<Budget>>>,
    /// What was paid for with all gateways, and where.
    together: Option<(SharedCounters, Vec<Digest>)>,
}

impl Default for LoginThrottle {
    fn default() -> Self {
        let budgets = Cache::builder()
            .max_capacity(MOST)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(Duration::from_secs(24 * 3600))
            .build();
        Self { budgets }
    }
}

impl LoginThrottle {
    /// Pays for one attempt, or says how long to wait.
    pub async fn begin(
        &self,
        attempting: &Attempting,
        now: Instant,
        counters: Option<&SharedCounters>,
    ) -> Result<LoginAttempt, Duration> {
        let Attempting { account, source, device } = *attempting;
        let source = network(source);
        match device {
            Some(device) => self.pay(&[(Key::Device(account, device), FREE)], now, counters).await,
            None => {
                let keys = [
                    (Key::Pair(account, source), FREE),
                    (Key::Account(account), FREE_OF_ACCOUNT),
                    (Key::Source(source), FREE_OF_SOURCE),
                ];
                self.pay(&keys, now, counters).await
            }
        }
    }

    /// The same for a code of the second factor, by user alone: the password was right already.
    pub async fn begin_code(
        &self,
        user: Digest,
        now: Instant,
        counters: Option<&SharedCounters>,
    ) -> Result<LoginAttempt, Duration> {
        self.pay(&[(Key::Code(user), FREE_OF_CODE)], now, counters).await
    }

    async fn pay(
        &self,
        keys: &[(Key, u32)],
        now: Instant,
        counters: Option<&SharedCounters>,
    ) -> Result<LoginAttempt, Duration> {
        let mut attempt = LoginAttempt { paid: Vec::new(), together: None };
        for (key, free) in keys {
            let budget = self.budgets.get_with(*key, Arc::default);
            let paid = budget.lock().pay(*free, now);
            if let Err(wait) = paid {
                attempt.right().await;
                return Err(wait);
            }
            attempt.paid.push(budget);
        }
        if let Some(counters) = counters
            && let Err(wait) = attempt.pay_together(keys, counters).await
        {
            attempt.right().await;
            return Err(wait);
        }
        Ok(attempt)
    }
}

impl LoginAttempt {
    /// Pays back: it was right, or was never looked at.
    pub async fn right(self) {
        for budget in &self.paid {
            let mut budget = budget.lock();
            budget.wrong = budget.wrong.saturating_sub(1);
        }
        if let Some((counters, keys)) = self.together {
            for key in keys {
                // Not taken back is one wrong guess too many, and time forgets it.
                let _ = counters.pay_back(key).await;
            }
        }
    }

    async fn pay_together(&mut self, keys: &[(Key, u32)], counters: &SharedCounters) -> Result<(), Duration> {
        let (_, paid) = self.together.insert((Arc::clone(counters), Vec::new()));
        for (key, free) in keys {
            let key = key.digest();
            match counters.pay(Guess { key, free: *free, longest: LONGEST, forget: FORGET }).await {
                Ok(Ok(())) => paid.push(key),
                Ok(Err(wait)) => return Err(wait),
                Err(fault) => {
                    tracing::debug!("guesses are counted by this gateway alone: {fault}");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// What was paid stays paid.
    pub fn wrong(self) {}
}

impl Budget {
    fn pay(&mut self, free: u32, now: Instant) -> Result<(), Duration> {
        if let Some(last) = self.last {
            let passed = now.saturating_duration_since(last);
            let forgotten = u32::try_from(passed.as_secs() / FORGET.as_secs()).unwrap_or(u32::MAX);
            if forgotten > 0 {
                self.wrong = self.wrong.saturating_sub(forgotten);
                self.last = Some(now);
            } else if let Some(over) = self.wrong.checked_sub(free) {
                let wait = Duration::from_secs(1 << over.min(10)).min(LONGEST);
                if passed < wait {
                    return Err(wait - passed);
                }
            }
        }
        self.wrong = self.wrong.saturating_add(1);
        self.last = Some(now);
        Ok(())
    }
}

/// One IPv6 subscriber has a /64.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

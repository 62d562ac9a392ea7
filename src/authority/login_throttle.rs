//! How often may passwords be guessed? By account, by source and by both together.
//!
//! A stranger who hammers an account makes strangers wait, and not its owner: a browser that the account knows has a budget
//! of its own. Each wrong attempt doubles the wait, and time takes it back. Attempts are paid for before they are looked at,
//! so that guesses at the same moment all count; right ones are paid back.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use parking_lot::Mutex;

use crate::ground::Digest;

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

#[derive(Default)]
struct Budget {
    wrong: u32,
    last: Option<Instant>,
}

/// An attempt that has been paid for in all its budgets.
pub struct LoginAttempt {
    paid: Vec<Arc<Mutex<Budget>>>,
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
    pub fn begin(&self, attempting: &Attempting, now: Instant) -> Result<LoginAttempt, Duration> {
        let Attempting { account, source, device } = *attempting;
        let source = network(source);
        match device {
            Some(device) => self.pay(&[(Key::Device(account, device), FREE)], now),
            None => self.pay(
                &[
                    (Key::Pair(account, source), FREE),
                    (Key::Account(account), FREE_OF_ACCOUNT),
                    (Key::Source(source), FREE_OF_SOURCE),
                ],
                now,
            ),
        }
    }

    /// The same for a code of the second factor, by user alone: the password was right already.
    pub fn begin_code(&self, user: Digest, now: Instant) -> Result<LoginAttempt, Duration> {
        self.pay(&[(Key::Code(user), FREE_OF_CODE)], now)
    }

    fn pay(&self, keys: &[(Key, u32)], now: Instant) -> Result<LoginAttempt, Duration> {
        let mut attempt = LoginAttempt { paid: Vec::new() };
        for (key, free) in keys {
            let budget = self.budgets.get_with(*key, Arc::default);
            let paid = budget.lock().pay(*free, now);
            if let Err(wait) = paid {
                attempt.right();
                return Err(wait);
            }
            attempt.paid.push(budget);
        }
        Ok(attempt)
    }
}

impl LoginAttempt {
    /// Pays back: it was right, or was never looked at.
    pub fn right(self) {
        for budget in &self.paid {
            let mut budget = budget.lock();
            budget.wrong = budget.wrong.saturating_sub(1);
        }
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

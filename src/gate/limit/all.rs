//! All limits of one route, and what is left of them for a caller.

use bytes::BufMut;
use http::HeaderValue;

use super::{Limit, RATELIMIT, RATELIMIT_POLICY, Standing, Step};
use crate::gate::{Caller, Head, Refusal};
use crate::ground::Fields;

/// All limits of one route.
#[derive(Default)]
pub struct Limits {
    all: Vec<Limit>,
    /// `RateLimit-Policy`, ready made.
    policy: Option<Fields>,
}

/// What is left of a route's limits after a request; of the first few, which is what there are.
#[derive(Clone, Debug, Default)]
pub struct Standings([Option<Standing>; 4]);

impl Standings {
    /// In the order of the route's limits.
    pub fn iter(&self) -> impl Iterator<Item = Option<Standing>> {
        self.0.iter().copied()
    }
}

impl Limits {
    pub fn new(all: Vec<Limit>) -> Self {
        let policies: Vec<&str> = all.iter().filter_map(|limit| limit.policy.to_str().ok()).collect();
        let policy = (!policies.is_empty()).then(|| {
            let mut line = Fields::new();
            line.append(&RATELIMIT_POLICY, policies.join(", "));
            line
        });
        Self { all, policy }
    }

    /// Each limit goes on where the one of the same name stood.
    pub fn resume(self, old: &Self) -> Self {
        let resume = |limit: Limit| match old.all.iter().find(|old| old.name == limit.name) {
            Some(old) => limit.resume(old),
            None => limit,
        };
        Self { all: self.all.into_iter().map(resume).collect(), policy: self.policy }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Limit> {
        self.all.iter()
    }

    /// Those that need no token. What a limit that only observes would refuse is put into `observed`.
    pub async fn take_early(
        &self,
        head: &Head<'_>,
        standings: &mut Standings,
        observed: &mut Option<Refusal>,
    ) -> Result<(), Refusal> {
        self.take(head, None, standings, observed).await
    }

    /// Those that count by who calls.
    pub async fn take_late(
        &self,
        head: &Head<'_>,
        caller: &Caller,
        standings: &mut Standings,
        observed: &mut Option<Refusal>,
    ) -> Result<(), Refusal> {
        self.take(head, Some(caller), standings, observed).await
    }

    /// Waits only where a limit of a fleet has to be asked about.
    async fn take(
        &self,
        head: &Head<'_>,
        caller: Option<&Caller>,
        standings: &mut Standings,
        observed: &mut Option<Refusal>,
    ) -> Result<(), Refusal> {
        let early = caller.is_none();
        let caller = caller.unwrap_or(&Caller::Anonymous);
        for (index, limit) in self.all.iter().enumerate() {
            if limit.per.before_token() == early {
                let verdict = match limit.take(head, caller) {
                    Step::Done(verdict) => verdict,
                    Step::Wait(asking) => asking.await,
                };
                let taken = limit.judged(verdict);
                if let Some(place) = standings.0.get_mut(index) {
                    *place = Some(taken.as_ref().map_or_else(|_| limit.standing(0), |standing| *standing));
                }
                match taken {
                    Err(refusal) if limit.only_observes => drop(observed.get_or_insert(refusal)),
                    Err(refusal) => return Err(refusal),
                    Ok(_) => {}
                }
            }
        }
        Ok(())
    }

    /// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers) on an answer of this route.
    pub fn tell(&self, standings: &Standings, headers: &mut Fields) {
        let Some(policy) = &self.policy else { return };
        headers.remove(&RATELIMIT_POLICY);
        headers.remove(&RATELIMIT);
        headers.append_all(policy);
        let all = self.all.iter().zip(&standings.0);
        let mut all = all.filter_map(|(limit, standing)| Some((&*limit.name, (*standing)?)));
        let Some((first, standing)) = all.next() else { return };
        headers.append_with(&RATELIMIT, 64, |text| {
            push(text, first, standing);
            for (name, standing) in all {
                text.put_slice(b", ");
                push(text, name, standing);
            }
        });
    }
}

/// `RateLimit` of one limit.
fn push(text: &mut impl BufMut, name: &str, standing: Standing) {
    // Joined by hand: this is said with each answer.
    let mut number = itoa::Buffer::new();
    text.put_slice(b"\"");
    text.put_slice(name.as_bytes());
    text.put_slice(b"\";r=");
    text.put_slice(number.format(standing.remaining).as_bytes());
    text.put_slice(b";t=");
    text.put_slice(number.format(standing.reset).as_bytes());
}

/// The same for a refusal.
pub(super) fn value(name: &str, standing: Standing) -> HeaderValue {
    let mut text = Vec::with_capacity(64);
    push(&mut text, name, standing);
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

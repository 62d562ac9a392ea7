//! What this worker has decided lately, kept for whoever asks "why?" afterwards.
//!
//! Bounded, and without a lock: each worker keeps its own and is asked by an order. Refusals are kept by reason, so that a
//! flood of one kind crowds out neither another kind nor what passed; of what passed, a sample by time. No token, cookie or
//! body is ever part of it.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::gate::limit::Standings;
use crate::gate::{Identity, Refusal};
use crate::ground::Time;
use crate::observe::record::TokenUse;
use crate::observe::{Reason, Record};
use crate::token::unproved::Unproved;

/// Refusals kept of each reason.
const OF_EACH_REASON: usize = 128;
/// In a flood of one reason, at most one is kept in this time; 128 may come at once.
const REFUSED_EVERY: Duration = Duration::from_millis(1);
/// Requests kept that passed.
const PASSED: usize = 1024;
/// At most one request that passed is kept in this time; 16 may come at once.
const PASSED_EVERY: Duration = Duration::from_millis(5);
const PASSED_AT_ONCE: u32 = 16;
/// Longest host and path kept, in bytes; a path can be 8 KiB long.
const LONGEST: usize = 512;

/// What the walk of one request found out, beside its record.
#[derive(Clone, Default)]
pub struct Facts {
    /// Of the configuration that judged it.
    pub generation: u64,
    pub refusal: Option<Refusal>,
    /// What would have been refused and was only watched.
    pub observed: Option<Refusal>,
    /// What a token that is not good says of itself.
    pub unproved: Option<Unproved>,
    pub standings: Standings,
    /// A browser's question before a request (CORS).
    pub preflight: bool,
}

/// All that is written down about one request. In one place of its own, because it goes from hand to hand.
pub struct Entry {
    pub record: Record,
    pub facts: Facts,
    /// Who asked, as verified; counted by this worker alone.
    pub caller: Option<Rc<Identity>>,
}

/// One decided request.
struct Decision {
    entry: Box<Entry>,
    duration: Duration,
}

/// One decided request as it is told to other threads.
#[derive(Clone)]
pub struct Account {
    pub request_id: Arc<str>,
    pub at: Time,
    pub duration: Duration,
    pub method: http::Method,
    pub host: String,
    pub path: String,
    pub version: &'static str,
    pub client: std::net::IpAddr,
    pub tls: bool,
    /// Name of the route; `-` for none.
    pub route: Option<Arc<str>>,
    pub status: u16,
    pub reason: Option<Reason>,
    pub detail: Option<String>,
    pub token: TokenUse,
    pub upstream: Option<Arc<str>>,
    pub server: Option<Arc<str>>,
    pub upstream_time: Option<Duration>,
    pub retries: u8,
    pub facts: Facts,
    pub caller: Option<Arc<Identity>>,
}

/// Which decisions are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub request_id: Option<String>,
    pub reason: Option<Reason>,
    pub route: Option<String>,
    /// Only what was refused, or would have been.
    pub refused: bool,
}

/// What one worker remembers.
pub struct Decisions {
    /// By `Reason::index`.
    refused: Vec<Ring>,
    passed: Ring,
}

/// Decisions of one kind: the newest, as far as they do not come too fast.
struct Ring {
    kept: VecDeque<Decision>,
    most: usize,
    every: Duration,
    at_once: u32,
    /// When the next one may be kept, if `at_once` of them were at once: the generic cell rate algorithm.
    due: Option<Instant>,
}

impl Ring {
    fn new(most: usize, every: Duration, at_once: u32) -> Self {
        Self { kept: VecDeque::new(), most, every, at_once, due: None }
    }

    /// Whether there is room in time for one more.
    fn takes(&mut self, now: Instant) -> bool {
        let due = self.due.map_or(now, |due| due.max(now));
        if due.saturating_duration_since(now) >= self.every * self.at_once {
            return false;
        }
        self.due = Some(due + self.every);
        true
    }
}

impl Default for Decisions {
    fn default() -> Self {
        Self { refused: Vec::new(), passed: Ring::new(PASSED, PASSED_EVERY, PASSED_AT_ONCE) }
    }
}

impl Decisions {
    /// Keeps what `entry` says, if it is to be kept. The place of the oldest is taken over, memory and all.
    pub fn keep(&mut self, entry: &mut Box<Entry>, duration: Duration) {
        let Entry { record, facts, .. } = &**entry;
        let ring = match record.refusal.or_else(|| facts.observed.as_ref().map(Refusal::reason)) {
            Some(reason) => {
                if self.refused.is_empty() {
                    let at_once = u32::try_from(OF_EACH_REASON).unwrap_or(u32::MAX);
                    self.refused.resize_with(Reason::ALL.len(), || Ring::new(OF_EACH_REASON, REFUSED_EVERY, at_once));
                }
                let Some(ring) = self.refused.get_mut(reason.index()) else { return };
                ring
            }
            None => &mut self.passed,
        };
        if !ring.takes(record.started) {
            return;
        }
        let oldest = if ring.kept.len() >= ring.most { ring.kept.pop_front() } else { None };
        let new = || Box::new(Entry { record: record.spare(), facts: Facts::default(), caller: None });
        let spare = oldest.map_or_else(new, |oldest| oldest.entry);
        let mut entry = std::mem::replace(entry, spare);
        for text in [&mut entry.record.host, &mut entry.record.path] {
            if text.len() > LONGEST {
                text.truncate(text.floor_char_boundary(LONGEST));
                text.push('…');
                text.shrink_to_fit();
            }
        }
        ring.kept.push_back(Decision { entry, duration });
    }

    /// Those that are wanted, the newest first, at most this many.
    pub fn told(&self, wanted: &Wanted, most: usize) -> Vec<Account> {
        let passed = if wanted.refused || wanted.reason.is_some() { None } else { Some(&self.passed) };
        let all = self.refused.iter().chain(passed).flat_map(|ring| ring.kept.iter());
        let mut found: Vec<&Decision> = all.filter(|decision| decision.is(wanted)).collect();
        found.sort_by_key(|decision| std::cmp::Reverse(decision.entry.record.started));
        found.into_iter().take(most).map(Decision::account).collect()
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.refused.iter().chain([&self.passed]).map(|ring| ring.kept.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Decision {
    fn is(&self, wanted: &Wanted) -> bool {
        let Entry { record, facts, .. } = &*self.entry;
        let reason = record.refusal.or_else(|| facts.observed.as_ref().map(Refusal::reason));
        wanted.request_id.as_ref().is_none_or(|id| **id == *record.request_id)
            && wanted.reason.is_none_or(|reason_wanted| reason == Some(reason_wanted))
            && wanted.route.as_ref().is_none_or(|name| record.route.as_ref().is_some_and(|route| *route.name == **name))
    }

    fn account(&self) -> Account {
        let Entry { record, facts, caller } = &*self.entry;
        Account {
            request_id: (*record.request_id).into(),
            at: record.at,
            duration: self.duration,
            method: record.method.clone(),
            host: record.host.clone(),
            path: record.path.clone(),
            version: record.version,
            client: record.client,
            tls: record.tls,
            route: record.route.as_ref().map(|route| Arc::clone(&route.name)),
            status: record.status,
            reason: record.refusal,
            detail: record.detail.clone(),
            token: record.token,
            upstream: record.upstream.as_ref().map(|upstream| Arc::clone(&upstream.name)),
            server: record.server.clone(),
            upstream_time: record.upstream_time,
            retries: record.retries,
            facts: facts.clone(),
            caller: caller.as_deref().cloned().map(Arc::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::record::tests::record;

    fn entry() -> Box<Entry> {
        Box::new(Entry { record: record(), facts: Facts::default(), caller: None })
    }

    fn keep(decisions: &mut Decisions, reason: Option<Reason>, number: u64) {
        let mut entry = entry();
        entry.record.request_id = number.to_string().into();
        entry.record.refusal = reason;
        entry.record.started += Duration::from_millis(number);
        decisions.keep(&mut entry, Duration::ZERO);
    }

    fn ids(decisions: &Decisions, wanted: &Wanted) -> Vec<String> {
        decisions.told(wanted, usize::MAX).iter().map(|account| account.request_id.to_string()).collect()
    }

    #[test]
    fn a_flood_of_one_kind_crowds_out_no_other() {
        let mut decisions = Decisions::default();
        keep(&mut decisions, Some(Reason::ScopeMissing), 1);
        keep(&mut decisions, None, 2);
        for number in 10..2_000 {
            keep(&mut decisions, Some(Reason::TokenMissing), number);
        }
        for number in 2_000..20_000 {
            keep(&mut decisions, None, number * 10);
        }
        let of = |reason| Wanted { reason: Some(reason), ..Wanted::default() };
        assert_eq!(ids(&decisions, &of(Reason::ScopeMissing)), ["1"]);
        let flood = ids(&decisions, &of(Reason::TokenMissing));
        assert_eq!((flood.len(), flood[0].as_str(), flood[127].as_str()), (128, "1999", "1872"));
        assert_eq!(decisions.len(), 1 + 128 + 1024);
    }

    #[test]
    fn of_what_comes_too_fast_a_sample_is_kept() {
        let mut decisions = Decisions::default();
        for number in 1..=1_000 {
            keep(&mut decisions, None, number);
        }
        // 16 at once, and one in 5 ms from then on.
        let kept = ids(&decisions, &Wanted::default());
        assert!((200..=220).contains(&kept.len()), "{}", kept.len());
        assert_eq!((kept.last().unwrap().as_str(), kept[kept.len() - 16].as_str()), ("1", "16"));
        let one = Wanted { request_id: Some("6".to_owned()), ..Wanted::default() };
        assert_eq!(ids(&decisions, &one), ["6"]);
        let mut flood = Decisions::default();
        for _ in 0..1_000 {
            keep(&mut flood, Some(Reason::TokenMissing), 1);
        }
        assert_eq!(flood.len(), 128, "those of one moment are kept as far as there is room");
    }

    #[test]
    fn a_long_path_is_cut() {
        let mut decisions = Decisions::default();
        let mut entry = entry();
        entry.record.path = "/ä".repeat(4_000);
        decisions.keep(&mut entry, Duration::ZERO);
        assert!(decisions.told(&Wanted::default(), 1)[0].path.len() < LONGEST + 4);
    }
}

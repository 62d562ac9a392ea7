//! Grants in memory.

use super::{Kept, Memory, Rows};
use crate::ground::{Digest, Time};
use crate::store::turning::{self, Step};
use crate::store::{
    AccessToken, Act, Allowed, Code, Grant, GrantId, Grants, Proven, Redeem, Revocation, Revoked, Session, Turn,
    Turning, Whose,
};

/// Wrong verifiers that burn a code.
const MOST_MISSES: u32 = 5;

impl Grants for Memory {
    fn keep_code(&self, code: Code, transaction: Digest, remember: Time) -> Act<'_, bool> {
        self.act(move |rows| {
            if rows.finished.contains_key(&transaction) || !rows.has_session(&code.allowed) {
                return false;
            }
            rows.finished.insert(transaction, remember);
            rows.codes.insert(code.digest, code);
            true
        })
    }

    fn finish_transaction(&self, transaction: Digest, remember: Time) -> Act<'_, bool> {
        self.act(move |rows| rows.finished.insert(transaction, remember).is_none())
    }

    fn is_finished(&self, transaction: Digest) -> Act<'_, bool> {
        self.act(move |rows| rows.finished.contains_key(&transaction))
    }

    fn code(&self, digest: Digest) -> Act<'_, Option<Code>> {
        self.act(move |rows| rows.codes.get(&digest).filter(|code| code.misses < MOST_MISSES).cloned())
    }

    fn miss_code(&self, digest: Digest) -> Act<'_, ()> {
        self.act(move |rows| {
            if let Some(code) = rows.codes.get_mut(&digest) {
                code.misses = code.misses.saturating_add(1);
            }
        })
    }

    fn redeem_code(&self, digest: Digest, grant: Grant, now: Time) -> Act<'_, Redeem> {
        self.act(move |rows| {
            let Some(code) = rows.codes.get_mut(&digest).filter(|code| code.misses < MOST_MISSES) else {
                return Redeem::Gone;
            };
            match code.grant {
                Some(grant) => Redeem::Again(grant),
                None if now >= code.ends => Redeem::Gone,
                None => {
                    code.grant = Some(grant.id);
                    rows.keep(grant);
                    Redeem::Granted
                }
            }
        })
    }

    fn keep_grant(&self, grant: Grant) -> Act<'_, ()> {
        self.act(move |rows| rows.keep(grant))
    }

    fn keep_proven_grant(&self, grant: Grant, proven: Proven) -> Act<'_, bool> {
        self.act(move |rows| {
            let holds = proven.holds(rows.users.get(&proven.user));
            if holds {
                rows.keep(grant);
            }
            holds
        })
    }

    fn grant(&self, id: GrantId) -> Act<'_, Option<Grant>> {
        self.act(move |rows| rows.grants.get(&id).map(|kept| kept.grant.clone()))
    }

    fn grants(&self, whose: Option<Whose>, now: Time, most: usize) -> Act<'_, Vec<Grant>> {
        self.act(move |rows| {
            let is_wanted = |grant: &Grant| grant.lives(now) && whose.as_ref().is_none_or(|whose| whose.owns(grant));
            let mut found: Vec<Grant> =
                rows.grants.values().map(|kept| &kept.grant).filter(|grant| is_wanted(grant)).cloned().collect();
            found.sort_by_key(|grant| std::cmp::Reverse((grant.made, grant.id)));
            found.truncate(most);
            found
        })
    }

    fn turn_grant(&self, id: GrantId, generation: u32, turning: Turning, now: Time, tokens_end: Time) -> Act<'_, Turn> {
        self.act(move |rows| {
            let Some(kept) = rows.grants.get_mut(&id) else { return Turn::Gone };
            let step = turning::step(&kept.grant, generation, &turning, now);
            turning::carry_out(&mut kept.grant, generation, step, &turning, now);
            match step {
                Step::Advance | Step::Stay => Turn::Good(Box::new(kept.grant.clone())),
                Step::Gone => Turn::Gone,
                Step::Replay => {
                    kept.until = tokens_end;
                    rows.tokens.retain(|_, token| token.grant.is_none_or(|(grant, _, _)| grant != id));
                    rows.revoke(Revoked::Grant { id, below_epoch: u32::MAX }, tokens_end);
                    Turn::Replayed
                }
            }
        })
    }

    fn confirm_grant(&self, id: GrantId, generation: u32) -> Act<'_, ()> {
        self.act(move |rows| {
            if let Some(kept) = rows.grants.get_mut(&id).filter(|kept| kept.grant.generation == generation) {
                kept.grant.confirmed = true;
            }
        })
    }

    fn revoke_grants(&self, whose: Whose, now: Time, tokens_end: Time) -> Act<'_, usize> {
        self.act(move |rows| rows.revoke_grants(&whose, now, tokens_end))
    }

    fn keep_token(&self, token: AccessToken) -> Act<'_, ()> {
        self.act(move |rows| drop(rows.tokens.insert(token.digest, token)))
    }

    fn token(&self, digest: Digest, now: Time) -> Act<'_, Option<AccessToken>> {
        self.act(move |rows| {
            let token = rows.tokens.get(&digest).filter(|token| now < token.ends)?;
            let good = token.grant.is_none_or(|(id, _, epoch)| {
                rows.grants.get(&id).is_some_and(|kept| !kept.grant.revoked && epoch >= kept.grant.epoch)
            });
            good.then(|| token.clone())
        })
    }

    fn revoke_token(&self, id: String, until: Time) -> Act<'_, ()> {
        self.act(move |rows| {
            rows.tokens.retain(|_, token| token.id != id);
            rows.revoke(Revoked::Token(id), until);
        })
    }

    fn is_revoked(
        &self,
        id: String,
        grant: Option<(GrantId, u32)>,
        client: String,
        issued: Time,
        now: Time,
    ) -> Act<'_, bool> {
        self.act(move |rows| {
            rows.revocations.iter().filter(|revocation| now < revocation.until).any(|revocation| {
                match &revocation.what {
                    Revoked::Token(revoked) => *revoked == id,
                    Revoked::Grant { id, below_epoch } => {
                        grant.is_some_and(|(own, epoch)| own == *id && epoch < *below_epoch)
                    }
                    Revoked::Client { id, issued_until } => *id == client && issued <= *issued_until,
                }
            })
        })
    }

    fn revocations(&self, after: u64, now: Time, most: usize) -> Act<'_, Vec<Revocation>> {
        self.act(move |rows| {
            let live = rows.revocations.iter().filter(|one| one.number > after && now < one.until);
            live.take(most).cloned().collect()
        })
    }

    fn use_assertion(&self, id: Digest, until: Time) -> Act<'_, bool> {
        self.act(move |rows| rows.assertions.insert(id, until).is_none())
    }
}

impl Rows {
    fn keep(&mut self, grant: Grant) {
        let until = grant.end();
        self.grants.insert(grant.id, Kept { grant, until });
    }

    /// Whether the session of what was allowed has not ended.
    fn has_session(&self, allowed: &Allowed) -> bool {
        let is_it = |session: &Session, sid: &str| session.sid == sid && session.user == allowed.user;
        allowed.session.as_ref().is_none_or(|sid| self.sessions.values().any(|session| is_it(session, sid)))
    }

    /// Codes that nobody has redeemed go as well: they would become such grants.
    pub(super) fn revoke_grants(&mut self, whose: &Whose, now: Time, tokens_end: Time) -> usize {
        self.codes.retain(|_, code| code.grant.is_some() || !whose.awaits(code));
        self.end_grants(|grant| whose.owns(grant), now, tokens_end)
    }

    /// Revokes the live grants that `is_meant` picks, with their tokens.
    pub(super) fn end_grants(&mut self, is_meant: impl Fn(&Grant) -> bool, now: Time, tokens_end: Time) -> usize {
        let mut ended = Vec::new();
        for kept in self.grants.values_mut().filter(|kept| kept.grant.lives(now) && is_meant(&kept.grant)) {
            kept.grant.revoked = true;
            kept.grant.epoch = u32::MAX;
            kept.until = tokens_end;
            ended.push(kept.grant.id);
        }
        for id in &ended {
            self.revoke(Revoked::Grant { id: *id, below_epoch: u32::MAX }, tokens_end);
        }
        self.tokens.retain(|_, token| token.grant.is_none_or(|(grant, _, _)| !ended.contains(&grant)));
        ended.len()
    }

    /// Access tokens that a user's grants have given so far are refused from now on; the grants live.
    pub(super) fn turn_epochs(&mut self, user: &str, now: Time, tokens_end: Time) {
        let mut turned = Vec::new();
        for kept in self.grants.values_mut().filter(|kept| kept.grant.lives(now) && kept.grant.allowed.user == user) {
            kept.grant.epoch = kept.grant.epoch.saturating_add(1);
            turned.push((kept.grant.id, kept.grant.epoch));
        }
        for (id, below_epoch) in turned {
            self.revoke(Revoked::Grant { id, below_epoch }, tokens_end);
        }
    }
}

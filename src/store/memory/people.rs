//! People in memory.

use super::{Memory, Rows};
use crate::ground::{Digest, Time};
use crate::store::people::folded;
use crate::store::people::matching::{Known, matched};
use crate::store::{
    Act, Allowed, Consent, FileUser, People, Proven, Reconciled, SecondFactor, Session, Spare, User, Whose,
};

impl People for Memory {
    fn user_named(&self, name: String) -> Act<'_, Option<User>> {
        self.act(move |rows| rows.named(&name).cloned())
    }

    fn user(&self, id: String) -> Act<'_, Option<User>> {
        self.act(move |rows| rows.users.get(&id).cloned())
    }

    fn is_retired(&self, id: String) -> Act<'_, bool> {
        self.act(move |rows| rows.retired.contains(&id))
    }

    fn users(&self) -> Act<'_, Vec<User>> {
        self.act(|rows| {
            let mut users: Vec<User> = rows.users.values().cloned().collect();
            users.sort_by_key(|user| folded(&user.name));
            users
        })
    }

    fn add_user(&self, user: User) -> Act<'_, bool> {
        self.act(move |rows| rows.add(user))
    }

    fn remove_user(&self, id: String, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.act(move |rows| rows.remove(&id, now, tokens_end))
    }

    fn set_password(&self, id: String, hash: String, spare: Spare, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.act(move |rows| {
            let Some(user) = rows.users.get_mut(&id) else { return false };
            user.password = Some(hash);
            rows.end_sessions(&id, &spare);
            rows.revoke_grants(&Whose::User(id), now, tokens_end);
            true
        })
    }

    fn rehash_password(&self, id: String, old: String, new: String) -> Act<'_, bool> {
        self.act(move |rows| {
            let user = rows.users.get_mut(&id).filter(|user| user.password.as_ref() == Some(&old));
            user.map(|user| user.password = Some(new)).is_some()
        })
    }

    fn set_profile(&self, id: String, email: Option<String>, verified: bool, profile: String) -> Act<'_, bool> {
        self.act(move |rows| {
            let Some(user) = rows.users.get_mut(&id) else { return false };
            (user.email, user.email_verified, user.profile) = (email, verified, profile);
            true
        })
    }

    fn set_roles(&self, id: String, roles: Vec<String>, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.act(move |rows| {
            let Some(user) = rows.users.get_mut(&id) else { return false };
            let lost = user.roles.iter().any(|role| !roles.contains(role));
            user.roles = roles;
            user.roles.sort_unstable();
            if lost {
                rows.turn_epochs(&id, now, tokens_end);
            }
            true
        })
    }

    fn disable_user(&self, id: String, disabled: bool, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.act(move |rows| {
            let Some(user) = rows.users.get_mut(&id) else { return false };
            user.disabled = disabled;
            if disabled {
                rows.end_sessions(&id, &Spare::None);
                rows.revoke_grants(&Whose::User(id), now, tokens_end);
            }
            true
        })
    }

    fn set_second_factor(
        &self,
        id: String,
        factor: Option<SecondFactor>,
        recovery: Vec<Digest>,
        spare: Spare,
        now: Time,
        tokens_end: Time,
    ) -> Act<'_, bool> {
        self.act(move |rows| {
            let Some(user) = rows.users.get_mut(&id) else { return false };
            (user.second_factor, user.recovery) = (factor, recovery);
            rows.end_sessions(&id, &spare);
            rows.revoke_grants(&Whose::User(id), now, tokens_end);
            true
        })
    }

    fn second_factors_besides(&self, first: u8, most: usize) -> Act<'_, Vec<(String, Vec<u8>)>> {
        self.act(move |rows| {
            let factors = rows.users.values().filter_map(|user| {
                let secret = user.second_factor.as_ref().map(|factor| factor.secret.clone())?;
                (secret.first() != Some(&first)).then(|| (user.id.clone(), secret))
            });
            factors.take(most).collect()
        })
    }

    fn reseal_second_factor(&self, id: String, old: Vec<u8>, new: Vec<u8>) -> Act<'_, bool> {
        self.act(move |rows| {
            let factor = rows.users.get_mut(&id).and_then(|user| user.second_factor.as_mut());
            factor.filter(|factor| factor.secret == old).map(|factor| factor.secret = new).is_some()
        })
    }

    fn set_recovery(&self, id: String, recovery: Vec<Digest>) -> Act<'_, bool> {
        self.act(move |rows| rows.users.get_mut(&id).map(|user| user.recovery = recovery).is_some())
    }

    fn use_step(&self, id: String, step: u64) -> Act<'_, bool> {
        self.act(move |rows| {
            let factor = rows.users.get_mut(&id).and_then(|user| user.second_factor.as_mut());
            let factor = factor.filter(|factor| factor.last_step.is_none_or(|last| last < step));
            factor.map(|factor| factor.last_step = Some(step)).is_some()
        })
    }

    fn use_recovery(&self, id: String, code: Digest) -> Act<'_, bool> {
        self.act(move |rows| {
            let Some(user) = rows.users.get_mut(&id) else { return false };
            let before = user.recovery.len();
            user.recovery.retain(|own| *own != code);
            user.recovery.len() < before
        })
    }

    fn file_password(&self, name: String, id: Option<String>) -> Act<'_, Option<String>> {
        self.act(move |rows| {
            let id = id.or_else(|| rows.named(&name).map(|user| user.id.clone()))?;
            rows.file_hashes.get(&id).cloned().flatten()
        })
    }

    fn reconcile_users(&self, users: Vec<FileUser>, now: Time, tokens_end: Time) -> Act<'_, Reconciled> {
        self.act(move |rows| rows.reconcile(users, now, tokens_end))
    }

    fn open_session(
        &self,
        session: Session,
        proven: Proven,
        replaces: Option<Digest>,
        now: Time,
        tokens_end: Time,
    ) -> Act<'_, bool> {
        self.act(move |rows| {
            if !proven.holds(rows.users.get(&proven.user)) {
                return false;
            }
            let replaced = replaces.and_then(|digest| rows.sessions.remove(&digest));
            if let Some(replaced) = replaced.filter(|replaced| replaced.sid != session.sid) {
                rows.end_session_grants(&replaced.sid, now, tokens_end);
            }
            rows.sessions.insert(session.digest, session);
            true
        })
    }

    fn session(&self, digest: Digest, now: Time) -> Act<'_, Option<(Session, User)>> {
        self.act(move |rows| {
            let session = rows.sessions.get(&digest).filter(|session| now < session.ends && now < session.idle_end)?;
            let user = rows.users.get(&session.user).filter(|user| !user.disabled)?;
            Some((session.clone(), user.clone()))
        })
    }

    fn touch_session(&self, digest: Digest, seen: Time, idle_end: Time) -> Act<'_, ()> {
        self.act(move |rows| {
            if let Some(session) = rows.sessions.get_mut(&digest) {
                session.seen = seen;
                session.idle_end = idle_end.min(session.ends);
            }
        })
    }

    fn sessions(&self, user: String, now: Time) -> Act<'_, Vec<Session>> {
        self.act(move |rows| {
            let is_his = |session: &&Session| session.user == user && now < session.ends && now < session.idle_end;
            let mut sessions: Vec<Session> = rows.sessions.values().filter(is_his).cloned().collect();
            sessions.sort_by_key(|session| std::cmp::Reverse(session.seen));
            sessions
        })
    }

    fn end_session(&self, user: String, sid: String, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.act(move |rows| {
            let before = rows.sessions.len();
            rows.sessions.retain(|_, session| session.user != user || session.sid != sid);
            let ended = rows.sessions.len() < before;
            if ended {
                rows.end_session_grants(&sid, now, tokens_end);
            }
            ended
        })
    }

    fn end_sessions(&self, user: String, spare: Spare, now: Time, tokens_end: Time) -> Act<'_, usize> {
        self.act(move |rows| {
            let ended = rows.end_sessions(&user, &spare);
            rows.revoke_grants(&Whose::User(user), now, tokens_end);
            ended
        })
    }

    fn consent(&self, user: String, client: String, resource: String) -> Act<'_, Option<Consent>> {
        self.act(move |rows| rows.consents.get(&(user, client, resource)).cloned())
    }

    fn consents(&self, user: String) -> Act<'_, Vec<Consent>> {
        self.act(move |rows| rows.consents.values().filter(|consent| consent.user == user).cloned().collect())
    }

    fn remember_consent(&self, consent: Consent) -> Act<'_, ()> {
        self.act(move |rows| {
            let key = (consent.user.clone(), consent.client.clone(), consent.resource.clone());
            let kept = rows.consents.entry(key).or_insert_with(|| Consent { scopes: Vec::new(), ..consent.clone() });
            kept.scopes.extend(consent.scopes);
            kept.scopes.sort_unstable();
            kept.scopes.dedup();
            kept.given = consent.given;
        })
    }

    fn withdraw_consent(&self, user: String, client: String, now: Time, tokens_end: Time) -> Act<'_, ()> {
        self.act(move |rows| {
            rows.consents.retain(|(owner, at, _), _| *owner != user || *at != client);
            rows.revoke_grants(&Whose::UserAt { user, client }, now, tokens_end);
        })
    }
}

impl Rows {
    fn named(&self, name: &str) -> Option<&User> {
        let wanted = folded(name);
        self.users.values().find(|user| folded(&user.name) == wanted)
    }

    fn add(&mut self, user: User) -> bool {
        let taken =
            self.named(&user.name).is_some() || self.users.contains_key(&user.id) || self.retired.contains(&user.id);
        if !taken {
            self.users.insert(user.id.clone(), user);
        }
        !taken
    }

    fn remove(&mut self, id: &str, now: Time, tokens_end: Time) -> bool {
        if self.users.remove(id).is_none() {
            return false;
        }
        self.retired.insert(id.to_owned());
        self.file_hashes.remove(id);
        self.end_sessions(id, &Spare::None);
        self.revoke_grants(&Whose::User(id.to_owned()), now, tokens_end);
        self.consents.retain(|(owner, _, _), _| owner != id);
        true
    }

    fn end_sessions(&mut self, user: &str, spare: &Spare) -> usize {
        let is_spared = |session: &Session| matches!(spare, Spare::Session(sid) if session.sid == *sid);
        let before = self.sessions.len();
        self.sessions.retain(|_, session| session.user != user || is_spared(session));
        before - self.sessions.len()
    }

    fn end_session_grants(&mut self, sid: &str, now: Time, tokens_end: Time) {
        let is_of = |allowed: &Allowed| !allowed.offline && allowed.session.as_deref() == Some(sid);
        self.codes.retain(|_, code| code.grant.is_some() || !is_of(&code.allowed));
        self.end_grants(|grant| is_of(&grant.allowed), now, tokens_end);
    }

    fn reconcile(&mut self, users: Vec<FileUser>, now: Time, tokens_end: Time) -> Reconciled {
        let mut report = Reconciled::default();
        let known = |user: &User| Known { id: user.id.clone(), name: user.name.clone(), origin: user.origin };
        let matched = matched(self.users.values().map(known).collect(), users);
        report.conflicts = matched.conflicts;
        for user in matched.gone {
            self.remove(&user.id, now, tokens_end);
            report.removed.push(user.name);
        }
        report.renamed.extend(matched.renamed.iter().map(|(before, name)| format!("{} -> {name}", before.name)));
        for (id, written) in matched.stay {
            let name = written.name.clone();
            if self.update(&id, written, (now, tokens_end)) {
                report.changed.push(name);
            }
        }
        for written in matched.new {
            self.introduce(written, now, &mut report);
        }
        report
    }

    fn introduce(&mut self, written: FileUser, now: Time, report: &mut Reconciled) {
        if written.id_is_written {
            self.retired.remove(&written.id);
        }
        let (id, name, hash) = (written.id.clone(), written.name.clone(), written.password.clone());
        if self.add(written.into_user(now)) {
            self.file_hashes.insert(id, hash);
            report.added.push(name);
        } else {
            report.conflicts.push(name);
        }
    }

    /// Whether a role was lost or another password set.
    fn update(&mut self, id: &str, written: FileUser, (now, tokens_end): (Time, Time)) -> bool {
        let news = self.file_hashes.insert(id.to_owned(), written.password.clone()) != Some(written.password.clone());
        let Some(user) = self.users.get_mut(id) else { return false };
        let lost = user.roles.iter().any(|role| !written.roles.contains(role));
        let is_other = news && user.password != written.password;
        (user.name, user.email, user.profile) = (written.name, written.email, written.profile);
        user.email_verified = written.email_verified;
        user.roles = written.roles;
        user.roles.sort_unstable();
        if is_other {
            user.password = written.password;
            self.end_sessions(id, &Spare::None);
            self.revoke_grants(&Whose::User(id.to_owned()), now, tokens_end);
        } else if lost {
            self.turn_epochs(id, now, tokens_end);
        }
        lost || is_other
    }
}

//! Everything that is in memory, out and in.

use std::collections::BTreeSet;

use super::{Kept, Memory, Rows};
use crate::ground::Time;
use crate::store::people::folded;
use crate::store::whole::{Clash, Incoming, KeptGrant, KeptUser, Mark, Outgoing, PAGE, Row, Taken, Tally, Whole};
use crate::store::{Act, Origin};

impl Whole for Memory {
    fn tally(&self) -> Act<'_, Tally> {
        self.act(|rows| tally(&rows.all()))
    }

    fn take_out(&self, now: Time) -> Act<'_, Outgoing> {
        let all = self.act(move |rows| {
            let mut all = rows.all();
            all.retain(|row| rows.is_good(row, now));
            all
        });
        Box::pin(async move {
            let mut all = all.await?;
            let (pages, outgoing) = Outgoing::channel(tally(&all));
            tokio::spawn(async move {
                while !all.is_empty() {
                    let rest = all.split_off(all.len().min(PAGE));
                    if pages.send(Ok(std::mem::replace(&mut all, rest))).await.is_err() {
                        return;
                    }
                }
            });
            Ok(outgoing)
        })
    }

    fn take_in(&self, mut rows: Incoming) -> Act<'_, Taken> {
        Box::pin(async move {
            let (mut fresh, mut count) = (Rows::default(), 0);
            loop {
                match rows.next().await {
                    None => return Ok(Taken::BrokenOff),
                    Some(None) => break,
                    Some(Some(page)) => {
                        for row in page {
                            if let Err(why) = fresh.put(row) {
                                return Ok(Taken::Clash { row: count, why });
                            }
                            count += 1;
                        }
                    }
                }
            }
            self.fill(fresh).await
        })
    }
}

impl Memory {
    fn fill(&self, mut fresh: Rows) -> Act<'_, Taken> {
        self.act(move |rows| {
            let there = tally(&rows.all());
            if there.total() > 0 {
                return Taken::Occupied(there);
            }
            let last = fresh.revocations.last().map_or(0, |revocation| revocation.number);
            fresh.versions = rows.versions;
            fresh.versions.clients += 1;
            fresh.versions.keys += 1;
            fresh.versions.revocations = fresh.versions.revocations.max(last);
            fresh.key_sets = std::mem::take(&mut rows.key_sets);
            *rows = fresh;
            Taken::All
        })
    }
}

fn tally(rows: &[Row]) -> Tally {
    let mut tally = Tally::default();
    for row in rows {
        tally.add(row.part(), 1);
    }
    tally
}

impl Rows {
    /// All rows in order.
    fn all(&self) -> Vec<Row> {
        let mut all: Vec<Row> = Vec::new();
        all.extend(self.clients.values().cloned().map(Row::Client));
        all.extend(self.secret_uses.values().cloned().map(Row::SecretUse));
        all.extend(self.named_clients.iter().flatten().cloned().map(Row::Declared));
        all.extend(self.users.values().map(|user| {
            let file_hash = self.file_hashes.get(&user.id).cloned().flatten();
            let mut user = user.clone();
            user.recovery.sort_unstable();
            Row::User(KeptUser { user, file_hash })
        }));
        all.extend(self.retired.iter().cloned().map(Row::Retired));
        all.extend(self.sessions.values().cloned().map(Row::Session));
        all.extend(self.consents.values().cloned().map(Row::Consent));
        all.extend(self.grants.values().map(|kept| {
            let until = if kept.grant.revoked { kept.until } else { kept.grant.end() };
            Row::Grant(KeptGrant { grant: kept.grant.clone(), until })
        }));
        all.extend(self.codes.values().cloned().map(Row::Code));
        let mark = |(digest, until): (&_, &_)| Mark { digest: *digest, until: *until };
        all.extend(self.finished.iter().map(mark).map(Row::Finished));
        all.extend(self.tokens.values().cloned().map(Row::Token));
        all.extend(self.revocations.iter().cloned().map(Row::Revocation));
        all.extend(self.assertions.iter().map(mark).map(Row::Assertion));
        all.sort_by(|one, other| (one.part(), one.key()).cmp(&(other.part(), other.key())));
        // In their own order.
        self.keys.iter().cloned().map(Row::Key).chain(all).collect()
    }

    /// Not over at `now`.
    fn is_good(&self, row: &Row, now: Time) -> bool {
        match row {
            Row::Key(key) => key.ends.is_none_or(|ends| now < ends),
            Row::Session(session) => now < session.ends && now < session.idle_end,
            Row::Grant(kept) => now < kept.until,
            Row::Code(code) => match code.grant {
                Some(id) => self
                    .grants
                    .get(&id)
                    .is_some_and(|kept| now < if kept.grant.revoked { kept.until } else { kept.grant.end() }),
                None => now < code.ends,
            },
            Row::Finished(mark) | Row::Assertion(mark) => now < mark.until,
            Row::Token(token) => now < token.ends,
            Row::Revocation(revocation) => now < revocation.until,
            Row::Client(_)
            | Row::SecretUse(_)
            | Row::Declared(_)
            | Row::User(_)
            | Row::Retired(_)
            | Row::Consent(_) => true,
        }
    }

    fn put(&mut self, row: Row) -> Result<(), Clash> {
        let is_new = match row {
            Row::Key(key) => {
                let is_new = self.keys.iter().all(|kept| kept.id != key.id);
                self.keys.push(key);
                is_new
            }
            Row::Client(client) => self.clients.insert(client.id.clone(), client).is_none(),
            Row::SecretUse(one) => self.secret_uses.insert((one.client.clone(), one.secret.clone()), one).is_none(),
            Row::Declared(id) => self.named_clients.get_or_insert_with(BTreeSet::new).insert(id),
            Row::User(kept) => self.put_user(kept),
            Row::Retired(id) => self.retired.insert(id),
            Row::Session(session) => {
                self.owned(&session.user)?;
                self.sessions.insert(session.digest, session).is_none()
            }
            Row::Consent(one) => {
                self.owned(&one.user)?;
                let key = (one.user.clone(), one.client.clone(), one.resource.clone());
                self.consents.insert(key, one).is_none()
            }
            Row::Grant(KeptGrant { grant, until }) => self.grants.insert(grant.id, Kept { grant, until }).is_none(),
            Row::Code(code) => {
                if code.grant.is_some_and(|id| !self.grants.contains_key(&id)) {
                    return Err(Clash::Orphan);
                }
                self.codes.insert(code.digest, code).is_none()
            }
            Row::Finished(mark) => self.finished.insert(mark.digest, mark.until).is_none(),
            Row::Token(token) => self.tokens.insert(token.digest, token).is_none(),
            Row::Revocation(revocation) => {
                let is_new = self.revocations.iter().all(|kept| kept.number != revocation.number);
                self.revocations.push(revocation);
                is_new
            }
            Row::Assertion(mark) => self.assertions.insert(mark.digest, mark.until).is_none(),
        };
        if is_new { Ok(()) } else { Err(Clash::Twice) }
    }

    fn put_user(&mut self, kept: KeptUser) -> bool {
        let KeptUser { user, file_hash } = kept;
        let name = folded(&user.name);
        if self.users.contains_key(&user.id) || self.users.values().any(|other| folded(&other.name) == name) {
            return false;
        }
        if user.origin == Origin::File {
            self.file_hashes.insert(user.id.clone(), file_hash);
        }
        self.users.insert(user.id.clone(), user);
        true
    }

    fn owned(&self, user: &str) -> Result<(), Clash> {
        if self.users.contains_key(user) { Ok(()) } else { Err(Clash::Orphan) }
    }
}

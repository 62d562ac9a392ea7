//! Codes and grants in SQLite.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::column::{at, at_if_any, column, digest, grant_id, list, number, texts};
use super::revoke::{self, Ending};
use super::{Sqlite, people, sessions, tokens};
use crate::ground::{Digest, Time};
use crate::store::turning::{self, Step};
use crate::store::{
    AccessToken, Act, Allowed, Code, Grant, GrantId, Grants, Proven, Redeem, Revocation, Revoked, Turn, Turning, Whose,
};

/// Wrong verifiers that burn a code.
const MOST_MISSES: u32 = 5;

impl Grants for Sqlite {
    fn keep_code(&self, code: Code, transaction: Digest, remember: Time) -> Act<'_, bool> {
        self.writer.run("keep a code", move |file| {
            if !sessions::is_open(file, &code.allowed)? || !finish(file, transaction, remember)? {
                return Ok(false);
            }
            insert_code(file, &code).map(|()| true)
        })
    }

    fn finish_transaction(&self, transaction: Digest, remember: Time) -> Act<'_, bool> {
        self.writer.run("finish a transaction", move |file| finish(file, transaction, remember))
    }

    fn is_finished(&self, transaction: Digest) -> Act<'_, bool> {
        self.reader.run("look for a transaction", move |file| {
            file.prepare_cached("SELECT EXISTS (SELECT 1 FROM finished WHERE digest = ?1)")?
                .query_row([transaction.as_bytes()], |row| row.get(0))
        })
    }

    fn code(&self, digest: Digest) -> Act<'_, Option<Code>> {
        self.reader.run("read a code", move |file| code(file, digest))
    }

    fn miss_code(&self, digest: Digest) -> Act<'_, ()> {
        self.writer.run("count a wrong verifier", move |file| {
            file.prepare_cached("UPDATE code SET misses = misses + 1 WHERE digest = ?1")?
                .execute([digest.as_bytes()])
                .map(drop)
        })
    }

    fn redeem_code(&self, digest: Digest, grant: Grant, now: Time) -> Act<'_, Redeem> {
        self.writer.run("redeem a code", move |file| match code(file, digest)? {
            None => Ok(Redeem::Gone),
            Some(Code { grant: Some(grant), .. }) => Ok(Redeem::Again(grant)),
            Some(code) if now >= code.ends => Ok(Redeem::Gone),
            Some(_) => {
                insert_grant(file, &grant, grant.end())?;
                file.prepare_cached("UPDATE code SET grant_id = ?2 WHERE digest = ?1")?
                    .execute(params![digest.as_bytes(), grant.id.0])?;
                Ok(Redeem::Granted)
            }
        })
    }

    fn keep_grant(&self, grant: Grant) -> Act<'_, ()> {
        self.writer.run("keep a grant", move |file| insert_grant(file, &grant, grant.end()))
    }

    fn keep_proven_grant(&self, grant: Grant, proven: Proven) -> Act<'_, bool> {
        self.writer.run("keep a grant", move |file| {
            let holds = people::holds(file, &proven)?;
            if holds {
                insert_grant(file, &grant, grant.end())?;
            }
            Ok(holds)
        })
    }

    fn grant(&self, id: GrantId) -> Act<'_, Option<Grant>> {
        self.reader.run("read a grant", move |file| grant(file, id))
    }

    fn grants(&self, whose: Option<Whose>, now: Time, most: usize) -> Act<'_, Vec<Grant>> {
        self.reader.run("list grants", move |file| listed(file, whose.as_ref(), now, most))
    }

    fn turn_grant(&self, id: GrantId, generation: u32, turning: Turning, now: Time, tokens_end: Time) -> Act<'_, Turn> {
        self.writer.run("turn a grant", move |file| {
            let Some(mut grant) = grant(file, id)? else { return Ok(Turn::Gone) };
            let step = turning::step(&grant, generation, &turning, now);
            turning::carry_out(&mut grant, generation, step, &turning, now);
            match step {
                Step::Gone => Ok(Turn::Gone),
                Step::Replay => revoke::grant(file, id, tokens_end).map(|()| Turn::Replayed),
                Step::Advance | Step::Stay => update_grant(file, &grant).map(|()| Turn::Good(Box::new(grant))),
            }
        })
    }

    fn confirm_grant(&self, id: GrantId, generation: u32) -> Act<'_, ()> {
        self.writer.run("confirm a grant", move |file| {
            let confirm = "UPDATE grant_ SET confirmed = 1 WHERE id = ?1 AND generation = ?2 AND confirmed = 0";
            file.prepare_cached(confirm)?.execute(params![id.0, generation]).map(drop)
        })
    }

    fn revoke_grants(&self, whose: Whose, now: Time, tokens_end: Time) -> Act<'_, usize> {
        self.writer.run("revoke grants", move |file| revoke::grants(file, &Ending::Whose(&whose), now, tokens_end))
    }

    fn keep_token(&self, token: AccessToken) -> Act<'_, ()> {
        self.writer.run("keep an access token", move |file| tokens::insert(file, &token))
    }

    fn token(&self, digest: Digest, now: Time) -> Act<'_, Option<AccessToken>> {
        self.reader.run("read an access token", move |file| tokens::live(file, digest, now))
    }

    fn revoke_token(&self, id: String, until: Time) -> Act<'_, ()> {
        self.writer.run("revoke an access token", move |file| {
            file.prepare_cached("DELETE FROM access_token WHERE id = ?1")?.execute([&id])?;
            revoke::publish(file, &Revoked::Token(id), until)
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
        self.reader
            .run("look for a revocation", move |file| tokens::is_revoked(file, &id, grant, &client, (issued, now)))
    }

    fn revocations(&self, after: u64, now: Time, most: usize) -> Act<'_, Vec<Revocation>> {
        self.reader.run("read the revocations", move |file| tokens::revocations(file, after, now, most))
    }

    fn use_assertion(&self, id: Digest, until: Time) -> Act<'_, bool> {
        self.writer.run("use up an assertion", move |file| {
            let used = file
                .prepare_cached("INSERT OR IGNORE INTO assertion VALUES (?1, ?2)")?
                .execute(params![id.as_bytes(), column(until)])?;
            Ok(used > 0)
        })
    }
}

fn finish(file: &Connection, transaction: Digest, remember: Time) -> rusqlite::Result<bool> {
    let finished = file
        .prepare_cached("INSERT OR IGNORE INTO finished VALUES (?1, ?2)")?
        .execute(params![transaction.as_bytes(), column(remember)])?;
    Ok(finished > 0)
}

fn code(file: &Connection, digest: Digest) -> rusqlite::Result<Option<Code>> {
    file.prepare_cached("SELECT * FROM code WHERE digest = ?1 AND misses < ?2")?
        .query_row(params![digest.as_bytes(), MOST_MISSES], code_row)
        .optional()
}

pub(super) fn code_row(row: &Row<'_>) -> rusqlite::Result<Code> {
    Ok(Code {
        digest: digest(row, "digest")?,
        client: row.get("client")?,
        redirect_uri: row.get("redirect_uri")?,
        challenge: row.get("challenge")?,
        nonce: row.get("nonce")?,
        allowed: allowed(row)?,
        made: at(row, "made")?,
        ends: at(row, "ends")?,
        misses: number(row, "misses")?,
        grant: row.get::<_, Option<[u8; 16]>>("grant_id")?.map(GrantId),
    })
}

pub(super) fn insert_code(file: &Connection, code: &Code) -> rusqlite::Result<()> {
    let allowed = &code.allowed;
    file.prepare_cached(
        "INSERT INTO code VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?
    .execute(params![
        code.digest.as_bytes(),
        code.client,
        code.redirect_uri,
        code.challenge,
        code.nonce,
        allowed.user,
        allowed.session,
        allowed.scope,
        list(&allowed.resources),
        allowed.offline,
        column(allowed.authenticated),
        list(&allowed.methods),
        allowed.tells_auth_time,
        column(code.made),
        column(code.ends),
        code.misses,
        code.grant.map(|grant| grant.0),
    ])
    .map(drop)
}

fn grant(file: &Connection, id: GrantId) -> rusqlite::Result<Option<Grant>> {
    file.prepare_cached("SELECT * FROM grant_ WHERE id = ?1")?.query_row([id.0], grant_row).optional()
}

pub(super) fn grant_row(row: &Row<'_>) -> rusqlite::Result<Grant> {
    Ok(Grant {
        id: grant_id(row, "id")?,
        client: row.get("client")?,
        allowed: allowed(row)?,
        nonce: row.get("nonce")?,
        salt: row.get("salt")?,
        refreshable: row.get("refreshable")?,
        made: at(row, "made")?,
        idle_end: at(row, "idle_end")?,
        ends: at(row, "ends")?,
        generation: number(row, "generation")?,
        superseded: at_if_any(row, "superseded")?,
        confirmed: row.get("confirmed")?,
        epoch: number(row, "epoch")?,
        revoked: row.get("revoked")?,
        used: at(row, "used")?,
    })
}

fn allowed(row: &Row<'_>) -> rusqlite::Result<Allowed> {
    Ok(Allowed {
        user: row.get("user")?,
        session: row.get("session")?,
        scope: row.get("scope")?,
        resources: texts(row, "resources")?,
        offline: row.get("offline")?,
        authenticated: at(row, "authenticated")?,
        methods: texts(row, "methods")?,
        tells_auth_time: row.get("tells_time")?,
    })
}

/// `until`: when the row goes.
pub(super) fn insert_grant(file: &Connection, grant: &Grant, until: Time) -> rusqlite::Result<()> {
    let allowed = &grant.allowed;
    file.prepare_cached(
        "INSERT INTO grant_ VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
         ?19, ?20, ?21, ?22, ?23)",
    )?
    .execute(params![
        grant.id.0,
        grant.client,
        allowed.user,
        allowed.session,
        allowed.scope,
        list(&allowed.resources),
        allowed.offline,
        column(allowed.authenticated),
        list(&allowed.methods),
        allowed.tells_auth_time,
        grant.nonce,
        grant.salt,
        grant.refreshable,
        column(grant.made),
        column(grant.idle_end),
        column(grant.ends),
        grant.generation,
        grant.superseded.map(column),
        grant.confirmed,
        grant.epoch,
        grant.revoked,
        column(grant.used),
        column(until),
    ])
    .map(drop)
}

/// Writes what a turn changes.
fn update_grant(file: &Connection, grant: &Grant) -> rusqlite::Result<()> {
    file.prepare_cached(
        "UPDATE grant_ SET generation = ?2, superseded = ?3, confirmed = ?4, used = ?5, idle_end = ?6, until = ?7
         WHERE id = ?1",
    )?
    .execute(params![
        grant.id.0,
        grant.generation,
        grant.superseded.map(column),
        grant.confirmed,
        column(grant.used),
        column(grant.idle_end),
        column(grant.end()),
    ])
    .map(drop)
}

fn listed(file: &Connection, whose: Option<&Whose>, now: Time, most: usize) -> rusqlite::Result<Vec<Grant>> {
    let select = |condition: &str| {
        format!(
            "SELECT * FROM grant_ WHERE {condition} AND revoked = 0 AND until > ?1 ORDER BY made DESC, id DESC LIMIT ?2"
        )
    };
    let (now, most) = (column(now), i64::try_from(most).unwrap_or(i64::MAX));
    match whose {
        None => file.prepare_cached(&select("TRUE"))?.query_map(params![now, most], grant_row)?.collect(),
        Some(Whose::Grant(id)) => {
            file.prepare_cached(&select("id = ?3"))?.query_map(params![now, most, id.0], grant_row)?.collect()
        }
        Some(Whose::User(user)) => {
            file.prepare_cached(&select("user = ?3"))?.query_map(params![now, most, user], grant_row)?.collect()
        }
        Some(Whose::Client(client)) => {
            file.prepare_cached(&select("client = ?3"))?.query_map(params![now, most, client], grant_row)?.collect()
        }
        Some(Whose::UserAt { user, client }) => file
            .prepare_cached(&select("user = ?3 AND client = ?4"))?
            .query_map(params![now, most, user, client], grant_row)?
            .collect(),
    }
}

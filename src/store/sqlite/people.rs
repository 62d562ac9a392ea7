//! People in SQLite.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::column::{at, at_if_any, column, digest, list, texts};
use super::revoke::{self, Ending};
use super::{Sqlite, reconcile, sessions};
use crate::ground::{Digest, Time};
use crate::store::people::folded;
use crate::store::{
    Act, Consent, FileUser, Origin, People, Proven, Reconciled, SecondFactor, Session, Spare, User, Whose,
};

impl People for Sqlite {
    fn user_named(&self, name: String) -> Act<'_, Option<User>> {
        self.reader.run("read a user", move |file| named(file, &name))
    }

    fn user(&self, id: String) -> Act<'_, Option<User>> {
        self.reader.run("read a user", move |file| user(file, &id))
    }

    fn is_retired(&self, id: String) -> Act<'_, bool> {
        self.reader.run("look for a removed user", move |file| is_retired(file, &id))
    }

    fn users(&self) -> Act<'_, Vec<User>> {
        self.reader.run("read the users", |file| {
            let mut rows = file.prepare_cached("SELECT * FROM user ORDER BY folded")?;
            let users: Vec<User> = rows.query_map([], user_row)?.collect::<Result<_, _>>()?;
            users.into_iter().map(|user| with_recovery(file, user)).collect()
        })
    }

    fn add_user(&self, user: User) -> Act<'_, bool> {
        self.writer.run("keep a user", move |file| add(file, &user, None))
    }

    fn remove_user(&self, id: String, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.writer.run("remove a user", move |file| remove(file, &id, now, tokens_end))
    }

    fn set_password(&self, id: String, hash: String, spare: Spare, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.writer.run("set a password", move |file| {
            let done =
                file.prepare_cached("UPDATE user SET password = ?2 WHERE id = ?1")?.execute(params![id, hash])?;
            sessions::end_all(file, &id, &spare)?;
            revoke::grants(file, &Ending::Whose(&Whose::User(id)), now, tokens_end)?;
            Ok(done > 0)
        })
    }

    fn rehash_password(&self, id: String, old: String, new: String) -> Act<'_, bool> {
        self.writer.run("hash a password anew", move |file| {
            let change = "UPDATE user SET password = ?3 WHERE id = ?1 AND password = ?2";
            Ok(file.prepare_cached(change)?.execute(params![id, old, new])? > 0)
        })
    }

    fn set_profile(&self, id: String, email: Option<String>, verified: bool, profile: String) -> Act<'_, bool> {
        self.writer.run("set a profile", move |file| {
            let change = "UPDATE user SET email = ?2, email_verified = ?3, profile = ?4 WHERE id = ?1";
            Ok(file.prepare_cached(change)?.execute(params![id, email, verified, profile])? > 0)
        })
    }

    fn set_roles(&self, id: String, roles: Vec<String>, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.writer.run("set roles", move |file| set_roles(file, &id, roles, now, tokens_end))
    }

    fn disable_user(&self, id: String, disabled: bool, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.writer.run("disable a user", move |file| {
            let change = "UPDATE user SET disabled = ?2 WHERE id = ?1";
            let done = file.prepare_cached(change)?.execute(params![id, disabled])?;
            if disabled {
                sessions::end_all(file, &id, &Spare::None)?;
                revoke::grants(file, &Ending::Whose(&Whose::User(id)), now, tokens_end)?;
            }
            Ok(done > 0)
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
        self.writer.run("set a second factor", move |file| {
            let (secret, made, step) = match factor {
                Some(factor) => (Some(factor.secret), Some(column(factor.made)), factor.last_step),
                None => (None, None, None),
            };
            let step = step.and_then(|step| i64::try_from(step).ok());
            let done = file
                .prepare_cached("UPDATE user SET totp = ?2, totp_made = ?3, totp_step = ?4 WHERE id = ?1")?
                .execute(params![id, secret, made, step])?;
            sessions::end_all(file, &id, &spare)?;
            if done > 0 {
                set_recovery(file, &id, &recovery)?;
            }
            revoke::grants(file, &Ending::Whose(&Whose::User(id)), now, tokens_end)?;
            Ok(done > 0)
        })
    }

    fn second_factors_besides(&self, first: u8, most: usize) -> Act<'_, Vec<(String, Vec<u8>)>> {
        self.reader.run("read second factors", move |file| {
            let find = "SELECT id, totp FROM user WHERE totp IS NOT NULL AND substr(totp, 1, 1) <> ?1 LIMIT ?2";
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let mut rows = file.prepare_cached(find)?;
            rows.query_map(params![[first], most], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    fn reseal_second_factor(&self, id: String, old: Vec<u8>, new: Vec<u8>) -> Act<'_, bool> {
        self.writer.run("seal a second factor anew", move |file| {
            let change = "UPDATE user SET totp = ?3 WHERE id = ?1 AND totp = ?2";
            Ok(file.prepare_cached(change)?.execute(params![id, old, new])? > 0)
        })
    }

    fn set_recovery(&self, id: String, recovery: Vec<Digest>) -> Act<'_, bool> {
        self.writer.run("set recovery codes", move |file| {
            let is_there = user(file, &id)?.is_some();
            if is_there {
                set_recovery(file, &id, &recovery)?;
            }
            Ok(is_there)
        })
    }

    fn use_step(&self, id: String, step: u64) -> Act<'_, bool> {
        self.writer.run("use up a time step", move |file| {
            let change = "UPDATE user SET totp_step = ?2
                          WHERE id = ?1 AND totp IS NOT NULL AND (totp_step IS NULL OR totp_step < ?2)";
            Ok(file.prepare_cached(change)?.execute(params![id, i64::try_from(step).unwrap_or(i64::MAX)])? > 0)
        })
    }

    fn use_recovery(&self, id: String, code: Digest) -> Act<'_, bool> {
        self.writer.run("use up a recovery code", move |file| {
            let change = "DELETE FROM recovery_code WHERE user = ?1 AND digest = ?2";
            Ok(file.prepare_cached(change)?.execute(params![id, code.as_bytes()])? > 0)
        })
    }

    fn file_password(&self, name: String, id: Option<String>) -> Act<'_, Option<String>> {
        self.reader.run("read a password's hash", move |file| {
            let hash = "SELECT file_hash FROM user WHERE from_file = 1 AND iif(?2 IS NULL, folded = ?1, id = ?2)";
            let hash = file.prepare_cached(hash)?.query_row(params![folded(&name), id], |row| row.get(0)).optional()?;
            Ok(hash.flatten())
        })
    }

    fn reconcile_users(&self, users: Vec<FileUser>, now: Time, tokens_end: Time) -> Act<'_, Reconciled> {
        self.writer.run("bring in the users of the file", move |file| reconcile::users(file, users, (now, tokens_end)))
    }

    fn open_session(
        &self,
        session: Session,
        proven: Proven,
        replaces: Option<Digest>,
        now: Time,
        tokens_end: Time,
    ) -> Act<'_, bool> {
        self.writer.run("open a session", move |file| {
            let holds = holds(file, &proven)?;
            if holds {
                sessions::open(file, &session, replaces, (now, tokens_end))?;
            }
            Ok(holds)
        })
    }

    fn session(&self, digest: Digest, now: Time) -> Act<'_, Option<(Session, User)>> {
        self.reader.run("read a session", move |file| {
            let Some(session) = sessions::live(file, digest, now)? else { return Ok(None) };
            let user = user(file, &session.user)?.filter(|user| !user.disabled);
            Ok(user.map(|user| (session, user)))
        })
    }

    fn touch_session(&self, digest: Digest, seen: Time, idle_end: Time) -> Act<'_, ()> {
        self.writer.run("note the use of a session", move |file| {
            file.prepare_cached("UPDATE session SET seen = ?2, idle_end = min(?3, ends) WHERE digest = ?1")?
                .execute(params![digest.as_bytes(), column(seen), column(idle_end)])
                .map(drop)
        })
    }

    fn sessions(&self, user: String, now: Time) -> Act<'_, Vec<Session>> {
        self.reader.run("list sessions", move |file| sessions::of_user(file, &user, now))
    }

    fn end_session(&self, user: String, sid: String, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.writer.run("end a session", move |file| {
            let end = "DELETE FROM session WHERE user = ?1 AND sid = ?2";
            let ended = file.prepare_cached(end)?.execute(params![user, sid])? > 0;
            if ended {
                revoke::grants(file, &Ending::Session(&sid), now, tokens_end)?;
            }
            Ok(ended)
        })
    }

    fn end_sessions(&self, user: String, spare: Spare, now: Time, tokens_end: Time) -> Act<'_, usize> {
        self.writer.run("end sessions", move |file| {
            let ended = sessions::end_all(file, &user, &spare)?;
            revoke::grants(file, &Ending::Whose(&Whose::User(user)), now, tokens_end)?;
            Ok(ended)
        })
    }

    fn consent(&self, user: String, client: String, resource: String) -> Act<'_, Option<Consent>> {
        self.reader.run("read a consent", move |file| consent(file, &user, &client, &resource))
    }

    fn consents(&self, user: String) -> Act<'_, Vec<Consent>> {
        self.reader.run("list consents", move |file| {
            let mut rows = file.prepare_cached("SELECT * FROM consent WHERE user = ?1 ORDER BY client, resource")?;
            rows.query_map([&user], consent_row)?.collect()
        })
    }

    fn remember_consent(&self, consent: Consent) -> Act<'_, ()> {
        self.writer.run("remember a consent", move |file| remember(file, consent))
    }

    fn withdraw_consent(&self, user: String, client: String, now: Time, tokens_end: Time) -> Act<'_, ()> {
        self.writer.run("withdraw a consent", move |file| {
            file.prepare_cached("DELETE FROM consent WHERE user = ?1 AND client = ?2")?
                .execute(params![user, client])?;
            revoke::grants(file, &Ending::Whose(&Whose::UserAt { user, client }), now, tokens_end).map(drop)
        })
    }
}

pub(super) fn named(file: &Connection, name: &str) -> rusqlite::Result<Option<User>> {
    let found = file.prepare_cached("SELECT * FROM user WHERE folded = ?1")?.query_row([folded(name)], user_row);
    found.optional()?.map(|user| with_recovery(file, user)).transpose()
}

pub(super) fn user(file: &Connection, id: &str) -> rusqlite::Result<Option<User>> {
    let found = file.prepare_cached("SELECT * FROM user WHERE id = ?1")?.query_row([id], user_row);
    found.optional()?.map(|user| with_recovery(file, user)).transpose()
}

/// Whether what was proven at a login still is so.
pub(super) fn holds(file: &Connection, proven: &Proven) -> rusqlite::Result<bool> {
    Ok(proven.holds(user(file, &proven.user)?.as_ref()))
}

fn is_retired(file: &Connection, id: &str) -> rusqlite::Result<bool> {
    file.prepare_cached("SELECT EXISTS (SELECT 1 FROM retired WHERE id = ?1)")?.query_row([id], |row| row.get(0))
}

/// Keeps a user whose name and id are free. `file_hash` is what the file says of the password.
pub(super) fn add(file: &Connection, user: &User, file_hash: Option<&str>) -> rusqlite::Result<bool> {
    if is_retired(file, &user.id)? {
        return Ok(false);
    }
    insert(file, user, file_hash, "INSERT OR IGNORE")
}

/// `false`: it was ignored.
pub(super) fn insert(file: &Connection, user: &User, file_hash: Option<&str>, how: &str) -> rusqlite::Result<bool> {
    let factor = user.second_factor.as_ref();
    let done = file
        .prepare_cached(&format!(
            "{how} INTO user VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
        ))?
        .execute(params![
            user.id,
            folded(&user.name),
            user.name,
            user.email,
            user.email_verified,
            user.profile,
            user.password,
            list(&user.roles),
            user.disabled,
            user.origin == Origin::File,
            file_hash,
            column(user.made),
            factor.map(|factor| &factor.secret),
            factor.map(|factor| column(factor.made)),
            factor.and_then(|factor| factor.last_step).and_then(|step| i64::try_from(step).ok()),
        ])?;
    if done > 0 {
        set_recovery(file, &user.id, &user.recovery)?;
    }
    Ok(done > 0)
}

/// Removes a user with everything that hangs on them; the id is never used again.
pub(super) fn remove(file: &Connection, id: &str, now: Time, tokens_end: Time) -> rusqlite::Result<bool> {
    // Sessions, consents and recovery codes go with the row.
    let done = file.prepare_cached("DELETE FROM user WHERE id = ?1")?.execute([id])?;
    if done > 0 {
        file.prepare_cached("INSERT OR IGNORE INTO retired VALUES (?1)")?.execute([id])?;
        revoke::grants(file, &Ending::Whose(&Whose::User(id.to_owned())), now, tokens_end)?;
    }
    Ok(done > 0)
}

pub(super) fn set_roles(
    file: &Connection,
    id: &str,
    mut roles: Vec<String>,
    now: Time,
    tokens_end: Time,
) -> rusqlite::Result<bool> {
    let Some(before) = user(file, id)? else { return Ok(false) };
    roles.sort_unstable();
    file.prepare_cached("UPDATE user SET roles = ?2 WHERE id = ?1")?.execute(params![id, list(&roles)])?;
    if before.roles.iter().any(|role| !roles.contains(role)) {
        revoke::turn_epochs(file, id, now, tokens_end)?;
    }
    Ok(true)
}

fn set_recovery(file: &Connection, id: &str, recovery: &[Digest]) -> rusqlite::Result<()> {
    file.prepare_cached("DELETE FROM recovery_code WHERE user = ?1")?.execute([id])?;
    let mut insert = file.prepare_cached("INSERT OR IGNORE INTO recovery_code VALUES (?1, ?2)")?;
    for code in recovery {
        insert.execute(params![id, code.as_bytes()])?;
    }
    Ok(())
}

pub(super) fn with_recovery(file: &Connection, mut user: User) -> rusqlite::Result<User> {
    let mut codes = file.prepare_cached("SELECT digest FROM recovery_code WHERE user = ?1 ORDER BY digest")?;
    user.recovery = codes.query_map([&user.id], |row| digest(row, "digest"))?.collect::<Result<_, _>>()?;
    Ok(user)
}

pub(super) fn user_row(row: &Row<'_>) -> rusqlite::Result<User> {
    let secret: Option<Vec<u8>> = row.get("totp")?;
    let made = at_if_any(row, "totp_made")?;
    let step: Option<i64> = row.get("totp_step")?;
    let last_step = step.and_then(|step| u64::try_from(step).ok());
    let from_file: bool = row.get("from_file")?;
    Ok(User {
        id: row.get("id")?,
        name: row.get("name")?,
        email: row.get("email")?,
        email_verified: row.get("email_verified")?,
        profile: row.get("profile")?,
        password: row.get("password")?,
        roles: texts(row, "roles")?,
        disabled: row.get("disabled")?,
        origin: if from_file { Origin::File } else { Origin::Command },
        made: at(row, "made")?,
        second_factor: secret.map(|secret| SecondFactor { secret, made: made.unwrap_or_default(), last_step }),
        recovery: Vec::new(),
    })
}

fn consent(file: &Connection, user: &str, client: &str, resource: &str) -> rusqlite::Result<Option<Consent>> {
    file.prepare_cached("SELECT * FROM consent WHERE user = ?1 AND client = ?2 AND resource = ?3")?
        .query_row([user, client, resource], consent_row)
        .optional()
}

fn remember(file: &Connection, given: Consent) -> rusqlite::Result<()> {
    let before = consent(file, &given.user, &given.client, &given.resource)?;
    let mut scopes = before.map(|before| before.scopes).unwrap_or_default();
    scopes.extend(given.scopes);
    scopes.sort_unstable();
    scopes.dedup();
    file.prepare_cached(
        "INSERT INTO consent VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (user, client, resource)
         DO UPDATE SET scopes = excluded.scopes, given = excluded.given",
    )?
    .execute(params![given.user, given.client, given.resource, list(&scopes), column(given.given)])
    .map(drop)
}

pub(super) fn consent_row(row: &Row<'_>) -> rusqlite::Result<Consent> {
    Ok(Consent {
        user: row.get("user")?,
        client: row.get("client")?,
        resource: row.get("resource")?,
        scopes: texts(row, "scopes")?,
        given: at(row, "given")?,
    })
}

pub(super) fn insert_consent(file: &Connection, given: &Consent) -> rusqlite::Result<()> {
    file.prepare_cached("INSERT INTO consent VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![given.user, given.client, given.resource, list(&given.scopes), column(given.given)])
        .map(drop)
}

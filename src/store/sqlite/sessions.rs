//! Sessions in SQLite.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::column::{at, column, digest, list, texts};
use super::revoke::{self, Ending};
use crate::ground::{Digest, Time};
use crate::store::{Allowed, Session, Spare};

pub(super) fn open(
    file: &Connection,
    session: &Session,
    replaces: Option<Digest>,
    (now, tokens_end): (Time, Time),
) -> rusqlite::Result<()> {
    if let Some(digest) = replaces {
        let replaced: Option<String> = file
            .prepare_cached("DELETE FROM session WHERE digest = ?1 RETURNING sid")?
            .query_row([digest.as_bytes()], |row| row.get(0))
            .optional()?;
        if let Some(sid) = replaced.filter(|sid| *sid != session.sid) {
            revoke::grants(file, &Ending::Session(&sid), now, tokens_end)?;
        }
    }
    insert(file, session)
}

pub(super) fn insert(file: &Connection, session: &Session) -> rusqlite::Result<()> {
    file.prepare_cached("INSERT INTO session VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?
        .execute(params![
            session.digest.as_bytes(),
            session.sid,
            session.user,
            column(session.made),
            column(session.authenticated),
            list(&session.methods),
            column(session.seen),
            column(session.idle_end),
            column(session.ends),
            session.device,
            session.address,
        ])
        .map(drop)
}

pub(super) fn live(file: &Connection, digest: Digest, now: Time) -> rusqlite::Result<Option<Session>> {
    file.prepare_cached("SELECT * FROM session WHERE digest = ?1 AND min(idle_end, ends) > ?2")?
        .query_row(params![digest.as_bytes(), column(now)], row)
        .optional()
}

/// Whether the session of what was allowed has not ended.
pub(super) fn is_open(file: &Connection, allowed: &Allowed) -> rusqlite::Result<bool> {
    let Some(sid) = &allowed.session else { return Ok(true) };
    file.prepare_cached("SELECT EXISTS (SELECT 1 FROM session WHERE user = ?1 AND sid = ?2)")?
        .query_row(params![allowed.user, sid], |row| row.get(0))
}

pub(super) fn of_user(file: &Connection, user: &str, now: Time) -> rusqlite::Result<Vec<Session>> {
    file.prepare_cached("SELECT * FROM session WHERE user = ?1 AND min(idle_end, ends) > ?2 ORDER BY seen DESC")?
        .query_map(params![user, column(now)], row)?
        .collect()
}

/// Ends a user's sessions; the grants are the caller's business.
pub(super) fn end_all(file: &Connection, user: &str, spare: &Spare) -> rusqlite::Result<usize> {
    let spared = match spare {
        Spare::None => None,
        Spare::Session(sid) => Some(sid),
    };
    file.prepare_cached("DELETE FROM session WHERE user = ?1 AND (?2 IS NULL OR sid <> ?2)")?
        .execute(params![user, spared])
}

pub(super) fn row(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        digest: digest(row, "digest")?,
        sid: row.get("sid")?,
        user: row.get("user")?,
        made: at(row, "made")?,
        authenticated: at(row, "authenticated")?,
        methods: texts(row, "methods")?,
        seen: at(row, "seen")?,
        idle_end: at(row, "idle_end")?,
        ends: at(row, "ends")?,
        device: row.get("device")?,
        address: row.get("address")?,
    })
}

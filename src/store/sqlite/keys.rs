//! Keys in SQLite.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::column::{at, at_if_any, column, time};
use super::{Sqlite, changed};
use crate::store::{Act, KeptKeySet, Keys, SigningKey, Succession};

impl Keys for Sqlite {
    fn signing_keys(&self) -> Act<'_, Vec<SigningKey>> {
        self.reader.run("read the signing keys", signing_keys)
    }

    fn first_signing_key(&self, key: SigningKey) -> Act<'_, SigningKey> {
        self.writer.run("keep a signing key", move |file| first_signing_key(file, &key))
    }

    fn succeed_signing_key(&self, after: String, key: SigningKey, succession: Succession) -> Act<'_, bool> {
        self.writer.run("keep a new signing key", move |file| succeed(file, &after, &key, succession))
    }

    fn reseal_signing_key(&self, id: String, old: Vec<u8>, new: Vec<u8>) -> Act<'_, bool> {
        self.writer.run("seal a signing key anew", move |file| {
            let mut change = file.prepare_cached("UPDATE signing_key SET pkcs8 = ?3 WHERE id = ?1 AND pkcs8 = ?2")?;
            Ok(change.execute(params![id, old, new])? > 0)
        })
    }

    fn key_set(&self, issuer: String) -> Act<'_, Option<KeptKeySet>> {
        self.reader.run("read a kept key set", move |file| key_set(file, &issuer))
    }

    fn keep_key_set(&self, issuer: String, set: KeptKeySet) -> Act<'_, ()> {
        self.writer.run("keep a key set", move |file| keep_key_set(file, &issuer, &set))
    }
}

pub(super) const COLUMNS: &str = "id, algorithm, pkcs8, made, starts, ends";

fn signing_keys(file: &Connection) -> rusqlite::Result<Vec<SigningKey>> {
    let mut rows = file.prepare_cached(&format!("SELECT {COLUMNS} FROM signing_key ORDER BY made, position"))?;
    rows.query_map([], signing_key)?.collect()
}

/// The writer runs one job after the other, and across processes SQLite's write lock does the same: whoever comes second
/// finds the row.
fn first_signing_key(file: &Connection, key: &SigningKey) -> rusqlite::Result<SigningKey> {
    let is_there = "SELECT EXISTS (SELECT 1 FROM signing_key WHERE algorithm = ?1)";
    let is_there: bool = file.prepare_cached(is_there)?.query_row([&key.algorithm], |row| row.get(0))?;
    if !is_there {
        insert(file, key)?;
    }
    let first = format!("SELECT {COLUMNS} FROM signing_key WHERE algorithm = ?1 ORDER BY made, position LIMIT 1");
    file.prepare_cached(&first)?.query_row([&key.algorithm], signing_key)
}

fn succeed(file: &Connection, after: &str, key: &SigningKey, succession: Succession) -> rusqlite::Result<bool> {
    let newest = "SELECT id FROM signing_key WHERE algorithm = ?1 ORDER BY starts DESC, position DESC LIMIT 1";
    let newest: Option<String> =
        file.prepare_cached(newest)?.query_row([&key.algorithm], |row| row.get(0)).optional()?;
    if newest.as_deref() != Some(after) {
        return Ok(false);
    }
    match succession {
        Succession::Planned { old_ends } => {
            let change = "UPDATE signing_key SET ends = min(coalesce(ends, ?2), ?2) WHERE algorithm = ?1";
            file.prepare_cached(change)?.execute(params![key.algorithm, column(old_ends)])?;
        }
        Succession::Emergency => {
            file.prepare_cached("DELETE FROM signing_key WHERE algorithm = ?1")?.execute([&key.algorithm])?;
        }
    }
    insert(file, key).map(|()| true)
}

pub(super) fn insert(file: &Connection, key: &SigningKey) -> rusqlite::Result<()> {
    file.prepare_cached(
        "INSERT INTO signing_key (id, algorithm, pkcs8, made, starts, ends) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        key.id,
        key.algorithm,
        key.pkcs8,
        column(key.made),
        column(key.starts),
        key.ends.map(column)
    ])?;
    changed(file, "keys")
}

pub(super) fn signing_key(row: &Row<'_>) -> rusqlite::Result<SigningKey> {
    Ok(SigningKey {
        id: row.get("id")?,
        algorithm: row.get("algorithm")?,
        pkcs8: row.get("pkcs8")?,
        made: at(row, "made")?,
        starts: at(row, "starts")?,
        ends: at_if_any(row, "ends")?,
    })
}

fn key_set(file: &Connection, issuer: &str) -> rusqlite::Result<Option<KeptKeySet>> {
    file.prepare_cached("SELECT document, fetched FROM key_set WHERE issuer = ?1")?
        .query_row([issuer], |row| Ok(KeptKeySet { document: row.get(0)?, fetched: time(row.get(1)?) }))
        .optional()
}

fn keep_key_set(file: &Connection, issuer: &str, set: &KeptKeySet) -> rusqlite::Result<()> {
    file.prepare_cached(
        "INSERT INTO key_set (issuer, document, fetched) VALUES (?1, ?2, ?3)
         ON CONFLICT (issuer) DO UPDATE SET document = excluded.document, fetched = excluded.fetched
         WHERE excluded.fetched >= key_set.fetched",
    )?
    .execute(params![issuer, set.document, column(set.fetched)])?;
    Ok(())
}

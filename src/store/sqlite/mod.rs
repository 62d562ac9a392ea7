//! The embedded store: one SQLite file, one writer thread with group commit, one reader thread.
//!
//! Acknowledged means on the disk: the file is in WAL mode with `synchronous=FULL`, and a writing verb answers only after
//! its commit. Verbs never block the caller's thread: they wait in a bounded queue, and a full queue is a fault. The file
//! holds private keys, so it is made readable for its owner alone. Several processes may have it open.

mod fault;
mod migrate;
mod open;
#[cfg(test)]
mod tests;
mod worker;

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use self::fault::fault;
use self::worker::Worker;
use super::{Act, KeptKeySet, SharedStore, SigningKey, Store, StoreFault};
use crate::ground::Time;

/// Opens the store at `path` and brings its schema up to date; makes the file when there is none, but not its directory.
pub fn open_sqlite(path: &Path) -> Result<SharedStore, StoreFault> {
    Ok(Arc::new(Sqlite::open(path)?))
}

/// The two threads that work on the file. Dropping it finishes what is queued and closes the file.
struct Sqlite {
    writer: Worker,
    reader: Worker,
}

impl Sqlite {
    fn open(path: &Path) -> Result<Self, StoreFault> {
        let mut writing = open::connect(path)?;
        migrate::up_to_date(&mut writing).map_err(|cause| StoreFault { act: "open", cause: cause.told(path) })?;
        let reading = open::connect(path)?;
        reading.pragma_update(None, "query_only", true).map_err(|cause| fault("open", &cause))?;
        Ok(Self { writer: Worker::writing(writing)?, reader: Worker::reading(reading)? })
    }
}

impl Store for Sqlite {
    fn signing_keys(&self) -> Act<'_, Vec<SigningKey>> {
        self.reader.run("read the signing keys", signing_keys)
    }

    fn first_signing_key(&self, key: SigningKey) -> Act<'_, SigningKey> {
        self.writer.run("keep a signing key", move |file| first_signing_key(file, &key))
    }

    fn key_set(&self, issuer: String) -> Act<'_, Option<KeptKeySet>> {
        self.reader.run("read a kept key set", move |file| key_set(file, &issuer))
    }

    fn keep_key_set(&self, issuer: String, set: KeptKeySet) -> Act<'_, ()> {
        self.writer.run("keep a key set", move |file| keep_key_set(file, &issuer, &set))
    }

    /// Asks the reader alone: a readiness probe must not cost a write.
    fn ping(&self) -> Act<'_, ()> {
        self.reader.run("answer", |file| file.query_row("SELECT count(*) FROM signing_key", [], |_| Ok(())))
    }
}

fn signing_keys(file: &Connection) -> rusqlite::Result<Vec<SigningKey>> {
    let mut rows = file.prepare_cached("SELECT id, algorithm, pkcs8, made FROM signing_key ORDER BY made, position")?;
    rows.query_map([], signing_key)?.collect()
}

/// The writer runs one job after the other, and across processes SQLite's write lock does the same: whoever comes second
/// finds the row.
fn first_signing_key(file: &Connection, key: &SigningKey) -> rusqlite::Result<SigningKey> {
    file.prepare_cached(
        "INSERT INTO signing_key (id, algorithm, pkcs8, made) SELECT ?1, ?2, ?3, ?4
         WHERE NOT EXISTS (SELECT 1 FROM signing_key WHERE algorithm = ?2)",
    )?
    .execute(params![key.id, key.algorithm, key.pkcs8, column(key.made)])?;
    file.prepare_cached(
        "SELECT id, algorithm, pkcs8, made FROM signing_key WHERE algorithm = ?1 ORDER BY made, position LIMIT 1",
    )?
    .query_row([&key.algorithm], signing_key)
}

fn signing_key(row: &Row<'_>) -> rusqlite::Result<SigningKey> {
    Ok(SigningKey { id: row.get(0)?, algorithm: row.get(1)?, pkcs8: row.get(2)?, made: time(row.get(3)?) })
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

/// SQLite's integers are signed; the end of time is far enough away either way.
fn column(time: Time) -> i64 {
    i64::try_from(time.millis()).unwrap_or(i64::MAX)
}

fn time(column: i64) -> Time {
    Time::from_millis(u64::try_from(column).unwrap_or(0))
}

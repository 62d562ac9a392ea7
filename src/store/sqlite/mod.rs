//! The embedded store: one SQLite file, one writer thread with group commit, one reader thread.
//!
//! Acknowledged means on the disk: the file is in WAL mode with `synchronous=FULL`, and a writing verb answers only after
//! its commit. Verbs never block the caller's thread: they wait in a bounded queue, and a full queue is a fault. The file
//! holds private keys, so it is made readable for its owner alone. Several processes may have it open.

mod clients;
mod column;
mod fault;
mod grants;
mod keys;
mod migrate;
mod open;
mod people;
mod reconcile;
mod revoke;
mod sessions;
#[cfg(test)]
mod tests;
mod tokens;
mod whole;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, params};

use self::column::column;
use self::fault::fault;
use self::worker::Worker;
use super::{Act, News, SharedStore, Store, StoreFault, StoreStatus, Versions};
use crate::ground::Time;

/// Opens the store at `path` and brings its schema up to date; makes the file when there is none, but not its directory.
pub fn open_sqlite(path: &Path) -> Result<SharedStore, StoreFault> {
    Ok(Arc::new(Sqlite::open(path)?))
}

/// The two threads that work on the file. Dropping it finishes what is queued and closes the file.
struct Sqlite {
    path: PathBuf,
    writer: Worker,
    reader: Worker,
}

impl Sqlite {
    fn open(path: &Path) -> Result<Self, StoreFault> {
        let mut writing = open::connect(path)?;
        migrate::up_to_date(&mut writing).map_err(|cause| StoreFault { act: "open", cause: cause.told(path) })?;
        let reading = open::connect(path)?;
        reading.pragma_update(None, "query_only", true).map_err(|cause| fault("open", &cause))?;
        Ok(Self { path: path.to_owned(), writer: Worker::writing(writing)?, reader: Worker::reading(reading)? })
    }
}

impl Store for Sqlite {
    fn versions(&self) -> Act<'_, Versions> {
        self.reader.run("read what has changed", versions)
    }

    fn sweep(&self, now: Time, most: usize) -> Act<'_, usize> {
        self.writer.run("forget what is over", move |file| sweep(file, now, most))
    }

    fn news(&self) -> News {
        News::never()
    }

    fn status(&self) -> StoreStatus {
        StoreStatus { kind: "sqlite", ..StoreStatus::default() }
    }

    /// Asks the reader alone: a readiness probe must not cost a write.
    fn ping(&self) -> Act<'_, ()> {
        self.reader.run("answer", |file| file.query_row("SELECT count(*) FROM version", [], |_| Ok(())))
    }
}

fn versions(file: &Connection) -> rusqlite::Result<Versions> {
    file.prepare_cached(
        "SELECT (SELECT number FROM version WHERE subject = 'clients'),
                (SELECT number FROM version WHERE subject = 'keys'),
                (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'revocation')",
    )?
    .query_row([], |row| {
        let number = |place| row.get(place).map(|number: i64| u64::try_from(number).unwrap_or(0));
        Ok(Versions { clients: number(0)?, keys: number(1)?, revocations: number(2)? })
    })
}

/// Free pages that are not worth giving back.
const SPARE_PAGES: i64 = 64;

/// What goes when, each by an index on its end.
const SWEEPS: [&str; 8] = [
    "DELETE FROM grant_ WHERE id IN (SELECT id FROM grant_ WHERE until <= ?1 LIMIT ?2)",
    "DELETE FROM code WHERE digest IN (SELECT digest FROM code WHERE grant_id IS NULL AND ends <= ?1 LIMIT ?2)",
    "DELETE FROM session WHERE digest IN (SELECT digest FROM session WHERE min(idle_end, ends) <= ?1 LIMIT ?2)",
    "DELETE FROM access_token WHERE digest IN (SELECT digest FROM access_token WHERE ends <= ?1 LIMIT ?2)",
    "DELETE FROM finished WHERE digest IN (SELECT digest FROM finished WHERE until <= ?1 LIMIT ?2)",
    "DELETE FROM assertion WHERE id IN (SELECT id FROM assertion WHERE until <= ?1 LIMIT ?2)",
    "DELETE FROM revocation WHERE number IN (SELECT number FROM revocation WHERE until <= ?1 LIMIT ?2)",
    "DELETE FROM signing_key WHERE position IN (SELECT position FROM signing_key WHERE ends <= ?1 LIMIT ?2)",
];

fn sweep(file: &Connection, now: Time, most: usize) -> rusqlite::Result<usize> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut gone = 0;
    for sweep in SWEEPS {
        gone += file.prepare_cached(sweep)?.execute(params![column(now), most])?;
    }
    give_back(file, most)?;
    Ok(gone)
}

/// Gives free pages back to the file system, at most `most`, but for an eighth that will be needed again soon.
fn give_back(file: &Connection, most: i64) -> rusqlite::Result<()> {
    let pages = |pragma| file.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let (free, all) = (pages("PRAGMA freelist_count")?, pages("PRAGMA page_count")?);
    let spare = (free - (all / 8).max(SPARE_PAGES)).min(most);
    if spare > 0 {
        // Each step gives one page back.
        let mut giving = file.prepare(&format!("PRAGMA incremental_vacuum({spare})"))?;
        let mut rows = giving.query([])?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}

/// Tells other processes that something of a subject has changed.
fn changed(file: &Connection, subject: &str) -> rusqlite::Result<()> {
    file.prepare_cached("UPDATE version SET number = number + 1 WHERE subject = ?1")?.execute([subject]).map(drop)
}

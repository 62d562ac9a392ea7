//! Brings the tables of the file to the form that this version knows.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::fault::in_words;

/// One step per schema version, the first makes version 1. A step is never changed once released; steps are added.
const STEPS: &[&str] = &[
    "
    CREATE TABLE signing_key (
        position  INTEGER PRIMARY KEY,
        id        TEXT NOT NULL UNIQUE,   -- RFC 7638 thumbprint
        algorithm TEXT NOT NULL,
        pkcs8     BLOB NOT NULL,
        made      INTEGER NOT NULL        -- milliseconds since 1970
    ) STRICT;
    CREATE TABLE key_set (
        issuer    TEXT PRIMARY KEY,
        document  TEXT NOT NULL,
        fetched   INTEGER NOT NULL        -- milliseconds since 1970
    ) STRICT;
",
    include_str!("schema_2.sql"),
];

/// `Port` in ASCII: says in the file's header whose it is.
const APPLICATION: i32 = 0x506F_7274;

/// Why the tables cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MigrationFault {
    /// Going on could destroy what the newer version keeps.
    #[error("was made by a newer version of Portcullis (schema {found}, this one knows up to {known})")]
    Newer { found: usize, known: usize },
    #[error("is the database of another program")]
    Foreign,
    #[error("{}", in_words(.0))]
    Sqlite(#[from] rusqlite::Error),
}

impl MigrationFault {
    /// The fault with its file and, where there is one, a way out.
    pub(super) fn told(&self, path: &Path) -> String {
        let file = path.display();
        match self {
            Self::Newer { .. } => format!("`{file}` {self}; run that version, or name another file"),
            Self::Foreign => format!("`{file}` {self}; name another file"),
            Self::Sqlite(_) => format!("`{file}`: {self}"),
        }
    }
}

/// Runs the steps that are missing, all or none. Of two processes that start at the same moment one runs them while the
/// other waits for the write lock and then finds them done.
pub(super) fn up_to_date(file: &mut Connection) -> Result<(), MigrationFault> {
    if version(file)? == STEPS.len() && application(file)? == APPLICATION {
        return Ok(());
    }
    let change = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&change)?;
    let tables: i64 = change.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application = application(&change)?;
    if application != APPLICATION && (application != 0 || tables != 0 || found != 0) {
        return Err(MigrationFault::Foreign);
    }
    if found > STEPS.len() {
        return Err(MigrationFault::Newer { found, known: STEPS.len() });
    }
    for step in STEPS.iter().skip(found) {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "application_id", APPLICATION)?;
    change.pragma_update(None, "user_version", i64::try_from(STEPS.len()).unwrap_or(i64::MAX))?;
    change.commit()?;
    if found > 0 && file.query_row("PRAGMA auto_vacuum", [], |row| row.get::<_, i64>(0))? == 0 {
        // A file of the first version cannot give pages back before it has been written anew. Where that fails (another
        // process has it open, the disk is full) it works as well, and keeps its size.
        let _ = file.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM");
    }
    Ok(())
}

fn version(file: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = file.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

fn application(file: &Connection) -> rusqlite::Result<i32> {
    file.query_row("PRAGMA application_id", [], |row| row.get(0))
}

//! Opens the file: made for its owner alone, with the settings that let "acknowledged" mean "on the disk".

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::fault::{in_words, unreachable};
use crate::store::StoreFault;

/// How long a verb waits for another process (a command line beside a running gateway) to finish its write.
const BUSY: Duration = Duration::from_secs(5);

/// How long to wait between two tries where SQLite itself does not wait.
const PAUSE: Duration = Duration::from_millis(10);

/// A connection to the file at `path`, which is made when it is not there.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreFault> {
    made(path).map_err(|cause| StoreFault { act: "open", cause: unreachable(path, &cause) })?;
    tuned(path)
        .map_err(|cause| StoreFault { act: "open", cause: format!("`{}`: {}", path.display(), in_words(&cause)) })
}

/// Makes the file, readable and writable for its owner alone: SQLite itself would follow the umask. The `-wal` and `-shm`
/// files take the mode of this one.
///
/// A file that is there already is looked at and never opened here: closing it again would give up the locks that other
/// connections of this process hold on it (POSIX locks belong to process and file, sqlite.org/howtocorrupt.html 2.2).
fn made(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(there) => {
            warn_of_readers(path, &there);
            return Ok(());
        }
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        // Another process was faster.
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

#[cfg(unix)]
fn warn_of_readers(path: &Path, file: &std::fs::Metadata) {
    use std::os::unix::fs::PermissionsExt;
    if file.permissions().mode() & 0o077 != 0 {
        tracing::warn!(file = %path.display(), "the store holds private keys and other users may read it: chmod 600");
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_: &Path, _: &std::fs::Metadata) {}

fn tuned(path: &Path) -> rusqlite::Result<Connection> {
    // No SQLITE_OPEN_URI: a path is a path, whatever it looks like. No SQLITE_OPEN_CREATE: the file is there by now.
    let file = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    file.busy_timeout(BUSY)?;
    // Takes hold in a new file only, and there before the first page is written: the sweeper gives pages back.
    file.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    write_ahead(&file)?;
    file.pragma_update(None, "synchronous", "FULL")?;
    file.pragma_update(None, "foreign_keys", true)?;
    file.pragma_update(None, "trusted_schema", false)?;
    // A deleted key or token must not linger in a free page.
    file.pragma_update(None, "secure_delete", true)?;
    Ok(file)
}

/// Switches to WAL. SQLite does not always wait for its busy timeout here, so that of two processes which start on a new
/// file one could fail; hence the tries.
fn write_ahead(file: &Connection) -> rusqlite::Result<()> {
    let mut tries = BUSY.as_millis() / PAUSE.as_millis();
    loop {
        match file.pragma_update(None, "journal_mode", "WAL") {
            Err(cause) if tries > 0 && cause.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => tries -= 1,
            switched => return switched,
        }
        std::thread::sleep(PAUSE);
    }
}

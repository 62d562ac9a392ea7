//! What went wrong with the file, in the words of whoever runs the machine.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::store::StoreFault;

/// A fault while doing `act`.
pub(super) fn fault(act: &'static str, cause: &rusqlite::Error) -> StoreFault {
    StoreFault { act, cause: in_words(cause) }
}

/// What SQLite says, and what to do about it where that is known.
pub(super) fn in_words(cause: &rusqlite::Error) -> String {
    let Some(code) = cause.sqlite_error_code() else {
        return cause.to_string();
    };
    let meaning = match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            "another program holds the database locked; stop it, or give this gateway a file of its own"
        }
        ErrorCode::NotADatabase => "the file is not an SQLite database; name another file, or move this one away",
        ErrorCode::DatabaseCorrupt => "the database is damaged; restore it from a copy",
        ErrorCode::DiskFull => "the disk is full",
        ErrorCode::ReadOnly => "the database cannot be written; check the owner and mode of the file and its directory",
        ErrorCode::PermissionDenied => "access to the database is not permitted; check the owner and mode of the file",
        ErrorCode::CannotOpen => {
            "the database cannot be opened; check the owner and mode of the file, its directory and its `-wal` file"
        }
        ErrorCode::SystemIoFailure => "reading or writing the disk failed",
        _ => return cause.to_string(),
    };
    format!("{meaning} ({cause})")
}

/// Why the file at `path` can be neither opened nor made.
pub(super) fn unreachable(path: &Path, cause: &io::Error) -> String {
    let file = path.display();
    let directory = directory(path).display();
    match cause.kind() {
        io::ErrorKind::NotFound => {
            format!("the directory `{directory}` does not exist; make it, or name another place")
        }
        io::ErrorKind::PermissionDenied => format!(
            "`{file}` cannot be written; the file and its directory `{directory}` must be writable for the user that \
             runs the gateway"
        ),
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("`{directory}` is on a read-only file system; name a place that can be written")
        }
        io::ErrorKind::IsADirectory => format!("`{file}` is a directory; name a file in it"),
        io::ErrorKind::NotADirectory => format!("`{directory}` is not a directory"),
        io::ErrorKind::StorageFull => format!("the disk of `{directory}` is full"),
        _ => format!("`{file}` cannot be opened: {cause}"),
    }
}

/// Where the file lies; `.` for a bare name.
fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

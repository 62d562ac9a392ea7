//! What only a file can get wrong: durability, other processes, bad files, full queues.

use std::path::Path;
use std::sync::{Arc, mpsc};

use rusqlite::Connection;

mod schema;
mod size;

use super::fault::{in_words, unreachable};
use super::worker::Worker;
use super::*;
use crate::store::{KeptKeySet, Keys as _, SigningKey};

fn key(id: &str) -> SigningKey {
    SigningKey {
        id: id.into(),
        algorithm: "ES256".into(),
        pkcs8: vec![1, 2, 3],
        made: Time::from_secs(1),
        starts: Time::from_secs(1),
        ends: None,
    }
}

/// Keeps a writer busy, so that what is queued behind shares one transaction.
fn hold(writer: &Worker) -> (mpsc::Sender<()>, Act<'_, ()>) {
    let (go, wait) = mpsc::channel();
    let (begun, begin) = mpsc::channel();
    let held = writer.run("wait", move |_| {
        begun.send(()).unwrap();
        wait.recv().unwrap();
        Ok(())
    });
    begin.recv().unwrap();
    (go, held)
}

fn refused(path: &Path) -> String {
    open_sqlite(path).err().expect("must not open").to_string()
}

#[tokio::test]
async fn reopening_after_a_drop_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let set = KeptKeySet { document: "{}".into(), fetched: Time::from_secs(7) };
    let store = open_sqlite(&path).unwrap();
    store.first_signing_key(key("one")).await.unwrap();
    store.keep_key_set("corp".into(), set.clone()).await.unwrap();
    drop(store);

    let store = open_sqlite(&path).unwrap();
    assert_eq!(store.signing_keys().await.unwrap(), [key("one")]);
    assert_eq!(store.first_signing_key(key("two")).await.unwrap(), key("one"));
    assert_eq!(store.key_set("corp".into()).await.unwrap(), Some(set));
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_at_that_moment() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = open_sqlite(&path).unwrap();
    store.first_signing_key(key("one")).await.unwrap();

    // The files as a killed process leaves them: not closed, not checkpointed.
    let left = tempfile::tempdir().unwrap();
    for name in ["store.db", "store.db-wal"] {
        std::fs::copy(directory.path().join(name), left.path().join(name)).unwrap();
    }
    let survivor = open_sqlite(&left.path().join("store.db")).unwrap();
    assert_eq!(survivor.signing_keys().await.unwrap(), [key("one")]);
}

#[test]
fn of_processes_that_start_on_the_same_new_file_all_get_one_key() {
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let start = Arc::new(std::sync::Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let (path, start) = (path.clone(), Arc::clone(&start));
                std::thread::spawn(move || {
                    start.wait();
                    let store = open_sqlite(&path).unwrap();
                    let wait = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    wait.block_on(store.first_signing_key(key(&number.to_string()))).unwrap().id
                })
            })
            .collect();
        let ids: std::collections::HashSet<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.len(), 1);
    }
}

/// Closing any handle of a file drops the locks that its process holds on it; then a second process could take the file
/// away from under the first.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn opening_a_second_time_leaves_the_locks_of_the_first() {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = open_sqlite(&path).unwrap();
    store.first_signing_key(key("one")).await.unwrap();
    let locks = || {
        let file = format!(":{} ", std::fs::metadata(&path).unwrap().ino());
        let own = format!(" {} ", std::process::id());
        let all = std::fs::read_to_string("/proc/locks").unwrap();
        all.lines().filter(|line| line.contains(&file) && line.contains(&own)).count()
    };
    let held = locks();
    let second = open_sqlite(&path).unwrap();
    assert!(locks() >= held, "{} of {held} locks are left", locks());
    assert!(held > 0, "SQLite holds a lock on an open file");
    drop(second);
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_verb_that_fails_takes_back_its_own_changes_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("store.db")).unwrap();
    let (go, held) = hold(&store.writer);
    let before = store.first_signing_key(key("one"));
    let failing = store.writer.run("fail", |file| {
        file.execute("INSERT INTO key_set VALUES ('half', 'done', 1)", [])?;
        file.execute("INSERT INTO no_such_table VALUES (1)", [])
    });
    let set = KeptKeySet { document: "{}".into(), fetched: Time::from_secs(7) };
    let after = store.keep_key_set("corp".into(), set.clone());
    go.send(()).unwrap();

    held.await.unwrap();
    before.await.unwrap();
    assert!(failing.await.unwrap_err().cause.contains("no_such_table"));
    after.await.unwrap();
    assert_eq!(store.key_set("half".into()).await.unwrap(), None);
    assert_eq!(store.key_set("corp".into()).await.unwrap(), Some(set));
    assert_eq!(store.signing_keys().await.unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_is_told_of_success_when_the_transaction_fails() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("store.db")).unwrap();
    let (go, held) = hold(&store.writer);
    let before = store.first_signing_key(key("one"));
    // What SQLite does by itself when the disk is full.
    let breaking = store.writer.run("break", |file| file.execute_batch("ROLLBACK"));
    go.send(()).unwrap();
    held.await.unwrap();
    assert!(before.await.unwrap_err().cause.contains("broke it off"));
    breaking.await.unwrap_err();
    assert_eq!(store.signing_keys().await.unwrap(), []);
    assert_eq!(store.first_signing_key(key("two")).await.unwrap(), key("two"), "the writer goes on");
}

#[tokio::test]
async fn a_full_queue_is_a_fault_at_once() {
    let worker = Worker::writing(Connection::open_in_memory().unwrap()).unwrap();
    let (go, held) = hold(&worker);
    let waiting: Vec<_> = (0..3000).map(|_| worker.run("wait", |_| Ok(()))).collect();
    go.send(()).unwrap();
    held.await.unwrap();
    let mut full = 0;
    for verb in waiting {
        if let Err(fault) = verb.await {
            assert!(fault.cause.contains("wait for it already"), "{fault}");
            full += 1;
        }
    }
    assert_eq!(full, 3000 - 1024);
}

#[tokio::test]
async fn dropping_the_store_carries_out_what_was_queued() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = open_sqlite(&path).unwrap();
    drop(store.first_signing_key(key("one")));
    drop(store);
    assert_eq!(open_sqlite(&path).unwrap().signing_keys().await.unwrap(), [key("one")]);
}

#[cfg(unix)]
#[test]
fn the_file_and_its_companions_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let _store = open_sqlite(&directory.path().join("store.db")).unwrap();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
}

#[test]
fn the_file_is_opened_with_the_durable_settings() {
    let directory = tempfile::tempdir().unwrap();
    let file = open::connect(&directory.path().join("store.db")).unwrap();
    let ask = |pragma: &str| -> String {
        let value: rusqlite::types::Value = file.query_row(pragma, [], |row| row.get(0)).unwrap();
        format!("{value:?}")
    };
    assert_eq!(ask("PRAGMA journal_mode"), "Text(\"wal\")");
    assert_eq!(ask("PRAGMA synchronous"), "Integer(2)");
    assert_eq!(ask("PRAGMA busy_timeout"), "Integer(5000)");
}

#[test]
fn a_file_that_cannot_be_the_store_is_refused_in_plain_words() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);

    assert!(refused(&at("none/store.db")).contains("none` does not exist; make it"));
    assert!(refused(directory.path()).contains("is a directory; name a file in it"));

    std::fs::write(at("text"), "not a database at all, but longer than its header would be: ".repeat(99)).unwrap();
    assert!(refused(&at("text/store.db")).contains("is not a directory"));
    assert!(refused(&at("text")).contains("not an SQLite database"));

    Connection::open(at("foreign")).unwrap().execute_batch("CREATE TABLE bookmarks (url)").unwrap();
    assert!(refused(&at("foreign")).contains("another program"));

    drop(open_sqlite(&at("newer")).unwrap());
    Connection::open(at("newer")).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(
        refused(&at("newer")).contains("made by a newer version of Portcullis (schema 99, this one knows up to 2)")
    );
}

#[test]
fn a_damaged_file_is_refused_in_plain_words() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    drop(open_sqlite(&path).unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100..4096].fill(0xA5);
    bytes[24..28].copy_from_slice(&[0, 0, 0, 99]);
    std::fs::write(&path, bytes).unwrap();
    let store = match open_sqlite(&path) {
        Err(fault) => return assert!(fault.cause.contains("damaged"), "{fault}"),
        Ok(store) => store,
    };
    let wait = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let fault = wait.block_on(store.signing_keys()).unwrap_err();
    assert!(fault.cause.contains("damaged"), "{fault}");
}

#[test]
fn what_the_system_says_is_told_with_a_way_out() {
    let check = |kind: std::io::ErrorKind, part: &str| {
        let text = unreachable(Path::new("/var/lib/portcullis/store.db"), &kind.into());
        assert!(text.contains(part) && text.contains("/var/lib/portcullis"), "{text}");
    };
    check(std::io::ErrorKind::PermissionDenied, "must be writable for the user that runs the gateway");
    check(std::io::ErrorKind::ReadOnlyFilesystem, "read-only file system");
    check(std::io::ErrorKind::StorageFull, "is full");

    let check = |code: i32, part: &str| {
        let cause = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        assert!(in_words(&cause).contains(part), "{}", in_words(&cause));
    };
    check(rusqlite::ffi::SQLITE_BUSY, "locked");
    check(rusqlite::ffi::SQLITE_FULL, "the disk is full");
    check(rusqlite::ffi::SQLITE_READONLY, "cannot be written");
    check(rusqlite::ffi::SQLITE_IOERR, "the disk failed");
}

#[test]
fn a_bare_name_lies_in_the_working_directory() {
    assert!(unreachable(Path::new("store.db"), &std::io::ErrorKind::NotFound.into()).contains("`.`"));
}

#[tokio::test]
async fn a_locked_file_is_a_fault_and_not_a_wait_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = Sqlite::open(&path).unwrap();
    store.writer.run("hurry", |file| file.execute_batch("PRAGMA busy_timeout = 0")).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let fault = store.first_signing_key(key("one")).await.unwrap_err();
    assert!(fault.cause.contains("locked"), "{fault}");
    assert_eq!(store.signing_keys().await.unwrap(), [], "reading goes on");
    other.execute_batch("COMMIT").unwrap();
    store.first_signing_key(key("one")).await.unwrap();
}

#[test]
fn the_store_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Sqlite>();
    shared::<Arc<Sqlite>>();
}

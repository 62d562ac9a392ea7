//! Files of earlier versions, and whether what is asked often is found by an index.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::ground::Time;
use crate::store::conformance::whole::{filled, taken_in, taken_out};
use crate::store::open_sqlite;
use crate::store::sqlite::whole::source;
use crate::store::whole::{Part, Taken};

/// What the first version made, with a key and a key set in it.
const FIRST: &str = "
    CREATE TABLE signing_key (position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, algorithm TEXT NOT NULL,
                              pkcs8 BLOB NOT NULL, made INTEGER NOT NULL) STRICT;
    CREATE TABLE key_set (issuer TEXT PRIMARY KEY, document TEXT NOT NULL, fetched INTEGER NOT NULL) STRICT;
    INSERT INTO signing_key VALUES (1, 'one', 'ES256', x'0102', 5000);
    INSERT INTO key_set VALUES ('corp', '{\"keys\":[]}', 6000);
    PRAGMA application_id = 0x506F7274;
    PRAGMA user_version = 1;
";

#[tokio::test]
async fn a_file_of_the_first_version_keeps_its_keys_and_gets_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    Connection::open(&path).unwrap().execute_batch(FIRST).unwrap();
    let store = open_sqlite(&path).unwrap();
    let keys = store.signing_keys().await.unwrap();
    assert_eq!((keys.len(), keys[0].id.as_str(), keys[0].pkcs8.as_slice()), (1, "one", &[1, 2][..]));
    // It signed from the start, and is the newest.
    assert_eq!((keys[0].starts, keys[0].ends), (Time::from_millis(5000), None));
    assert_eq!(store.key_set("corp".into()).await.unwrap().unwrap().fetched, Time::from_millis(6000));
    assert!(store.add_user(crate::store::conformance::records::user("u1", "alice")).await.unwrap());
    drop(store);
    let file = Connection::open(&path).unwrap();
    let ask = |pragma| file.query_row(pragma, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((ask("PRAGMA user_version"), ask("PRAGMA auto_vacuum")), (2, 2));
    assert!(open_sqlite(&path).is_ok(), "and it opens again");
}

#[test]
fn what_is_asked_at_each_request_or_sweep_is_found_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(open_sqlite(&path).unwrap());
    let file = Connection::open(&path).unwrap();
    let asked = [
        "SELECT * FROM user WHERE folded = ?1",
        "SELECT * FROM session WHERE digest = ?1",
        "SELECT * FROM session WHERE user = ?1",
        "SELECT * FROM code WHERE digest = ?1",
        "SELECT * FROM grant_ WHERE id = ?1",
        "SELECT * FROM grant_ WHERE user = ?1",
        "SELECT * FROM grant_ WHERE client = ?1",
        "SELECT * FROM access_token WHERE digest = ?1",
        "DELETE FROM access_token WHERE grant_id = ?1",
        "DELETE FROM access_token WHERE id = ?1",
        "SELECT * FROM revocation WHERE number > ?1 ORDER BY number LIMIT 10",
    ];
    let sweeps = crate::store::sqlite::SWEEPS.iter().filter(|sweep| !sweep.contains("signing_key"));
    for sql in asked.iter().chain(sweeps) {
        let mut explained = file.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let numbers = vec![1; explained.parameter_count()];
        let plan: Vec<String> = explained
            .query_map(rusqlite::params_from_iter(numbers), |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(!plan.iter().any(|step| step.starts_with("SCAN")), "{sql}: {plan:?}");
    }
}

/// Tables that stay behind when everything moves to another store, and why.
const LEFT_BEHIND: [(&str, &str); 3] = [
    ("key_set", "fetched anew"),
    ("version", "counted anew"),
    ("sqlite_sequence", "SQLite's own; follows the numbers of revocations"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_and_column_moves_or_is_left_behind_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old.db"), folder.path().join("new.db"));
    let store = open_sqlite(&old).unwrap();
    filled(&store).await;
    let rows = taken_out(&store, 10).await.1;
    assert_eq!(taken_in(&open_sqlite(&new).unwrap(), &rows).await, Taken::All);
    let moved = |table: &str| table == "recovery_code" || Part::ALL.iter().any(|part| source(*part).0 == table);
    for table in texts(&old, "SELECT name FROM sqlite_schema WHERE type = 'table'") {
        if LEFT_BEHIND.iter().any(|(left, _)| *left == table) {
            continue;
        }
        assert!(moved(&table), "`{table}` neither moves nor is left behind by name");
        let columns = texts(&old, &format!("SELECT name FROM pragma_table_info('{table}')"));
        let (before, after) = (contents(&old, &table, columns.len()), contents(&new, &table, columns.len()));
        assert_eq!(before, after, "{table}");
        for (place, column) in columns.iter().enumerate() {
            let says = |value: &Value| !matches!(value, Value::Null | Value::Integer(0));
            assert!(before.iter().any(|row| says(&row[place])), "nobody would miss {table}.{column}: give it a value");
        }
    }
}

fn texts(path: &Path, sql: &str) -> Vec<String> {
    let file = Connection::open(path).unwrap();
    let mut found = file.prepare(sql).unwrap();
    found.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn contents(path: &Path, table: &str, columns: usize) -> Vec<Vec<Value>> {
    let file = Connection::open(path).unwrap();
    let mut found = file.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap();
    let row = |row: &rusqlite::Row<'_>| (0..columns).map(|place| row.get(place)).collect();
    found.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
}

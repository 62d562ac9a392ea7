//! Does everything that the tables have move to another database?

use super::fresh;
use super::server::Database;
use crate::store::conformance::whole::{filled, taken_in, taken_out};
use crate::store::postgres::whole::{WITH_USERS, source};
use crate::store::whole::{Part, Taken};

/// Tables that stay behind when everything moves to another store, and why.
const LEFT_BEHIND: [(&str, &str); 3] =
    [("key_set", "fetched anew"), ("version", "counted anew"), ("form", "that of the tables")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_and_column_moves_or_is_left_behind_by_name() {
    let ((store, old), (other, new)) = (fresh().await, fresh().await);
    filled(&store).await;
    let rows = taken_out(&store, 10).await.1;
    assert_eq!(taken_in(&other, &rows).await, Taken::All);
    let moved = |table: &str| table == WITH_USERS || Part::ALL.iter().any(|part| source(*part).0 == table);
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'portcullis'";
    for table in lines(&old, tables) {
        if LEFT_BEHIND.iter().any(|(left, _)| *left == table) {
            continue;
        }
        assert!(moved(&table), "`{table}` neither moves nor is left behind by name");
        let all = format!("SELECT * FROM portcullis.{table} ORDER BY 1");
        assert_eq!(lines(&old, &all), lines(&new, &all), "{table}");
        let columns = format!(
            "SELECT column_name FROM information_schema.columns
             WHERE table_schema = 'portcullis' AND table_name = '{table}'"
        );
        for column in lines(&old, &columns) {
            let says = format!(
                "SELECT count(*) FROM portcullis.{table} WHERE {column}::text NOT IN ('', '0', 'f', 'false', '{{}}')"
            );
            assert_ne!(lines(&old, &says), ["0"], "nobody would miss {table}.{column}: give it a value");
        }
    }
}

fn lines(database: &Database<'_>, sql: &str) -> Vec<String> {
    database.sql(sql).lines().map(str::to_owned).collect()
}

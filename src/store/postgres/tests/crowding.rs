//! What becomes of verbs, and of the one that listens, when the server takes no more connections?

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Object;

use super::door::Door;
use super::{server::Server, settings};
use crate::ground::Secret;
use crate::store::StoreFault;
use crate::store::postgres::verb::{Kind, Office};
use crate::store::postgres::{PostgresSettings, open_postgres};

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_finds_no_place_leaves_the_store_to_those_who_have_one() {
    let database = tokio::task::spawn_blocking(|| Server::shared().database()).await.unwrap();
    let mut door = Door::to(&database).await;
    let store = open_postgres(PostgresSettings { url: Secret::new(door.url.clone()), ..settings(&database) });
    let store = store.await.unwrap();
    let mut news = store.news();
    let waited = tokio::time::timeout(PATIENCE, async {
        news.next().await;
        door.is_full(true);
        database.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND query LIKE 'LISTEN%'",
        );
        for count in 1..5 {
            door.has_turned_away(count).await;
            store.versions().await.expect("there is a connection for it");
        }
        assert_eq!(store.status().hears, Some(false));
        assert_eq!(store.status().faults, 0);
        door.is_full(false);
        news.next().await;
        assert_eq!(store.status().hears, Some(true), "it was tried again");
    });
    waited.await.expect("it hears, is turned away, and hears again");
}

async fn asked(office: &Arc<Office>) -> Result<(), StoreFault> {
    office.run(Kind::Repeatable, "answer", (), |db, ()| Box::pin(async { db.plain("SELECT 1").await })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_is_away_only_for_a_gateway_that_has_no_connection() {
    let database = tokio::task::spawn_blocking(|| Server::shared().database()).await.unwrap();
    let door = Door::to(&database).await;
    let settings = PostgresSettings { url: Secret::new(door.url.clone()), ..settings(&database) };
    let office = super::office(&settings);
    let busy = office.pool.get().await.unwrap();
    door.is_full(true);
    let fault = asked(&office).await.expect_err("the only connection is busy");
    assert!(fault.cause.contains("53300") && fault.cause.contains("max_connections"), "{fault}");
    assert!(!office.health.is_away(), "whoever has the connection is served");
    assert!(office.answers().await, "it is there");
    drop(busy);
    asked(&office).await.expect("it is free again");
    drop(Object::take(office.pool.get().await.unwrap()));
    asked(&office).await.expect_err("there is none");
    assert!(!office.answers().await, "not for this gateway");
    assert!(office.health.is_away(), "nobody of this gateway can be served");
    door.is_full(false);
    tokio::time::timeout(PATIENCE, async { while asked(&office).await.is_err() {} }).await.expect("there is a place");
    assert!(!office.health.is_away());
}

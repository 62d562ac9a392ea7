//! On a real server, which the tests of this process share.

#[path = "../../../../tests/it/support/postgres.rs"]
#[allow(dead_code, clippy::disallowed_methods, reason = "it belongs to the end-to-end tests, which use all of it")]
pub(in crate::store) mod server;

mod committing;
mod several;
mod whole;

use std::time::Duration;

use self::server::{Database, Server};
use super::{PostgresSettings, open_postgres};
use crate::ground::Secret;
use crate::store::SharedStore;

/// Settings for a database of a test.
fn settings(database: &Database<'_>) -> PostgresSettings {
    PostgresSettings { url: Secret::new(database.url()), connections: 8, deadline: Duration::from_secs(30), tls: None }
}

/// A store in a database of its own.
pub(in crate::store) async fn fresh() -> (SharedStore, Database<'static>) {
    let database = tokio::task::spawn_blocking(|| Server::shared().database()).await.unwrap();
    let store = open_postgres(settings(&database)).await.unwrap();
    (store, database)
}

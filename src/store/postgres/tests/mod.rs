//! On a real server, which the tests of this process share.

#[path = "../../../../tests/it/support/postgres.rs"]
#[allow(dead_code, clippy::disallowed_methods, reason = "it belongs to the end-to-end tests, which use all of it")]
pub(in crate::store) mod server;

mod committing;
mod crowding;
mod door;
mod several;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use self::server::{Database, Server};
use super::hosts::Hosts;
use super::verb::Office;
use super::{CONNECT, PostgresSettings, config, open_postgres, pool, tls};
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

/// What carries out the verbs of a store, without the store.
fn office(settings: &PostgresSettings) -> Arc<Office> {
    let (config, tls) = (config(settings).unwrap(), tls::connector(None).unwrap());
    let pool = pool(settings, &Hosts { config, tls, within: CONNECT }).unwrap();
    Arc::new(Office::new(pool, settings.deadline, Handle::current()))
}

/// An error that ends a connection, as a server sends it (PostgreSQL's protocol 3, `ErrorResponse`).
fn error(code: &str, text: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{text}\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap();
    [b"E", &length.to_be_bytes()[..], fields.as_bytes()].concat()
}

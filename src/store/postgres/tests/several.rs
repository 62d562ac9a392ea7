//! Is a server found behind others that are of no use?

use std::net::TcpListener;
use std::time::Duration;

use super::server::Server;
use super::settings;
use crate::ground::Secret;
use crate::store::postgres::{PostgresSettings, open_postgres};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_behind_one_that_accepts_and_says_nothing_is_found() {
    let database = tokio::task::spawn_blocking(|| Server::shared().database()).await.unwrap();
    // The kernel accepts for it.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (first, second, name) = (silent.local_addr().unwrap().port(), database.port(), &database.name);
    let url = format!("postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/{name}");
    let store = open_postgres(PostgresSettings { url: Secret::new(url), ..settings(&database) }).await;
    let store = store.expect("the second one is there");
    store.versions().await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(60), store.news().next()).await;
    heard.expect("the connection that listens finds it, too");
    assert_eq!(store.status().hears, Some(true));
}

//! What becomes of a verb whose server goes away while it commits?

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{error, fresh, settings};
use crate::ground::{Digest, Secret, Time};
use crate::store::postgres::{PostgresSettings, open_postgres};

/// What a server says as it ends.
const ENDING: &str = "terminating connection";

/// Stands between a store and its server. Once armed it lets commits through and keeps the server's word on them for itself:
/// the store hears `says` instead, and then nothing more.
#[derive(Clone)]
struct Between {
    server: u16,
    says: Vec<u8>,
    armed: Arc<AtomicBool>,
    commits: Arc<AtomicUsize>,
}

impl Between {
    async fn stand(self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((store, _)) = listener.accept().await {
                tokio::spawn(self.clone().pass(store));
            }
        });
        port
    }

    async fn pass(self, mut store: TcpStream) {
        let mut server = TcpStream::connect(("127.0.0.1", self.server)).await.unwrap();
        let (mut asked, mut said) = ([0; 8192], [0; 8192]);
        loop {
            tokio::select! {
                Ok(count @ 1..) = store.read(&mut asked) => {
                    let asked = &asked[..count];
                    if server.write_all(asked).await.is_err() {
                        return;
                    }
                    if self.armed.load(SeqCst) && asked.windows(7).any(|word| word == b"COMMIT\0") {
                        // By its first byte of an answer the server has done it.
                        assert!(server.read(&mut said).await.unwrap() > 0);
                        self.commits.fetch_add(1, SeqCst);
                        // Whoever has hung up does not hear it.
                        let _ = store.write_all(&self.says).await;
                        return;
                    }
                }
                Ok(count @ 1..) = server.read(&mut said) => {
                    if store.write_all(&said[..count]).await.is_err() {
                        return;
                    }
                }
                else => return,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verb_that_may_have_been_committed_is_not_carried_out_again() {
    // An administrator's stop, a crash of another process of the server, and a connection that ends without a word.
    for (number, says) in [error("57P01", ENDING), error("57P02", ENDING), Vec::new()].into_iter().enumerate() {
        let (direct, database) = fresh().await;
        let (armed, commits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let between =
            Between { server: database.port(), says, armed: Arc::clone(&armed), commits: Arc::clone(&commits) };
        let url = Secret::new(database.url_at(between.stand().await));
        let store = open_postgres(PostgresSettings { url, ..settings(&database) }).await.unwrap();
        let transaction = Digest::of(b"transaction");
        armed.store(true, SeqCst);
        let until = Time::from_millis(4_000_000_000_000);
        let finished =
            tokio::time::timeout(Duration::from_secs(60), store.finish_transaction(transaction, until)).await;
        let fault = finished.expect("it gives an answer").expect_err("nobody knows whether it was done");
        assert!(fault.cause.contains("while it was written"), "{number}: {}", fault.cause);
        assert_eq!(commits.load(SeqCst), 1, "{number}");
        assert!(direct.is_finished(transaction).await.unwrap(), "{number}: it was done");
    }
}

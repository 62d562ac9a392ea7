//! A server that has no place left, for whoever comes through this door.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::server::Database;

/// Once it is full, it turns away who comes as PostgreSQL does, and who is in stays in.
pub(super) struct Door {
    pub(super) url: String,
    full: Arc<AtomicBool>,
    turned_away: watch::Receiver<usize>,
}

impl Door {
    /// To a database.
    pub(super) async fn to(database: &Database<'_>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = database.url_at(listener.local_addr().unwrap().port());
        let (full, server) = (Arc::new(AtomicBool::new(false)), database.port());
        let (count, turned_away) = watch::channel(0);
        let is_full = Arc::clone(&full);
        tokio::spawn(async move {
            while let Ok((guest, _)) = listener.accept().await {
                if is_full.load(SeqCst) {
                    turn_away(guest).await;
                    count.send_modify(|count| *count += 1);
                } else {
                    tokio::spawn(let_in(guest, server));
                }
            }
        });
        Self { url, full, turned_away }
    }

    pub(super) fn is_full(&self, full: bool) {
        self.full.store(full, SeqCst);
    }

    /// Until that many were turned away.
    pub(super) async fn has_turned_away(&mut self, count: usize) {
        self.turned_away.wait_for(|counted| *counted >= count).await.unwrap();
    }
}

async fn let_in(mut guest: TcpStream, server: u16) {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    // Either of them may end it.
    let _ = copy_bidirectional(&mut guest, &mut server).await;
}

async fn turn_away(mut guest: TcpStream) {
    let mut asked = [0; 1024];
    // Whoever has hung up does not hear it.
    let _ = guest.read(&mut asked).await;
    let _ = guest.write_all(&super::error("53300", "sorry, too many clients already")).await;
}

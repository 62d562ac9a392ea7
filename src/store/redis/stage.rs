//! A real server of a test's own, and time by hand on it.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::{Kind, Link, Login, Redis, Scripts, Settings};
use crate::ground::{Clock as _, ManualClock, SystemClock, SystemRandom};
use crate::store::SharedCounters;

/// A running redis-server without anything on disk; ended when the test lets go of it.
pub(crate) struct Server {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Somebody else may take the port in between: then another one is tried.
        for _ in 0..20 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut child = launch(&folder, port);
            while matches!(child.try_wait(), Ok(None)) {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { child, folder, port };
                }
                std::thread::yield_now();
            }
        }
        panic!("redis-server does not start");
    }

    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(super) fn start_again(&mut self) {
        self.child = launch(&self.folder, self.port);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            std::thread::yield_now();
        }
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            kind: Kind::Alone,
            hosts: vec![("127.0.0.1".to_owned(), self.port)],
            tls: None,
            login: Login::default(),
            sentinel_login: Login::default(),
            database: 0,
            fleet: "test".to_owned(),
        }
    }

    /// One more gateway; connected.
    pub(super) async fn gateway(&self) -> Arc<Redis> {
        connected(Redis { link: self.link(Scripts::new()), hand: None }).await
    }

    /// One more gateway, to whom `clock` says what time it is; connected.
    pub(crate) async fn by_hand(&self, clock: &Arc<ManualClock>) -> SharedCounters {
        let clock = Arc::clone(clock);
        // Microseconds, as many as a double holds well.
        let hand = move || ((clock.now().millis() - 1_600_000_000_000) * 1000).to_string();
        let link = self.link(Scripts::by_hand());
        connected(Redis { link, hand: Some(Arc::new(hand)) }).await
    }

    fn link(&self, scripts: Scripts) -> Arc<Link> {
        let link = Arc::new(Link::new(self.settings(), scripts, Arc::new(SystemClock), Arc::new(SystemRandom)));
        tokio::spawn(Link::keep(Arc::downgrade(&link)));
        link
    }
}

async fn connected(redis: Redis) -> Arc<Redis> {
    while !redis.link.is_up() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Arc::new(redis)
}

fn launch(folder: &tempfile::TempDir, port: u16) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--dir", folder.path().to_str().unwrap(), "--logfile", "redis.log"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

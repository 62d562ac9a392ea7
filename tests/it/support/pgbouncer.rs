//! A real PgBouncer before a database of a test.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::free_port;
use super::postgres::{Database, as_user, unprivileged};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running pooler; ended when the test lets go of it.
pub struct PgBouncer {
    child: Child,
    folder: tempfile::TempDir,
    pub port: u16,
}

impl PgBouncer {
    /// `settings` are lines of its file: `pool_mode = session`.
    pub fn before(database: &Database<'_>, settings: &str) -> Self {
        let (folder, port, name) = (tempfile::tempdir().unwrap(), free_port(), &database.name);
        let put = |file: &str, text: String| std::fs::write(folder.path().join(file), text).unwrap();
        put("users", "\"postgres\" \"\"\n".to_owned());
        put(
            "pgbouncer.ini",
            format!(
                "[databases]\n{name} = host=127.0.0.1 port={} dbname={name}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
                 listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = users\nlogfile = log\n{settings}",
                database.port()
            ),
        );
        if let Some(user) = unprivileged() {
            assert!(Command::new("chown").args(["-R", user]).arg(folder.path()).status().unwrap().success());
        }
        let child = launch(&folder);
        let pooler = Self { child, folder, port };
        pooler.wait_for_port();
        pooler
    }

    /// Major and minor version.
    pub fn version() -> (u32, u32) {
        let said = Command::new("pgbouncer").arg("--version").output().expect("pgbouncer is installed").stdout;
        let said = String::from_utf8_lossy(&said).into_owned();
        let mut numbers = said.split([' ', '.', '\n']).filter_map(|word| word.parse().ok());
        (numbers.next().expect("a version"), numbers.next().expect("a version"))
    }

    /// Ends it without a word to anybody, and starts it anew.
    pub fn restart(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = launch(&self.folder);
        self.wait_for_port();
    }

    fn wait_for_port(&self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "pgbouncer does not listen: {}", log());
            std::thread::yield_now();
        }
    }
}

fn launch(folder: &tempfile::TempDir) -> Child {
    let mut command = as_user(unprivileged(), std::path::Path::new("pgbouncer"));
    command.arg("pgbouncer.ini").current_dir(folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("pgbouncer is installed")
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

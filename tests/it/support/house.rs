//! The binary, running with a file of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::wire::{self, Answer, Wire};
use super::{free_port, upstream::Upstream};

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running gateway; ended when the test lets go of it.
pub struct House {
    child: Child,
    folder: tempfile::TempDir,
    pub port: u16,
    pub admin: u16,
    /// Access log, a JSON line each.
    out: Arc<Lines>,
    /// Events, a JSON line each.
    events: Arc<Lines>,
}

/// Lines of a stream, as they come.
#[derive(Default)]
struct Lines {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Lines {
    fn follow(stream: impl Read + Send + 'static) -> Arc<Self> {
        let lines = Arc::new(Self::default());
        let filling = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                filling.lines.lock().unwrap().push(line);
                filling.more.notify_all();
            }
        });
        lines
    }

    /// Waits for a line that `wanted` accepts.
    fn wait(&self, wanted: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        let mut lines = self.lines.lock().unwrap();
        loop {
            if let Some(line) = lines.iter().find(|line| wanted(line)) {
                return line.clone();
            }
            assert!(start.elapsed() < PATIENCE, "no such line in {lines:#?}");
            lines = self.more.wait_timeout(lines, Duration::from_millis(200)).unwrap().0;
        }
    }

    fn count(&self, wanted: impl Fn(&str) -> bool) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| wanted(line)).count()
    }
}

/// A house to be: ports and a folder, before there is a file.
pub struct Plot {
    pub folder: tempfile::TempDir,
    pub port: u16,
    pub admin: u16,
}

impl Plot {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), port: free_port(), admin: free_port() }
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// `rest` behind a listener, an admin listener and a store.
    pub fn yaml(&self, rest: &str) -> String {
        format!(
            "version: 1\nlisten: [{{address: \"127.0.0.1:{}\"}}]\nadmin: {{address: \"127.0.0.1:{}\"}}\n\
             observe: {{log: {{format: json}}}}\n{rest}",
            self.port, self.admin
        )
    }

    /// Starts the gateway with this whole file.
    pub fn start(self, yaml: &str) -> House {
        self.start_until(yaml, SERVES)
    }

    /// Starts it, and waits until it says this.
    pub fn start_until(self, yaml: &str, word: &str) -> House {
        let file = self.write("gateway.yaml", with_engine(yaml, self.port));
        let (child, out, events) = launch(&file, word);
        House { child, folder: self.folder, port: self.port, admin: self.admin, out, events }
    }
}

/// The file with the engine that `PORTCULLIS_ENGINE` names, so that all tests can be run with either.
#[allow(clippy::disallowed_methods, reason = "which engine is tested is for whoever runs the tests to say")]
fn with_engine(yaml: &str, port: u16) -> String {
    let Ok(engine) = std::env::var("PORTCULLIS_ENGINE") else { return yaml.to_owned() };
    let address = format!("address: \"127.0.0.1:{port}\"");
    yaml.replacen(&address, &format!("{address}, engine: {engine}"), 1)
}

/// What a gateway says once it serves.
const SERVES: &str = "admin on http";

fn launch(file: &Path, word: &str) -> (Child, Arc<Lines>, Arc<Lines>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["run", "--workers", "2"])
        .arg(file)
        .env("PORTCULLIS_LOG", "debug")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = Lines::follow(child.stdout.take().unwrap());
    let events = Lines::follow(child.stderr.take().unwrap());
    let started = |line: &str| line.contains(word) || line.contains("cannot run") || line.contains("help:");
    let line = events.wait(started);
    assert!(line.contains(word), "{:#?}", events.lines.lock().unwrap());
    (child, out, events)
}

impl House {
    /// Starts with `rest` behind a listener, an admin listener and a store.
    pub fn start(rest: &str) -> Self {
        let plot = Plot::new();
        let yaml = plot.yaml(rest);
        plot.start(&yaml)
    }

    /// One upstream behind everything, without a token.
    pub fn before(upstream: &Upstream) -> Self {
        Self::start(&format!(
            "upstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"]}}}}\n\
             routes: [{{match: \"* /**\", access: public, upstream: far}}]\n",
            upstream.port
        ))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends exact bytes on a connection of their own.
    pub fn raw(&self, bytes: impl AsRef<[u8]>) -> Answer {
        wire::exchange(self.port, bytes)
    }

    pub fn wire(&self) -> Wire {
        Wire::open(self.port)
    }

    /// A request with these header lines, each ended by CR LF.
    pub fn call(&self, method: &str, target: &str, headers: &str) -> Answer {
        self.raw(format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n"))
    }

    pub fn get(&self, target: &str) -> Answer {
        self.call("GET", target, "")
    }

    /// A GET with a bearer token.
    pub fn get_with(&self, target: &str, token: &str) -> Answer {
        self.call("GET", target, &format!("Authorization: Bearer {token}\r\n"))
    }

    /// A form to the token endpoint.
    pub fn post_form(&self, target: &str, headers: &str, form: &str) -> Answer {
        let length = form.len();
        self.raw(format!(
            "POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             {headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{form}"
        ))
    }

    pub fn admin_get(&self, path: &str) -> Answer {
        wire::exchange(self.admin, format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"))
    }

    pub fn reload(&self) -> Answer {
        wire::exchange(
            self.admin,
            "POST /reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        )
    }

    pub fn rewrite(&self, yaml: &str) {
        std::fs::write(self.path("gateway.yaml"), with_engine(yaml, self.port)).unwrap();
    }

    /// The access-log line of the request that was answered with this id; waits for it.
    pub fn log_of(&self, answer: &Answer) -> Value {
        let id = answer.header("x-request-id").to_owned();
        assert!(!id.is_empty(), "{answer:?}");
        let line = self.out.wait(|line| line.contains(&id));
        serde_json::from_str(&line).unwrap()
    }

    /// Waits for an event that contains this text.
    pub fn event(&self, text: &str) -> String {
        self.events.wait(|line| line.contains(text))
    }

    /// Waits for a line of the access log that contains this text.
    pub fn logged(&self, text: &str) -> String {
        self.out.wait(|line| line.contains(text))
    }

    /// Lines of either log so far that contain this text.
    pub fn mentions(&self, text: &str) -> usize {
        self.events.count(|line| line.contains(text)) + self.out.count(|line| line.contains(text))
    }

    /// The sum of a metric over all series with these labels.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let page = self.admin_get("/metrics").text();
        let fits = |line: &&str| {
            let series = line.rsplit_once(' ').map_or("", |(series, _)| series);
            let own = series.split('{').next() == Some(name);
            own && labels.iter().all(|(label, value)| series.contains(&format!("{label}=\"{value}\"")))
        };
        let value = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
        page.lines().filter(|line| !line.starts_with('#')).filter(fits).map(value).sum()
    }

    /// Waits until the sum of a metric is one that `wanted` accepts: what a worker does after an answer is seen later.
    pub fn wait_for_metric(&self, name: &str, labels: &[(&str, &str)], wanted: impl Fn(f64) -> bool) {
        let start = Instant::now();
        while !wanted(self.metric(name, labels)) {
            assert!(start.elapsed() < PATIENCE, "{name} stays at {}", self.metric(name, labels));
            std::thread::yield_now();
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many files, sockets and the like it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the process to end by itself; its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Ends the process as an operator does, and starts it anew on the same file and store.
    pub fn stop_and_start(&mut self) {
        self.signal("TERM");
        assert_eq!(self.ended(), Some(0));
        (self.child, self.out, self.events) = launch(&self.folder.path().join("gateway.yaml"), SERVES);
    }

    /// Kills the process without a word and starts it anew on the same file and store.
    pub fn restart(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        (self.child, self.out, self.events) = launch(&self.folder.path().join("gateway.yaml"), SERVES);
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

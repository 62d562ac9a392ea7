//! What the end-to-end benches share: processes on free ports in a temporary folder, and their costs as Linux counts them.
#![allow(
    dead_code,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "each bench uses its part, measures time, and may panic"
)]

pub mod idle;
pub mod issuing;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running process, ended when it goes out of scope.
pub struct Running {
    child: Child,
    pub name: &'static str,
}

impl Running {
    pub fn start(name: &'static str, command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).spawn().unwrap_or_else(|fault| panic!("cannot start {name}: {fault}"));
        Self { child, name }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// User and system time of all its threads so far, in microseconds, and of its children that it has not waited for
    /// (nginx serves from one).
    pub fn cpu_micros(&self) -> u64 {
        let (user, system) = self.cpu_split();
        user + system
    }

    /// The same, what the program did itself apart from what the kernel did for it.
    pub fn cpu_split(&self) -> (u64, u64) {
        let tick = 10_000; // USER_HZ is 100 on Linux
        let each = self.family().into_iter().map(cpu_ticks);
        each.fold((0, 0), |(user, system), (more, kernel)| (user + more * tick, system + kernel * tick))
    }

    /// Resident memory of the process, in bytes.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("VmRSS: 0 kB");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
    }

    /// Memory of the process and its children in bytes, what they share counted once.
    pub fn held(&self) -> u64 {
        let of = |pid: u32| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap_or("Pss: 0 kB");
            line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        self.family().into_iter().map(of).sum()
    }

    /// How many files, sockets and the like it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    fn family(&self) -> Vec<u32> {
        let pid = self.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        std::iter::once(pid).chain(children.split_whitespace().filter_map(|child| child.parse().ok())).collect()
    }
}

/// Of user and of system time.
fn cpu_ticks(pid: u32) -> (u64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let field = |index: usize| fields.get(index).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
    (field(11), field(12))
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on, and below those that Linux gives to outgoing connections: benches make so many of them
/// that one could get a port before the server it was meant for.
pub fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| fastrand::u16(12_000..32_000)).take(1000).find(free).unwrap_or(0)
}

/// How many files, sockets among them, this process and what it starts may have open.
pub fn most_descriptors() -> usize {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1024)
}

/// Waits until something listens there.
pub fn wait_for(port: u16) {
    assert!(listens(port), "nothing listens on port {port}");
}

/// Whether something listens there within half a minute.
pub fn listens(port: u16) -> bool {
    listens_within(port, Duration::from_secs(30))
}

pub fn listens_within(port: u16, patience: Duration) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let start = Instant::now();
    while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
        if start.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Lets this process, and what it starts, have tens of thousands of connections, where that is allowed. By the shell's own
/// tool: no unsafe call is needed for it.
pub fn raise_descriptor_limit() {
    let mut command = Command::new("prlimit");
    command.args(["--nofile=65536:65536", "--pid", &std::process::id().to_string()]).stderr(Stdio::null());
    let _ = command.status();
}

/// Waits until `done`; `what` is named where it does not come about.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(40), "{what}: does not come about");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The program as cargo built it for this bench, or another one: the value of `PORTCULLIS_PROGRAM`.
pub fn portcullis() -> &'static str {
    static OTHER: std::sync::LazyLock<Option<String>> = std::sync::LazyLock::new(|| {
        let named = std::env::var_os("PORTCULLIS_PROGRAM")?;
        // Figures of a program that was not meant would be worse than none.
        let found = std::fs::canonicalize(&named);
        Some(
            found
                .unwrap_or_else(|fault| panic!("PORTCULLIS_PROGRAM={}: {fault}", named.display()))
                .display()
                .to_string(),
        )
    });
    OTHER.as_deref().unwrap_or(env!("CARGO_BIN_EXE_portcullis"))
}

/// Starts the gateway with `yaml` on `port`, with one worker; `cpu` pins it.
pub fn gateway(folder: &Path, yaml: &str, port: u16, cpu: Option<usize>) -> Running {
    let file = folder.join("gateway.yaml");
    std::fs::write(&file, yaml).expect("the temporary folder can be written");
    let log = std::fs::File::create(folder.join("access.log")).expect("the temporary folder can be written");
    let mut command = pinned(cpu, portcullis());
    command.args(["run", "--workers", "1"]).arg(&file).current_dir(folder).stdout(log);
    let running = Running::start("portcullis", &mut command);
    wait_for(port);
    running
}

/// `program`, kept on one CPU where there is a choice.
pub fn pinned(cpu: Option<usize>, program: &str) -> Command {
    match cpu {
        Some(cpu) => {
            let mut command = Command::new("taskset");
            command.args(["-c", &cpu.to_string(), program]);
            command
        }
        None => Command::new(program),
    }
}

/// nginx with `config` as its whole configuration.
pub fn nginx(name: &'static str, folder: &Path, config: &str, port: u16, cpu: Option<usize>) -> Running {
    let home = folder.join(name);
    std::fs::create_dir_all(home.join("logs")).expect("the temporary folder can be written");
    let file = home.join("nginx.conf");
    std::fs::write(&file, config).expect("the temporary folder can be written");
    let mut command = pinned(cpu, "nginx");
    command.arg("-p").arg(&home).arg("-e").arg(home.join("error.log")).arg("-c").arg(&file);
    let running = Running::start(name, &mut command);
    wait_for(port);
    running
}

/// One request by hand; the body of the answer.
pub fn fetch(port: u16, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server accepts");
    write!(stream, "{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned())
}

/// A token from the gateway's own token endpoint.
pub fn token(port: u16) -> String {
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded"
    );
    let body = fetch(port, &head, "grant_type=client_credentials&client_id=bench&client_secret=bench-secret");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("no token: {body}"));
    json["access_token"].as_str().unwrap_or_else(|| panic!("no token: {body}")).to_owned()
}

/// Reads a child's lines until one starts with `word`.
pub fn line_of(reader: &mut impl BufRead, word: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).expect("readable") > 0, "ended before `{word}`");
        if line.starts_with(word) {
            return line;
        }
    }
}

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

pub fn lines(out: impl Read) -> BufReader<impl Read> {
    BufReader::new(out)
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

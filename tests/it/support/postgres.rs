//! A real PostgreSQL: one server for all tests of a process, a database of its own for each; or a server of one test, to
//! stop and start.
//!
//! The server is the child of a shell that waits for the end of its input: however the tests end, also by `kill -9`, it is
//! stopped and its folder removed. The unit tests of the store use this file, too.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// Starts and stops at a word, and for good at the end of its input. Its process group is its own, so that Ctrl-C does not
/// reach the server before the tests have ended.
const KEEPER: &str = r#"
trap '' INT TERM HUP
folder=$1; shift
start() { "$@" >>"$folder/log" 2>&1 </dev/null & server=$!; }
stop() { kill -INT "$server" 2>/dev/null; wait "$server"; }
start "$@"
while read -r word; do
    case $word in
        start) [ -e "/proc/$server/exe" ] || start "$@" ;;
        stop) stop; echo stopped ;;
        kill) kill -KILL "$server" $(cat "/proc/$server/task/$server/children"); wait "$server"; echo stopped ;;
    esac
done
stop
rm -rf "$folder"
"#;

/// A running server.
pub struct Server {
    pub port: u16,
    folder: PathBuf,
    keeper: Mutex<Keeper>,
}

struct Keeper {
    /// Dropped: the server ends.
    words: ChildStdin,
    answers: std::io::BufReader<std::process::ChildStdout>,
    _process: Child,
}

/// A database of a server; gone when the test lets go of it.
pub struct Database<'s> {
    server: &'s Server,
    pub name: String,
}

impl Server {
    /// The server of this process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// One of its own, with more settings (`ssl=on`).
    pub fn start(settings: &[&str]) -> Self {
        let mut last = String::new();
        for _ in 0..5 {
            match Self::try_start(settings) {
                Ok(server) => return server,
                // Somebody took the port.
                Err(log) => last = log,
            }
        }
        panic!("PostgreSQL does not start: {last}");
    }

    fn try_start(settings: &[&str]) -> Result<Self, String> {
        let mut make = as_user(unprivileged(), &program("initdb"));
        make.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]);
        Self::launch(make.arg("--pgdata"), settings)
    }

    /// A server that follows this one (streaming replication), and for which its commits wait.
    pub fn standby(&self) -> Self {
        let mut copy = as_user(unprivileged(), &program("pg_basebackup"));
        copy.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string()]);
        copy.args(["--wal-method=stream", "--checkpoint=fast", "--write-recovery-conf", "--no-sync", "--pgdata"]);
        let standby = Self::launch(&mut copy, &[]).unwrap_or_else(|log| panic!("the standby does not start: {log}"));
        self.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.sql("postgres", "SELECT pg_reload_conf()");
        let begun = Instant::now();
        while self.sql("postgres", "SELECT sync_state FROM pg_stat_replication") != "sync" {
            assert!(begun.elapsed() < PATIENCE, "the standby does not follow");
        }
        standby
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        let mut promote = as_user(unprivileged(), &program("pg_ctl"));
        let done = promote.arg("promote").arg("-D").arg(self.folder.join("data")).current_dir(&self.folder).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// `make`, told the folder, fills it.
    fn launch(make: &mut Command, settings: &[&str]) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap().keep();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let user = unprivileged();
        if let Some(user) = user {
            assert!(Command::new("chown").arg(user).arg(&folder).status().unwrap().success());
        }
        let data = folder.join("data");
        let made = make.arg(&data).current_dir(&folder).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper"]).arg(&folder);
        let server = as_user(user, &program("postgres"));
        keeper.arg(server.get_program()).args(server.get_args()).arg("-D").arg(&data);
        keeper.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=400"]);
        keeper.arg("-c").arg(format!("unix_socket_directories={}", folder.display()));
        // A machine that loses power in the middle of a test has other worries.
        keeper.args(["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=64MB"]);
        for setting in settings {
            keeper.args(["-c", setting]);
        }
        std::os::unix::process::CommandExt::process_group(&mut keeper, 0);
        let spawned =
            keeper.current_dir(&folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = spawned.unwrap();
        let (words, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let keeper = Keeper { words, answers: std::io::BufReader::new(answers), _process: process };
        let server = Self { port, folder, keeper: Mutex::new(keeper) };
        if server.waits_until_ready() {
            return Ok(server);
        }
        Err(std::fs::read_to_string(server.folder.join("log")).unwrap_or_default())
    }

    /// Whether it takes connections, at last. A server that ends at once does not.
    fn waits_until_ready(&self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.try_sql("postgres", "SELECT 1").is_ok() {
                return true;
            }
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            if log.contains("could not create any TCP/IP sockets") || log.contains("FATAL:  could not load") {
                return false;
            }
        }
        false
    }

    /// Runs statements as the superuser; what they print, columns apart by `|`.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.try_sql(database, sql).unwrap_or_else(|cause| panic!("{sql}: {cause}"))
    }

    fn try_sql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(program("psql"));
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres"]);
        psql.args(["-p", &self.port.to_string(), "-d", database, "-c", sql]).env("PGSSLMODE", "prefer");
        let done = psql.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
    }

    /// From now on it offers TLS, with this certificate and key.
    pub fn encrypt(&self, certificate: &str, key: &str) {
        let data = self.folder.join("data");
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = data.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            if let Some(user) = unprivileged() {
                assert!(Command::new("chown").arg(user).arg(&path).status().unwrap().success());
            }
        }
        self.sql("postgres", "ALTER SYSTEM SET ssl = on");
        self.sql("postgres", "SELECT pg_reload_conf()");
        let begun = Instant::now();
        while self.sql("postgres", "SHOW ssl") != "on" {
            assert!(begun.elapsed() < PATIENCE, "TLS is not switched on");
        }
    }

    /// An empty database.
    pub fn database(&self) -> Database<'_> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        Database { server: self, name }
    }

    /// Stops it as an operator does: connections are cut, what was committed stays.
    pub fn stop(&self) {
        self.say("stop");
    }

    /// Ends it without a word to anybody.
    pub fn kill(&self) {
        self.say("kill");
    }

    fn say(&self, word: &str) {
        let mut keeper = self.keeper.lock().unwrap();
        writeln!(keeper.words, "{word}").unwrap();
        let mut answer = String::new();
        std::io::BufRead::read_line(&mut keeper.answers, &mut answer).unwrap();
        assert_eq!(answer.trim(), "stopped");
    }

    /// Starts it again after `stop` or `kill`, and waits until it answers.
    pub fn start_again(&self) {
        let begun = Instant::now();
        let mut asked = None;
        while self.try_sql("postgres", "SELECT 1").is_err() {
            assert!(begun.elapsed() < PATIENCE, "PostgreSQL does not come back");
            // One that was killed may have left a process behind that is still ending; then the first start fails.
            if asked.is_none_or(|asked: Instant| asked.elapsed() > Duration::from_secs(1)) {
                asked = Some(Instant::now());
                writeln!(self.keeper.lock().unwrap().words, "start").unwrap();
            }
        }
    }
}

impl Database<'_> {
    /// As the superuser, without TLS.
    pub fn url(&self) -> String {
        self.url_at(self.server.port)
    }

    /// Where its server listens.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// By way of a port that leads there.
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/{}", self.name)
    }

    pub fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.name, sql)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        // A server that was stopped has no more use for it.
        let _ = self.server.try_sql("postgres", &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// A program of PostgreSQL: of Debian's newest version, or of the path.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let mut versions: Vec<_> = versions.map(|entry| entry.path()).filter(|path| number(path).is_some()).collect();
    versions.sort_by_key(|path| number(path));
    let found = versions.iter().rev().map(|version| version.join("bin").join(name)).find(|path| path.exists());
    let path =
        || std::env::split_paths(&std::env::var_os("PATH").unwrap()).map(|it| it.join(name)).find(|it| it.exists());
    found
        .or_else(path)
        .unwrap_or_else(|| panic!("`{name}` of PostgreSQL is missing: .ci/test installs what tests need"))
}

/// Who runs the server: PostgreSQL refuses to be root.
pub fn unprivileged() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let known = |user: &str| Command::new("id").arg(user).output().unwrap().status.success();
    ["postgres", "nobody"].into_iter().find(|user| known(user))
}

pub fn as_user(user: Option<&str>, program: &Path) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), "--clear-groups", "--"]).arg(program);
    command
}

//! The gateway as a system service: what it tells systemd, what systemd hands it, and how it is locked in.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::support::house::Plot;
use crate::support::wire::Wire;

const ROUTES: &str = "routes: [{match: GET /x, access: public, respond: {status: 200, body: one}}]\n";

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A service manager that listens (sd_notify(3)).
struct Manager {
    socket: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, folder }
    }

    /// The next message with this assignment. Only signs of life may come in between.
    fn hears(&self, assignment: &str) -> String {
        let mut buffer = [0; 512];
        loop {
            let length = self.socket.recv(&mut buffer).unwrap_or_else(|fault| panic!("no {assignment}: {fault}"));
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.lines().any(|line| line == assignment) {
                return message;
            }
            assert_eq!(message.trim(), "WATCHDOG=1", "before {assignment}");
        }
    }
}

/// The gateway as a child of this manager; killed when the test lets go of it.
struct Service {
    child: Child,
}

impl Service {
    /// With `socket` as the one that systemd has opened.
    fn start(manager: &Manager, file: &Path, socket: Option<&TcpListener>) -> Self {
        let binary = env!("CARGO_BIN_EXE_portcullis");
        let mut command = Command::new("sh");
        match socket {
            // Descriptor 3 is the first that systemd hands over (sd_listen_fds(3)).
            Some(socket) => {
                let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
                command.args(["-c", script, binary]).stdin(OwnedFd::from(socket.try_clone().unwrap()));
            }
            None => drop(command.args(["-c", "exec \"$0\" \"$@\"", binary]).stdin(Stdio::null())),
        }
        command.args(["run", "--workers", "2"]).arg(file);
        command.env("NOTIFY_SOCKET", manager.folder.path().join("notify")).env("WATCHDOG_USEC", "200000");
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let service = Self { child };
        manager.hears("READY=1");
        service
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn systemd_hears_of_readiness_life_reloads_and_the_end() {
    let (manager, plot) = (Manager::new(), Plot::new());
    let file = plot.write("gateway.yaml", plot.yaml(ROUTES));
    let mut service = Service::start(&manager, &file, None);
    manager.hears("WATCHDOG=1");
    manager.hears("WATCHDOG=1");
    service.signal("HUP");
    let reloading = manager.hears("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    manager.hears("READY=1");
    // A refused file ends the reload too: the old configuration serves on.
    plot.write("gateway.yaml", "version: 1\n");
    service.signal("HUP");
    manager.hears("RELOADING=1");
    manager.hears("READY=1");
    service.signal("TERM");
    manager.hears("STOPPING=1");
    assert!(service.ended().success());
}

#[test]
fn a_socket_that_systemd_opened_refuses_nobody_over_a_restart() {
    let (manager, mut plot) = (Manager::new(), Plot::new());
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    plot.port = socket.local_addr().unwrap().port();
    let file = plot.write("gateway.yaml", plot.yaml(ROUTES));
    let ask = |wire: &mut Wire| wire.send("GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut service = Service::start(&manager, &file, Some(&socket));
    let mut wire = Wire::open(plot.port);
    ask(&mut wire);
    assert_eq!(wire.answer().text(), "one");
    service.signal("TERM");
    assert!(service.ended().success());
    // Nobody accepts, and the connection stands all the same: it waits for the next gateway.
    let mut waiting = Wire::open(plot.port);
    ask(&mut waiting);
    while manager.socket.set_nonblocking(true).is_ok() && manager.socket.recv(&mut [0; 512]).is_ok() {}
    manager.socket.set_nonblocking(false).unwrap();
    let _again = Service::start(&manager, &file, Some(&socket));
    assert_eq!(waiting.answer().text(), "one");
}

#[test]
fn descriptors_that_run_out_hold_the_gateway_up_only_as_long() {
    let plot = Plot::new();
    let file = plot.write("gateway.yaml", plot.yaml(ROUTES));
    let manager = Manager::new();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 64; exec \"$0\" run --workers 1 \"$1\"", env!("CARGO_BIN_EXE_portcullis")])
        .arg(&file);
    command.env("NOTIFY_SOCKET", manager.folder.path().join("notify"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let events = BufReader::new(child.stderr.take().unwrap());
    let (said, says) = mpsc::channel();
    std::thread::spawn(move || events.lines().map_while(Result::ok).try_for_each(|line| said.send(line)));
    let mut service = Service { child };
    manager.hears("READY=1");
    let many: Vec<Wire> = (0..100).map(|_| Wire::open(plot.port)).collect();
    while !says.recv_timeout(PATIENCE).expect("an event").contains("cannot accept connections") {}
    drop(many);
    let mut wire = Wire::open(plot.port);
    wire.send("GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(wire.answer().text(), "one");
    service.signal("TERM");
    assert!(service.ended().success());
    let again = says.iter().filter(|line| line.contains("cannot accept connections")).count();
    assert_eq!(again, 0, "one line is enough, however often it was tried");
}

#[test]
fn the_unit_locks_the_gateway_in() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/portcullis.service");
    let text = std::fs::read_to_string(&unit).unwrap();
    for line in
        ["DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "MemoryDenyWriteExecute=yes", "WatchdogSec="]
    {
        assert!(text.contains(line), "{line}");
    }
    // Where systemd is at hand it says how exposed that leaves the service; the limit is 2.0, in tenths.
    let arguments = ["security", "--offline=yes", "--no-pager", "--threshold=19"];
    let asked = Command::new("systemd-analyze").args(arguments).arg(&unit).output();
    if let Ok(analysis) = asked {
        assert!(analysis.status.success(), "{}", String::from_utf8_lossy(&analysis.stdout));
    }
}

//! What is told about requests and events, when nobody reads it.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::house::Plot;
use crate::support::wire;

/// How long anything may take that is waited for here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway whose standard output and error go into pipes that nobody reads.
struct Unread(Child);

impl Unread {
    fn start(plot: &Plot, yaml: &str) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["run", "--workers", "1"])
            .arg(plot.write("gateway.yaml", yaml))
            .env("PORTCULLIS_LOG", "debug")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until("it serves", || TcpStream::connect(("127.0.0.1", plot.port)).is_ok());
        Self(child)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}: not so");
        std::thread::yield_now();
    }
}

/// A pipe takes 64 KiB; each refusal of the authority is an event and a line of the access log.
#[test]
fn readers_who_have_stopped_hold_up_neither_requests_nor_the_end() {
    let plot = Plot::new();
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\nauthority:\n  issuer: http://127.0.0.1:{}\n  scopes: {{read: Read}}\n\
         routes:\n  - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n",
        plot.port
    ));
    let mut gateway = Unread::start(&plot, &yaml);
    let form = "grant_type=client_credentials&client_id=nobody&client_secret=wrong";
    let length = form.len();
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{form}"
    );
    for number in 0..600 {
        let status = wire::exchange(plot.port, &request).status;
        assert!([401, 429].contains(&status), "request {number}: {status}");
    }
    let told = Command::new("kill").args(["-TERM", &gateway.0.id().to_string()]).status().unwrap();
    assert!(told.success());
    let mut ended = None;
    until("it ends", || {
        ended = gateway.0.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.and_then(|status| status.code()), Some(0));
}

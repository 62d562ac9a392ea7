//! A load of many connections: what opening them costs is left out.

use std::process::Stdio;
use std::time::Duration;

use crate::Stage;
use crate::load::Load;
use crate::servers::Server;
use crate::support::{Running, fetch, pinned, until};

/// Opening twenty thousand takes a while, and so does the first answer of each.
const OPENING: u64 = 40;
const WINDOW: Duration = Duration::from_secs(2);

/// CPU microseconds per request in a window of time in which so many connections are busy.
pub fn cost(load: &Load, connections: usize, server: &Server, stage: &Stage) -> f64 {
    let script = load.script(stage, 0).expect("a load with tokens");
    let mut command = pinned(Some(0), "wrk");
    command.args(["-t1", "--timeout", "30s", "-c", &connections.to_string()]);
    command.args(["-d", &format!("{}s", OPENING + WINDOW.as_secs()), "-s"]).arg(script);
    command.arg(format!("http://127.0.0.1:{}{}", server.port, load.path)).stdout(Stdio::null());
    let wrk = Running::start("wrk", &mut command);
    until("all connections open", || figure(server, "portcullis_connections_open") >= connections as f64);
    let opened = answered(server);
    until("an answer for each", || answered(server) >= opened + 2.0 * connections as f64);
    let (before, cpu) = (answered(server), server.running.cpu_micros());
    std::thread::sleep(WINDOW);
    let (after, cpu_after) = (answered(server), server.running.cpu_micros());
    let refused = refused(server);
    drop(wrk);
    until("all connections closed", || figure(server, "portcullis_connections_open") < 1.0);
    assert!(refused == 0.0, "{refused} requests were not answered well");
    (cpu_after - cpu) as f64 / (after - before)
}

fn answered(server: &Server) -> f64 {
    sum(server, |line| line.starts_with("portcullis_requests_total"))
}

fn refused(server: &Server) -> f64 {
    sum(server, |line| line.starts_with("portcullis_requests_total") && !line.contains("code=\"ok\""))
}

fn figure(server: &Server, name: &str) -> f64 {
    sum(server, |line| line.split(['{', ' ']).next() == Some(name))
}

fn sum(server: &Server, wanted: impl Fn(&str) -> bool) -> f64 {
    let text = fetch(server.admin, "GET /metrics HTTP/1.1\r\nHost: localhost", "");
    text.lines().filter(|line| wanted(line)).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

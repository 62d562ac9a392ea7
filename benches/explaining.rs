//! What it costs that the gateway explains itself.
//!
//! `cargo bench --bench explaining`. One run measures CPU per request with recent decisions kept and with `decisions: off`,
//! interleaved, for requests that pass and for requests that are refused (goal: at most 1.02), and how long `check`, `check
//! --against` and `test` take on 10,000 routes (goals: 1 s, 3 s). nginx is the upstream, wrk the load (Debian's packages).

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench prints, measures time, and may panic"
)]

mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Running, folder, free_port, gateway, median, nginx, pinned, portcullis, token};

const ROUNDS: usize = 14;
const SECONDS: u32 = 3;
const ROUTES: usize = 10_000;

fn main() {
    // Under `cargo test --benches` there is nothing to measure.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    commands();
    decisions();
}

/// The same gateway twice, with and without.
fn decisions() {
    let (with, without, behind) = (folder(), folder(), folder());
    let upstream = free_port();
    let config = format!(
        "daemon off; worker_processes 1; pid nginx.pid; events {{}} http {{ access_log off; keepalive_requests 100000000; server \
         {{ listen 127.0.0.1:{upstream}; location / {{ return 200 hello; }} }} }}"
    );
    let _upstream = nginx("upstream", behind.path(), &config, upstream, Some(0));
    let start = |folder: &Path, keep: &str| {
        let port = free_port();
        (gateway(folder, &yaml(port, upstream, keep), port, Some(1)), port)
    };
    let (on, on_port) = start(with.path(), "on");
    let (off, off_port) = start(without.path(), "off");
    for (name, path, authorized) in [("let through", "/v1/orders/7", true), ("refused", "/v1/orders/7", false)] {
        let mut costs: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            // Each of them goes first as often as the other: the machine's own drift is not to count for one of them.
            let mut pair = [(0, &on, on_port), (1, &off, off_port)];
            if round % 2 == 1 {
                pair.reverse();
            }
            for (at, gateway, port) in pair {
                costs[at].push(cost(gateway, port, path, authorized));
            }
        }
        let ratios: Vec<f64> = costs[0].iter().zip(&costs[1]).map(|(on, off)| on / off).collect();
        let (on, off) = (median(costs[0].clone()), median(costs[1].clone()));
        println!(
            "{name}: {on:.2} us with decisions kept, {off:.2} us without: {:.3} (median of {ROUNDS} pairs)",
            median(ratios)
        );
    }
}

/// CPU microseconds per request of one load.
fn cost(gateway: &Running, port: u16, path: &str, authorized: bool) -> f64 {
    let mut command = pinned(Some(0), "wrk");
    command.args(["-t1", "-c32", &format!("-d{SECONDS}s"), "-H", "Host: 127.0.0.1"]);
    if authorized {
        command.args(["-H", &format!("Authorization: Bearer {}", token(port))]);
    }
    let before = gateway.cpu_micros();
    let ran = command.arg(format!("http://127.0.0.1:{port}{path}")).output().expect("wrk is installed");
    let used = gateway.cpu_micros() - before;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let line = said.lines().find(|line| line.contains(" requests in ")).unwrap_or_else(|| panic!("{said}"));
    let requests: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
    used as f64 / requests
}

fn yaml(port: u16, upstream: u16, keep: &str) -> String {
    format!(
        "version: 1\nlisten: [{{address: \"127.0.0.1:{port}\"}}]\nadmin: {{address: \"127.0.0.1:{}\"}}\n\
         observe: {{log: {{format: json}}, decisions: {keep}}}\n\
         authority:\n  issuer: http://127.0.0.1:{port}\n  access_tokens: {{for: 12h}}\n  scopes: {{orders:read: Read}}\n  clients:\n    \
         - {{id: bench, secret: {{hash: \"sha256:{}\"}}, grants: [client_credentials], scopes: [orders:read]}}\n\
         upstreams: {{api: {{servers: [\"http://127.0.0.1:{upstream}\"]}}}}\n\
         routes:\n  - {{match: GET /v1/orders/**, access: {{scope: orders:read}}, upstream: api, limit: {{rate: 4000000/s, per: client}}}}\n",
        free_port(),
        SECRET
    )
}

/// SHA-256 of `bench-secret`.
const SECRET: &str = "0159438a9235d6abde38e49fb98944660d067d6b9b03d8a8f4ee4e522feb62cb";

/// How long the commands take on a file with many routes.
fn commands() {
    let folder = folder();
    let file = |changed: usize| {
        let mut text = String::from(
            "version: 1\nlisten: [{address: \"127.0.0.1:1\"}]\nissuers: {corp: {url: \"https://login.example\", audience: api}}\nroutes:\n",
        );
        for number in 0..ROUTES {
            let scope = if number % ROUTES < changed { "changed" } else { "read" };
            let method = ["GET", "POST", "PUT,DELETE"][number % 3];
            let _ = writeln!(
                text,
                "  - {{match: \"{method} /service-{}/items-{number}/{{id}}/**\", access: {{scope: {scope}}}, respond: echo}}",
                number % 100
            );
        }
        text.push_str("tests: [{call: GET /service-0/items-0/7, token: {scope: read}, expect: allow}]\n");
        text
    };
    for (name, changed) in [("old.yaml", 0), ("one.yaml", 1), ("all.yaml", ROUTES)] {
        std::fs::write(folder.path().join(name), file(changed)).unwrap();
    }
    let time = |arguments: &[&str]| {
        let start = Instant::now();
        let ran = Command::new(portcullis())
            .args(arguments)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(ran.success(), "{arguments:?}");
        start.elapsed()
    };
    for (arguments, goal) in [
        (&["check", "old.yaml"][..], Some(Duration::from_secs(1))),
        (&["check", "one.yaml", "--against", "old.yaml"], Some(Duration::from_secs(3))),
        (&["check", "all.yaml", "--against", "old.yaml"], Some(Duration::from_secs(3))),
        (&["test", "old.yaml"], None),
    ] {
        let took = time(arguments);
        let goal = goal.map_or(String::new(), |goal| format!(" (goal {goal:?})"));
        println!("{ROUTES} routes, portcullis {}: {took:.2?}{goal}", arguments.join(" "));
    }
}

//! What it costs a request that its limit is counted together with other gateways.
//!
//! `cargo bench --bench sharing`. One run measures CPU per request of the same gateway with a limit that is counted here, by
//! shares that are taken ahead from Redis (goal: at most 1.03 of it), and exactly, by asking Redis at each request; for one
//! caller and for a thousand in turn. nginx is the upstream, wrk the load, redis-server the counter (Debian's packages).

#![allow(clippy::print_stdout, clippy::indexing_slicing, clippy::unwrap_used, reason = "a bench prints and may panic")]

mod support;

use std::path::Path;
use std::process::Stdio;

use support::{Running, folder, free_port, gateway, median, nginx, pinned, token, wait_for};

const ROUNDS: usize = 12;
const SECONDS: u32 = 3;
/// Leases beside a limit that is counted here.
const GOAL: f64 = 1.03;
const KINDS: [&str; 3] = ["off", "lease", "exact"];

/// A header for each of a thousand callers, in turn.
const CALLERS: &str = "local turn = 0\nrequest = function()\n  turn = (turn + 1) % 1000\n  wrk.headers['X-Tenant'] = 'tenant-' .. turn\n  return wrk.format()\nend\n";

fn main() {
    // Under `cargo test --benches` there is nothing to measure.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let (behind, counted) = (folder(), folder());
    let (upstream, redis) = (free_port(), free_port());
    let config = format!(
        "daemon off; worker_processes 1; pid nginx.pid; events {{}} http {{ access_log off; keepalive_requests 100000000; server \
         {{ listen 127.0.0.1:{upstream}; location / {{ return 200 hello; }} }} }}"
    );
    let _upstream = nginx("upstream", behind.path(), &config, upstream, Some(0));
    let mut server = pinned(Some(0), "redis-server");
    server.args(["--port", &redis.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    let _redis = Running::start("redis-server", server.current_dir(counted.path()).stdout(Stdio::null()));
    wait_for(redis);
    let script = counted.path().join("callers.lua");
    std::fs::write(&script, CALLERS).unwrap();
    let mut good = true;
    for (name, per, script) in [("one caller", "client", None), ("1,000 callers", "header:X-Tenant", Some(&*script))] {
        good &= measure(name, per, script, (upstream, redis)) <= GOAL;
    }
    assert!(good, "leases cost more than {GOAL} of a limit that is counted here");
}

/// Prints what each kind costs; gives how much leases cost beside counting here, by the kinder of two measures: the machine is
/// noisy, and what is dearer is so by both.
fn measure(name: &str, per: &str, script: Option<&Path>, (upstream, redis): (u16, u16)) -> f64 {
    let folders = [folder(), folder(), folder()];
    let ports = [free_port(), free_port(), free_port()];
    let gateways: Vec<Running> = KINDS
        .iter()
        .zip(ports)
        .zip(&folders)
        .map(|((kind, port), folder)| {
            std::fs::write(folder.path().join("redis-url"), format!("redis://127.0.0.1:{redis}")).unwrap();
            gateway(folder.path(), &yaml(port, upstream, kind, per), port, Some(1))
        })
        .collect();
    let mut costs: [Vec<f64>; 3] = Default::default();
    for round in 0..ROUNDS {
        // Each of them goes first as often as the others: the machine's own drift is not to count for one of them.
        for turn in 0..KINDS.len() {
            let at = (round + turn) % KINDS.len();
            costs[at].push(cost(&gateways[at], ports[at], script));
        }
    }
    let least = |costs: &[f64]| costs.iter().copied().fold(f64::INFINITY, f64::min);
    let mut ratio = f64::INFINITY;
    for (at, kind) in KINDS.iter().enumerate() {
        let pairs = median(costs[at].iter().zip(&costs[0]).map(|(this, here)| this / here).collect());
        let best = least(&costs[at]) / least(&costs[0]);
        println!(
            "{name}, {kind}: {:.2} us at best, {best:.3} of counting here (least over least), {pairs:.3} (median of {ROUNDS} \
             pairs)",
            least(&costs[at])
        );
        if *kind == "lease" {
            ratio = best.min(pairs);
        }
    }
    ratio
}

/// CPU microseconds of the gateway per request of one load.
fn cost(gateway: &Running, port: u16, script: Option<&Path>) -> f64 {
    let mut command = pinned(Some(0), "wrk");
    command.args(["-t1", "-c32", &format!("-d{SECONDS}s"), "-H", "Host: 127.0.0.1"]);
    command.args(["-H", &format!("Authorization: Bearer {}", token(port))]);
    if let Some(script) = script {
        command.arg("-s").arg(script);
    }
    let before = gateway.cpu_micros();
    let ran = command.arg(format!("http://127.0.0.1:{port}/v1/orders/7")).output().expect("wrk is installed");
    let used = gateway.cpu_micros() - before;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(!said.contains("Non-2xx"), "{said}");
    let line = said.lines().find(|line| line.contains(" requests in ")).unwrap_or_else(|| panic!("{said}"));
    let requests: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
    used as f64 / requests
}

/// A rate that no load here reaches.
fn yaml(port: u16, upstream: u16, kind: &str, per: &str) -> String {
    format!(
        "version: 1\nlisten: [{{address: \"127.0.0.1:{port}\"}}]\nadmin: {{address: \"127.0.0.1:{}\"}}\n\
         observe: {{log: {{format: json}}}}\nshared: {{redis: {{file: redis-url}}, fleet: {kind}}}\n\
         authority:\n  issuer: http://127.0.0.1:{port}\n  access_tokens: {{for: 12h}}\n  scopes: {{orders:read: Read}}\n  clients:\n    \
         - {{id: bench, secret: {{hash: \"sha256:{SECRET}\"}}, grants: [client_credentials], scopes: [orders:read]}}\n\
         upstreams: {{api: {{servers: [\"http://127.0.0.1:{upstream}\"]}}}}\n\
         routes:\n  - {{match: GET /v1/orders/**, access: {{scope: orders:read}}, upstream: api, \
         limit: {{rate: 1000000/s, per: \"{per}\", shared: {kind}}}}}\n",
        free_port(),
    )
}

/// SHA-256 of `bench-secret`.
const SECRET: &str = "0159438a9235d6abde38e49fb98944660d067d6b9b03d8a8f4ee4e522feb62cb";

//! More than it can do: whether what gets through stays as much as at best, and whether a limit lets exactly so many pass.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::good::exchange;
use crate::report::Report;
use crate::slow::SECRET;
use crate::support::{folder, free_port, gateway, nginx, token};

/// Connections at which it works at its best, and far more than it can serve at once.
const ENOUGH: usize = 32;
const TOO_MANY: usize = 2000;

pub fn run() -> Report {
    let folder = folder();
    let (port, admin, behind) = (free_port(), free_port(), free_port());
    let _upstream = nginx("upstream", folder.path(), &upstream(behind), behind, Some(1));
    let ours = gateway(folder.path(), &yaml(port, admin, behind), port, Some(0));
    let token = token(port);
    let url = format!("http://127.0.0.1:{port}/good");
    let mut report = Report::default();
    let peer_port = free_port();
    let peer = nginx("peer", folder.path(), &beside(peer_port, behind), peer_port, Some(0));
    let (theirs, url_of_peer) = ("not a token", format!("http://127.0.0.1:{peer_port}/good"));
    let (best, flood) = (load(&url_of_peer, theirs, ENOUGH, 10), load(&url_of_peer, theirs, TOO_MANY, 20));
    report.note("nginx: answers a second, times those at best", flood.rate / best.rate);
    report.note("nginx: p99 while flooded, ms", flood.p99);
    drop(peer);

    let best = load(&url, &token, ENOUGH, 10);
    let resident = ours.resident();
    let flood = load(&url, &token, TOO_MANY, 30);
    report.at_least("answers a second, times those at best", flood.rate / best.rate, 0.9);
    report.at_most("answers that are not 200, or connections that failed", flood.errors as f64, 0.0);
    report.note("median while flooded, ms", flood.median);
    report.note("p99 while flooded, ms", flood.p99);
    // All wait in one line: with so many in it, the wait of each is what the line takes.
    let line = TOO_MANY as f64 / flood.rate * 1e3;
    report.at_most("p99, times what so long a line takes", flood.p99 / line, 3.0);
    report.note("resident at best and flooded, MB", vec![resident as f64 / 1e6, ours.resident() as f64 / 1e6]);
    let start = Instant::now();
    let mut kept = None;
    let request = format!("GET /good HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    assert_eq!(exchange(port, &mut kept, &request), Some(200));
    report.at_most("first answer after the flood, ms", start.elapsed().as_secs_f64() * 1e3, 2000.0);
    limit(port, &mut report);
    report
}

/// 32 connections against `rate: 100/s, burst: 100` for three seconds.
fn limit(port: u16, report: &mut Report) {
    let start = Instant::now();
    let time = Duration::from_secs(3);
    let passed: usize = std::thread::scope(|scope| {
        let counting: Vec<_> = (0..32).map(|_| scope.spawn(move || passes(port, start + time))).collect();
        counting.into_iter().map(|counting| counting.join().expect("it does not panic")).sum()
    });
    let allowed = 100.0 + 100.0 * start.elapsed().as_secs_f64();
    report.at_most("passed by a limit, of what it allows", passed as f64 / allowed, 1.0);
    report.at_least("passed by a limit, of what it allows, at least", passed as f64 / allowed, 0.95);
}

fn passes(port: u16, until: Instant) -> usize {
    let (mut kept, mut passed) = (None, 0);
    while Instant::now() < until {
        match exchange(port, &mut kept, "GET /few HTTP/1.1\r\nHost: localhost\r\n\r\n") {
            Some(200) => passed += 1,
            Some(429) => {}
            other => panic!("{other:?}"),
        }
    }
    passed
}

struct Load {
    rate: f64,
    errors: u64,
    median: f64,
    p99: f64,
}

fn load(url: &str, token: &str, connections: usize, seconds: u64) -> Load {
    let script = std::env::temp_dir().join(format!("overload-{}.lua", std::process::id()));
    write_script(&script);
    let out = Command::new("wrk")
        .args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "--timeout", "20s"])
        .args(["-H", &format!("Authorization: Bearer {token}"), "-s"])
        .arg(&script)
        .arg(url)
        .output()
        .expect("wrk runs");
    let _ = std::fs::remove_file(&script);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("figures ")).unwrap_or_else(|| panic!("{text}"));
    let numbers: Vec<f64> = line.split(' ').map(|number| number.parse().expect("a number")).collect();
    Load { rate: numbers[0] / numbers[1], errors: numbers[2] as u64, median: numbers[3], p99: numbers[4] }
}

fn write_script(path: &Path) {
    let text = r#"
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("figures %d %f %d %f %f\n", summary.requests, summary.duration / 1e6,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"#;
    std::fs::write(path, text).expect("the temporary folder can be written");
}

fn upstream(port: u16) -> String {
    format!(
        "daemon off; master_process off; pid nginx.pid; worker_rlimit_nofile 65536;\n\
         events {{ worker_connections 30000; }}\n\
         http {{ access_log off; keepalive_requests 1000000;\n\
           server {{ listen 127.0.0.1:{port} backlog=16384; location / {{ return 200 hello; }} }} }}\n"
    )
}

fn beside(port: u16, upstream: u16) -> String {
    format!(
        "daemon off; master_process off; pid nginx.pid; worker_rlimit_nofile 65536;\n\
         events {{ worker_connections 30000; }}\n\
         http {{ access_log off; keepalive_requests 1000000;\n\
           upstream far {{ server 127.0.0.1:{upstream}; keepalive 256; }}\n\
           server {{ listen 127.0.0.1:{port} backlog=16384;\n\
             location / {{ proxy_pass http://far; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }} }}\n"
    )
}

fn yaml(port: u16, admin: u16, upstream: u16) -> String {
    format!(
        r#"version: 1
listen: [{{address: "127.0.0.1:{port}"}}]
admin: {{address: "127.0.0.1:{admin}"}}
store: {{sqlite: overload.db}}
observe: {{log: {{format: json}}}}
authority:
  issuer: http://127.0.0.1:{port}
  scopes: {{"orders:read": See orders}}
  clients:
    - id: bench
      secret: {{hash: "sha256:{SECRET}"}}
      grants: [client_credentials]
      scopes: ["orders:read"]
upstreams: {{far: {{servers: ["http://127.0.0.1:{upstream}"]}}}}
routes:
  - {{match: GET /good, access: {{scope: "orders:read"}}, upstream: far, limit: {{rate: 1000000/s, per: client}}}}
  - {{match: GET /few, access: public, upstream: far, limit: {{rate: 100/s, burst: 100, per: ip}}}}
"#
    )
}

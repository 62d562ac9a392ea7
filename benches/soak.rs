//! Does anything grow? Millions of requests of mixed kinds, each with names that nobody has used before.
//!
//! `cargo bench --bench soak`, with `wrk` and `nginx` from the distribution. 5 million requests by default,
//! `PORTCULLIS_REQUESTS` says otherwise. A good token on many paths, tokens that never were, keys that nobody knows, hosts and
//! paths without a route, refusals by limit, forms to the token endpoint, right and wrong: resident memory and descriptors
//! are read after a warm-up and at the end.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench prints, measures time, and may panic"
)]

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::{Running, folder, free_port, gateway, nginx, token};

/// Growth after the warm-up, of resident memory.
const GOAL: f64 = 0.05;
/// What part of the requests warms up: the first two million fill caches of tens of thousands of names to their bounds.
const WARM_UP: u64 = 2;

fn main() {
    let requests = std::env::var("PORTCULLIS_REQUESTS").map_or(5_000_000, |text| text.parse().expect("a number"));
    let folder = folder();
    let (port, admin, behind) = (free_port(), free_port(), free_port());
    let upstream = nginx("upstream", folder.path(), &upstream(behind), behind, None);
    let ours = gateway(folder.path(), &yaml(port, admin, behind), port, None);
    let script = script(folder.path(), &token(port));
    let url = format!("http://127.0.0.1:{port}/");

    let mut done = 0;
    let (mut warm, mut peak) = (0, 0);
    let mut descriptors = 0;
    println!("{:>12} {:>14} {:>12}", "requests", "resident", "descriptors");
    for round in 0.. {
        done += load(&script, &url, round);
        let (resident, open) = (ours.resident(), settled(&ours));
        println!("{done:>12} {:>11.1} MB {open:>12}", resident as f64 / 1e6);
        if warm == 0 {
            // Connections to the upstream wait in a pool for a while: how many there are goes up and down with the load.
            descriptors = descriptors.max(open);
            warm = if done * WARM_UP >= requests { resident } else { 0 };
        }
        peak = peak.max(resident);
        if done >= requests {
            break;
        }
    }
    let grown = peak as f64 / warm as f64 - 1.0;
    println!("\n{done} requests: grew by {:.1}% after the first {:.0}%", grown * 100.0, 100.0 / WARM_UP as f64);
    assert!(grown < GOAL, "the goal is {:.0}%", GOAL * 100.0);
    assert!(settled(&ours) <= descriptors + 4, "descriptors are left open");
    drop(upstream);
}

/// Open files, sockets and the like, once the connections of a load that has just ended are gone.
fn settled(ours: &Running) -> usize {
    let look = |_| {
        std::thread::sleep(Duration::from_millis(50));
        ours.descriptors()
    };
    (0..20).map(look).min().unwrap_or(0)
}

/// Ten seconds of it; how many requests.
fn load(script: &Path, url: &str, round: usize) -> u64 {
    let out = Command::new("wrk")
        .args(["-t2", "-c64", "-d10s", "-s"])
        .arg(script)
        .arg(url)
        .env("ROUND", round.to_string())
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = text.lines().find(|line| line.contains("requests in"));
    let count = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
    count.unwrap_or_else(|| panic!("{text}"))
}

fn upstream(port: u16) -> String {
    format!(
        "daemon off; master_process off; pid nginx.pid; events {{}}\n\
         http {{ access_log off; server {{ listen 127.0.0.1:{port}; location / {{ return 200 hello; }} }} }}\n"
    )
}

/// Every name is used once: a number per thread and round goes into each.
fn script(folder: &Path, token: &str) -> std::path::PathBuf {
    let path = folder.join("soak.lua");
    let text = format!(
        r#"
local threads = 0
function setup(thread) thread:set("id", threads); threads = threads + 1 end
local n = 0
local good = "Bearer {token}"
local round = os.getenv("ROUND") or "0"
function request()
  n = n + 1
  local name = round .. "x" .. id .. "x" .. n
  local kind = n % 10
  if kind < 4 then
    return wrk.format("GET", "/orders/" .. name, {{["Authorization"] = good, ["User-Agent"] = name}})
  elseif kind == 4 then
    return wrk.format("GET", "/orders/1", {{["Authorization"] = "Bearer " .. name}})
  elseif kind == 5 then
    local forged = "eyJhbGciOiJFUzI1NiIsImtpZCI6Im" .. n .. "In0.e30." .. name
    return wrk.format("GET", "/orders/1", {{["Authorization"] = "Bearer " .. forged}})
  elseif kind == 6 then
    return wrk.format("GET", "/nowhere/" .. name, {{["Host"] = name .. ".test"}})
  elseif kind == 7 then
    return wrk.format("GET", "/few?" .. name)
  elseif kind == 8 then
    local form = "grant_type=client_credentials&client_id=" .. name .. "&client_secret=wrong"
    return wrk.format("POST", "/oauth/token", {{["Content-Type"] = "application/x-www-form-urlencoded"}}, form)
  end
  local form = "grant_type=client_credentials&client_id=bench&client_secret=bench-secret"
  return wrk.format("POST", "/oauth/token", {{["Content-Type"] = "application/x-www-form-urlencoded"}}, form)
end
"#
    );
    std::fs::write(&path, text).expect("the temporary folder can be written");
    path
}

fn yaml(port: u16, admin: u16, upstream: u16) -> String {
    format!(
        r#"version: 1
listen: [{{address: "127.0.0.1:{port}"}}]
admin: {{address: "127.0.0.1:{admin}"}}
store: {{sqlite: soak.db}}
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
  - {{match: GET /orders/**, access: {{scope: "orders:read"}}, upstream: far, limit: {{rate: 1000000/s, per: client}}}}
  - {{match: GET /few, access: public, upstream: far, limit: {{rate: 10/s, per: ip}}}}
"#
    )
}

const SECRET: &str = "0159438a9235d6abde38e49fb98944660d067d6b9b03d8a8f4ee4e522feb62cb";

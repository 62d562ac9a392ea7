//! What a request costs, beside what people would install instead, interleaved in one run.
//!
//! `cargo bench --bench peers` (names of scenarios behind `--` choose some). It installs what is missing (`benches/peers/install`),
//! starts all servers, each with one worker on CPU 1, and loads them in turn from CPU 0, where the upstream is too. CPU time of
//! a server by the requests it answered, the median of the rounds, and its ratio to nginx that does nothing but forward.
//! Writes `docs/performance.md` and its pictures where all scenarios were run and `PORTCULLIS_PAGE=1` says so.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench prints, measures time, and may panic"
)]

#[path = "../support/mod.rs"]
mod support;

mod load;
mod page;
mod scene;
mod servers;

use load::Load;
use scene::Scene;
use servers::Server;
use support::median;

const ROUNDS: usize = 4;

/// One question, asked of several servers.
pub struct Scenario {
    pub name: &'static str,
    pub title: &'static str,
    load: Load,
    /// The first is what the others are compared with.
    servers: &'static [&'static str],
    /// The most that we may cost, in parts of the first.
    pub goal: Option<f64>,
}

/// What came of a scenario: server, microseconds of CPU per request, requests per second.
pub type Outcome = Vec<(&'static str, f64, f64)>;

const ALL: &[Scenario] = &[
    Scenario {
        name: "hot",
        title: "one token, HTTP/1.1 in clear",
        load: Load::HOT,
        servers: &[
            "nginx",
            "portcullis",
            "portcullis-compat",
            "haproxy",
            "nginx-lua",
            "envoy-jwt",
            "haproxy-jwt",
            "apache-oauth2",
        ],
        goal: Some(0.85),
    },
    Scenario {
        name: "tokens",
        title: "10,000 tokens, HTTP/1.1 in clear",
        load: Load::TOKENS,
        servers: &["nginx", "portcullis", "nginx-lua"],
        goal: Some(0.95),
    },
    Scenario {
        name: "tls",
        title: "one token, HTTP/1.1 over TLS 1.3",
        load: Load::TLS,
        servers: &["nginx", "portcullis", "portcullis-compat", "nginx-lua", "haproxy-jwt"],
        goal: Some(0.75),
    },
    Scenario {
        name: "http2",
        title: "one token, HTTP/2 over TLS 1.3",
        load: Load::HTTP2,
        servers: &["nginx", "portcullis", "nginx-lua", "haproxy-jwt"],
        goal: Some(1.0),
    },
    Scenario {
        name: "large",
        title: "answers of 64 KiB, beside nginx with buffers to match",
        load: Load::LARGE,
        servers: &["nginx-tuned", "portcullis", "nginx", "nginx-lua"],
        goal: Some(1.0),
    },
    Scenario {
        name: "handshake",
        title: "a full TLS 1.3 handshake and one request",
        load: Load::HANDSHAKE,
        servers: &["nginx", "portcullis"],
        goal: Some(0.6),
    },
];

fn main() {
    let installed = std::process::Command::new(support::here("benches/peers/install")).status();
    assert!(installed.is_ok_and(|status| status.success()), "the peers cannot be installed");
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let chosen: Vec<&Scenario> =
        ALL.iter().filter(|scenario| wanted.is_empty() || wanted.iter().any(|name| name == scenario.name)).collect();
    let scene = Scene::new();
    let mut started: Vec<Server> = Vec::new();
    for name in chosen.iter().flat_map(|scenario| scenario.servers) {
        if !started.iter().any(|server| server.name == *name) {
            started.extend(Server::start(name, &scene));
        }
    }
    let mut outcomes = Vec::new();
    for scenario in &chosen {
        outcomes.push((*scenario, run(scenario, &started, &scene)));
    }
    let missed = outcomes.iter().filter(|(scenario, outcome)| !told(scenario, outcome)).count();
    println!("\n{missed} of {} goals missed", outcomes.iter().filter(|(scenario, _)| scenario.goal.is_some()).count());
    if chosen.len() == ALL.len() && std::env::var("PORTCULLIS_PAGE").is_ok() {
        page::write(&outcomes);
    }
    // Ends the servers; leaving the process would not.
    drop((started, scene));
    std::process::exit(i32::from(missed > 0));
}

fn run(scenario: &Scenario, started: &[Server], scene: &Scene) -> Outcome {
    eprintln!("{} …", scenario.title);
    let servers: Vec<&Server> =
        scenario.servers.iter().filter_map(|name| started.iter().find(|server| server.name == *name)).collect();
    let mut costs = vec![(Vec::new(), Vec::new()); servers.len()];
    for round in 0..=ROUNDS {
        for (server, (micros, rates)) in servers.iter().zip(&mut costs) {
            let cost = scenario.load.run(server, scene);
            // The first round warms pools and caches.
            if round > 0 {
                micros.push(cost.micros);
                rates.push(cost.rate);
            }
        }
    }
    servers.iter().zip(costs).map(|(server, (micros, rates))| (server.name, median(micros), median(rates))).collect()
}

/// Prints an outcome; whether its goal was reached.
fn told(scenario: &Scenario, outcome: &Outcome) -> bool {
    let base = outcome[0].1;
    println!("\n{}\n{:<20} {:>12} {:>8} {:>12}", scenario.title, "", "us/request", "ratio", "requests/s");
    for (name, micros, rate) in outcome {
        println!("{name:<20} {micros:>12.2} {:>8.2} {rate:>12.0}", micros / base);
    }
    let ours = outcome.iter().find(|(name, ..)| *name == "portcullis").map_or(f64::NAN, |(_, micros, _)| micros / base);
    let reached = scenario.goal.is_none_or(|goal| ours <= goal);
    if let Some(goal) = scenario.goal {
        println!("goal: {goal} at the most: {}", if reached { "reached" } else { "missed" });
    }
    reached
}

//! How much longer an answer takes through a server, at 30% of what it can do: beside the upstream, asked directly as often.

use crate::Stage;
use crate::goal::Verdict;
use crate::load::Load;
use crate::picture::{self, grouped};
use crate::report::Report;
use crate::servers::{Server, Setting};
use crate::steady::{self, Waits};
use crate::support::median;

const PART: f64 = 0.3;
const SECONDS: u64 = 4;
const ROUNDS: u64 = 3;
const SERVERS: &[&str] = &["nginx", "portcullis", "haproxy", "nginx-lua", "envoy-jwt"];

/// A server, requests per second, and what came of them with and without it.
struct Measured {
    name: &'static str,
    rate: f64,
    through: Waits,
    direct: Waits,
}

pub fn run(stage: &Stage) -> Report {
    let started: Vec<Server> = SERVERS.iter().filter_map(|name| Server::start(name, stage, Setting::USUAL)).collect();
    let rates: Vec<f64> = started.iter().map(|server| PART * capacity(server, stage)).collect();
    let mut waits = vec![(Vec::new(), Vec::new()); started.len()];
    for round in 0..=ROUNDS {
        for ((server, rate), (through, direct)) in started.iter().zip(&rates).zip(&mut waits) {
            let ask = |port| steady::load(port, *rate, SECONDS, Load::HOT.path, &stage.scene.token, round);
            let both = (ask(server.port), ask(stage.scene.upstream));
            // The first round warms pools and caches.
            if round > 0 {
                through.push(both.0);
                direct.push(both.1);
            }
        }
    }
    let mut all = Vec::new();
    for ((server, rate), (through, direct)) in started.iter().zip(rates).zip(&waits) {
        all.push(Measured { name: server.name, rate, through: middle(through), direct: middle(direct) });
    }
    report(&all)
}

/// Requests per second in the scenario `hot` of this run, or else in a short one now.
fn capacity(server: &Server, stage: &Stage) -> f64 {
    stage.rates.get(server.name).copied().unwrap_or_else(|| {
        let _ = Load { seconds: 1, ..Load::HOT }.run(server, stage, 0);
        Load::HOT.run(server, stage, 0).rate
    })
}

fn middle(all: &[Waits]) -> Waits {
    let of = |part: fn(&Waits) -> f64| median(all.iter().map(part).collect());
    Waits {
        requests: all.iter().map(|waits| waits.requests).sum(),
        p50: of(|waits| waits.p50),
        p90: of(|waits| waits.p90),
        p99: of(|waits| waits.p99),
        p999: of(|waits| waits.p999),
    }
}

fn report(all: &[Measured]) -> Report {
    let row = |it: &Measured| {
        let cell = |of: fn(&Waits) -> f64| {
            let (through, direct) = (of(&it.through), of(&it.direct));
            format!("{through:.0} ({:+.0})", through - direct)
        };
        let cells = [cell(|it| it.p50), cell(|it| it.p90), cell(|it| it.p99), cell(|it| it.p999)];
        [vec![it.name.to_owned(), grouped(it.rate), grouped(it.through.requests as f64)], cells.into()].concat()
    };
    let p99 = |name: &str| all.iter().find(|it| it.name == name).map(|it| it.through.p99);
    let ratio = p99("portcullis").zip(p99("nginx")).map(|(ours, theirs)| ours / theirs);
    let bars: Vec<(String, f64)> = all.iter().map(|it| (it.name.to_owned(), it.through.p99)).collect();
    Report {
        name: "latency".to_owned(),
        title: "latency at 30% load".to_owned(),
        head: ["", "requests/s", "asked", "p50 us", "p90 us", "p99 us", "p99.9 us"].map(str::to_owned).into(),
        rows: all.iter().map(row).collect(),
        picture: picture::bars("p99 of the time to the end of an answer, at 30% load", "us", &bars),
        goals: vec![Verdict::at_most("p99 of portcullis beside that of nginx", 1.0, ratio, "times")],
        words: vec![
            "In brackets: how much of it the server adds, beside the upstream asked directly at the same rate in turn. A request \
             counts from when it was due, so nothing is hidden that had to wait before it could be sent."
                .to_owned(),
        ],
        ..Report::default()
    }
}

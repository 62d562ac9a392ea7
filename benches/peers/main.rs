//! What the gateway costs, beside what people would install instead, interleaved in one run.
//!
//! `cargo bench --bench peers`; names behind `--` choose some questions, and the beginning of a name all that begin so. It
//! installs what is missing (`benches/peers/install`), starts the servers of a question, each with one worker on CPU 1, and
//! loads them in turn from CPU 0, where the upstream is too. Each answer is kept in `target/peers`; with `PORTCULLIS_PAGE=1`
//! `docs/performance.md` and its pictures are written from what is there. Fails when a goal of what was asked is missed.

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

mod cost;
mod crowd;
mod goal;
mod growth;
mod issuing;
mod latency;
mod load;
mod memory;
mod page;
mod picture;
mod report;
mod scenarios;
mod scene;
mod servers;
mod steady;
mod tokens;
mod train;
mod websocket;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use report::Report;
use scene::Scene;

/// That the question with many tokens asks with.
const TOKENS: usize = 10_000;

/// What all questions share.
pub struct Stage {
    pub scene: Scene,
    /// Where WebSocket messages come back from.
    pub echo: u16,
    /// Who knows about opaque tokens.
    pub ask: u16,
    /// Requests per second of a server in the scenario `hot`, once that was run.
    pub rates: BTreeMap<&'static str, f64>,
}

/// A question, by the name it is chosen with.
type Question = (&'static str, Box<dyn Fn(&mut Stage) -> Report>);

fn questions() -> Vec<Question> {
    let mut all: Vec<Question> = Vec::new();
    for scenario in scenarios::ALL {
        let ask = |stage: &mut Stage| {
            let (outcome, report) = scenario.run(stage);
            if scenario.name == "hot" {
                stage.rates.extend(outcome.iter().map(|(name, cost)| (*name, cost.rate)));
            }
            report
        };
        all.push((scenario.name, Box::new(ask)));
        // Right behind what it needs to know.
        if scenario.name == "hot" {
            all.push(("latency", Box::new(|stage| latency::run(stage))));
        }
    }
    all.push(("issuing", Box::new(|_| issuing::run())));
    all.push(("memory", Box::new(|stage| memory::run(stage))));
    for growth in growth::ALL {
        all.push((growth.name, Box::new(|stage| growth.run(stage))));
    }
    all.push(("growth-cores", Box::new(|stage| growth::cores(stage))));
    all
}

fn main() -> ExitCode {
    // Under `cargo test --benches` there is nothing to measure.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    // What plays a part beside the servers is this same program.
    let words: Vec<String> = std::env::args().skip(1).collect();
    let part: Option<fn(&[String])> = match words.first().map(String::as_str) {
        Some("--steady") => Some(steady::run),
        Some("--echo") => Some(websocket::run_echo),
        Some("--talk") => Some(websocket::run_talk),
        Some("--train") => Some(train::run),
        _ => None,
    };
    if let Some(part) = part {
        part(&words[1..]);
        return ExitCode::SUCCESS;
    }
    let all = questions();
    let wanted: Vec<String> = words.into_iter().filter(|word| !word.starts_with('-')).collect();
    let chosen =
        |name: &str| wanted.is_empty() || wanted.iter().any(|it| name == it || name.starts_with(&format!("{it}-")));
    if let Some(unknown) = wanted.iter().find(|it| !all.iter().any(|(name, _)| name.starts_with(it.as_str()))) {
        eprintln!("nobody asks {unknown}; there are {:?}", all.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        return ExitCode::FAILURE;
    }
    let installed = std::process::Command::new(support::here("benches/peers/install")).status();
    assert!(installed.is_ok_and(|status| status.success()), "the peers cannot be installed");
    support::raise_descriptor_limit();
    let mut stage = Stage {
        scene: Scene::new(TOKENS),
        echo: support::free_port(),
        ask: support::free_port(),
        rates: BTreeMap::new(),
    };
    let mut broken = Vec::new();
    let mut goals = Vec::new();
    for (name, ask) in all.iter().filter(|(name, _)| chosen(name)) {
        eprintln!("{name} …");
        let start = std::time::Instant::now();
        // One that breaks must not take the others with it.
        match catch_unwind(AssertUnwindSafe(|| ask(&mut stage))) {
            Ok(report) => {
                let report = Report { when: page::today(), ..report };
                report.print();
                println!("asked for {} s", start.elapsed().as_secs());
                report.keep();
                goals.extend(report.goals);
            }
            Err(_) => broken.push(*name),
        }
    }
    let missed = goals.iter().filter(|goal| !goal.reached()).count();
    println!("\n{missed} of {} goals missed", goals.len());
    if !broken.is_empty() {
        println!("broken off: {}", broken.join(", "));
    }
    if std::env::var("PORTCULLIS_PAGE").is_ok() {
        page::write(&all.iter().filter_map(|(name, _)| Report::kept(name)).collect::<Vec<_>>());
    }
    if missed == 0 && broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

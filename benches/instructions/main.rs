//! User instructions per request, as callgrind counts them: a figure that does not depend on how busy the machine is, so that
//! a change that makes requests dearer is seen at once.
//!
//! `.ci/instructions`, and `.ci/run` on the way. Fails when a scenario costs 5% more than `recorded.json` beside this file
//! says; `UPDATE=1` writes that file anew, `PORTCULLIS_PROFILE=1` prints where the instructions went. Valgrind, nghttp2's h2load
//! and nginx are Debian's packages. What it counts depends on the build: figures are kept for each profile of Cargo's.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench prints, measures time, and may panic"
)]

mod counted;
#[path = "../peers/scene.rs"]
mod scene;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::process::ExitCode;

use counted::Counted;
use scene::Scene;

/// A change that costs more than this is one to think about.
const MOST_GROWTH: f64 = 1.05;

/// One way of asking.
pub struct Scenario {
    pub name: &'static str,
    pub door: Door,
    pub with_token: bool,
    pub http2: bool,
}

/// Which listener is asked.
#[derive(Clone, Copy)]
pub enum Door {
    Clear,
    Tls,
    Compat,
}

const ALL: &[Scenario] = &[
    Scenario { name: "clear", door: Door::Clear, with_token: true, http2: false },
    Scenario { name: "refused", door: Door::Clear, with_token: false, http2: false },
    Scenario { name: "tls", door: Door::Tls, with_token: true, http2: false },
    Scenario { name: "http2", door: Door::Tls, with_token: true, http2: true },
    Scenario { name: "compat", door: Door::Compat, with_token: true, http2: false },
];

fn main() -> ExitCode {
    // Under `cargo test --benches` there is nothing to measure.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let scene = Scene::new(1);
    let gateway = Counted::start(&scene);
    let recorded = Recorded::read();
    let mut found = BTreeMap::new();
    let mut grown = false;
    for scenario in ALL.iter().filter(|it| wanted.is_empty() || wanted.iter().any(|name| name == it.name)) {
        let count = gateway.per_request(scenario, &scene);
        let told = match recorded.of(scenario.name) {
            Some(before) => {
                let ratio = count / before;
                grown |= ratio > MOST_GROWTH;
                format!("{ratio:.3} of {before:.0}")
            }
            None => "not recorded".to_owned(),
        };
        println!("{:<10} {count:>8.0} instructions per request, {told}", scenario.name);
        found.insert(scenario.name.to_owned(), count.round());
    }
    if std::env::var_os("UPDATE").is_some() {
        recorded.write(found);
        return ExitCode::SUCCESS;
    }
    if grown {
        println!("a request costs more than {MOST_GROWTH} of what is recorded; if that is meant, UPDATE=1 records it");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// What was counted before: profile, scenario, instructions.
struct Recorded(BTreeMap<String, BTreeMap<String, f64>>);

impl Recorded {
    const FILE: &str = "benches/instructions/recorded.json";

    fn read() -> Self {
        let text = std::fs::read_to_string(support::here(Self::FILE)).unwrap_or_else(|_| "{}".to_owned());
        Self(serde_json::from_str(&text).expect("what was recorded can be read"))
    }

    fn of(&self, scenario: &str) -> Option<f64> {
        self.0.get(&profile())?.get(scenario).copied()
    }

    fn write(mut self, found: BTreeMap<String, f64>) {
        self.0.entry(profile()).or_default().extend(found);
        let text = serde_json::to_string_pretty(&self.0).expect("it can be written as JSON");
        std::fs::write(support::here(Self::FILE), text + "\n").expect("it can be written");
    }
}

/// The folder that cargo built the program into: `release`, `bench-quick`.
fn profile() -> String {
    let folder = std::path::Path::new(support::portcullis()).parent().and_then(std::path::Path::file_name);
    folder.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

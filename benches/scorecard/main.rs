//! Rehearsed bad days: what good clients notice while others misbehave, and what is left behind.
//!
//! `cargo bench --bench scorecard` runs all of them, `cargo bench --bench scorecard -- slow resets` those. `nginx` comes from
//! the distribution. The gateway, with one worker, has CPU 0; upstreams and clients, which are this process, have CPU 1.
//! Each rehearsal prints one line of JSON with its figures and its goals; the last line of output says how many were missed.

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

mod good;
mod issuer;
mod logins;
mod overload;
mod report;
mod resets;
mod slow;
mod timings;

type Rehearsal = (&'static str, fn() -> report::Report);

const ALL: [Rehearsal; 6] = [
    ("slow", slow::run),
    ("overload", overload::run),
    ("logins", logins::run),
    ("resets", resets::run),
    ("issuer", issuer::run),
    ("timings", timings::run),
];

fn main() {
    // No unsafe call is needed for either: the tools of util-linux do it, and children inherit it.
    let pid = std::process::id().to_string();
    for (tool, arguments) in [("prlimit", ["--nofile=65536:65536", "--pid", &pid]), ("taskset", ["-a", "-pc", "1"])] {
        let mut command = std::process::Command::new(tool);
        command.args(arguments).stdout(std::process::Stdio::null());
        if tool == "taskset" {
            command.arg(&pid);
        }
        command.status().unwrap_or_else(|fault| panic!("{tool} is part of util-linux: {fault}"));
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut missed = 0;
    for (name, run) in ALL {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            eprintln!("{name} …");
            let report = run();
            println!("{}", report.line(name));
            missed += report.missed();
        }
    }
    println!("{missed} goals missed");
    std::process::exit(i32::from(missed > 0));
}

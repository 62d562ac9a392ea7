//! Tokens per CPU second, beside npm's oidc-provider, interleaved in one run.
//!
//! `cargo bench --bench issuing`, with `wrk` and `taskset` from the distribution, and oidc-provider and node 22 where
//! `.ci/test` puts them. How it is measured stands in `support/issuing.rs`.

#![allow(clippy::print_stdout, reason = "a bench prints")]

mod support;

use support::issuing::{GOAL, ROUNDS, Rate, measure};

fn main() {
    println!("client_credentials {:>20} {:>12} {:>8}", "requests/CPU second", "requests/s", "ratio");
    let line = |what: &str, it: &Rate, ratio: &str| {
        println!("{what:<18} {:>20.0} {:>12.0} {ratio:>8}", it.per_cpu_second, it.rate);
    };
    let measured = measure(|theirs, own| {
        line("oidc-provider", theirs, "1.0");
        line("portcullis", own, &format!("{:.1}", own.per_cpu_second / theirs.per_cpu_second));
    });
    line("introspection", &measured.introspection, "");
    line("refresh", &measured.refresh, "");
    let (theirs, own) = (measured.theirs.per_cpu_second, measured.own.per_cpu_second);
    let ratio = own / theirs;
    println!(
        "\nmedian of {ROUNDS} rounds: oidc-provider {theirs:.0}, portcullis {own:.0} requests per CPU second: {ratio:.1} times"
    );
    assert!(ratio >= GOAL, "the goal is {GOAL} times oidc-provider");
}

//! What issuing a token costs, beside npm's oidc-provider: `benches/issuing.rs` asks the same, alone.

use crate::goal::Verdict;
use crate::picture;
use crate::report::Report;
use crate::support::issuing::{GOAL, Rate, installed, measure};

pub fn run() -> Report {
    let measured = installed().then(|| measure(|_, _| {}));
    let mut all: Vec<(&str, Rate)> = Vec::new();
    if let Some(it) = &measured {
        all.extend([
            ("oidc-provider", it.theirs),
            ("portcullis", it.own),
            ("portcullis: introspection", it.introspection),
            ("portcullis: refreshing", it.refresh),
        ]);
    }
    let ratio = measured.as_ref().map(|it| it.own.per_cpu_second / it.theirs.per_cpu_second);
    let micros = |rate: &Rate| 1e6 / rate.per_cpu_second;
    let row = |(name, rate): &(&str, Rate)| {
        let figures = [micros(rate), rate.per_cpu_second, rate.rate].map(|it| format!("{it:.0}"));
        [vec![(*name).to_owned()], figures.into()].concat()
    };
    let bars: Vec<(String, f64)> = all.iter().take(2).map(|(name, rate)| ((*name).to_owned(), micros(rate))).collect();
    Report {
        name: "issuing".to_owned(),
        title: "issuing a token to a client, ES256".to_owned(),
        head: ["", "CPU us per request", "requests/CPU second", "requests/s"].map(str::to_owned).into(),
        rows: all.iter().map(row).collect(),
        picture: picture::bars("CPU per token that is issued", "us", &bars),
        goals: vec![Verdict::at_least("tokens per CPU second beside oidc-provider", GOAL, ratio, "times")],
        words: vec![
            "The provider keeps everything in memory; we write each token to an audit log, and each refresh to the disk."
                .to_owned(),
        ],
        ..Report::default()
    }
}

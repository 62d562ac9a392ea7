//! How the cost of a request grows with what there is more and more of. Each point is a gateway of its own, so that none
//! remembers what was for another; they are loaded in turn.

use crate::Stage;
use crate::load::{Bring, Load};
use crate::picture::{self, grouped};
use crate::report::Report;
use crate::servers::{Server, Setting};
use crate::support::{median, most_descriptors};
use crate::{crowd, tokens};

const ROUNDS: usize = 3;
/// More than this and a curve is not called flat.
const FLAT: f64 = 1.15;
/// Of warming up one point.
const LONGEST: u64 = 12;
const SETTING: Setting = Setting { file: "growth.yaml", ..Setting::USUAL };

/// A question about growth.
pub struct Growth {
    pub name: &'static str,
    title: &'static str,
    axis: &'static str,
    points: &'static [usize],
    of: Of,
    /// Why it grows, where it does.
    cause: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Routes,
    Tokens,
    Clients,
    Connections,
}

pub const ALL: &[Growth] = &[
    Growth {
        name: "growth-routes",
        title: "cost over routes",
        axis: "routes, asked in turn",
        points: &[10, 100, 1_000, 10_000, 100_000],
        of: Of::Routes,
        cause: "Finding a route takes the same steps however many there are; but here each request asks another one, and what \
                belongs to a route (its rule, its limit, its counters) comes from further away once all of it is larger than the \
                processor's caches.",
    },
    Growth {
        name: "growth-tokens",
        title: "cost over distinct tokens",
        axis: "tokens, brought in turn",
        points: &[1, 10, 100, 1_000, 10_000, 100_000, 1_000_000],
        of: Of::Tokens,
        cause: "A worker remembers 16,384 tokens, all workers together 32 MiB of what tokens say. When more than fit come in turn, \
                each is verified anew: the last points are the price of an EdDSA signature, each time.",
    },
    Growth {
        name: "growth-clients",
        title: "cost over callers that are counted",
        axis: "addresses in one limit, in turn",
        points: &[1, 10, 100, 1_000, 10_000, 100_000, 1_000_000],
        of: Of::Clients,
        cause: "Each caller has a bucket, and each request here needs another one, which comes from further away once they are \
                larger than the processor's caches. Beyond 200,000 callers of one limit, buckets are shared, and there are no \
                more of them.",
    },
    Growth {
        name: "growth-connections",
        title: "cost over connections, all of them busy",
        axis: "connections",
        points: &[1, 10, 100, 1_000, 9_000, 20_000],
        of: Of::Connections,
        cause: "What belongs to a connection here and in the kernel comes from further away once all of it is larger than the \
                processor's caches. The first points are dearer because nothing else is waiting when a worker wakes up: the way \
                from sleep to work and back is paid by few requests.",
    },
];

impl Growth {
    pub fn run(&self, stage: &Stage) -> Report {
        let most = self.points.iter().copied().max().unwrap_or_default();
        tokens::grown(if self.of == Of::Tokens { most } else { 1 }, stage);
        let possible = |count: &&usize| self.of != Of::Connections || *count * 2 + 500 <= most_descriptors();
        let started: Vec<(usize, Server)> = self
            .points
            .iter()
            .filter(possible)
            .map(|count| (*count, Server::start("portcullis", stage, self.setting(*count)).expect("it is ours")))
            .collect();
        let mut costs = vec![Vec::new(); started.len()];
        for round in 0..=ROUNDS {
            for ((count, server), costs) in started.iter().zip(&mut costs) {
                if round == 0 {
                    self.warm(*count, server, stage);
                } else {
                    costs.push(self.cost(*count, server, stage));
                }
            }
        }
        let points = started.iter().zip(costs).map(|((count, _), costs)| (*count as f64, median(costs)));
        self.report(&points.collect::<Vec<_>>())
    }

    fn setting(&self, count: usize) -> Setting {
        match self.of {
            Of::Routes => Setting { routes: count, ..Setting::USUAL },
            Of::Clients => Setting { per: "ip", ..SETTING },
            Of::Tokens | Of::Connections => SETTING,
        }
    }

    fn load(&self, count: usize, seconds: u64) -> Load {
        let bring = match self.of {
            Of::Routes => Bring::Paths(count),
            Of::Tokens => Bring::Grown(count),
            Of::Clients => Bring::Clients(count),
            Of::Connections => Bring::Grown(1),
        };
        Load { bring, seconds, ..Load::HOT }
    }

    /// Until everything has come once, where that is to be had.
    fn warm(&self, count: usize, server: &Server, stage: &Stage) {
        let each = match self.of {
            Of::Tokens => 120,
            Of::Routes | Of::Clients => 40,
            Of::Connections => 0,
        };
        let seconds = (1 + count as u64 * each / 1_000_000).min(LONGEST);
        let _ = self.load(count, seconds).run(server, stage, 0);
    }

    fn cost(&self, count: usize, server: &Server, stage: &Stage) -> f64 {
        let load = self.load(count, 2);
        match self.of {
            Of::Connections => crowd::cost(&load, count, server, stage),
            Of::Routes | Of::Tokens | Of::Clients => load.run(server, stage, 0).micros,
        }
    }

    fn report(&self, points: &[(f64, f64)]) -> Report {
        let mut words = words(points, self.cause);
        if points.len() < self.points.len() {
            let most = grouped(most_descriptors() as f64);
            words.push(format!("More could not be asked: this machine lets a process have {most} open files."));
        }
        let least = points.iter().map(|(_, micros)| *micros).fold(f64::MAX, f64::min);
        let row = |(count, micros): &(f64, f64)| {
            vec![grouped(*count), format!("{micros:.1}"), format!("{:.2}", micros / least)]
        };
        Report {
            name: self.name.to_owned(),
            title: self.title.to_owned(),
            head: [self.axis, "CPU us per request", "times the least"].map(str::to_owned).into(),
            rows: points.iter().map(row).collect(),
            picture: picture::curve(&format!("CPU per request: {}", self.title), self.axis, points),
            words,
            ..Report::default()
        }
    }
}

/// Whether it is flat, and if not, where it ceases to be, by how much, and why.
fn words(points: &[(f64, f64)], cause: &str) -> Vec<String> {
    let (least, most) =
        points.iter().fold((f64::MAX, 0.0_f64), |(least, most), (_, it)| (least.min(*it), most.max(*it)));
    let [(first, _), .., (last, micros)] = points else { return Vec::new() };
    if most / least <= FLAT {
        return vec![format!(
            "Flat: from {} to {} no figure is more than {:.2} times another.",
            grouped(*first),
            grouped(*last),
            most / least
        )];
    }
    let flat: Vec<String> =
        points.iter().filter(|(_, it)| it / least <= FLAT).map(|(count, _)| grouped(*count)).collect();
    vec![
        format!(
            "Not flat: within {FLAT} times the least at {}; {:.2} times at {}, and {:.2} times where it is dearest.",
            flat.join("; "),
            micros / least,
            grouped(*last),
            most / least
        ),
        cause.to_owned(),
    ]
}

/// One worker and two, where the load has to share their CPUs.
pub fn cores(stage: &Stage) -> Report {
    tokens::grown(1, stage);
    let settings = [
        ("1 worker", Setting { cpu: Some(1), ..SETTING }),
        ("2 workers", Setting { workers: 2, cpu: None, ..SETTING }),
    ];
    let started =
        settings.map(|(name, setting)| (name, Server::start("portcullis", stage, setting).expect("it is ours")));
    let load = Load { bring: Bring::Grown(1), seconds: 2, ..Load::HOT };
    let mut costs = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for ((_, server), costs) in started.iter().zip(&mut costs) {
            let cost = load.run(server, stage, 0);
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    let middle: Vec<(&str, f64, f64)> = started
        .iter()
        .zip(&costs)
        .map(|((name, _), costs)| {
            (
                *name,
                median(costs.iter().map(|it| it.micros).collect()),
                median(costs.iter().map(|it| it.rate).collect()),
            )
        })
        .collect();
    let (one, two) = (middle[0], middle[1]);
    let bars: Vec<(String, f64)> =
        middle.iter().map(|(name, micros, _)| (format!("portcullis, {name}"), *micros)).collect();
    Report {
        name: "growth-cores".to_owned(),
        title: "one worker and two".to_owned(),
        head: ["", "CPU us per request", "requests/s"].map(str::to_owned).into(),
        rows: middle
            .iter()
            .map(|(name, micros, rate)| vec![(*name).to_owned(), format!("{micros:.1}"), format!("{rate:.0}")])
            .collect(),
        picture: picture::bars("CPU per request, by workers", "us", &bars),
        words: vec![
            format!(
                "With a second worker a request costs {:.2} times as much CPU, and there are {:.2} times as many a second.",
                two.1 / one.1,
                two.2 / one.2
            ),
            "The latter says little here: load and upstream need a CPU of their own to keep one worker busy, and the second \
             worker takes that one from them. What more cores carry can only be measured on a machine that has them to spare."
                .to_owned(),
        ],
        ..Report::default()
    }
}

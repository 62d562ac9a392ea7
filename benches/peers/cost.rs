//! What a request costs: the same question, asked of several servers in turn.

use crate::Stage;
use crate::goal::{Goal, Verdict};
use crate::load::{Cost, Load};
use crate::picture;
use crate::report::Report;
use crate::servers::{Server, Setting};
use crate::support::median;

const ROUNDS: usize = 4;

/// One question, asked of several servers.
pub struct Scenario {
    pub name: &'static str,
    pub title: &'static str,
    pub load: Load,
    /// The first is what the others are compared with.
    pub servers: &'static [&'static str],
    pub goals: &'static [Goal],
    pub setting: Setting,
}

/// Server, and the medians of what a request cost it.
pub type Outcome = Vec<(&'static str, Cost)>;

impl Scenario {
    pub fn run(&self, stage: &Stage) -> (Outcome, Report) {
        let _beside = self.load.prepare(ROUNDS + 1, stage);
        let started: Vec<Server> =
            self.servers.iter().filter_map(|name| Server::start(name, stage, self.setting)).collect();
        let mut costs = vec![Vec::new(); started.len()];
        for round in 0..=ROUNDS {
            for (server, costs) in started.iter().zip(&mut costs) {
                let cost = self.load.run(server, stage, round);
                // The first round warms pools and caches.
                if round > 0 {
                    costs.push(cost);
                }
            }
        }
        let outcome: Outcome =
            started.iter().map(|server| server.name).zip(costs.iter().map(|it| middle(it))).collect();
        let report = self.report(&outcome);
        (outcome, report)
    }

    fn report(&self, outcome: &Outcome) -> Report {
        let (first, base) = outcome.first().map_or(("", f64::NAN), |(name, cost)| (*name, cost.micros));
        let row = |(name, cost): &(&'static str, Cost)| {
            vec![
                (*name).to_owned(),
                format!("{:.1}", cost.micros),
                format!("{:.1}", cost.kernel),
                format!("{:.2}", cost.micros / base),
                format!("{:.0}", cost.rate),
            ]
        };
        let bars: Vec<(String, f64)> = outcome.iter().map(|(name, cost)| ((*name).to_owned(), cost.micros)).collect();
        Report {
            name: self.name.to_owned(),
            title: self.title.to_owned(),
            head: ["", "CPU us per request", "of these the kernel's", &format!("times {first}"), "requests/s"]
                .map(str::to_owned)
                .into(),
            rows: outcome.iter().map(row).collect(),
            picture: picture::bars(&format!("CPU per request: {}", self.title), "us", &bars),
            goals: self.goals.iter().map(|goal| verdict(goal, outcome)).collect(),
            words: words(outcome),
            ..Report::default()
        }
    }
}

/// Whose time it is: the kernel's is much the same for everybody.
fn words(outcome: &Outcome) -> Vec<String> {
    let of = |wanted: &str| outcome.iter().find(|(name, _)| *name == wanted).map(|(_, cost)| *cost);
    let (Some((first, theirs)), Some(ours)) = (outcome.first(), of("portcullis")) else { return Vec::new() };
    let own = |cost: &Cost| cost.micros - cost.kernel;
    vec![format!(
        "Of our {:.1} us the kernel takes {:.1}, of the {:.1} of {first} it takes {:.1}. What is left is our own part, {:.1} us, \
         beside {:.1} of {first}.",
        ours.micros,
        ours.kernel,
        theirs.micros,
        theirs.kernel,
        own(&ours),
        own(theirs)
    )]
}

fn verdict(goal: &Goal, outcome: &Outcome) -> Verdict {
    let of = |wanted: &str| outcome.iter().find(|(name, _)| *name == wanted).map(|(_, cost)| cost.micros);
    let got = of(goal.ours).zip(of(goal.beside)).map(|(ours, theirs)| ours / theirs);
    Verdict::at_most(format!("{} beside {}", goal.ours, goal.beside), goal.most, got, "times")
}

fn middle(costs: &[Cost]) -> Cost {
    let of = |part: fn(&Cost) -> f64| median(costs.iter().map(part).collect());
    Cost { micros: of(|cost| cost.micros), kernel: of(|cost| cost.kernel), rate: of(|cost| cost.rate) }
}

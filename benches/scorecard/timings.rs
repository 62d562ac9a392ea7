//! Can secrets or names be told apart by the time that a refusal takes?
//!
//! Every group is asked in every round, in an order that chance makes anew, so that what the machine does meanwhile meets all
//! of them. Two groups are compared by two figures. The *difference of the medians* against the *spread* (what lies between
//! the quartiles of both) says how much one sample tells; with it goes the interval in which the median of the differences
//! within a round lies with 99% (by the ranks of a binomial distribution, whatever the shape); the goal is about what of it is
//! certain, its end that is nearer to nothing. The *chance* that a sample of
//! one group is larger than one of the other (Mann-Whitney) is 0.5 when they cannot be told apart. As a yardstick one group is
//! compared with itself: what it shows is noise.

use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};

use crate::good::exchange;
use crate::report::Report;
use crate::slow::SECRET;
use crate::support::{folder, free_port, gateway};

/// Rounds of a group: for secrets that are compared by digest, and for slow hashes.
const FAST: usize = 2_000;
const SLOW: usize = 500;
/// The most that is certain of a difference, in parts of the spread.
const GOAL: f64 = 0.05;

/// What is asked in a round, by the round's number.
type Group = (&'static str, fn(usize) -> (String, u16));

pub fn run() -> Report {
    let folder = folder();
    std::fs::write(folder.path().join("password"), "a sentence of somebody\n").expect("it can be written");
    let (port, admin) = (free_port(), free_port());
    let _ours = gateway(folder.path(), &yaml(port, admin), port, Some(0));
    let mut report = Report::default();
    let secrets: [Group; 4] = [
        ("wrong secret", |_| (client("bench", "wrong-secret"), 401)),
        ("wrong secret again", |_| (client("bench", "wrong-secret"), 401)),
        ("right but for its last character", |_| (client("bench", "bench-secreX"), 401)),
        ("unknown client", |_| (client("bonch", "wrong-secret"), 401)),
    ];
    against_the_first(&mut report, "S31.6", port, &secrets, FAST);
    let people: [Group; 3] = [
        ("known user", |round| (person("alice", round), 400)),
        ("known user again", |round| (person("bobby", round), 400)),
        ("unknown user", |round| (person("nancy", round), 400)),
    ];
    against_the_first(&mut report, "S34.1", port, &people, SLOW);
    report
}

fn against_the_first(report: &mut Report, id: &str, port: u16, groups: &[Group], rounds: usize) {
    let times = measured(port, groups, rounds);
    for ((name, _), times_of_it) in groups.iter().zip(&times).skip(1) {
        let compared = Compared::new(&times[0], times_of_it);
        let title = format!("{id}, {} and {name}", groups[0].0);
        report.at_most(&format!("{title}: what is certain of the difference, in spreads"), compared.certain(), GOAL);
        report.note(&title, compared.figures());
    }
}

/// Microseconds of each group, by round.
fn measured(port: u16, groups: &[Group], rounds: usize) -> Vec<Vec<f64>> {
    let mut dice = fastrand::Rng::with_seed(1);
    let mut times = vec![Vec::with_capacity(rounds); groups.len()];
    let mut kept: Option<TcpStream> = None;
    let mut order: Vec<usize> = (0..groups.len()).collect();
    let mut turn = 0;
    // The first rounds warm what is to be warmed.
    for round in 0..rounds + 20 {
        dice.shuffle(&mut order);
        for group in &order {
            turn += 1;
            let (form, status) = groups[*group].1(round);
            let request = posted(port, turn, &form);
            let start = Instant::now();
            let answer = exchange(port, &mut kept, &request);
            let micros = start.elapsed().as_secs_f64() * 1e6;
            assert_eq!(answer, Some(status), "{form}");
            if round >= 20 {
                times[*group].push(micros);
            }
        }
    }
    times
}

/// Two groups, sample by sample.
struct Compared {
    medians: (f64, f64),
    spread: f64,
    /// Of the differences within a round.
    interval: (f64, f64),
    chance: f64,
}

impl Compared {
    fn new(first: &[f64], second: &[f64]) -> Self {
        let differences = sorted(first.iter().zip(second).map(|(first, second)| second - first));
        let count = differences.len();
        let aside = (2.576 * (count as f64).sqrt() / 2.0).ceil() as usize;
        let interval = (differences[count / 2 - aside], differences[count / 2 + aside]);
        let (first, second) = (sorted(first.iter().copied()), sorted(second.iter().copied()));
        let both = sorted(first.iter().chain(&second).copied());
        let below = |value: f64| {
            let (less, not_more) = (first.partition_point(|it| *it < value), first.partition_point(|it| *it <= value));
            (less + not_more) as f64 / 2.0
        };
        let wins: f64 = second.iter().map(|value| below(*value)).sum();
        Self {
            medians: (at(&first, 0.5), at(&second, 0.5)),
            spread: at(&both, 0.75) - at(&both, 0.25),
            interval,
            chance: wins / (first.len() * second.len()) as f64,
        }
    }

    /// None, when nothing lies within the interval.
    fn certain(&self) -> f64 {
        self.interval.0.max(-self.interval.1).max(0.0) / self.spread
    }

    fn figures(&self) -> Value {
        let round = |value: f64| (value * 100.0).round() / 100.0;
        json!({
            "medians, us": [round(self.medians.0), round(self.medians.1)],
            "spread, us": round(self.spread),
            "difference of the medians, in spreads": round((self.medians.1 - self.medians.0).abs() / self.spread),
            "median of the differences, 99% interval, us": [round(self.interval.0), round(self.interval.1)],
            "chance that the second is larger": (self.chance * 1e4).round() / 1e4,
        })
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn at(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() as f64 * part) as usize).min(sorted.len() - 1)]
}

fn client(id: &str, secret: &str) -> String {
    format!("grant_type=client_credentials&client_id={id}&client_secret={secret}")
}

/// A wrong password, of one of many users: an account as a whole has a budget, too.
fn person(name: &str, round: usize) -> String {
    format!(
        "grant_type=password&client_id=phone&client_secret=bench-secret&username={name}{:02}&password=a+wrong+sentence",
        round % PEOPLE
    )
}

const PEOPLE: usize = 40;

/// Each request from an address of its own, so that nobody is made to wait.
fn posted(port: u16, turn: usize, form: &str) -> String {
    format!(
        "POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         X-Forwarded-For: 10.{:03}.{:03}.{:03}\r\nContent-Length: {}\r\n\r\n{form}",
        100 + turn / 10_000,
        100 + turn / 100 % 100,
        100 + turn % 100,
        form.len()
    )
}

fn yaml(port: u16, admin: u16) -> String {
    let users: String = ["alice", "bobby"]
        .iter()
        .flat_map(|name| (0..PEOPLE).map(move |number| (name, number)))
        .map(|(name, number)| format!("\n    - {{name: {name}{number:02}, password: {{file: password}}}}"))
        .collect();
    format!(
        r#"version: 1
listen: [{{address: "127.0.0.1:{port}", trusted_proxies: [127.0.0.1]}}]
admin: {{address: "127.0.0.1:{admin}"}}
store: {{sqlite: timings.db}}
observe: {{log: {{format: json}}}}
authority:
  issuer: http://127.0.0.1:{port}
  scopes: {{"orders:read": See orders}}
  clients:
    - id: bench
      secret: {{hash: "sha256:{SECRET}"}}
      grants: [client_credentials]
      scopes: ["orders:read"]
    - id: phone
      secret: {{hash: "sha256:{SECRET}"}}
      grants: [password]
      danger_allow_password_grant: true
      scopes: ["orders:read"]
  users:{users}
routes:
  - {{match: GET /good, access: {{scope: "orders:read"}}, respond: echo}}
"#
    )
}

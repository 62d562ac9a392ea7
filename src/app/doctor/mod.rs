//! Probes of a running gateway from outside: what an attacker would try first, each with a verdict.
//!
//! In: the file that the gateway runs, and its address. Out: findings. Sends what no honest client sends, byte for byte, and
//! changes nothing: every probe is meant to be refused.

mod forged;
mod paths;
mod tokens;
mod upstreams;
mod wire;

use std::time::Duration;

use http::Method;
use serde::Serialize;

use crate::config::Plan;
use crate::config::plan::{Access, Destination, HostPattern, Methods, Pattern, Route, Segment};
use wire::Wire;

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was tried: `path`, `token`, `identity`, `listener`, `upstream`.
    pub about: &'static str,
    pub probe: String,
    pub verdict: Verdict,
    /// What happened, and what to do where that is not right.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Good,
    /// Not wrong in itself; worth a look.
    Look,
    Bad,
    /// It could not be tried.
    Skipped,
}

/// Where the gateway is.
pub struct Patient<'a> {
    pub plan: &'a Plan,
    pub wire: Wire,
    /// A good token, for what can only be tried with one.
    pub token: Option<&'a str>,
}

/// How long one probe may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Examines the gateway at `url`; `tell` hears of each finding as it comes. The error says why it cannot be reached.
pub fn examine(
    plan: &Plan,
    url: Option<&str>,
    token: Option<&str>,
    tell: &mut dyn FnMut(Finding),
) -> anyhow::Result<()> {
    let url = url.map_or_else(|| address_of(plan), str::to_owned);
    let patient = Patient { plan, wire: Wire::new(&url, PATIENCE)?, token };
    patient.wire.ask("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    paths::probe(&patient, tell);
    tokens::probe(&patient, tell);
    forged::probe(&patient, tell);
    upstreams::probe(plan, tell);
    Ok(())
}

/// The first listener, as this machine reaches it.
fn address_of(plan: &Plan) -> String {
    let Some(listener) = plan.listeners.first() else { return "http://127.0.0.1:8080".to_owned() };
    let mut address = listener.address;
    if address.ip().is_unspecified() {
        let here: std::net::IpAddr =
            if address.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(here);
    }
    let scheme = if listener.certificates.is_empty() { "http" } else { "https" };
    format!("{scheme}://{address}")
}

impl Patient<'_> {
    /// Routes that need a token and that a probe may ask, most specific first, at most a few.
    fn protected(&self) -> impl Iterator<Item = Sample<'_>> {
        let routes =
            self.plan.routes.iter().filter(|route| matches!(route.access, Access::Rule(_)) && !route.only_observes);
        routes.map(Sample::of).take(8)
    }

    /// A route that shows what an upstream would get.
    fn echo(&self) -> Option<Sample<'_>> {
        let echoes = self.plan.routes.iter().filter(|route| matches!(route.destination, Destination::Echo));
        let mut open = echoes.filter(|route| matches!(route.access, Access::Public) || self.token.is_some());
        open.next().map(Sample::of)
    }
}

/// A request that a route takes.
struct Sample<'a> {
    route: &'a Route,
    method: Method,
    host: String,
    path: String,
}

impl<'a> Sample<'a> {
    fn of(route: &'a Route) -> Self {
        let method = match &route.pattern.methods {
            Methods::All => Method::GET,
            Methods::Named(named) => {
                let safe = named.iter().find(|method| method.is_safe());
                safe.or(named.first()).cloned().unwrap_or(Method::GET)
            }
        };
        let host = match &route.pattern.host {
            HostPattern::Exact(name) => name.clone(),
            HostPattern::Under(parent) => format!("probe.{parent}"),
            HostPattern::Any => "localhost".to_owned(),
        };
        Self { route, method, host, path: path_of(&route.pattern) }
    }

    /// The head of a plain request with these further lines.
    fn head(&self, path: &str, lines: &str) -> String {
        format!("{} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{lines}\r\n", self.method, self.host)
    }
}

fn path_of(pattern: &Pattern) -> String {
    pattern.segments.iter().fold(String::new(), |path, segment| match segment {
        Segment::Literal(text) => path + "/" + text,
        Segment::Named(_) => path + "/probe",
        Segment::Rest => path + "/probe",
    })
}

/// Judges an answer that has to be a refusal by the gateway: neither let through nor broken.
fn must_be_refused(answer: &anyhow::Result<wire::Answer>) -> (Verdict, String) {
    match answer {
        Ok(answer) if (400..500).contains(&answer.status) => (
            Verdict::Good,
            format!(
                "refused with {}{}",
                answer.status,
                answer.code().map_or_else(String::new, |code| format!(" {code}"))
            ),
        ),
        Ok(answer) if answer.status < 400 => {
            let advice = "it was let through without a good token: look at the routes that take this path";
            (Verdict::Bad, format!("answered {}; {advice}", answer.status))
        }
        Ok(answer) => (Verdict::Look, format!("answered {}, where a refusal was expected", answer.status)),
        // Hanging up without a word is a refusal, too.
        Err(_) => (Verdict::Good, "the connection was closed".to_owned()),
    }
}

//! Why a request was let through or refused, for people and programs.
//!
//! In: the account that a worker gives of one decision, and the configuration that made it. Out: an [`Explanation`]: the
//! request as it was judged, the routes that were considered, who called, and each check with what it needed and what it
//! saw. Decides nothing: what it tells is what the pipeline found. Never with a token, a cookie or a query.

mod routes;
mod steps;
mod words;

use std::time::Duration;

use super::decisions::Account;
use super::snapshot::{Destination, Route, Snapshot};
use crate::ground::duration;
use crate::observe::explanation::{Brief, Caller, LimitTold, Request, RouteTold, Verdict};
use crate::observe::record::TokenUse;

pub use crate::observe::explanation::Explanation;

/// Explains `account`. `house` is the configuration in force; it is used where it is the one that judged.
pub fn explain(account: &Account, house: &Snapshot) -> Explanation {
    let facts = &account.facts;
    let house = Some(house).filter(|house| house.generation == facts.generation);
    let route =
        house.and_then(|house| house.table.values().find(|route| Some(&route.series.name) == account.route.as_ref()));
    let refused = facts.refusal.as_ref();
    let said = refused.or(facts.observed.as_ref());
    let told = said.map(|refusal| words::of(refusal, account, house, route));
    let outcome = match (refused, &facts.observed) {
        (Some(_), _) => Verdict::Refused,
        (None, Some(_)) => Verdict::Observed,
        (None, None) => Verdict::Allowed,
    };
    Explanation {
        request_id: account.request_id.to_string(),
        at: timestamp(account.at),
        outcome,
        status: account.status,
        code: said.map(|refusal| refusal.reason().code().to_owned()),
        summary: summary(account, outcome, told.as_ref()),
        advice: told.as_ref().map(|told| told.advice.clone()),
        request: Request {
            method: account.method.to_string(),
            host: account.host.clone(),
            path: account.path.clone(),
            client: account.client.to_string(),
            version: account.version.to_owned(),
            tls: account.tls,
        },
        route: route.map(route_told),
        considered: house.map(|house| routes::considered(account, house, route)).unwrap_or_default(),
        caller: caller(account),
        token_says: facts.unproved.as_ref().map(|unproved| unproved.0.clone()).unwrap_or_default(),
        steps: steps::steps(account, house, route, told.as_ref()),
        limits: route.map(|route| limits(account, route)).unwrap_or_default(),
        answered_by: answered_by(account, route),
        took_ms: account.duration.as_secs_f64() * 1e3,
        upstream_receives: receives(account),
        generation: facts.generation,
    }
}

/// Tells `account` in short.
pub fn brief(account: &Account) -> Brief {
    let facts = &account.facts;
    let said = facts.refusal.as_ref().or(facts.observed.as_ref());
    let claims = account.caller.as_ref().map(|identity| &identity.claims);
    let caller = claims.and_then(|claims| claims.subject.as_deref().or(claims.client.as_deref()));
    Brief {
        request_id: account.request_id.to_string(),
        at: timestamp(account.at),
        method: account.method.to_string(),
        host: account.host.clone(),
        path: account.path.clone(),
        client: account.client.to_string(),
        route: account.route.as_deref().unwrap_or("-").to_owned(),
        status: account.status,
        code: said.map(|refusal| refusal.reason().code().to_owned()),
        observed: facts.refusal.is_none() && facts.observed.is_some(),
        caller: caller.map(str::to_owned),
        detail: said.and_then(crate::gate::Refusal::detail),
        took_ms: account.duration.as_secs_f64() * 1e3,
    }
}

fn timestamp(at: crate::ground::Time) -> String {
    let millis = i64::try_from(at.millis()).unwrap_or(0);
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

fn summary(account: &Account, outcome: Verdict, told: Option<&words::Words>) -> String {
    let what = if account.path.is_empty() {
        "The request".to_owned()
    } else {
        format!("{} {}{}", account.method, account.host, account.path)
    };
    let by = match &account.route {
        Some(name) if &**name != "-" => format!(" by the route `{name}`"),
        Some(_) | None => String::new(),
    };
    let why = told
        .map_or_else(String::new, |told| format!(" {} Needed: {}. Seen: {}.", told.sentence, told.needed, told.seen));
    match outcome {
        Verdict::Allowed if account.facts.preflight => {
            format!("{what} is a browser's question (CORS), and was answered with yes{by}.")
        }
        Verdict::Allowed => format!("{what} was let through{by}."),
        Verdict::Refused => format!("{what} was refused{by}.{why}"),
        Verdict::Observed => {
            format!("{what} was let through{by}, and would have been refused if that were not only observed.{why}")
        }
    }
}

fn route_told(route: &Route) -> RouteTold {
    let goes_to = match &route.destination {
        Destination::Upstream(to) => format!("upstream {}", to.series.name),
        Destination::Authority(_) => "the authorization server hosted here".to_owned(),
        Destination::Fixed(_) => "a fixed answer".to_owned(),
        Destination::Echo => "echo".to_owned(),
    };
    RouteTold { name: route.series.name.to_string(), pattern: route.pattern.to_string(), line: route.line, goes_to }
}

fn caller(account: &Account) -> Option<Caller> {
    let claims = &account.caller.as_ref()?.claims;
    let list = |names: &[std::sync::Arc<str>]| names.iter().map(|name| name.to_string()).collect();
    Some(Caller {
        issuer: claims.issuer.to_string(),
        subject: claims.subject.as_deref().map(str::to_owned),
        client: claims.client.as_deref().map(str::to_owned),
        scopes: list(&claims.scopes),
        roles: list(&claims.roles),
        key: claims.key.as_deref().map(str::to_owned),
        verified: match account.token {
            TokenUse::Local => "known to this worker from an earlier request",
            TokenUse::Shared => "known from an earlier request of another worker",
            TokenUse::Verified => "verified for this request",
            TokenUse::None | TokenUse::Refused => "not verified",
        }
        .to_owned(),
    })
}

fn limits(account: &Account, route: &Route) -> Vec<LimitTold> {
    let standings = account.facts.standings.iter().chain(std::iter::repeat(None));
    let told = route.policy.limits.iter().zip(standings).map(|(limit, standing)| LimitTold {
        name: limit.name().to_string(),
        limit: limit.text(),
        remaining: standing.map(|standing| standing.remaining),
        full_again_in_s: standing.map(|standing| standing.reset),
    });
    told.collect()
}

fn answered_by(account: &Account, route: Option<&Route>) -> Option<String> {
    if account.facts.refusal.is_some() && account.upstream.is_none() {
        return Some("the gateway".to_owned());
    }
    let Some(upstream) = &account.upstream else { return route.map(|route| route_told(route).goes_to) };
    let server = account.server.as_deref().map_or_else(String::new, |server| format!(", {server}"));
    let time = account.upstream_time.map_or_else(String::new, |time| format!(", after {}", spoken(time)));
    let retries = if account.retries > 0 { format!(", {} retries", account.retries) } else { String::new() };
    Some(format!("upstream {upstream}{server}{time}{retries}"))
}

/// A time as people say it: to the millisecond from there on.
fn spoken(time: Duration) -> String {
    if time < Duration::from_millis(1) {
        return format!("{} µs", time.as_micros());
    }
    duration::format(Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

fn receives(account: &Account) -> Vec<(String, String)> {
    if account.facts.refusal.is_some() && account.upstream.is_none() {
        return Vec::new();
    }
    let identity = account.caller.iter().flat_map(|identity| identity.block.iter());
    let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
    let mut all: Vec<(String, String)> = identity.map(|(name, value)| (text(name), text(value))).collect();
    all.push(("x-request-id".to_owned(), account.request_id.to_string()));
    all
}

#[cfg(test)]
mod tests;

//! What the console shows, gathered from the rooms.

use std::net::IpAddr;

use super::history::Reloaded;
use super::house::House;
use super::rehearsal::{Rehearsal, on_its_own};
use crate::admin::{Console, Described, Readiness, ReloadTold, Traffic};
use crate::config::diff::Kind;
use crate::config::plan::test::{Call, Described as Token, Token as Carried};
use crate::config::{self, Plan, map};
use crate::observe::Reason;
use crate::observe::explanation::Explanation;
use crate::serve::decisions::Wanted;
use crate::serve::explain;

/// Refusals that are shown.
const MOST_REFUSALS: usize = 50;

/// Everything; refusals of one reason alone where one is named.
pub async fn of(house: &House, readiness: Readiness, code: Option<&str>) -> Console {
    let reason = code.and_then(|code| Reason::ALL.iter().find(|reason| reason.code() == code)).copied();
    let wanted = Wanted { reason, refused: true, ..Wanted::default() };
    let accounts = house.accounts(&wanted, MOST_REFUSALS).await;
    let opened = house.current.load();
    let plan = &opened.plan;
    let warnings = plan.warnings.iter().filter(|warning| warning.acknowledged.is_none());
    Console {
        readiness,
        traffic: house.traffic.lock().traffic(),
        refusals: accounts.iter().map(explain::brief).collect(),
        issuers: plan.issuer_names().iter().map(|name| name.to_string()).collect(),
        figures: figures(house),
        map: map::rows(plan),
        warnings: warnings.map(|warning| (warning.line, warning.text.clone())).collect(),
        reloads: house.history.lock().iter().rev().map(told).collect(),
    }
}

/// Of a gateway that is ending.
pub fn ending() -> Console {
    Console {
        readiness: Readiness { ready: false, generation: 0, dependencies: Vec::new() },
        traffic: Traffic::default(),
        refusals: Vec::new(),
        issuers: Vec::new(),
        figures: Vec::new(),
        map: Vec::new(),
        warnings: Vec::new(),
        reloads: Vec::new(),
    }
}

/// Caches and limits.
fn figures(house: &House) -> Vec<(String, String)> {
    let opened = house.current.load();
    let mut figures =
        vec![("verified tokens that the workers share".to_owned(), opened.verifier.remembered().to_string())];
    if opened.authority.is_some() {
        let revoked = house.context.hosted.revocations.status(house.context.clock.now());
        figures.push(("revocations in force".to_owned(), revoked.entries.to_string()));
    }
    for route in opened.snapshot.table.values() {
        for limit in route.policy.limits.iter().filter(|limit| limit.keys() > 0) {
            let what = format!("limit {} of {}", limit.text(), route.series.name);
            figures.push((what, format!("{} callers counted", limit.keys())));
        }
    }
    figures.truncate(40);
    figures
}

fn told(reloaded: &Reloaded) -> ReloadTold {
    let count = |kind: Kind| reloaded.diff.changes.iter().filter(|change| change.kind == kind).count();
    let word = |kind: Kind| match kind {
        Kind::Opens => "opens",
        Kind::Closes => "closes",
        Kind::Changes => "changes",
    };
    let at = i64::try_from(reloaded.at / 1000).ok().and_then(|at| jiff::Timestamp::from_second(at).ok());
    ReloadTold {
        at: at.map(|at| at.to_string()).unwrap_or_default(),
        generation: reloaded.generation,
        problems: reloaded.problems.clone(),
        opens: count(Kind::Opens),
        closes: count(Kind::Closes),
        changes: reloaded.diff.changes.iter().map(|change| (word(change.kind), change.sentence.clone())).collect(),
    }
}

/// What `plan` would decide about a described request. Runs on a thread of its own.
pub fn rehearse(plan: &Plan, described: &Described) -> anyhow::Result<Explanation> {
    let request = format!("{} {}", described.method, described.url);
    let (method, host, target) = config::call(&request).map_err(anyhow::Error::msg)?;
    let from: IpAddr = match &described.from {
        Some(from) => from.parse().map_err(|_| anyhow::anyhow!("`{from}` is not an IP address"))?,
        None => std::net::Ipv4Addr::LOCALHOST.into(),
    };
    let named = [&described.client, &described.subject, &described.issuer].into_iter().any(Option::is_some);
    let carries = named || !described.scopes.is_empty() || !described.roles.is_empty();
    let token = Token {
        scopes: described.scopes.clone(),
        roles: described.roles.clone(),
        client: described.client.clone(),
        subject: described.subject.clone(),
        issuer: described.issuer.clone(),
        ..Token::default()
    };
    let token = if carries { Carried::Described(Box::new(token)) } else { Carried::None };
    let call = Call { method, host, target, token, from, headers: Vec::new(), body: None, at: None };
    on_its_own(async || {
        let told = Rehearsal::staged(plan)?.call(&call, None).await?;
        Ok(told.explanation)
    })
}

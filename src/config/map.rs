//! The access map that `portcullis check` prints: every route, who may call it, where it goes.

use std::fmt::Write;

use http::Method;
use serde_json::{Value, json};

use super::check::per_word;
use super::plan::{Access, Destination, Limit, Methods, Origins, Pattern, Plan, Requirement, Route, Rule, Sharing};
use crate::ground::size;

/// The map as a person reads it: routes most specific first, then warnings.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    for listener in &plan.listeners {
        let tls = if listener.certificates.is_empty() { "http" } else { "https" };
        let _ = writeln!(out, "listens on {tls}://{}", listener.address);
    }
    let _ = writeln!(out, "private    http://{}\n", plan.admin);
    let rows = rows(plan);
    let head = ["ROUTE", "WHO MAY CALL IT", "GOES TO", "LIMITS"].map(str::to_owned);
    let table: Vec<&[String; 4]> = std::iter::once(&head).chain(&rows).collect();
    let width = |column: usize| {
        table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let (first, second, third) = (width(0), width(1), width(2));
    for [route, who, to, limits] in table {
        let line = format!("{route:first$}  {who:second$}  {to:third$}  {limits}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let public = plan.routes.iter().filter(|route| matches!(route.access, Access::Public)).count();
    let _ = writeln!(out, "\n{} routes, {public} of them public", plan.routes.len());
    if !plan.tests.is_empty() {
        let _ = writeln!(out, "{} tests; `portcullis test` runs them", plan.tests.len());
    }
    for warning in plan.warnings.iter().filter(|warning| warning.acknowledged.is_none()) {
        let _ = writeln!(out, "\nwarning: line {}, {}: {}", warning.line, warning.path, warning.text);
        if let (Some(help), Some(name)) = (warning.help, warning.name) {
            let _ = writeln!(out, "  help: {help}; or say why it is right so: `acknowledge: {{{name}: ...}}`");
        }
    }
    let acknowledged: Vec<_> = plan.warnings.iter().filter(|warning| warning.acknowledged.is_some()).collect();
    if !acknowledged.is_empty() {
        let _ = writeln!(out, "\nacknowledged:");
        for warning in acknowledged {
            let reason = warning.acknowledged.as_deref().unwrap_or_default();
            let _ = writeln!(out, "  line {}, {}: {}", warning.line, warning.name.unwrap_or_default(), reason);
        }
    }
    out
}

/// The map for programs.
pub fn json(plan: &Plan) -> Value {
    let routes: Vec<Value> = plan.routes.iter().map(|route| route_json(plan, route)).collect();
    let warnings: Vec<Value> = plan
        .warnings
        .iter()
        .map(|warning| {
            json!({
                "line": warning.line, "path": warning.path, "name": warning.name, "text": warning.text,
                "help": warning.help, "acknowledged": warning.acknowledged,
            })
        })
        .collect();
    json!({ "file": plan.file.to_string_lossy(), "routes": routes, "warnings": warnings })
}

/// Route, who may call it, where it goes, its limits; the most specific route first.
pub fn rows(plan: &Plan) -> Vec<[String; 4]> {
    plan.routes.iter().map(|route| row(plan, route)).collect()
}

fn row(plan: &Plan, route: &Route) -> [String; 4] {
    let mut to = goes_to(plan, route);
    if let Some(max) = route.body.max {
        let _ = write!(to, ", body up to {}", size::format(max));
    }
    let limits = route.limits.iter().map(limit).collect::<Vec<_>>().join("; ");
    let mut who = who(plan, &route.access);
    if route.only_observes {
        who = format!("ANYONE; only observed: {who}");
    }
    [shown(&route.pattern), who, to, limits]
}

fn route_json(plan: &Plan, route: &Route) -> Value {
    let requirement = |it: &Requirement| json!({ "all": it.all, "any": it.any });
    let access = match &route.access {
        Access::Public => json!("public"),
        Access::Rule(rule) => json!({
            "scope": requirement(&rule.scopes),
            "role": requirement(&rule.roles),
            "when": rule.conditions,
            "issuers": rule.issuers,
        }),
    };
    let methods = match &route.pattern.methods {
        Methods::All => json!("*"),
        Methods::Named(named) => json!(named.iter().map(Method::as_str).collect::<Vec<_>>()),
    };
    let limits: Vec<Value> = route
        .limits
        .iter()
        .map(|limit| json!({ "name": limit.name, "rate": limit.text, "burst": limit.burst, "per": per_word(&limit.per) }))
        .collect();
    let cors = route.cors.as_ref().map(|cors| match &cors.origins {
        Origins::Any => json!("*"),
        Origins::Exact(origins) => json!(origins),
    });
    json!({
        "name": route.name, "line": route.line, "match": route.pattern.text, "methods": methods,
        "path": route.pattern.path, "access": access, "to": goes_to(plan, route), "limits": limits, "origins": cors,
        "body_max": route.body.max,
    })
}

pub(super) fn shown(pattern: &Pattern) -> String {
    pattern.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// In words: `scope orders:read and role clerk (from corp)`.
fn who(plan: &Plan, access: &Access) -> String {
    match access {
        Access::Public => "anyone (public)".to_owned(),
        Access::Rule(rule) => {
            let all = plan.issuer_names();
            let every = all.iter().all(|name| rule.issuers.iter().any(|own| **own == **name));
            let from = if every { String::new() } else { format!(" (from {})", rule.issuers.join(", ")) };
            format!("{}{from}", needs(rule))
        }
    }
}

fn needs(rule: &Rule) -> String {
    if rule.is_empty() {
        return "any accepted token".to_owned();
    }
    let mut parts = Vec::new();
    for (what, requirement) in [("scope", &rule.scopes), ("role", &rule.roles)] {
        if !requirement.all.is_empty() {
            parts.push(format!("{what} {}", requirement.all.join(" and ")));
        }
        match requirement.any.as_slice() {
            [] => {}
            [one] => parts.push(format!("{what} {one}")),
            any => parts.push(format!("{what} {}", any.join(" or "))),
        }
    }
    parts.extend(rule.conditions.iter().map(|condition| format!("when {condition}")));
    parts.join(", and ")
}

pub(super) fn goes_to(plan: &Plan, route: &Route) -> String {
    match &route.destination {
        Destination::Upstream { index, .. } => {
            plan.upstreams.get(*index).map_or_else(String::new, |upstream| format!("upstream {}", upstream.name))
        }
        Destination::Echo => "echo".to_owned(),
        Destination::Fixed(fixed) => format!("a fixed {}", fixed.status.as_u16()),
    }
}

fn limit(limit: &Limit) -> String {
    let burst = if limit.burst == limit.count { String::new() } else { format!(", burst {}", limit.burst) };
    let shared = limit.shared.map_or("", Sharing::words);
    format!("{} per {}{burst}{shared}", limit.text, per_word(&limit.per))
}

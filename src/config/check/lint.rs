//! Findings: what works, and is seldom what was wanted. Each has a name, advice, and can be acknowledged where it stands, with
//! a reason. An acknowledgement of nothing is a problem.

use std::collections::{BTreeMap, HashSet};

use http::Method;

use super::Check;
use crate::config::diff::access::newcomer;
use crate::config::diff::model::{Access as Lets, Model};
use crate::config::diff::space;
use crate::config::document::Document;
use crate::config::document::read::Named;
use crate::config::document::route::Route as Written;
use crate::config::place::{At, Place};
use crate::config::plan::{Access, HostPattern, Methods, Origins, Pattern, Route, Segment};
use crate::config::problem::Problem;
use crate::config::suggest;

/// Every finding there is.
pub(crate) const NAMES: [&str; 9] = [
    "audience_optional",
    "cors_any_origin",
    "danger_switch",
    "only_observed",
    "public_write_unlimited",
    "role_without_use",
    "route_unreachable",
    "route_wider_than_neighbour",
    "scope_never_granted",
];

/// What was found at one place.
pub(super) struct Finding<'a> {
    pub name: &'static str,
    pub place: Place,
    pub text: String,
    pub help: &'static str,
    /// What is acknowledged there.
    pub acknowledge: Option<&'a Named<At<String>>>,
}

impl Check<'_> {
    /// Notes a finding, acknowledged or not.
    pub(super) fn find(&mut self, finding: Finding<'_>) {
        let entries = finding.acknowledge.map_or(&[][..], |named| &named.0);
        let entry = entries.iter().find(|(name, _)| name.value == finding.name);
        if let Some((name, _)) = entry {
            self.acknowledged.push(name.place);
        }
        self.warnings.push(super::Noted {
            place: finding.place,
            name: Some(finding.name),
            text: finding.text,
            help: Some(finding.help),
            acknowledged: entry.map(|(_, reason)| reason.value.clone()),
        });
    }
}

/// Looks at everything. `routes` is `None` where the file has problems anyhow.
pub(super) fn lint(document: &Document, routes: Option<&[Route]>, check: &mut Check<'_>) {
    let written = document.routes.0.as_deref().unwrap_or_default();
    if let Some(routes) = routes {
        let pairs = pair(written, routes, check);
        for (written, route) in &pairs {
            of_route(written, route, check);
        }
        wider(&pairs, check);
        unreachable(&pairs, check);
    }
    of_issuers(document, check);
    of_authority(document, written, check);
    unused(document, check);
}

type Pair<'a> = (&'a Written, &'a Route);

/// Each route as it was written and as it is meant.
fn pair<'a>(written: &'a [Written], routes: &'a [Route], check: &Check<'_>) -> Vec<Pair<'a>> {
    let by_line: BTreeMap<(usize, &str), &Route> =
        routes.iter().map(|route| ((route.line, route.name.as_str()), route)).collect();
    let of = |route: &'a Written| {
        let line = check.line(route.place);
        let named =
            |((_, _), found): (&(usize, &str), &&'a Route)| route.name.as_ref().is_none_or(|at| at.value == found.name);
        let mut here = by_line.range((line, "")..(line + 1, "")).filter(|found| named(*found));
        let exact = here.clone().find(|(_, found)| short(route).is_none_or(|text| text == found.pattern.text));
        Some((route, *exact.or_else(|| here.next())?.1))
    };
    written.iter().filter_map(of).collect()
}

fn short(route: &Written) -> Option<&str> {
    match route.r#match.0.as_ref()? {
        crate::config::document::route::Match::Short(at) => Some(&at.value),
        crate::config::document::route::Match::Long(_) => None,
    }
}

fn place(written: &Written) -> Place {
    written.r#match.0.as_ref().map_or(written.place, crate::config::document::route::Match::place)
}

fn of_route(written: &Written, route: &Route, check: &mut Check<'_>) {
    let acknowledge = written.acknowledge.as_ref();
    let mut find = |name, place, text: String, help| check.find(Finding { name, place, text, help, acknowledge });
    let public = matches!(route.access, Access::Public);
    if public && writes(&route.pattern.methods) && route.limits.is_empty() {
        let text = "anyone may change things here as often as they like".to_owned();
        find("public_write_unlimited", place(written), text, "add a `limit`, for example `{rate: 10/m, per: ip}`");
    }
    if let Some(cors) = route.cors.as_ref().filter(|cors| cors.origins == Origins::Any && !public) {
        let at = written.cors.as_ref().map_or(place(written), |_| place(written));
        let text = format!(
            "web pages of all origins may call this with a token{}",
            if cors.credentials { " and cookies" } else { "" }
        );
        find("cors_any_origin", at, text, "name the origins of your own pages under `cors: {origins: [..]}`");
    }
    if let Some(switch) = written.danger_only_observe.as_ref().filter(|switch| switch.value) {
        let text = "nobody is refused here: who may call is only observed".to_owned();
        find(
            "only_observed",
            switch.place,
            text,
            "remove `danger_only_observe` when the log shows that the rule is right",
        );
    }
    if let Some(switch) = written.danger_websocket_outlives_token.as_ref().filter(|switch| switch.value) {
        let text = "a WebSocket stands here although its token has ended or was revoked".to_owned();
        find("danger_switch", switch.place, text, "let clients connect anew with a fresh token, and remove the switch");
    }
    for limit in route.limits.iter().filter(|limit| limit.only_observes) {
        let text = format!("the limit `{}` only counts, and refuses nobody", limit.name);
        find(
            "only_observed",
            place(written),
            text,
            "remove `observe` from the limit when the log shows that it is right",
        );
    }
}

fn writes(methods: &Methods) -> bool {
    match methods {
        Methods::All => true,
        Methods::Named(named) => {
            named.iter().any(|method| ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method))
        }
    }
}

/// A route that lets in more than one beside or around it, and nobody less.
fn wider(pairs: &[Pair<'_>], check: &mut Check<'_>) {
    let model = Model::of_routes(pairs.iter().map(|(_, route)| *route));
    let mut by_path: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for (index, (_, route)) in pairs.iter().enumerate() {
        by_path.entry(key(&route.pattern, route.pattern.segments.len())).or_default().push(index);
    }
    for (index, (written, route)) in pairs.iter().enumerate() {
        let Some(own) = model.routes.get(index) else { continue };
        let strictly = |other: usize| {
            let other = model.routes.get(other).map(|route| &route.access);
            newcomer(Some(&own.access), other).is_some() && newcomer(other, Some(&own.access)).is_none()
        };
        let beside = by_path.get(&key(&route.pattern, route.pattern.segments.len()));
        let beside =
            beside.into_iter().flatten().copied().filter(|other| *other != index && writes(&route.pattern.methods));
        let reads = |other: &usize| pairs.get(*other).is_some_and(|(_, other)| !writes(&other.pattern.methods));
        // From the nearest outwards; what stands at the root is around everything.
        let around =
            (1..route.pattern.segments.len()).rev().filter_map(|depth| by_path.get(&rest_key(&route.pattern, depth)));
        let shares = |other: &usize| {
            pairs.get(*other).is_some_and(|(_, other)| share(&route.pattern.methods, &other.pattern.methods))
        };
        let around = around.flatten().copied().filter(|other| *other != index).filter(shares);
        let found = beside.filter(reads).chain(around.take(1)).find(|other| strictly(*other));
        let Some((_, other)) = found.and_then(|other| pairs.get(other)) else { continue };
        let who = |access: &Access, name: &str| match access {
            Access::Public => "anyone".to_owned(),
            Access::Rule(_) => {
                let lets = model.routes.iter().find(|route| route.name == name).map(|route| &route.access);
                lets.map_or_else(String::new, Lets::text)
            }
        };
        let text = format!(
            "this is open to {}, while `{}` (line {}) beside it needs {}",
            who(&route.access, &route.name),
            other.name,
            other.line,
            who(&other.access, &other.name)
        );
        check.find(Finding {
            name: "route_wider_than_neighbour",
            place: place(written),
            text,
            help: "ask for as much here",
            acknowledge: written.acknowledge.as_ref(),
        });
    }
}

fn share(one: &Methods, other: &Methods) -> bool {
    match (one, other) {
        (Methods::All, _) | (_, Methods::All) => true,
        (Methods::Named(one), Methods::Named(other)) => one.iter().any(|method| other.contains(method)),
    }
}

/// Host and the first segments, with all names alike.
fn key(pattern: &Pattern, depth: usize) -> (String, String) {
    let host = match &pattern.host {
        HostPattern::Exact(name) => name.clone(),
        HostPattern::Under(parent) => format!("*.{parent}"),
        HostPattern::Any => String::new(),
    };
    let path = pattern.segments.iter().take(depth).fold(String::new(), |path, segment| match segment {
        Segment::Literal(text) => path + "/" + text,
        Segment::Named(_) => path + "/{}",
        Segment::Rest => path + "/**",
    });
    (host, path)
}

fn rest_key(pattern: &Pattern, depth: usize) -> (String, String) {
    let (host, path) = key(pattern, depth);
    (host, path + "/**")
}

fn unreachable(pairs: &[Pair<'_>], check: &mut Check<'_>) {
    let model = Model::of_routes(pairs.iter().map(|(_, route)| *route));
    // Ties and the like are problems of their own; too many routes to tell is none.
    for index in space::unreachable(&model).unwrap_or_default() {
        let Some((written, _)) = pairs.get(index) else { continue };
        check.find(Finding {
            name: "route_unreachable",
            place: place(written),
            text: "no request ever reaches this route: more specific ones take all of them".to_owned(),
            help: "remove it, or make the others narrower",
            acknowledge: written.acknowledge.as_ref(),
        });
    }
}

fn of_issuers(document: &Document, check: &mut Check<'_>) {
    for (name, issuer) in document.issuers.iter().flat_map(|issuers| &issuers.0) {
        let Some(introspection) = &issuer.introspection else { continue };
        check.find(Finding {
            name: "audience_optional",
            place: introspection.place,
            text: format!("tokens of `{}` of which it does not say for whom they are pass, too", name.value),
            help: "let the issuer answer with `aud` (RFC 7662 section 2.2)",
            acknowledge: issuer.acknowledge.as_ref(),
        });
    }
}

fn of_authority(document: &Document, routes: &[Written], check: &mut Check<'_>) {
    let Some(authority) = &document.authority else { return };
    let acknowledge = authority.acknowledge.as_ref();
    // Where clients are made by commands alone, the file does not know.
    if let Some(clients) = authority.clients.as_ref().filter(|clients| !clients.is_empty()) {
        let granted: HashSet<&str> = clients
            .iter()
            .flat_map(|client| client.scopes.iter().flatten())
            .map(|scope| scope.value.as_str())
            .collect();
        let scopes = authority.scopes.iter().flat_map(|scopes| &scopes.0).map(|(name, _)| name);
        for name in scopes.filter(|name| !granted.contains(name.value.as_str())) {
            let text = format!("no client of this file may ask for the scope `{}`", name.value);
            let help = "name it under `scopes` of a client, or remove it";
            check.find(Finding { name: "scope_never_granted", place: name.place, text, help, acknowledge });
        }
    }
    let asked: HashSet<&str> = routes.iter().flat_map(roles).collect();
    for (name, role) in authority.roles.iter().flat_map(|roles| &roles.0) {
        if role.scopes.as_ref().is_none_or(Vec::is_empty) && !asked.contains(name.value.as_str()) {
            let text = format!("the role `{}` gives no scope, and no route asks for it", name.value);
            let help = "give it `scopes`, ask for it under `access: {role: ..}`, or remove it";
            check.find(Finding { name: "role_without_use", place: name.place, text, help, acknowledge });
        }
    }
}

fn roles(route: &Written) -> impl Iterator<Item = &str> {
    use crate::config::document::policy::Access;
    let rule = match &route.access {
        Some(Access::Rule(rule)) => Some(rule),
        Some(Access::Public(_) | Access::Authenticated(_)) | None => None,
    };
    let tried = rule.and_then(|rule| rule.observe.as_ref()).and_then(|tries| tries.role.as_ref());
    let needs = rule.and_then(|rule| rule.role.as_ref()).into_iter().chain(tried);
    needs.flat_map(|needs| needs.names()).map(|name| name.value.as_str())
}

/// Acknowledgements of what is not there.
fn unused(document: &Document, check: &mut Check<'_>) {
    let routes = document.routes.0.iter().flatten().filter_map(|route| route.acknowledge.as_ref());
    let issuers =
        document.issuers.iter().flat_map(|issuers| &issuers.0).filter_map(|(_, issuer)| issuer.acknowledge.as_ref());
    let authority = document.authority.as_ref();
    let clients = authority.iter().flat_map(|authority| authority.clients.iter().flatten());
    let clients = clients.filter_map(|client| client.acknowledge.as_ref());
    let own = authority.and_then(|authority| authority.acknowledge.as_ref());
    let all = routes.chain(issuers).chain(clients).chain(own).flat_map(|named| &named.0);
    let unused: Vec<&At<String>> =
        all.map(|(name, _)| name).filter(|name| !check.acknowledged.contains(&name.place)).collect();
    for name in unused {
        let problem = if NAMES.contains(&name.value.as_str()) {
            Problem::at(name.place, format!("`{}` is not found here, so there is nothing to acknowledge", name.value))
                .help("remove it")
        } else {
            let problem = Problem::at(name.place, format!("there is no finding called `{}`", name.value));
            match suggest::nearest(&name.value, NAMES.into_iter()) {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help(format!("there is {}", suggest::list(NAMES.into_iter()))),
            }
        };
        check.add(problem);
    }
}

//! Ties: two routes of which neither is more specific.

use std::collections::HashMap;

use url::Url;

use super::{Check, pattern};
use crate::config::document::Document;
use crate::config::document::route::Route;
use crate::config::plan::{HostPattern, Methods, Pattern};
use crate::config::problem::Problem;

/// Notes every route that ties with an earlier one.
pub(super) fn ties(written: &[Route], patterns: &[Option<Pattern>], check: &mut Check<'_>) {
    type Group<'p> = HashMap<(&'p HostPattern, pattern::Shape<'p>), Vec<usize>>;
    let mut groups: Group<'_> = HashMap::new();
    for (index, pattern) in patterns.iter().enumerate() {
        if let Some(pattern) = pattern {
            groups.entry((&pattern.host, pattern::shape(pattern))).or_default().push(index);
        }
    }
    for members in groups.into_values().filter(|members| members.len() > 1) {
        for (position, later) in members.iter().enumerate() {
            let shared = members.iter().take(position).find_map(|earlier| {
                let (one, other) = (patterns.get(*earlier)?.as_ref()?, patterns.get(*later)?.as_ref()?);
                shared(&one.methods, &other.methods).map(|methods| (*earlier, methods))
            });
            let Some((earlier, methods)) = shared else { continue };
            let place =
                |index: usize| written.get(index).and_then(|route| route.r#match.0.as_ref()).map(|it| it.place());
            let (Some(first), Some(second)) = (place(earlier), place(*later)) else { continue };
            let cause = format!("{methods} with this host and path goes to another route just as well");
            let help = "of two routes the more specific one wins, wherever it stands, and these are equally specific: make one of them narrower, or join them";
            check.add(Problem::at(second, cause).other(first, "this one").help(help));
        }
    }
}

/// What the hosted authority answers under its issuer; a route for exactly that would never be asked.
const UNDER_ISSUER: [&str; 5] = ["/oauth/", "/login", "/consent", "/account", "/.well-known/openid-configuration"];

/// What it answers on the issuer's host, wherever the issuer's own path lies.
const ON_HOST: [&str; 3] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-protected-resource",
];

/// Whether the authority's own addresses lie under this path of an issuer.
pub(super) fn is_reserved(path: &str) -> bool {
    ["/oauth", "/.well-known", "/login", "/consent", "/account"].iter().any(|own| lies_under(path, own))
}

/// Notes every route that lies under the authority's own addresses.
pub(super) fn reserved(document: &Document, patterns: &[Option<Pattern>], check: &mut Check<'_>) {
    let Some(issuer) = document.authority.as_ref().and_then(|authority| authority.issuer.0.as_ref()) else { return };
    let Ok(url) = Url::parse(&issuer.value) else { return };
    let prefix = url.path().trim_end_matches('/');
    let own = |path: &str| {
        let under = path.strip_prefix(prefix).filter(|rest| rest.starts_with('/'));
        under.is_some_and(|rest| UNDER_ISSUER.iter().any(|own| lies_under(rest, own)))
            || ON_HOST.iter().any(|own| lies_under(path, own))
    };
    let routes = document.routes.0.as_deref().unwrap_or_default();
    for (route, pattern) in routes.iter().zip(patterns) {
        let (Some(pattern), Some(written)) = (pattern, route.r#match.0.as_ref()) else { continue };
        if own(&pattern.path) && takes_host(&pattern.host, &url) {
            let problem = Problem::at(written.place(), "the authorization server hosted here answers under this path");
            let help = match pattern.host {
                HostPattern::Any => "choose another path for the route, or name the host if another one is meant",
                HostPattern::Exact(_) | HostPattern::Under(_) => "choose another path for the route",
            };
            check.add(problem.other(issuer.place, "its address").help(help));
        }
    }
}

/// `/login` and what lies below, but not `/login-help`; of `/oauth/` only what lies below.
fn lies_under(path: &str, own: &str) -> bool {
    path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || own.ends_with('/'))
}

fn takes_host(pattern: &HostPattern, url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    match pattern {
        HostPattern::Any => true,
        HostPattern::Exact(name) => name == host,
        HostPattern::Under(name) => host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.')),
    }
}

/// The methods that both take; a named method is more specific than all of them.
fn shared(one: &Methods, other: &Methods) -> Option<String> {
    match (one, other) {
        (Methods::All, Methods::All) => Some("every method".to_owned()),
        (Methods::Named(one), Methods::Named(other)) => {
            let both: Vec<String> =
                one.iter().filter(|method| other.contains(method)).map(|method| format!("`{method}`")).collect();
            (!both.is_empty()).then(|| both.join(", "))
        }
        (Methods::All, Methods::Named(_)) | (Methods::Named(_), Methods::All) => None,
    }
}

//! Keys that do nothing: definitions that no route uses, defaults that no route takes.

use std::collections::HashSet;

use super::{Check, access, issuer};
use crate::config::document::Document;
use crate::config::document::policy::Access;
use crate::config::document::route::{Defaults, Route};
use crate::config::place::Place;
use crate::config::problem::Problem;
use crate::config::suggest;

pub(super) fn unused(document: &Document, check: &mut Check<'_>) {
    let Some(routes) = document.routes.0.as_deref().filter(|routes| !routes.is_empty()) else { return };
    let empty = Defaults::default();
    let defaults = document.defaults.as_ref().unwrap_or(&empty);
    upstreams(document, routes, defaults, check);
    issuers(document, routes, defaults, check);
    if document.has("defaults") {
        self::defaults(routes, defaults, check);
    }
    if let Some(named) = &defaults.issuers {
        access::names_exist(named, &issuer::names(document), check);
    }
}

fn upstreams(document: &Document, routes: &[Route], defaults: &Defaults, check: &mut Check<'_>) {
    let known = || document.upstreams.iter().flat_map(|upstreams| &upstreams.0).map(|(name, _)| name);
    let inherits = routes.iter().any(|route| !route.has("upstream") && !route.has("respond"));
    let inherited = defaults.upstream.as_ref().filter(|_| inherits);
    let named = routes.iter().filter_map(|route| route.upstream.as_ref()).chain(inherited);
    let mut used: HashSet<&str> = named.map(|at| at.value.as_str()).collect();
    // A slip in a route is one problem and not two.
    let wrong: Vec<&str> = used.iter().copied().filter(|used| !known().any(|name| name.value == *used)).collect();
    used.extend(wrong.into_iter().filter_map(|wrong| suggest::nearest(wrong, known().map(|name| name.value.as_str()))));
    for name in known().filter(|name| !used.contains(name.value.as_str())) {
        let cause = format!("no route goes to the upstream `{}`", name.value);
        check.add(
            Problem::at(name.place, cause).help(format!("write `upstream: {}` on a route, or remove it", name.value)),
        );
    }
}

fn issuers(document: &Document, routes: &[Route], defaults: &Defaults, check: &mut Check<'_>) {
    let takes = |route: &Route, name: &str| -> bool {
        let inner = match &route.access {
            // A list of issuers on a public route is a problem of its own.
            Some(Access::Public(_)) => {
                return route.issuers.iter().flat_map(|list| &list.items).any(|at| at.value == name);
            }
            Some(Access::Rule(rule)) => rule.issuers.as_ref(),
            Some(Access::Authenticated(_)) | None => None,
        };
        let named = inner.or(route.issuers.as_ref()).or(defaults.issuers.as_ref());
        named.is_none_or(|named| named.items.iter().any(|at| at.value == name))
    };
    for (name, _) in document.issuers.iter().flat_map(|issuers| &issuers.0) {
        if !routes.iter().any(|route| takes(route, &name.value)) {
            let cause = format!("no route takes tokens of the issuer `{}`", name.value);
            check.add(Problem::at(name.place, cause).help("name it in the `issuers` of a route, or remove it"));
        }
    }
}

/// A default that every route overrides is a trap for the reader.
fn defaults(routes: &[Route], defaults: &Defaults, check: &mut Check<'_>) {
    let forwards = |route: &&Route| !route.has("respond");
    let protected = |route: &&Route| !matches!(route.access, Some(Access::Public(_)));
    let all = |_: &&Route| true;
    note("upstream", defaults.upstream.as_ref().map(|at| at.place), routes, forwards, check);
    note("limit", defaults.limit.as_ref().map(|limit| limit.place), routes, all, check);
    note("cors", defaults.cors.as_ref().map(|cors| cors.place), routes, all, check);
    note("body", defaults.body.as_ref().map(|body| body.place), routes, all, check);
    note("headers", defaults.headers.as_ref().map(|headers| headers.place), routes, all, check);
    note("issuers", defaults.issuers.as_ref().map(|issuers| issuers.place), routes, protected, check);
    note("forward_token", defaults.forward_token.as_ref().map(|at| at.place), routes, all, check);
    note("timeout", defaults.timeout.as_ref().map(|timeout| timeout.place), routes, forwards, check);
    note("websocket", defaults.websocket.as_ref().map(|at| at.place), routes, forwards, check);
}

fn note(key: &str, place: Option<Place>, routes: &[Route], concerned: impl Fn(&&Route) -> bool, check: &mut Check<'_>) {
    let Some(place) = place else { return };
    if routes.iter().filter(concerned).all(|route| route.has(key)) {
        let cause = format!("this default does nothing: every route that `{key}` concerns has its own");
        check.add(Problem::at(place, cause).help("remove it here, or let a route inherit it by removing its own"));
    }
}

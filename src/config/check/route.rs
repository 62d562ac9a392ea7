//! `routes` and `defaults`: what is matched, who may call it, and where it goes.

use std::collections::HashMap;

use http::Method;

use super::{Check, access, answer, cors, limit, overlap, pattern, upstream};
use crate::config::document::Document;
use crate::config::document::policy::Respond;
use crate::config::document::read::OffOr;
use crate::config::document::route::{Defaults, LongMatch, Match, Route as Written};
use crate::config::place::{At, Place};
use crate::config::plan::{
    Access, Body, Destination, Headers, HostPattern, Limit, Methods, Pattern, Route, Segment, Upstream,
};
use crate::config::problem::Problem;

/// The most specific first. `None` where a problem was noted.
pub(super) fn routes(document: &Document, upstreams: &[Option<Upstream>], check: &mut Check<'_>) -> Option<Vec<Route>> {
    let written = document.routes.0.as_ref()?;
    if written.is_empty() {
        let help = "add one, for example `- {match: GET /status, access: public, respond: {status: 204}}`";
        let place = document.place_of("routes").unwrap_or(document.place);
        check.add(Problem::at(place, "there are no routes, so every request would be refused").help(help));
    }
    let patterns: Vec<Option<Pattern>> =
        written.iter().map(|route| matched(route.r#match.0.as_ref()?, check)).collect();
    let names = names(written, check);
    let empty = Defaults::default();
    let defaults = document.defaults.as_ref().unwrap_or(&empty);
    let context = Context { document, defaults, upstreams, methods: methods_by_path(&patterns) };
    let routes: Vec<Option<Route>> = written
        .iter()
        .zip(&patterns)
        .zip(names)
        .map(|((route, pattern), name)| one(route, pattern.as_ref(), name, &context, check))
        .collect();
    overlap::ties(written, &patterns, check);
    overlap::reserved(document, &patterns, check);
    let mut routes: Vec<Route> = routes.into_iter().collect::<Option<_>>()?;
    routes.sort_by(|one, other| pattern::by_specificity(&one.pattern, &other.pattern));
    Some(routes)
}

/// What every route is read against.
struct Context<'a> {
    document: &'a Document,
    defaults: &'a Defaults,
    upstreams: &'a [Option<Upstream>],
    methods: MethodsByPath<'a>,
}

fn matched(written: &Match, check: &mut Check<'_>) -> Option<Pattern> {
    let outcome = match written {
        Match::Short(text) => pattern::short(&text.value),
        Match::Long(LongMatch { methods, host, path, .. }) => {
            named_once(methods.as_ref().map_or(&[][..], |list| &list.items), check);
            let methods = methods.as_ref().map(|list| list.items.iter().map(|at| at.value.clone()).collect());
            if let Some((at, cause)) = host.as_ref().and_then(|at| Some((at, pattern::host(&at.value).err()?))) {
                check.add_text(at.place, cause);
                return None;
            }
            pattern::long(methods, host.as_ref().map(|at| at.value.as_str()), &path.0.as_ref()?.value)
        }
    };
    outcome.map_err(|cause| check.add_text(written.place(), cause)).ok()
}

fn named_once(methods: &[At<Method>], check: &mut Check<'_>) {
    for (index, method) in methods.iter().enumerate() {
        if let Some(first) = methods.iter().take(index).find(|other| other.value == method.value) {
            let problem = Problem::at(method.place, format!("`{}` is named twice", method.value));
            check.add(problem.other(first.place, "the first one").help("remove one"));
        }
    }
}

/// Names as written; two routes with one name could not be told apart in a log.
fn names<'d>(written: &'d [Written], check: &mut Check<'_>) -> Vec<Option<&'d str>> {
    let mut seen: HashMap<&str, Place> = HashMap::new();
    for name in written.iter().filter_map(|route| route.name.as_ref()) {
        if let Some(first) = seen.get(name.value.as_str()) {
            let cause = format!("there are two routes with the name `{}`", name.value);
            let problem = Problem::at(name.place, cause).other(*first, "the first one");
            check.add(problem.help("give one of them another name"));
        }
        seen.entry(&name.value).or_insert(name.place);
    }
    written.iter().map(|route| route.name.as_ref().map(|at| at.value.as_str())).collect()
}

fn one(
    written: &Written,
    pattern: Option<&Pattern>,
    name: Option<&str>,
    context: &Context<'_>,
    check: &mut Check<'_>,
) -> Option<Route> {
    let segments: Vec<&str> = pattern.iter().flat_map(|pattern| &pattern.segments).filter_map(segment_name).collect();
    let access = access::access(context.document, written, &segments, check);
    let destination = destination(written, context, check);
    let public = matches!(access, Some(Access::Public));
    let limits = limits(written, context, public, check);
    let cors = match (&written.cors, &context.defaults.cors) {
        (Some(OffOr::Off(place)), None) if !context.document.has("defaults") => {
            check.add(nothing_to_turn_off("cors", *place));
            None
        }
        (Some(OffOr::Off(_)), _) | (None, None) => None,
        (Some(OffOr::On(own)), _) => Some(cors::cors(own, methods_of_path(pattern, context), check)?),
        (None, Some(inherited)) => Some(cors::cors(inherited, methods_of_path(pattern, context), check)?),
    };
    let body = written.body.as_ref().or(context.defaults.body.as_ref());
    let headers = written.headers.as_ref().or(context.defaults.headers.as_ref());
    let body = body.map_or_else(Body::default, |body| answer::body(body, check));
    let headers = headers.map_or_else(Headers::default, |headers| answer::headers(headers, check));
    let websocket = written.websocket.as_ref().or(context.defaults.websocket.as_ref()).is_none_or(|at| at.value);
    let (destination, upstream_forwards) = destination?;
    let own = written.forward_token.as_ref().or(context.defaults.forward_token.as_ref());
    let pattern = pattern?.clone();
    Some(Route {
        name: name.unwrap_or(&pattern.text).to_owned(),
        line: check.line(written.place),
        access: access?,
        destination,
        limits,
        cors,
        body,
        headers,
        forward_token: own.map_or(upstream_forwards, |at| at.value),
        websocket,
        websocket_outlives_token: outlives_token(written, public, check),
        only_observes: only_observes(written, public, check),
        pattern,
    })
}

/// Whether WebSockets outlive their tokens; on a public route there is none to outlive.
fn outlives_token(written: &Written, public: bool, check: &mut Check<'_>) -> bool {
    let Some(switch) = written.danger_websocket_outlives_token.as_ref().filter(|switch| switch.value) else {
        return false;
    };
    if public {
        let cause = "`danger_websocket_outlives_token` does nothing here: a public route has no token";
        check.add(Problem::at(switch.place, cause).help("remove it"));
    }
    true
}

/// Whether the route only observes; on a public one there is nothing to observe.
fn only_observes(written: &Written, public: bool, check: &mut Check<'_>) -> bool {
    let Some(switch) = written.danger_only_observe.as_ref().filter(|switch| switch.value) else { return false };
    if public {
        let cause = "`danger_only_observe` does nothing here: a public route refuses nobody";
        check.add(Problem::at(switch.place, cause).help("write under `access` what is to be tried out, or remove it"));
    }
    true
}

fn segment_name(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Named(name) => Some(name),
        Segment::Literal(_) | Segment::Rest => None,
    }
}

fn limits(written: &Written, context: &Context<'_>, public: bool, check: &mut Check<'_>) -> Vec<Limit> {
    match (&written.limit, &context.defaults.limit) {
        (Some(OffOr::On(own)), _) => limit::limits(own, public, true, check),
        (Some(OffOr::Off(place)), None) if !context.document.has("defaults") => {
            check.add(nothing_to_turn_off("limit", *place));
            Vec::new()
        }
        (Some(OffOr::Off(_)), _) | (None, None) => Vec::new(),
        (None, Some(inherited)) => limit::limits(inherited, public, false, check),
    }
}

fn nothing_to_turn_off(key: &str, place: Place) -> Problem {
    Problem::at(place, format!("`{key}: off` does nothing: there is none in `defaults`")).help("remove it")
}

/// The destination, and whether it gets the caller's token unless the route says otherwise.
fn destination(written: &Written, context: &Context<'_>, check: &mut Check<'_>) -> Option<(Destination, bool)> {
    if written.has("respond") {
        if let Some(upstream) = &written.upstream {
            let respond = match &written.respond {
                Some(Respond::Echo(place)) => *place,
                Some(Respond::Fixed(fixed)) => fixed.place,
                None => written.place,
            };
            let problem = Problem::at(upstream.place, "a route either forwards or answers here");
            check.add(problem.other(respond, "answers here").help("keep `upstream` or `respond`"));
        }
        for (key, place) in useless_without_upstream(written) {
            let cause = format!("`{key}` does nothing here: this route forwards nothing");
            check.add(Problem::at(place, cause).help(format!("remove `{key}`, or forward to an `upstream`")));
        }
        return match written.respond.as_ref()? {
            Respond::Echo(_) => Some((Destination::Echo, false)),
            Respond::Fixed(fixed) => Some((Destination::Fixed(answer::fixed(fixed, check)?), false)),
        };
    }
    let Some(name) = written.upstream.as_ref().or(context.defaults.upstream.as_ref()) else {
        if !written.has("upstream") && !context.defaults.has("upstream") {
            let help = "add `upstream: ` and the name of one, or `respond: echo`, or a fixed answer such as `respond: {status: 204}`";
            check.add(Problem::at(written.place, "this route does not say where its requests go").help(help));
        }
        return None;
    };
    let known = context.document.upstreams.as_ref().map_or(&[][..], |upstreams| &upstreams.0);
    let Some(index) = known.iter().position(|(known, _)| known.value == name.value) else {
        let names: Vec<(&str, Option<Place>)> =
            known.iter().map(|(name, _)| (name.value.as_str(), Some(name.place))).collect();
        // A broken definition is its own problem.
        if context.document.upstreams.is_some() || !context.document.has("upstreams") {
            check.unknown_name(name, "upstream", &names, "define it under `upstreams`, with its `servers`");
        }
        return None;
    };
    let chosen = context.upstreams.get(index)?.as_ref()?;
    let timeout = upstream::timeout(context.defaults.timeout.as_ref(), chosen.timeout, check);
    let timeout = upstream::timeout(written.timeout.as_ref(), timeout, check);
    Some((Destination::Upstream { index, timeout }, chosen.forward_token))
}

fn useless_without_upstream(written: &Written) -> Vec<(&'static str, Place)> {
    let timeout = written.timeout.as_ref().map(|timeout| ("timeout", timeout.place));
    let websocket = written.websocket.as_ref().map(|at| ("websocket", at.place));
    let outlives = written.danger_websocket_outlives_token.as_ref();
    let outlives = outlives.map(|at| ("danger_websocket_outlives_token", at.place));
    timeout.into_iter().chain(websocket).chain(outlives).collect()
}

/// Methods of all routes with one host and path; `None` if one takes all.
type MethodsByPath<'p> = HashMap<(&'p HostPattern, pattern::Shape<'p>), Option<Vec<Method>>>;

fn methods_by_path(patterns: &[Option<Pattern>]) -> MethodsByPath<'_> {
    let mut by_path: MethodsByPath<'_> = HashMap::new();
    for pattern in patterns.iter().flatten() {
        let known = by_path.entry((&pattern.host, pattern::shape(pattern))).or_insert_with(|| Some(Vec::new()));
        match (&pattern.methods, known.as_mut()) {
            (Methods::All, _) => *known = None,
            (Methods::Named(_), None) => {}
            (Methods::Named(named), Some(known)) => {
                let new: Vec<Method> = named.iter().filter(|method| !known.contains(method)).cloned().collect();
                known.extend(new);
            }
        }
    }
    by_path
}

fn methods_of_path(pattern: Option<&Pattern>, context: &Context<'_>) -> Option<Vec<Method>> {
    let pattern = pattern?;
    context.methods.get(&(&pattern.host, pattern::shape(pattern))).cloned().flatten()
}

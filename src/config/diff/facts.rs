//! What holds for a route beside who may call it.

use crate::config::check::per_word;
use crate::config::map;
use crate::config::plan::{self, Origins, Plan};
use crate::ground::{duration, size};

/// What a change of is worth a sentence, though it changes nobody's access.
pub fn rest_of(plan: &Plan, route: &plan::Route) -> Vec<(String, String)> {
    let mut rest = vec![("goes to", map::goes_to(plan, route))];
    if let plan::Destination::Upstream { index, timeout } = &route.destination
        && let Some(upstream) = plan.upstreams.get(*index)
    {
        let servers: Vec<&str> = upstream.servers.iter().map(|server| server.text.as_str()).collect();
        rest.push(("servers", servers.join(", ")));
        let [connect, response, idle] = [timeout.connect, timeout.response, timeout.idle].map(duration::format);
        rest.push(("timeout", format!("connect {connect}, response {response}, idle {idle}")));
    }
    let body = route.body.max.map(|max| format!("up to {}", size::format(max))).into_iter();
    let body: Vec<String> = body.chain(route.body.types.iter().cloned()).collect();
    rest.push(("limit", or_none(limits(route))));
    rest.push(("body", if body.is_empty() { "any".to_owned() } else { body.join(", ") }));
    rest.push(("the caller's token", if route.forward_token { "passed on" } else { "kept here" }.to_owned()));
    rest.push(("headers", or_none(headers(&route.headers))));
    rest.push(("rule that is only observed", or_none(observed(route))));
    rest.into_iter().map(|(what, text)| (what.to_owned(), text)).collect()
}

/// What callers may do beyond sending its requests. More of it opens something, less closes it.
pub fn lets_of(route: &plan::Route) -> Vec<(String, String)> {
    let mut lets = Vec::new();
    let mut add = |what: &str, which: String| lets.push((what.to_owned(), which));
    if route.websocket {
        add("WebSockets", String::new());
        // Nobody asks a browser before a WebSocket: where no origins are named, pages of every one may open them.
        match route.cors.as_ref().map(|cors| &cors.origins) {
            None | Some(Origins::Any) => add("WebSockets of web pages of", "*".to_owned()),
            Some(Origins::Exact(origins)) => {
                origins.iter().for_each(|origin| add("WebSockets of web pages of", origin.clone()));
            }
        }
    }
    if route.websocket && route.websocket_outlives_token {
        add("WebSockets whose token has ended or was revoked", String::new());
    }
    let Some(cors) = &route.cors else { return lets };
    match &cors.origins {
        Origins::Any => add("calls by web pages of", "*".to_owned()),
        Origins::Exact(origins) => origins.iter().for_each(|origin| add("calls by web pages of", origin.clone())),
    }
    if cors.credentials {
        add("calls by web pages with cookies", String::new());
    }
    match &cors.methods {
        None => add("calls by web pages with the method", "*".to_owned()),
        Some(methods) => methods.iter().for_each(|one| add("calls by web pages with the method", one.to_string())),
    }
    cors.headers.iter().for_each(|name| add("calls by web pages with the header", name.to_string()));
    cors.expose.iter().for_each(|name| add("web pages to read of its answers", name.to_string()));
    lets
}

fn limits(route: &plan::Route) -> String {
    let limit = |limit: &plan::Limit| {
        let observed = if limit.only_observes { ", only observed" } else { "" };
        let shared = limit.shared.map_or("", plan::Sharing::words);
        format!("{} per {}, burst {}{shared}{observed}", limit.text, per_word(&limit.per), limit.burst)
    };
    route.limits.iter().map(limit).collect::<Vec<_>>().join("; ")
}

fn headers(headers: &plan::Headers) -> String {
    let set = headers.set.iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    set.chain(headers.remove.iter().map(|name| format!("without {name}"))).collect::<Vec<_>>().join("; ")
}

/// What would be asked, and refuses nobody.
fn observed(route: &plan::Route) -> String {
    let plan::Access::Rule(rule) = &route.access else { return String::new() };
    let all = if route.only_observes { "all of it" } else { "" };
    let tries = rule.tries.as_ref().map(|tries| {
        let parts = [("scope", &tries.scopes), ("role", &tries.roles)].into_iter().flat_map(|(what, needed)| {
            let all = needed.all.iter().map(move |name| format!("{what} {name}"));
            let any = (!needed.any.is_empty()).then(|| format!("{what} {}", needed.any.join(" or ")));
            all.chain(any)
        });
        parts.chain(tries.conditions.iter().map(|condition| format!("when {condition}"))).collect::<Vec<_>>().join(", ")
    });
    [all.to_owned(), tries.unwrap_or_default()]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

//! `access`: who may call a route.

use super::{Check, authority, condition, issuer, text};
use crate::config::document::Document;
use crate::config::document::policy::{Access as Written, AccessRule, Requirement as WrittenRequirement};
use crate::config::document::read::OneOrMany;
use crate::config::document::route::Route;
use crate::config::place::{At, Place};
use crate::config::plan::{AUTHORITY, Access, Requirement, Rule, Tries};
use crate::config::problem::Problem;
use crate::config::suggest;

pub(super) fn access(document: &Document, route: &Route, segments: &[&str], check: &mut Check<'_>) -> Option<Access> {
    if !route.has("access") {
        let cause = "this route does not say who may call it";
        let help = "add `access:` with `public` (anyone), `authenticated` (any accepted token), or what the token needs, for example `{scope: orders:read}`";
        check.add(Problem::at(route.place, cause).help(help));
    }
    let written = route.access.as_ref()?;
    let (place, rule) = match written {
        Written::Public(place) => {
            if let Some(issuers) = &route.issuers {
                let problem =
                    Problem::at(issuers.place, "`issuers` does nothing on a public route: no token is looked at");
                check.add(problem.other(*place, "public").help("remove `issuers`, or write `access: authenticated`"));
            }
            return Some(Access::Public);
        }
        Written::Authenticated(place) => (*place, None),
        Written::Rule(rule) => (rule.place, Some(rule.as_ref())),
    };
    let issuers = issuers(document, route, rule, place, check);
    let Some(rule) = rule else {
        let (scopes, roles, conditions) = (Requirement::default(), Requirement::default(), Vec::new());
        return Some(Access::Rule(Rule { scopes, roles, conditions, issuers: issuers?, tries: None }));
    };
    let names = ["scope", "role", "when", "issuers", "observe"];
    if !names.iter().any(|name| rule.has(name)) {
        let cause = "this names nothing that a token needs";
        check.add(
            Problem::at(rule.place, cause)
                .help("write `access: authenticated` for any accepted token, or name a scope: `{scope: orders:read}`"),
        );
    }
    let scopes = requirement(rule.scope.as_ref(), "scope", check);
    let roles = requirement(rule.role.as_ref(), "role", check);
    names_of_authority(document, rule, issuers.as_deref(), check);
    let conditions = conditions(rule.when.as_ref(), segments, check);
    let tries = tries(rule, segments, check);
    Some(Access::Rule(Rule { scopes: scopes?, roles: roles?, conditions, issuers: issuers?, tries: tries? }))
}

/// Names of the issuers whose tokens the route takes, at least one.
fn issuers(
    document: &Document,
    route: &Route,
    rule: Option<&AccessRule>,
    place: Place,
    check: &mut Check<'_>,
) -> Option<Vec<String>> {
    let known = issuer::names(document);
    let inner = rule.and_then(|rule| rule.issuers.as_ref());
    if let (Some(inner), Some(outer)) = (inner, &route.issuers) {
        let problem = Problem::at(outer.place, "`issuers` stands here and under `access`");
        check.add(problem.other(inner.place, "here too").help("keep one of them"));
    }
    let defaults = document.defaults.as_ref().and_then(|defaults| defaults.issuers.as_ref());
    let own = inner.or(route.issuers.as_ref());
    if let Some(named) = own.or(defaults) {
        if own.is_some() {
            names_exist(named, &known, check);
        }
        return Some(named.items.iter().map(|at| at.value.clone()).collect());
    }
    if known.is_empty() && !document.has("authority") && !document.has("issuers") {
        let cause = "this route needs a token, and nothing here says whose tokens are good";
        check.add(
            Problem::at(place, cause)
                .help("add `authority:` to issue tokens here, or `issuers:` to accept those of another server"),
        );
        return None;
    }
    Some(known.iter().map(|(name, _)| (*name).to_owned()).collect())
}

/// Every name of a list of issuers is defined.
pub(super) fn names_exist(named: &OneOrMany<At<String>>, known: &[(&str, Option<Place>)], check: &mut Check<'_>) {
    if named.items.is_empty() && named.listed {
        let cause = "an empty list of issuers accepts no token";
        check.add(Problem::at(named.place, cause).help("name an issuer, or remove the key to accept all of them"));
    }
    text::repeated(&named.items, check);
    for name in named.items.iter().filter(|name| !known.iter().any(|(known, _)| *known == name.value)) {
        let define =
            if name.value == AUTHORITY { "add `authority:` with its `issuer`" } else { "define it under `issuers`" };
        check.unknown_name(name, "issuer", known, define);
    }
}

fn requirement(written: Option<&WrittenRequirement>, what: &str, check: &mut Check<'_>) -> Option<Requirement> {
    let Some(written) = written else { return Some(Requirement::default()) };
    let names = || written.names();
    if names().next().is_none() {
        let cause = format!("an empty `{what}` asks for nothing");
        check.add(
            Problem::at(written.place, cause)
                .help(format!("name a {what}, or write `access: authenticated` for any accepted token")),
        );
        return None;
    }
    if written.bare {
        let list = names().map(|name| name.value.as_str()).collect::<Vec<_>>().join(", ");
        let cause = "a list does not say whether all of these are needed or one of them is enough";
        check.add(Problem::at(written.place, cause).help(format!("write `{{all: [{list}]}}` or `{{any: [{list}]}}`")));
    }
    for name in names().filter(|name| what == "scope" && !authority::is_scope(&name.value)) {
        check.add(authority::not_a_scope(name));
    }
    text::repeated(&names().cloned().collect::<Vec<_>>(), check);
    let texts = |list: &[At<String>]| list.iter().map(|at| at.value.clone()).collect();
    Some(Requirement { all: texts(&written.all), any: texts(&written.any) })
}

/// Where only the hosted authority's tokens are taken, a scope or role that it does not know can never be there. Where
/// others are taken too, one that looks like a slip is worth a word.
fn names_of_authority(document: &Document, rule: &AccessRule, issuers: Option<&[String]>, check: &mut Check<'_>) {
    let Some(issuers) = issuers.filter(|issuers| issuers.iter().any(|name| name == AUTHORITY)) else { return };
    let alone = issuers.len() == 1;
    if let (Some(written), Some(known)) = (&rule.scope, authority::scope_names(document)) {
        let well_formed = written.names().filter(|name| authority::is_scope(&name.value));
        for name in well_formed {
            exists(name, "scope", &known, alone, check);
        }
    }
    if let (Some(written), Some(known)) = (&rule.role, authority::role_names(document)) {
        for name in written.names() {
            exists(name, "role", &known, alone, check);
        }
    }
}

fn exists(name: &At<String>, what: &str, known: &[(&str, Option<Place>)], alone: bool, check: &mut Check<'_>) {
    if known.iter().any(|(known, _)| *known == name.value) {
        return;
    }
    if alone {
        let define =
            format!("define it under `authority.{what}s`, because this route takes the authority's tokens alone");
        check.unknown_name(name, what, known, &define);
    } else if let Some(near) = suggest::nearest(&name.value, known.iter().map(|(name, _)| *name)) {
        let text = format!(
            "the authority has no {what} `{}`; if its tokens should pass here, `{near}` may be meant",
            name.value
        );
        check.warn(name.place, text);
    }
}

/// What is only observed. `None` where a problem was noted.
fn tries(rule: &AccessRule, segments: &[&str], check: &mut Check<'_>) -> Option<Option<Box<Tries>>> {
    let Some(written) = &rule.observe else { return Some(None) };
    if !["scope", "role", "when"].iter().any(|name| written.has(name)) {
        let cause = "this names nothing to observe";
        check.add(Problem::at(written.place, cause).help("name what would be asked: `observe: {scope: orders:read}`"));
    }
    let scopes = requirement(written.scope.as_ref(), "scope", check);
    let roles = requirement(written.role.as_ref(), "role", check);
    let conditions = conditions(written.when.as_ref(), segments, check);
    Some(Some(Box::new(Tries { scopes: scopes?, roles: roles?, conditions })))
}

fn conditions(when: Option<&OneOrMany<At<String>>>, segments: &[&str], check: &mut Check<'_>) -> Vec<String> {
    let written = when.map_or(&[][..], |when| &when.items);
    if let Some(empty) = when.filter(|when| when.listed && when.items.is_empty()) {
        check.add(
            Problem::at(empty.place, "an empty list of conditions does nothing")
                .help("write a condition, or remove `when`"),
        );
    }
    for at in written {
        if let Err(cause) = condition::compile(&at.value, segments) {
            check.add_text(at.place, cause);
        }
    }
    written.iter().map(|at| at.value.clone()).collect()
}

mod facts;
mod roles;

use std::collections::BTreeSet;

use http::Method;
use proptest::prelude::*;

use super::access::{Bearer, Who};
use super::model::{Access, Needs};
use super::*;

fn route(pattern: &str, access: Access) -> Route {
    let rest = vec![("goes to".to_owned(), "echo".to_owned())];
    Route { name: pattern.to_owned(), line: 1, pattern: pattern.to_owned(), access, rest, lets: Vec::new() }
}

fn token(scopes_all: &[&str], scopes_any: &[&str], roles_all: &[&str]) -> Access {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Access::Token(Needs {
        scopes_all: list(scopes_all),
        scopes_any: list(scopes_any),
        roles_all: list(roles_all),
        issuers: vec!["authority".to_owned()],
        ..Needs::default()
    })
}

fn model(routes: Vec<Route>) -> Model {
    Model { routes, ..Model::default() }
}

fn check(old: Vec<Route>, new: Vec<Route>, wanted: &[&str]) {
    let diff = diff(&model(old), &model(new)).unwrap();
    let told: Vec<String> =
        diff.changes.iter().map(|change| format!("{}: {}", change.kind.heading(), change.sentence)).collect();
    assert_eq!(told, wanted);
}

#[test]
fn what_opens_and_closes_is_said_in_sentences() {
    let read = || route("GET /v1/orders/**", token(&["orders:read"], &[], &[]));
    let write = |access| route("POST,DELETE /v1/orders/{id}", access);
    let strict = || token(&["orders:write"], &[], &["clerk"]);
    check(vec![read(), write(strict())], vec![read(), write(strict())], &[]);
    check(
        vec![read(), write(strict())],
        vec![read(), write(token(&["orders:read"], &[], &[]))],
        &[
            "OPENS: a token with `orders:read` may now DELETE,POST /v1/orders/{any}",
            "CLOSES: a token with `orders:write` and the role `clerk` may no longer DELETE,POST /v1/orders/{any}",
        ],
    );
    check(
        vec![read()],
        vec![read(), route("GET /v1/orders/export", Access::Anyone)],
        &["OPENS: anyone, without a token, may now GET /v1/orders/export"],
    );
    check(
        vec![read()],
        vec![route("* /v1/**", token(&["orders:read"], &[], &[])), read()],
        &["OPENS: a token with `orders:read` may now (any method but GET) /v1/orders/**; (any method) /v1/**"],
    );
}

#[test]
fn a_route_written_otherwise_that_means_the_same_is_no_change() {
    let all = |access: &Access| vec![route("GET /a/**", access.clone())];
    let split = |access: &Access| {
        vec![route("GET /a", access.clone()), route("GET /a/{x}", access.clone()), route("GET /a/**", access.clone())]
    };
    let access = token(&["a"], &["b", "c"], &[]);
    check(all(&access), split(&access), &[]);
    check(split(&access), all(&access), &[]);
    let turned = token(&["a"], &["c", "b"], &[]);
    check(all(&access), all(&turned), &[]);
}

#[test]
fn ten_thousand_routes_that_change_in_one_place_are_walked_in_one_place() {
    let many = |changed: bool| {
        let one = |number: usize| {
            let scope = if changed && number == 77 { "other" } else { "read" };
            route(&format!("GET /service-{}/items-{number}/{{id}}/**", number % 100), token(&[scope], &[], &[]))
        };
        (0..10_000).map(one).collect::<Vec<_>>()
    };
    check(
        many(false),
        many(true),
        &[
            "OPENS: a token with `other` may now GET /service-77/items-77/{any}/**",
            "CLOSES: a token with `read` may no longer GET /service-77/items-77/{any}/**",
        ],
    );
}

#[test]
fn routes_that_no_request_reaches_are_known() {
    let any = || token(&[], &[], &[]);
    let routes =
        vec![route("GET /a", any()), route("GET /a/", any()), route("GET /a/{x}/**", any()), route("GET /a/**", any())];
    assert_eq!(space::unreachable(&model(routes.clone())).unwrap(), [3]);
    assert!(space::unreachable(&model(routes[..3].to_vec())).unwrap().is_empty());
}

/// Names of the small world of the property below.
const SCOPES: [&str; 3] = ["a", "b", "c"];
const ROLES: [&str; 2] = ["x", "y"];
const CONDITIONS: [&str; 2] = ["token.claims.p", "token.claims.q"];

fn subset(names: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    proptest::sample::subsequence(names, 0..=names.len())
        .prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

fn access() -> impl Strategy<Value = Access> {
    let needs = (subset(&SCOPES), subset(&SCOPES), subset(&ROLES), subset(&ROLES), subset(&CONDITIONS), 1..4_u8)
        .prop_map(|(scopes_all, scopes_any, roles_all, roles_any, conditions, issuers)| {
            let names = [(1, "one"), (2, "two")];
            let issuers =
                names.iter().filter(|(bit, _)| issuers & bit != 0).map(|(_, name)| (*name).to_owned()).collect();
            Access::Token(Needs { scopes_all, scopes_any, roles_all, roles_any, conditions, issuers })
        });
    prop_oneof![1 => Just(Access::Anyone), 4 => needs]
}

fn routes() -> impl Strategy<Value = Vec<Route>> {
    let pattern = "(GET|POST|\\*|GET,POST) (|h\\.test|\\*\\.h\\.test)(/(a|b|\\{x\\})){0,2}(/|/\\*\\*|/c)";
    proptest::collection::vec((pattern, access()), 0..6).prop_map(|written| {
        let mut kept: Vec<Route> = Vec::new();
        for (pattern, access) in written {
            kept.push(route(&pattern, access));
            if Space::of(&model(kept.clone()), same).is_err() {
                kept.pop();
            }
        }
        kept
    })
}

/// Every token of the small world.
fn bearers() -> Vec<Bearer> {
    let subsets = |names: &[&str]| -> Vec<Vec<String>> {
        (0..1_usize << names.len())
            .map(|bits| {
                let chosen = names.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
                chosen.map(|(_, name)| (*name).to_owned()).collect()
            })
            .collect()
    };
    let mut all = Vec::new();
    for issuer in ["one", "two"] {
        for scopes in subsets(&SCOPES) {
            for roles in subsets(&ROLES) {
                for conditions in subsets(&CONDITIONS) {
                    let (scopes, roles) = (scopes.clone(), roles.clone());
                    all.push(Bearer { issuer: issuer.to_owned(), scopes, roles, conditions });
                }
            }
        }
    }
    all
}

/// What a rule says, written a second time and as plainly as can be: what the diff itself says is not to judge it.
fn is_served(needs: &Needs, bearer: &Bearer) -> bool {
    for (all, any, has) in [
        (&needs.scopes_all, &needs.scopes_any, &bearer.scopes),
        (&needs.roles_all, &needs.roles_any, &bearer.roles),
        (&needs.conditions, &Vec::new(), &bearer.conditions),
    ] {
        for name in all {
            if !has.contains(name) {
                return false;
            }
        }
        let mut found = any.is_empty();
        for name in any {
            found |= has.contains(name);
        }
        if !found {
            return false;
        }
    }
    needs.issuers.contains(&bearer.issuer)
}

/// Whether a file lets a request in, told by the table and the rule alone. `None`: somebody without a token.
fn passes(file: &Model, space: &Space, (host, path, method): (&str, &str, &Method), who: Option<&Bearer>) -> bool {
    let route = space.find(host, path, method).and_then(|index| file.routes.get(index));
    match (route.map(|route| &route.access), who) {
        (None, _) | (Some(Access::Token(_)), None) => false,
        (Some(Access::Anyone), _) => true,
        (Some(Access::Token(needs)), Some(bearer)) => is_served(needs, bearer),
    }
}

/// Whether a class of requests has this one in it.
fn holds(class: &Class, (host, path, method): (&str, &str, &Method)) -> bool {
    let host_fits = match class.host.as_deref() {
        Some(name) => {
            name == host || name.strip_prefix("*.").is_some_and(|parent| host.ends_with(&format!(".{parent}")))
        }
        None => true,
    };
    let own: Vec<&str> = class.path.split('/').skip(1).collect();
    let texts: Vec<&str> = path.split('/').skip(1).collect();
    let fits = |(own, text): (&&str, &&str)| own == text || (*own == "{any}" && !text.is_empty());
    let path_fits = match own.split_last() {
        Some((&"**", fixed)) => texts.len() >= fixed.len() && fixed.iter().zip(&texts).all(fits),
        _ => own.len() == texts.len() && own.iter().zip(&texts).all(fits),
    };
    host_fits && path_fits && class.method.as_deref().is_none_or(|name| name == method.as_str())
}

fn told<'d>(diff: &'d Diff, kind: Kind, request: (&str, &str, &Method)) -> Vec<&'d Change> {
    diff.changes
        .iter()
        .filter(|change| change.kind == kind && change.classes.iter().any(|class| holds(class, request)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    /// Complete: whoever is let in by one file and not by the other, for whatever request, is covered by a change of that
    /// kind. Sound: whoever a change names is let in by one and not by the other, for a sample of each class it names.
    #[test]
    fn the_diff_is_sound_and_complete(old in routes(), new in routes()) {
        let (old, new) = (model(old), model(new));
        let told_all = diff(&old, &new).unwrap();
        let spaces = [Space::of(&old, same).unwrap(), Space::of(&new, same).unwrap()];
        let all = bearers();
        let paths = ["/", "/a", "/a/", "/b", "/c", "/d", "/a/b", "/a/c", "/d/c", "/a/b/c", "/d/a/", "/d/d/d", "/a/b/c/d"];
        let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT];
        let mut differing = BTreeSet::new();
        for host in ["h.test", "w.h.test", "else.test"] {
            for path in paths {
                for method in &methods {
                    let request = (host, path, method);
                    let who = std::iter::once(None).chain(all.iter().map(Some));
                    for who in who {
                        let before = passes(&old, &spaces[0], request, who);
                        let now = passes(&new, &spaces[1], request, who);
                        let kind = match (before, now) {
                            (false, true) => Kind::Opens,
                            (true, false) => Kind::Closes,
                            _ => continue,
                        };
                        differing.insert((kind, host, path, method.as_str()));
                        prop_assert!(!told(&told_all, kind, request).is_empty(), "{kind:?} {request:?} {who:?}\n{}", told_all.text());
                    }
                }
            }
        }
        for change in &told_all.changes {
            let Some(who) = &change.who else { continue };
            let bearer = match who { Who::Anyone => None, Who::Bearer(bearer) => Some(bearer) };
            for class in &change.classes {
                let host = class.host.as_deref().unwrap_or("else.test").replace('*', "w");
                let path = class.path.replace("/**", "/z").replace("{any}", "z");
                let method: Method = class.method.as_deref().unwrap_or("OTHER").parse().unwrap();
                let request = (host.as_str(), path.as_str(), &method);
                let before = passes(&old, &spaces[0], request, bearer);
                let now = passes(&new, &spaces[1], request, bearer);
                prop_assert_eq!((before, now), (change.kind == Kind::Closes, change.kind == Kind::Opens), "{:?} {:?}\n{}", change, class, told_all.text());
            }
        }
    }
}

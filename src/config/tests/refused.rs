//! Small files that are refused: what would be refused later otherwise, and what must not be shown meanwhile.

use std::path::Path;

use crate::config::source::Memory;
use crate::config::{Problems, load};

const USUAL: &str = "listen: [{address: \"127.0.0.1:8080\"}]";
const ISSUER: &str = "issuers: {corp: {url: https://id.example, audience: api}}";

fn refused(listen: &str, routes: &[&str]) -> String {
    // An issuer that no route asks for is a problem of its own.
    let issuer = if routes.iter().any(|route| route.contains("authenticated")) { ISSUER } else { "" };
    let routes: Vec<String> = routes.iter().map(|route| format!("  - {{{route}, respond: echo}}\n")).collect();
    shown(&format!("version: 1\n{listen}\n{issuer}\nroutes:\n{}", routes.concat()))
}

fn shown(text: &str) -> String {
    let source = Memory::default().with("gateway.yaml", text.to_owned());
    load(Path::new("gateway.yaml"), &source).err().map_or_else(String::new, |problems: Problems| problems.render(false))
}

fn check(routes: &[&str], line: &str, part: &str) {
    let shown = refused(USUAL, routes);
    assert!(shown.contains(part) && shown.contains(line) && shown.contains("1 problem in"), "{routes:?}: {shown}");
}

#[test]
fn paths_that_no_request_can_have_are_problems() {
    for (path, part) in
        [("/a;b", "holds a `;`"), ("/a%3Bb", "encoded `;`"), ("/a%01", "control character"), ("/a%FF", "not UTF-8")]
    {
        check(&[&format!("match: GET {path}, access: public")], "gateway.yaml:5:13", part);
    }
}

#[test]
fn one_path_written_in_two_ways_is_a_tie() {
    let [plain, encoded] = ["match: GET /a+b, access: public", "match: GET /a%2Bb, access: public"];
    check(&[plain, encoded], "gateway.yaml:6:13", "goes to another route just as well");
    let stars = ["match: GET /a/%2A%2A, access: public", "match: GET /a/**, access: public"];
    assert_eq!(refused(USUAL, &stars), "", "encoded stars are no rest of a path");
}

#[test]
fn a_method_that_is_named_twice_is_a_problem() {
    check(&["match: {methods: [GET, GET], path: /x}, access: public"], "gateway.yaml:5:29", "`GET` is named twice");
}

#[test]
fn limits_that_cannot_be_counted_are_problems() {
    let route = |limit: &str| format!("match: GET /x, access: authenticated, limit: {{{limit}}}");
    check(&[&route("rate: 2000000000/s")], "gateway.yaml:5:", "the most is `1000000000/s`");
    check(&[&route("rate: 5/s, per: header:Authorization")], "gateway.yaml:5:", "count by `token`");
    assert_eq!(refused(USUAL, &[&route("rate: 1000000000/s")]), "");
}

#[test]
fn an_address_of_both_families_takes_the_port_of_either() {
    let route = ["match: GET /x, access: public"];
    let both = |one: &str, other: &str| format!("listen: [{{address: \"{one}\"}}, {{address: \"{other}\"}}]");
    assert!(refused("listen: [{address: \"[::]:9090\"}]", &route).contains("private listener"));
    for (one, other, clash) in [
        ("[::]:80", "127.0.0.1:80", true),
        ("192.0.2.1:80", "[::]:80", true),
        ("0.0.0.0:80", "[::]:80", true),
        ("0.0.0.0:80", "[::1]:80", false),
        ("[::]:80", "127.0.0.1:81", false),
    ] {
        let shown = refused(&both(one, other), &route);
        assert_eq!(shown.contains("taken by another"), clash, "{one} {other}: {shown}");
    }
}

#[test]
fn a_secret_behind_a_misspelt_key_is_not_shown() {
    let authority = |more: &str| {
        format!(
            "version: 1\n{USUAL}\nauthority:\n  issuer: https://id.example\n{more}routes:\n  - {{match: GET /, access: public, respond: echo}}\n"
        )
    };
    for more in [
        "  users:\n    - {name: alice, passwd: hunter2hunter2}\n",
        "  users:\n    - {name: alice, pasword: hunter2}\n",
        "  clients:\n    - id: a\n      secert: hunter2\n",
        "  clients:\n    - {id: a, secert: [hunter2, hunter2]}\n",
        "  clients:\n    - {id: a, secert: {value: hunter2}}\n",
    ] {
        let shown = shown(&authority(more));
        assert!(shown.contains("has no key") && !shown.contains("hunter2"), "{more}: {shown}");
    }
    let named = shown(&authority("  clients:\n    - {id: a, secert: {env: NAME}}\n"));
    assert!(named.contains("{env: NAME}"), "a name of a secret is none: {named}");
}

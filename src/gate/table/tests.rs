use http::Method;
use proptest::prelude::*;

use super::*;

fn table(patterns: &[&str]) -> Table<String> {
    let routes = patterns.iter().map(|text| (vec![Pattern::parse(text).unwrap()], (*text).to_owned())).collect();
    Table::build(routes).unwrap_or_else(|ties| panic!("{ties:?}"))
}

/// `request` is `GET host/path`; expects a pattern, `405 Allow` or `404`.
fn check(patterns: &[&str], request: &str, expected: &str) {
    let (method, rest) = request.split_once(' ').unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let table = table(patterns);
    let got = match table.find(host, path, &method.parse().unwrap()) {
        Found::Route { value, .. } => value.clone(),
        Found::MethodNotAllowed { allow } => format!("405 {}", allow.to_str().unwrap()),
        Found::Unknown => "404".to_owned(),
        Found::UnknownHost => "421".to_owned(),
    };
    assert_eq!(got, expected, "{request} in {patterns:?}");
}

#[test]
fn the_most_specific_path_wins_whatever_the_order() {
    check(&["GET /**", "GET /orders/**"], "GET a/orders/7", "GET /orders/**");
    check(&["GET /orders/{id}", "GET /orders/new", "GET /orders/**"], "GET a/orders/new", "GET /orders/new");
    check(&["GET /orders/{id}", "GET /orders/new", "GET /orders/**"], "GET a/orders/7", "GET /orders/{id}");
    check(&["GET /orders/{id}", "GET /orders/**"], "GET a/orders/7/items", "GET /orders/**");
    check(&["GET /{a}/x", "GET /{b}/y"], "GET a/1/y", "GET /{b}/y");
    check(&["GET /a/{x}/c", "GET /{y}/b/d"], "GET a/a/b/d", "GET /{y}/b/d");
}

#[test]
fn a_rest_takes_its_own_prefix_and_all_below() {
    for path in ["/orders", "/orders/", "/orders/7", "/orders/7/items/"] {
        check(&["GET /orders/**"], &format!("GET a{path}"), "GET /orders/**");
    }
    check(&["GET /orders/**"], "GET a/ordersx", "404");
    check(&["GET /orders/**", "GET /orders"], "GET a/orders", "GET /orders");
    check(&["GET /**"], "GET a/", "GET /**");
    check(&["GET /orders"], "GET a/orders/", "404");
    check(&["GET /orders/"], "GET a/orders/", "GET /orders/");
}

#[test]
fn a_named_method_wins_over_all_and_a_broader_route_serves_the_rest() {
    check(&["* /a", "GET /a"], "GET x/a", "GET /a");
    check(&["* /a", "GET /a"], "PUT x/a", "* /a");
    check(&["GET /a/b", "POST /a/**"], "POST x/a/b", "POST /a/**");
    check(&["GET /a/b", "* /**"], "DELETE x/a/b", "* /**");
    check(&["GET /a"], "HEAD x/a", "GET /a");
    check(&["GET /a", "HEAD /a"], "HEAD x/a", "HEAD /a");
}

#[test]
fn without_any_route_for_the_method_the_allowed_ones_are_named() {
    check(&["GET /a", "POST,PUT /a"], "DELETE x/a", "405 GET, HEAD, POST, PUT");
    check(&["GET /a"], "DELETE x/b", "404");
    check(&["GET /a"], "get x/a", "405 GET, HEAD");
    check(&["* /a"], "TRACE x/a", "405 DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
    check(&["* /a"], "PURGE x/a", "* /a");
}

#[test]
fn the_host_comes_before_the_path() {
    let hosts = &["GET /a/b", "GET *.example.com/**", "GET api.example.com/**", "GET *.api.example.com/**"];
    check(hosts, "GET api.example.com/a/b", "GET api.example.com/**");
    check(hosts, "GET x.example.com/a/b", "GET *.example.com/**");
    check(hosts, "GET x.api.example.com/a/b", "GET *.api.example.com/**");
    check(hosts, "GET example.com/a/b", "GET /a/b");
    check(&["GET api.test/**"], "GET api.test.evil.org/x", "421");
    check(&["GET api.test/**"], "GET xapi.test/x", "421");
}

#[test]
fn parameters_are_decoded_and_named_by_their_route() {
    let table = table(&["GET /orders/{id}/items/{item}"]);
    let Found::Route { params, .. } = table.find("x", "/orders/7/items/a%20b", &Method::GET) else { panic!() };
    assert_eq!(params.value("id"), Some("7"));
    assert_eq!(params.value("item"), Some("a b"));
}

#[test]
fn an_encoded_spelling_of_a_literal_is_that_literal() {
    let routes = &["GET /**", "GET /a+b/**", "GET /caf%C3%A9", "GET /x%20y"];
    check(routes, "GET x/a%2Bb/c", "GET /a+b/**");
    check(routes, "GET x/caf%C3%A9", "GET /caf%C3%A9");
    check(routes, "GET x/x%20y", "GET /x%20y");
    check(routes, "GET x/x%2520y", "GET /**");
}

#[test]
fn a_true_tie_is_told_with_both_routes() {
    let tie = |patterns: &[&str]| {
        let routes = patterns.iter().map(|text| (vec![Pattern::parse(text).unwrap()], ())).collect();
        Table::build(routes).err().unwrap_or_default()
    };
    assert_eq!(tie(&["GET /a/{x}", "POST /a/{y}", "GET,PUT /a/{z}"]), [Tie { first: 0, second: 2 }]);
    assert_eq!(tie(&["GET /a", "HEAD /a"]), []);
    assert_eq!(tie(&["* /a/**", "* /a/**"]), [Tie { first: 0, second: 1 }]);
    assert_eq!(tie(&["GET /a", "* /a", "GET x.test/a"]), []);
}

#[test]
fn a_wrong_pattern_is_explained() {
    for (text, part) in [
        ("/a", "write methods"),
        ("get /a", "upper case"),
        ("GET,GET /a", "twice"),
        ("TRACE /a", "never forwarded"),
        ("GET a", "starts with `/`"),
        ("GET /a/**/b", "only at the end"),
        ("GET /a*", "whole segments"),
        ("GET /{id}/{id}", "twice"),
        ("GET /{1d}", "not a name"),
        ("GET //a", "`//`"),
        ("GET /a/../b", "`..`"),
        ("GET host:80/a", "port"),
        ("GET ho st/a", "not a host"),
        ("GET -x!/a", "not a host"),
    ] {
        let message = Pattern::parse(text).unwrap_err().to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
}

/// The rules of the contract, done slowly: the best of all routes that match.
fn naive<'p>(patterns: &'p [Pattern], path: &str, method: &Method) -> Option<&'p Pattern> {
    patterns
        .iter()
        .filter(|pattern| pattern.takes_path(path) && pattern.methods.takes(Some(method)).is_some())
        .min_by_key(|pattern| (pattern.shape(), pattern.methods.takes(Some(method))))
}

proptest! {
    #[test]
    fn the_table_is_a_loop_over_all_routes(
        texts in proptest::collection::btree_set("(GET|POST|\\*) (/(a|b|\\{x\\})){0,3}(/\\*\\*|/c)", 1..12),
        path in "(/(a|b|c|d)){1,5}/?",
        method in "(GET|POST|PUT)",
    ) {
        let patterns: Vec<Pattern> = texts
            .iter()
            .filter_map(|text| Pattern::parse(&text.replacen("{x}", "{x1}", 1).replacen("{x}", "{x2}", 1).replacen("{x}", "{x3}", 1)).ok())
            .collect();
        let routes = patterns.iter().map(|pattern| (vec![pattern.clone()], pattern.to_string())).collect();
        if let Ok(table) = Table::build(routes) {
            let method: Method = method.parse().unwrap();
            let got = match table.find("x", &path, &method) {
                Found::Route { value, .. } => Some(value.clone()),
                _ => None,
            };
            prop_assert_eq!(got, naive(&patterns, &path, &method).map(Pattern::to_string), "{} {}", method, path);
        }
    }
}

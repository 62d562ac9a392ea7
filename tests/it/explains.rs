//! The gateway explains itself: tests of the file, explanations, what a change opens, what is only observed.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::house::Plot;
use crate::support::{House, Issuer};

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(folder: &Path, arguments: &[&str]) -> Ran {
    run_as(None, folder, arguments)
}

fn run_as(operator: Option<&str>, folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(arguments).current_dir(folder).envs(operator.map(|operator| ("PORTCULLIS_OPERATOR", operator)));
    let ran = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ran { code: ran.status.code(), out: text(ran.stdout), err: text(ran.stderr) }
}

fn has(ran: &Ran, code: i32, parts: &[&str]) {
    assert_eq!(ran.code, Some(code), "{}{}", ran.out, ran.err);
    for part in parts {
        assert!(ran.out.contains(part) || ran.err.contains(part), "{part} in\n{}{}", ran.out, ran.err);
    }
}

const FILE: &str = r#"
upstreams: {api: {servers: ["http://127.0.0.1:9"]}}
issuers:
  corp: {url: "https://login.corp.example", audience: "https://api.example.com", claims: {roles: realm.roles}}
  partner:
    audience: "https://api.example.com"
    introspection: {url: "https://id.example.com/introspect", client_id: gateway, client_secret: {file: secret}}
    acknowledge: {audience_optional: it only knows tokens for us}
defaults: {upstream: api}
routes:
  - {match: GET /v1/status, access: public, respond: {status: 204}}
  - {match: GET /v1/orders/**, name: orders, access: {scope: orders:read}}
  - match: "DELETE /v1/orders/{id}"
    access: {scope: orders:write, role: clerk, when: token.claims.tenant == path.id}
  - {match: POST /v1/orders, access: authenticated, body: {max: 1KiB, types: [application/json]}, limit: {rate: 2/h, per: subject}}
  - {match: GET /v1/near, access: {when: "peer.address.startsWith('10.')"}}
"#;

const TESTS: &str = r#"
tests:
  - {call: GET /v1/status, expect: {outcome: allow, headers: {X-Content-Type-Options: nosniff}}}
  - {call: HEAD /v1/status, expect: route GET /v1/status}
  - {call: GET /v1/orders/7, expect: deny token_missing}
  - {call: GET /v1/orders/7, token: {scope: [orders:read, other], subject: alice}, expect: {outcome: allow, route: orders, upstream_headers: {X-Auth-Subject: alice}}}
  - {call: GET /v1/orders/7, token: {scope: orders:read, expired: 5m}, expect: deny token_expired}
  - {call: GET /v1/orders/7, token: {scope: orders:read, audience: else}, expect: deny audience_mismatch}
  - {call: GET /v1/orders/7, token: {scope: orders:read, issuer: partner}, expect: allow}
  - {call: DELETE /v1/orders/7, token: {scope: orders:write, role: clerk, claims: {tenant: "\"7\""}}, expect: allow}
  - {call: DELETE /v1/orders/7, token: {scope: orders:write, role: clerk, claims: {tenant: "\"8\""}}, expect: deny condition_failed}
  - {call: DELETE /v1/orders/7, token: {scope: orders:write}, expect: deny role_missing}
  - {call: POST /v1/orders, token: {}, body: {size: 2KiB, type: application/json}, expect: deny body_too_large}
  - {call: POST /v1/orders, token: {}, body: {type: text/plain}, expect: deny body_type_refused}
  - {call: POST /v1/orders, token: {}, after: {calls: 2}, expect: deny rate_limited}
  - {call: POST /v1/orders, token: {}, after: {calls: 2, ago: 30m}, expect: allow}
  - {call: GET /v1/near, token: {}, from: 10.1.2.3, expect: allow}
  - {call: GET /v1/near, token: {}, expect: deny condition_failed}
  - {call: GET /v2, expect: deny route_unknown}
  - {call: PUT /v1/orders, token: {}, expect: deny method_not_allowed}
"#;

#[test]
fn the_tests_of_a_file_run_against_the_real_decisions() {
    let plot = Plot::new();
    plot.write("secret", "gateway-secret-that-is-long");
    plot.write("gateway.yaml", plot.yaml(&format!("{FILE}{TESTS}")));
    let ran = run(plot.folder.path(), &["test"]);
    has(&ran, 0, &["18 tests, 18 passed, 0 failed"]);
    assert!(!ran.out.contains("no test touches"), "{}", ran.out);
    has(&run(plot.folder.path(), &["test", "--all-routes", "--no-files"]), 0, &[]);

    plot.write("more.yaml", "tests:\n  - {call: GET /v1/orders/7, token: {}, expect: allow}\n");
    let ran = run(plot.folder.path(), &["test", "--tests", "more.yaml"]);
    has(&ran, 1, &["FAIL", "more.yaml:2", "expected allow, got deny scope_missing", "19 tests, 18 passed, 1 failed"]);
    assert!(!ran.out.contains('\u{1b}'), "no colour where no terminal is");
    plot.write("wrong.yaml", "tests:\n  - {call: GET /v1/orders/7, expect: allowed}\n");
    has(&run(plot.folder.path(), &["test", "--tests", "wrong.yaml"]), 1, &["wrong.yaml:2:", "`allowed`"]);
    has(&run(plot.folder.path(), &["test", "--tests", "none.yaml"]), 2, &["none.yaml"]);

    plot.write("gateway.yaml", plot.yaml(FILE));
    let ran = run(plot.folder.path(), &["test", "--format", "json", "--all-routes"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, report["untouched"].as_array().map(Vec::len)), (Some(1), Some(5)), "{report:#}");
}

#[test]
fn a_described_request_is_explained_step_by_step() {
    let plot = Plot::new();
    plot.write("secret", "gateway-secret-that-is-long");
    plot.write("gateway.yaml", plot.yaml(FILE));
    let explain = |arguments: &[&str]| run(plot.folder.path(), &[&["explain"], arguments].concat());

    let allowed =
        explain(&["GET", "/v1/orders/7", "--scope", "orders:read", "--subject", "alice", "--from", "10.0.0.9"]);
    has(
        &allowed,
        0,
        &["ALLOWED", "by the route `orders`", "upstream api", "x-auth-subject: alice", "x-forwarded-for: 10.0.0.9"],
    );
    let refused =
        explain(&["DELETE", "/v1/orders/7", "--scope", "orders:write", "--role", "clerk", "--claim", "tenant=9"]);
    has(&refused, 1, &["REFUSED  403 condition_failed", "path.id is \"7\"; token.claims.tenant is 9", "What to do:"]);
    has(&explain(&["GET", "/v1/order/7"]), 1, &["404 route_unknown", "segment 2 of the path is `order`, not `orders`"]);
    let unknown = explain(&["GET", "/v1/orders/7", "--token", "nonsense"]);
    has(&unknown, 1, &["introspection_unavailable", "an answer of issuer `partner` about the token"]);
    has(&explain(&["GET", "/v1/orders/7", "--issuer", "nobody"]), 2, &["no issuer `nobody`; there is corp, partner"]);
    has(&explain(&["GET", "no-path"]), 2, &["has no path"]);
    let told = explain(&["GET", "/v1/orders/7", "--scope", "else", "--format", "json"]);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&told["code"], &told["route"]["name"]), (&json!("scope_missing"), &json!("orders")));
}

#[test]
fn a_request_that_was_just_refused_is_explained_by_its_id() {
    let house = House::start("routes:\n  - {match: GET /a/**, access: public, respond: echo}\n");
    let answer = house.get("/b?secret=hunter2");
    house.log_of(&answer);
    let id = answer.header("x-request-id").to_owned();
    let admin = format!("http://127.0.0.1:{}", house.admin);
    let folder = tempfile::tempdir().unwrap();
    let told = run(folder.path(), &["explain", &id, "--admin", &admin]);
    has(&told, 1, &["REFUSED  404 route_unknown", &id, "segment 1 of the path is `b`, not `a`"]);
    assert!(!told.out.contains("hunter2"), "a query is not kept\n{}", told.out);
    has(
        &run(folder.path(), &["explain", "unknown", "--admin", &admin]),
        2,
        &["404", "no decision of this request is kept"],
    );
    has(&run(folder.path(), &["explain", &id, "--admin", "http://127.0.0.1:9"]), 2, &["no gateway answers"]);

    let passed = house.get("/a");
    house.log_of(&passed);
    let list = house.admin_get("/decisions?limit=10").json();
    let codes: Vec<&Value> = list["decisions"].as_array().unwrap().iter().map(|it| &it["code"]).collect();
    assert_eq!(codes, [&Value::Null, &json!("route_unknown")], "{list:#}");
    assert_eq!(house.admin_get("/decisions?code=nonsense").status, 400);
    let old = house.admin_get(&format!("/decisions/{id}")).json();
    assert!(old["considered"].as_array().is_some_and(|list| !list.is_empty()));
    assert_eq!(house.reload().status, 200);
    let old = house.admin_get(&format!("/decisions/{id}")).json();
    assert_eq!((&old["code"], &old["considered"]), (&json!("route_unknown"), &json!([])), "of another configuration");
}

#[test]
fn without_decisions_none_are_kept() {
    let plot = Plot::new();
    let yaml = plot.yaml("routes: [{match: GET /a, access: public, respond: echo}]\n");
    let house = plot.start(&yaml.replace("format: json}", "format: json}, decisions: off"));
    house.log_of(&house.get("/b"));
    assert_eq!(house.admin_get("/decisions").json(), json!({ "decisions": [] }));
}

#[test]
fn a_file_whose_tests_fail_never_runs() {
    let route = |access: &str| format!("routes: [{{match: GET /a, access: {access}, respond: echo}}]\n");
    let tests = "tests: [{call: GET /a, expect: deny token_missing}]\nauthority: {issuer: \"http://127.0.0.1:1\"}\n";
    let plot = Plot::new();
    let (good, wrong) = (plot.yaml(&(route("authenticated") + tests)), plot.yaml(&(route("public") + tests)));
    plot.write("wrong.yaml", &wrong);
    has(
        &run(plot.folder.path(), &["run", "wrong.yaml"]),
        2,
        &["1 of 1 tests of the file fail", "expected deny token_missing, got allow"],
    );
    let house = plot.start(&good);
    house.rewrite(&wrong);
    let refused = house.reload();
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("expected deny token_missing, got allow"), "{}", refused.text());
    assert_eq!(house.get("/a").status, 401);
}

#[test]
fn a_change_says_what_it_opens_and_closes() {
    let plot = Plot::new();
    let file = |access: &str| {
        plot.yaml(&format!(
            "authority: {{issuer: \"http://127.0.0.1:1\", scopes: {{a: A, b: B}}}}\nroutes:\n  - {{match: \"DELETE /v1/orders/{{id}}\", \
             access: {access}, respond: echo}}\n"
        ))
    };
    let (old, new) = (file("{scope: {all: [a, b]}}"), file("{scope: a}"));
    plot.write("old.yaml", &old);
    plot.write("new.yaml", &new);
    let folder = plot.folder.path().to_owned();
    let opens = "a token with `a` may now DELETE /v1/orders/{any}";
    let check = |arguments: &[&str]| run(&folder, &[&["check"], arguments].concat());
    has(
        &check(&["new.yaml", "--against", "old.yaml"]),
        0,
        &["OPENS", opens, "before: scope a and b", "now:    scope a"],
    );
    has(&check(&["new.yaml", "--against", "old.yaml", "--fail-on", "opening"]), 1, &[opens]);
    has(&check(&["old.yaml", "--against", "new.yaml", "--fail-on", "opening"]), 0, &["CLOSES", "may no longer DELETE"]);
    has(&check(&["new.yaml", "--against", "new.yaml", "--fail-on", "change"]), 0, &["nothing changes"]);
    has(&check(&["new.yaml", "--against", "none.yaml"]), 2, &["none.yaml"]);

    let house = plot.start(&old);
    let admin = format!("http://127.0.0.1:{}", house.admin);
    has(&check(&["new.yaml", "--against", &admin, "--fail-on", "opening"]), 1, &[opens]);
    house.rewrite(&new);
    assert_eq!(house.reload().status, 200);
    let event: Value = serde_json::from_str(&house.event("may now DELETE")).unwrap();
    assert_eq!((&event["access"], &event["level"]), (&json!("opens"), &json!("WARN")), "{event:#}");
    has(&check(&["new.yaml", "--against", &admin, "--fail-on", "change"]), 0, &["nothing changes"]);
}

#[test]
fn what_is_only_observed_passes_is_counted_and_told() {
    let issuer = Issuer::start();
    let house = House::start(&format!(
        r#"
issuers: {{corp: {{url: "{}", audience: "https://api.test"}}}}
routes:
  - {{match: GET /tried, access: {{scope: read, observe: {{role: chief}}}}, respond: echo}}
  - {{match: GET /open, access: {{scope: write}}, respond: echo, danger_only_observe: true}}
  - {{match: GET /counted, access: public, respond: echo, limit: {{rate: 1/h, per: ip, observe: true}}}}
"#,
        issuer.url()
    ));
    house.event("nobody is refused here");
    let check = |answer: &crate::support::Answer, route: &str, code: &str| {
        assert_eq!(answer.status, 200, "{answer:?}");
        let log = house.log_of(answer);
        assert_eq!((&log["observed.code"], log.get("refusal.code")), (&json!(code), None), "{log:#}");
        house.wait_for_metric("portcullis_observed_refusals_total", &[("route", route), ("code", code)], |sum| {
            sum >= 1.0
        });
        let told = house.admin_get(&format!("/decisions/{}", answer.header("x-request-id"))).json();
        assert_eq!((&told["outcome"], &told["code"]), (&json!("observed"), &json!(code)), "{told:#}");
        assert!(told["steps"].as_array().unwrap().iter().any(|step| step["outcome"] == "observed"), "{told:#}");
    };
    check(&house.get_with("/tried", &issuer.token("read")), "GET /tried", "role_missing");
    assert_eq!(house.get_with("/tried", &issuer.token("other")).status, 403, "what is insisted on is not observed");
    check(&house.get_with("/open", &issuer.token("read")), "GET /open", "scope_missing");
    check(&house.get("/open"), "GET /open", "token_missing");
    let unproved = house.get_with("/open", &issuer.token_with(|claims| claims["exp"] = json!(1)));
    check(&unproved, "GET /open", "token_expired");
    assert!(!unproved.text().contains("x-auth-subject"), "nobody is named by a token that is not good");
    assert_eq!(house.get("/counted").status, 200);
    check(&house.get("/counted"), "GET /counted", "rate_limited");
}

#[test]
fn the_doctor_finds_nothing_at_a_gateway_and_much_without_one() {
    let plot = Plot::new();
    let admin = plot.admin;
    let yaml = |port: u16| {
        format!(
            "version: 1\nlisten: [{{address: \"127.0.0.1:{port}\"}}]\nadmin: {{address: \"127.0.0.1:{admin}\"}}\n\
             observe: {{log: {{format: json}}}}\nauthority: {{issuer: \"http://127.0.0.1:{port}\", scopes: {{a: A}}}}\n\
             upstreams: {{api: {{servers: [\"http://127.0.0.1:9\"]}}}}\nroutes:\n  \
             - {{match: \"GET /v1/orders/{{id}}\", access: {{scope: a}}, upstream: api}}\n  \
             - {{match: GET /v1/echo, access: public, respond: echo}}\n"
        )
    };
    let own = yaml(plot.port);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gateway.yaml"), &own).unwrap();
    let house = plot.start(&own);
    let well = run(folder.path(), &["doctor", "--verbose"]);
    has(&well, 0, &["0 bad", "an encoded slash", "no signature (`alg: none`)", "X-Auth-Subject from a client"]);
    assert!(!well.out.contains("skip"), "{}", well.out);
    drop(house);

    // What a file says is not what stands behind an address that has no gateway.
    let bare = crate::support::Upstream::start(|seen| {
        let lines: Vec<String> = seen.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        crate::support::Reply::ok(&lines.join("\n"))
    });
    std::fs::write(folder.path().join("gateway.yaml"), yaml(bare.port)).unwrap();
    let ill = run(folder.path(), &["doctor"]);
    has(
        &ill,
        1,
        &[
            "BAD",
            "let through without a good token",
            "an upstream would get the forged value",
            "not the gateway of the file",
        ],
    );
    has(&run(folder.path(), &["doctor", "http://127.0.0.1:9"]), 2, &["nobody answers at 127.0.0.1:9"]);
}

#[test]
fn operators_log_in_to_what_is_theirs() {
    let plot = Plot::new();
    plot.write("olga", "a sentence of hers");
    let yaml = plot.yaml("routes: [{match: GET /a, access: public, respond: echo}]\n");
    let yaml = yaml.replacen(
        &format!("admin: {{address: \"127.0.0.1:{}\"}}", plot.admin),
        &format!(
            "admin: {{address: \"127.0.0.1:{}\", operators: [{{name: olga, password: {{file: olga}}}}]}}",
            plot.admin
        ),
        1,
    );
    let folder = plot.folder.path().to_owned();
    let house = plot.start(&yaml);
    let ask = |path: &str, shown: Option<&str>| {
        let line = shown.map_or_else(String::new, |shown| {
            format!("Authorization: Basic {}\r\n", base64_simd::STANDARD.encode_to_string(shown))
        });
        let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{line}Connection: close\r\n\r\n");
        crate::support::wire::exchange(house.admin, head)
    };
    for path in ["/", "/decisions", "/access", "/explain?method=GET&url=/a"] {
        let refused = ask(path, None);
        assert_eq!(refused.status, 401, "{path}");
        assert!(refused.header("www-authenticate").starts_with("Basic"), "{path}");
        assert_eq!(ask(path, Some("olga:a sentence of his")).status, 401, "{path}");
        assert_eq!(ask(path, Some("oleg:a sentence of hers")).status, 401, "{path}");
        assert_eq!(ask(path, Some("olga:a sentence of hers")).status, 200, "{path}");
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(ask(path, None).status, 200, "{path}");
    }
    assert_eq!(house.reload().status, 401, "a reload is an operator's word");
    house.event("a log-in to the console failed");
    let admin = format!("http://127.0.0.1:{}", house.admin);
    let compare = |operator| run_as(operator, &folder, &["check", "gateway.yaml", "--against", &admin]);
    has(&compare(None), 2, &["answers 401", "set PORTCULLIS_OPERATOR to NAME:PASSWORD"]);
    has(&compare(Some("olga")), 2, &["PORTCULLIS_OPERATOR is not of the form NAME:PASSWORD"]);
    has(&compare(Some("olga:a sentence of his")), 2, &["answers 401"]);
    has(&compare(Some("olga:a sentence of hers")), 0, &["nothing changes"]);
    assert_eq!(house.mentions("a sentence of"), 0, "passwords stand in no log");
}

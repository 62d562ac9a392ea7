//! Every reason for refusing, provoked over a socket: status, body, challenge, log line and metric say the same.

use std::net::TcpListener;

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::house::Plot;
use crate::support::issuer::now;
use crate::support::{Answer, House, Issuer, Reply, Upstream, free_port};

struct Scene {
    house: House,
    issuer: Issuer,
}

/// A gateway with a route for each way to be refused.
fn scene() -> Scene {
    let issuer = Issuer::start();
    let upstream = Upstream::start(|seen| match seen.target.as_str() {
        "/garbage" => Reply::Last(b"this is not HTTP\r\n\r\n".to_vec()),
        "/hang" => Reply::Take(Box::new(|stream| {
            // Holds the connection until the gateway gives up on it.
            let _ = std::io::Read::read(&mut &stream, &mut [0; 1]);
        })),
        _ => Reply::ok("hello"),
    });
    // Nobody listens there: the listener is gone when this line is done.
    let nobody = free_port();
    let down = free_port();
    let plot = Plot::new();
    plot.write("secret", "gateway-secret");
    let yaml = plot.yaml(&format!(
        r#"
issuers:
  corp: {{url: "{issuer}", audience: "https://api.test", claims: {{roles: roles}}}}
  opaque:
    audience: "https://api.test"
    introspection: {{url: "{issuer}/introspect", client_id: gateway, client_secret: {{file: secret}}}}
  silent: {{url: "http://127.0.0.1:{down}", audience: "https://api.test"}}
  mute:
    audience: "https://api.test"
    introspection: {{url: "http://127.0.0.1:{down}/introspect", client_id: gateway, client_secret: {{file: secret}}}}
upstreams:
  far: {{servers: ["http://127.0.0.1:{far}"], timeout: {{response: 300ms}}}}
  nowhere: {{servers: ["http://127.0.0.1:{nobody}"]}}
routes:
  - {{match: GET /public, access: public, upstream: far}}
  - {{match: GET /read, access: {{scope: read, issuers: [corp, opaque]}}, upstream: far}}
  - {{match: GET /signed, access: {{scope: read, issuers: [corp]}}, upstream: far}}
  - {{match: GET /only-silent, access: {{issuers: [silent]}}, upstream: far}}
  - {{match: GET /only-mute, access: {{issuers: [mute]}}, upstream: far}}
  - {{match: GET /write, access: {{scope: write, issuers: [corp]}}, upstream: far}}
  - {{match: GET /clerks, access: {{role: clerk, issuers: [corp]}}, upstream: far}}
  - {{match: GET /bob, access: {{when: "token.subject == 'bob'", issuers: [corp]}}, upstream: far}}
  - match: GET /pages
    access: public
    upstream: far
    cors: {{origins: ["https://app.test"]}}
  - {{match: POST /small, access: public, upstream: far, body: {{max: 10B, types: [application/json]}}}}
  - {{match: GET /limited, access: public, upstream: far, limit: {{rate: 1/h, burst: 1, per: ip}}}}
  - {{match: GET /nowhere, access: public, upstream: nowhere}}
  - {{match: GET /garbage, access: public, upstream: far}}
  - {{match: GET /hang, access: public, upstream: far}}
"#,
        issuer = issuer.url(),
        far = upstream.port,
    ));
    Scene { house: plot.start(&yaml), issuer }
}

impl Scene {
    /// The refusal is told alike by status, body, challenge, log line and metric.
    fn check(&self, answer: &Answer, status: u16, code: &str, challenge: Option<&str>) -> Value {
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let body = answer.json();
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("urn:portcullis:refusal:{code}"));
        assert_eq!(body["request_id"], answer.header("x-request-id"));
        assert!(body["title"].as_str().is_some_and(|title| title.ends_with('.')));
        match challenge {
            Some(part) => assert!(answer.header("www-authenticate").contains(part), "{answer:?}"),
            None => assert!(!answer.has("www-authenticate"), "{answer:?}"),
        }
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let log = self.house.log_of(answer);
        assert_eq!(log["refusal.code"], code);
        explained(&self.house, answer, code);
        assert_eq!(log["http.status"], status);
        self.house.wait_for_metric("portcullis_requests_total", &[("code", code)], |sum| sum >= 1.0);
        log
    }

    fn bad_token(&self, token: &str, code: &str) {
        self.bad_token_at("/signed", token, code);
    }

    fn bad_token_at(&self, path: &str, token: &str, code: &str) {
        let bad = || {
            let checks =
                self.house.metric("portcullis_token_checks_total", &[("level", "verified"), ("result", "bad")]);
            checks as u64
        };
        let before = bad();
        let answer = self.house.get_with(path, token);
        self.check(&answer, 401, code, Some("error=\"invalid_token\""));
        assert_eq!(bad(), before + 1, "not counted among the bad tokens: {code}");
        assert!(answer.header("www-authenticate").contains("scope=\"read\""), "{answer:?}");
        assert_eq!(self.house.mentions(token), 0, "a token stands in a log");
    }
}

/// The explanation by request id names the route, the check, what was needed and what was seen, in plain words.
pub fn explained(house: &House, answer: &Answer, code: &str) {
    let id = answer.header("x-request-id");
    let told = house.admin_get(&format!("/decisions/{id}")).json();
    assert_eq!((told["request_id"].as_str(), told["code"].as_str()), (Some(id), Some(code)), "{told:#}");
    assert_eq!((told["outcome"].as_str(), told["status"].as_u64()), (Some("refused"), Some(answer.status.into())));
    let steps = told["steps"].as_array().unwrap();
    let refused: Vec<&Value> = steps.iter().filter(|step| step["outcome"] == "refused").collect();
    let [step] = refused.as_slice() else { panic!("{told:#}") };
    let word = |value: &Value| {
        value.as_str().filter(|text| text.len() > 3).map(str::to_owned).unwrap_or_else(|| panic!("{told:#}"))
    };
    let (needed, seen, summary) = (word(&step["needed"]), word(&step["seen"]), word(&told["summary"]));
    assert!(summary.contains(&needed) && summary.contains(&seen), "{told:#}");
    assert!(word(&told["advice"]).ends_with(['.', ';']), "{told:#}");
    let at = steps.iter().position(|step| step["outcome"] == "refused").unwrap();
    assert!(steps[..at].iter().all(|step| step["outcome"] == "passed"), "{told:#}");
    assert!(steps[at + 1..].iter().all(|step| step["outcome"] == "not_reached"), "{told:#}");
    if !matches!(answer.status, 404 | 405 | 421) && told["request"]["path"] != "" {
        assert!(summary.contains(&format!("the route `{}`", word(&told["route"]["name"]))), "{told:#}");
        assert!(told["route"]["line"].as_u64().is_some(), "{told:#}");
    }
}

fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode_to_string(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[test]
fn a_bad_token_is_refused_with_the_check_that_failed() {
    let scene = scene();
    let issuer = &scene.issuer;
    assert_eq!(scene.house.get_with("/signed", &issuer.token("read")).status, 200);

    let missing = scene.house.get("/read");
    scene.check(&missing, 401, "token_missing", Some("Bearer realm="));
    assert!(!missing.header("www-authenticate").contains("error="), "{missing:?}");

    let critical = json!({"alg": "ES256", "crit": ["x"], "x": 1});
    scene.bad_token(&unsigned(&critical, &issuer.claims("read"), "AA"), "token_malformed");
    scene.bad_token("Bearer a b", "token_malformed");
    scene.bad_token(&issuer.token_with(|claims| claims["exp"] = json!(now() - 60)), "token_expired");
    scene.bad_token(&issuer.token_with(|claims| claims["nbf"] = json!(now() + 600)), "token_not_yet_valid");
    let good = issuer.token("read");
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    scene.bad_token(&format!("{signed}.{other}{}", &signature[1..]), "signature_invalid");
    let claims = issuer.claims("read");
    scene.bad_token(&unsigned(&json!({"alg": "none"}), &claims, "AA"), "algorithm_refused");
    scene.bad_token(&unsigned(&json!({"alg": "HS256"}), &claims, "AA"), "algorithm_refused");
    scene.bad_token(&issuer.token_with(|claims| claims["iss"] = json!("https://other.test")), "issuer_unknown");
    scene.bad_token(&issuer.token_with(|claims| claims["aud"] = json!("https://other.test")), "audience_mismatch");
    scene.bad_token(&issuer.sign("logout+jwt", &claims), "token_type_refused");
    scene.bad_token(&issuer.token_with(|claims| claims["cnf"] = json!({"jkt": "x"})), "proof_invalid");
    scene.bad_token_at("/read", "an-opaque-token-that-nobody-knows", "token_inactive");
    issuer.sign_with_an_unknown_key();
    scene.bad_token(&issuer.token("read"), "key_unknown");
}

#[test]
fn what_a_caller_may_not_do_is_refused_with_what_is_missing() {
    let scene = scene();
    let token = scene.issuer.token("read");
    let scope = scene.house.get_with("/write", &token);
    let log = scene.check(&scope, 403, "scope_missing", Some("error=\"insufficient_scope\""));
    assert!(scope.header("www-authenticate").contains("scope=\"write\""), "{scope:?}");
    assert_eq!((log["client.id"].as_str(), log["user.id"].as_str()), (Some("web"), Some("alice")));
    scene.check(&scene.house.get_with("/clerks", &token), 403, "role_missing", Some("insufficient_scope"));
    scene.check(&scene.house.get_with("/bob", &token), 403, "condition_failed", Some("insufficient_scope"));

    let clerk = scene.issuer.token_with(|claims| claims["roles"] = json!(["clerk"]));
    assert_eq!(scene.house.get_with("/clerks", &clerk).status, 200);
    let bob = scene.issuer.token_with(|claims| claims["sub"] = json!("bob"));
    assert_eq!(scene.house.get_with("/bob", &bob).status, 200);
}

#[test]
fn what_is_no_proper_request_is_refused() {
    let scene = scene();
    let house = &scene.house;
    let malformed = house.get("/public/..%2fread");
    scene.check(&malformed, 400, "request_malformed", None);
    let token = scene.issuer.token("read");
    let twice =
        house.call("GET", "/read", &format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n"));
    scene.check(&twice, 400, "credentials_duplicated", Some("invalid_request"));
    let places = house.get_with(&format!("/read?access_token={token}"), &token);
    scene.check(&places, 400, "credentials_duplicated", Some("invalid_request"));
    scene.check(&house.get("/none"), 404, "route_unknown", None);
    let method = house.call("DELETE", "/public", "");
    scene.check(&method, 405, "method_not_allowed", None);
    assert_eq!(method.header("allow"), "GET, HEAD");
    scene.check(&house.call("GET", "/public", "Expect: 200-ok\r\n"), 417, "expectation_failed", None);
    scene.check(&house.call("GET", "/public", &"X-A: b\r\n".repeat(97)), 431, "head_too_large", None);
    let preflight = "Origin: https://evil.test\r\nAccess-Control-Request-Method: GET\r\n";
    scene.check(&house.call("OPTIONS", "/pages", preflight), 403, "origin_refused", None);
}

#[test]
fn a_body_that_a_route_does_not_take_is_refused() {
    let scene = scene();
    let post = |headers: &str, body: &str| {
        scene.house.raw(format!("POST /small HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n{body}"))
    };
    let json = "Content-Type: application/json\r\n";
    let large = post(&format!("{json}Content-Length: 11\r\n"), "12345678901");
    scene.check(&large, 413, "body_too_large", None);
    let counted = post(&format!("{json}Transfer-Encoding: chunked\r\n"), "b\r\n12345678901\r\n0\r\n\r\n");
    scene.check(&counted, 413, "body_too_large", None);
    let kind = post("Content-Type: text/plain\r\nContent-Length: 2\r\n", "{}");
    scene.check(&kind, 415, "body_type_refused", None);
    assert_eq!(post(&format!("{json}Content-Length: 2\r\n"), "{}").status, 200);
}

#[test]
fn too_many_requests_are_refused_with_when_to_come_back() {
    let scene = scene();
    assert_eq!(scene.house.get("/limited").status, 200);
    let refused = scene.house.get("/limited");
    scene.check(&refused, 429, "rate_limited", None);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert!(refused.header("ratelimit").contains("r=0"), "{refused:?}");
    assert!(refused.json()["limit"].is_string());
}

#[test]
fn what_is_down_behind_the_gateway_is_told_apart() {
    let scene = scene();
    let house = &scene.house;
    scene.check(&house.get("/nowhere"), 502, "upstream_unreachable", None);
    scene.check(&house.get("/garbage"), 502, "upstream_invalid", None);
    scene.check(&house.get("/hang"), 504, "upstream_timeout", None);
    let opaque = house.get_with("/only-mute", "an-opaque-token");
    scene.check(&opaque, 503, "introspection_unavailable", None);
    assert!(opaque.header("retry-after").parse::<u64>().unwrap() >= 1);
}

#[test]
fn tokens_of_an_issuer_whose_keys_cannot_be_had_are_not_guessed_about() {
    let issuer = Issuer::start();
    issuer.break_down(500, "<h1>down</h1>");
    let house = House::start(&format!(
        "issuers: {{corp: {{url: \"{}\", audience: \"https://api.test\"}}}}\n\
         routes:\n  - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n\
         \x20 - {{match: GET /public, access: public, respond: echo}}\n",
        issuer.url()
    ));
    let scene = Scene { house, issuer };
    let answer = scene.house.get_with("/read", &scene.issuer.token("read"));
    scene.check(&answer, 503, "keys_unavailable", None);
    assert_eq!(scene.house.get("/public").status, 200, "other routes go on");
}

#[test]
fn a_host_that_nobody_serves_is_misdirected() {
    let house = House::start("routes: [{match: GET api.test/**, access: public, respond: echo}]\n");
    let ask = |host: &str| house.raw(format!("GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
    assert_eq!(ask("API.test:80").status, 200);
    let answer = ask("api.test.evil.org");
    assert_eq!((answer.status, answer.code().as_str()), (421, "host_unknown"));
    assert_eq!(house.log_of(&answer)["refusal.code"], "host_unknown");
    explained(&house, &answer, "host_unknown");
}

#[test]
fn bytes_that_are_not_http_are_counted_and_closed() {
    let upstream = Upstream::plain();
    let house = House::before(&upstream);
    for bytes in
        ["GET /x HTTP/1.1\r\nHost : localhost\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00", "GET /x HTTP/9.9\r\n\r\n"]
    {
        let mut wire = house.wire();
        wire.send(bytes);
        while wire.more() {}
        let text = String::from_utf8_lossy(wire.pending()).into_owned();
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{bytes:?}: {text}");
    }
    assert!(upstream.seen().is_empty());
}

#[test]
fn two_gateways_on_one_port_are_told_apart() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let plot = Plot::new();
    let port = taken.local_addr().unwrap().port();
    let yaml = plot
        .yaml("routes: [{match: GET /, access: public, respond: echo}]\n")
        .replace(&plot.port.to_string(), &port.to_string());
    let file = plot.write("gateway.yaml", yaml);
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("run").arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{text}");
    assert!(text.contains("another program listens there"), "{text}");
}

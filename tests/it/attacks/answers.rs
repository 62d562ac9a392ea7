//! What browsers and logs see: CORS, cookies, security headers, sizes, limits, log lines, metrics.

use super::Bed;
use crate::support::house::Plot;
use crate::support::{House, Reply, Upstream};

const APP: &str = "https://app.test";

/// A gateway whose upstream says things about itself that are not its business.
fn dressed() -> (House, Upstream) {
    let upstream = Upstream::start(|seen| {
        let lax = "X-Frame-Options: ALLOWALL\r\nX-Frame-Options: SAMEORIGIN\r\nContent-Security-Policy: default-src *\r\n\
                   Strict-Transport-Security: max-age=0\r\nStrict-Transport-Security: max-age=1\r\n\
                   Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\nServer: x/1.0\r\n\
                   Set-Cookie: __Host-portcullis-session=forged; Path=/\r\nSet-Cookie: own=1\r\n";
        Reply::with(200, lax, &seen.target)
    });
    let house = House::start(&format!(
        "upstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"]}}}}\ndefaults: {{upstream: far}}\nroutes:\n  \
         - {{match: \"GET,PUT /open/**\", access: public, cors: {{origins: [\"{APP}\"], credentials: true}}}}\n  \
         - {{match: GET /few, access: public, limit: {{rate: 1/h, burst: 5, per: ip}}}}\n  \
         - {{match: POST /small, access: public, body: {{max: 10B}}}}\n",
        upstream.port
    ));
    (house, upstream)
}

#[test]
fn only_a_listed_origin_may_read_and_it_is_compared_whole() {
    let (house, upstream) = dressed();
    let allowed = |origin: &str| {
        let answer = house.call("GET", "/open/x", &format!("Origin: {origin}\r\n"));
        assert!(answer.header("vary").to_lowercase().contains("origin"), "S36.4: {answer:?}");
        assert!(!answer.headers("access-control-allow-origin").contains(&"*"), "S36.4: {answer:?}");
        answer.headers("access-control-allow-origin").len()
    };
    assert_eq!(allowed(APP), 1);
    for origin in [
        "https://app.test.evil.test",
        "https://evilapp.test",
        "null",
        "http://app.test",
        "https://APP.test",
        "https://app.test:8443",
        "https://app.test/",
        "https://app.test, https://evil.test",
        "app.test",
        "*",
    ] {
        assert_eq!(allowed(origin), 0, "S36.1: {origin}");
    }
    let before = upstream.seen().len();
    let preflight = |origin: &str, method: &str| {
        house.call("OPTIONS", "/open/x", &format!("Origin: {origin}\r\nAccess-Control-Request-Method: {method}\r\n"))
    };
    assert_eq!(preflight(APP, "PUT").header("access-control-allow-origin"), APP, "S36.3");
    assert!(!preflight("https://evil.test", "PUT").has("access-control-allow-origin"), "S36.3");
    assert_eq!(upstream.seen().len(), before, "S36.3: no preflight is forwarded");
}

#[test]
fn the_configured_policy_wins_over_what_an_upstream_says_of_itself() {
    let (house, _) = dressed();
    let answer = house.get("/open/x");
    for name in ["x-frame-options", "content-security-policy", "x-content-type-options", "referrer-policy"] {
        assert!(answer.headers(name).len() <= 1, "S38.1: {name} {answer:?}");
    }
    assert_ne!(answer.header("x-frame-options"), "ALLOWALL", "S38.1");
    assert!(!answer.has("strict-transport-security"), "S38.2: in clear");
    let cookies = answer.headers("set-cookie");
    assert!(cookies.iter().all(|cookie| !cookie.contains("__Host-portcullis")), "S38.5: {cookies:?}");
    assert!(cookies.contains(&"own=1"), "an upstream's own cookies pass: {cookies:?}");
}

#[test]
fn the_gateways_own_cookies_stay_with_the_gateway() {
    let bed = Bed::new();
    let probe = "GET /public/x HTTP/1.1⏎Host: api.test⏎Connection: close⏎\
                 Cookie: a=1; __Host-portcullis-session=secret; __Host-portcullis-browser=x; b=2⏎⏎";
    let (_, seen) = bed.answers("S37.4", probe, &[200], &["/public/x"]);
    assert!(!seen[0].head.contains("portcullis-session") && !seen[0].head.contains("secret"), "{}", seen[0].head);
    assert!(seen[0].header("cookie").contains("a=1") && seen[0].header("cookie").contains("b=2"), "{}", seen[0].head);
}

#[test]
fn sizes_have_bounds_of_their_own_status() {
    let bed = Bed::new();
    let get = |target: &str, lines: &str| format!("GET {target} HTTP/1.1⏎Host: api.test⏎{lines}Connection: close⏎⏎");
    for (what, probe, statuses) in [
        ("fields", get("/public/x", &"X: y⏎".repeat(101)), &[431][..]),
        ("head", get("/public/x", &format!("X: {}⏎", "a".repeat(33 * 1024))), &[431]),
        ("target", get(&format!("/public/{}", "a".repeat(9 * 1024)), ""), &[414, 431]),
        ("query", get(&format!("/public/x?{}", "a&".repeat(10_000)), ""), &[414, 431]),
        ("vast head", get("/public/x", &format!("X: {}⏎", "a".repeat(100_000))), &[431, 400]),
    ] {
        let (answers, seen) = bed.says("S40.1", &probe);
        assert!(statuses.contains(&answers[0].status), "S40.1 {what}: {}", answers[0].status);
        assert!(seen.is_empty(), "S40.1 {what}");
    }
    let (house, upstream) = dressed();
    let post = |framing: &str, body: &str| {
        house.raw(format!("POST /small HTTP/1.1\r\nHost: localhost\r\n{framing}Connection: close\r\n\r\n{body}")).status
    };
    assert_eq!(post("Content-Length: 11\r\n", "hello world"), 413, "S40.2: at the head");
    assert!(upstream.seen().is_empty(), "S40.2");
    assert_eq!(post("Transfer-Encoding: chunked\r\n", "b\r\nhello world\r\n0\r\n\r\n"), 413, "S40.2: on the way");
    assert!(upstream.seen().is_empty(), "S40.2: no whole request");
    assert_eq!(post("Content-Length: 5\r\n", "hello"), 200);
}

#[test]
fn a_limit_lets_exactly_so_many_pass_however_many_ask_at_once() {
    let (house, _) = dressed();
    let port = house.port;
    let threads: Vec<_> = (0..32)
        .map(|_| {
            std::thread::spawn(move || {
                let ask = "GET /few HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
                (0..4).map(|_| crate::support::wire::exchange(port, ask)).collect::<Vec<_>>()
            })
        })
        .collect();
    let answers: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(passed, 5, "S41.3");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.status, 429);
        assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1), "S41.4: {answer:?}");
    }
}

#[test]
fn a_log_line_is_one_line_and_a_metric_has_no_names_from_outside() {
    let bed = Bed::new();
    let series =
        |bed: &Bed| bed.house.admin_get("/metrics").text().lines().filter(|line| !line.starts_with('#')).count();
    let odd = "GET /public/a%22%5B2J HTTP/1.1⏎Host: api.test⏎User-Agent: \"}\u{202e}\\n⏎Connection: close⏎⏎";
    let (answers, _) = bed.says("S42.1", odd);
    let line = bed.house.log_of(&answers[0]);
    assert!(line["http.path"].as_str().unwrap_or_default().contains("public"), "S42.1: {line}");
    bed.says("S42.3", "GET /nowhere/0 HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎");
    bed.says("S42.3", "GET /x HTTP/1.1⏎Host: h0.test⏎Connection: close⏎⏎");
    bed.says("S42.3", "M0 /public/x HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎");
    let before = series(&bed);
    for number in 0..100 {
        bed.says("S42.3", &format!("GET /nowhere/{number} HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎"));
        bed.says("S42.3", &format!("GET /x HTTP/1.1⏎Host: h{number}.test⏎Connection: close⏎⏎"));
        bed.says("S42.3", &format!("M{number} /public/x HTTP/1.1⏎Host: api.test⏎Connection: close⏎⏎"));
    }
    assert_eq!(series(&bed), before, "S42.3");
    for target in ["/metrics", "/healthz", "/readyz", "/reload", "/debug"] {
        let probe = format!("GET {target} HTTP/1.1⏎Host: api.test⏎User-Agent: GoogleHC/1.0⏎Connection: close⏎⏎");
        bed.answers("S42.4 S42.5", &probe, &[404], &[]);
    }
}

#[test]
fn no_secret_of_a_request_stands_in_a_log() {
    let plot = Plot::new();
    plot.write("secret", "client-secret-0123456789");
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\nauthority:\n  issuer: http://127.0.0.1:{}\n  scopes: {{read: Read}}\n  clients:\n    \
         - {{id: gate, secret: {{file: secret}}, grants: [client_credentials], scopes: [read]}}\n\
         routes: [{{match: GET /read, access: {{scope: read}}, respond: echo}}]\n",
        plot.port
    ));
    let house = plot.start(&yaml);
    let form = "grant_type=client_credentials&client_id=gate&client_secret=client-secret-0123456789";
    let token = house.post_form("/oauth/token", "", form).json()["access_token"].as_str().unwrap().to_owned();
    house.get_with("/read", &token);
    house.get_with("/nowhere", &token);
    house.get(&format!("/read?access_token={token}"));
    house.post_form("/oauth/token", "", "grant_type=client_credentials&client_id=gate&client_secret=guess-0123456789");
    house.call("GET", "/read", "Cookie: __Host-portcullis-session=cookie-0123456789\r\n");
    let last = house.get("/read");
    house.log_of(&last);
    for secret in ["client-secret-0123456789", token.as_str(), "guess-0123456789", "cookie-0123456789"] {
        assert_eq!(house.mentions(secret), 0, "S42.2: {secret}");
    }
}

#[test]
fn connections_of_one_address_have_a_bound_of_their_own() {
    let plot = Plot::new();
    let yaml = plot.yaml("routes: [{match: GET /x, access: public, respond: echo}]\n").replacen(
        "}]",
        ", limits: {connections_per_address: 3}}]",
        1,
    );
    let house = plot.start(&yaml);
    let mut open: Vec<_> = (0..3).map(|_| house.wire()).collect();
    for wire in &mut open {
        wire.send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(wire.answer().status, 200, "S39.4");
    }
    assert!(house.wire().is_closed(), "S39.4: one too many");
    house.wait_for_metric("portcullis_connections_refused_total", &[], |sum| sum >= 1.0);
    let other = std::process::Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--interface", "127.0.0.2"])
        .arg(format!("http://127.0.0.1:{}/x", house.port))
        .output()
        .expect("curl is installed");
    assert_eq!(String::from_utf8_lossy(&other.stdout), "200", "S39.4: another address");
    drop(open);
    house.wait_for_metric("portcullis_connections_open", &[], |open| open == 0.0);
    assert_eq!(house.get("/x").status, 200, "S39.4: there is room again");
}

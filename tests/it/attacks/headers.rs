//! Headers that pretend: forwarded addresses, identity, hop-by-hop tricks, and credentials in odd places.

use super::Bed;
use crate::support::Reply;
use crate::support::house::Plot;
use crate::support::{Issuer, Upstream, wire};

fn get(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1⏎Host: api.test⏎{lines}Connection: close⏎⏎")
}

#[test]
fn what_says_where_a_request_came_from_is_the_gateways_own() {
    let bed = Bed::new();
    let steer =
        "X-Forwarded-Uri: /public/x⏎X-Original-URL: /public/x⏎X-Rewrite-URL: /public/x⏎X-Original-URI: /public⏎";
    bed.answers("S14.1", &get("/api/a", steer), &[401], &[]);
    let lies = "X-Forwarded-For: 127.0.0.9⏎X-Forwarded-For: 1.1.1.1⏎Forwarded: for=6.6.6.6;proto=https⏎X-Real-IP: 6.6.6.6⏎\
                True-Client-IP: 6.6.6.6⏎CF-Connecting-IP: 6.6.6.6⏎X-Client-IP: 6.6.6.6⏎X-Cluster-Client-Ip: 6.6.6.6⏎\
                X-Forwarded-Proto: https⏎X-Forwarded-Host: evil.test⏎X-Forwarded-Port: 1⏎X-Forwarded-Prefix: /evil⏎\
                X-Forwarded-Server: evil⏎X-Forwarded-Ssl: on⏎X-Forwarded-Scheme: https⏎Front-End-Https: on⏎\
                X_Forwarded_For: 6.6.6.6⏎X.Forwarded.For: 6.6.6.6⏎";
    let (answers, seen) = bed.answers("S14.2", &get("/public/x", &(steer.to_owned() + lies)), &[200], &["/public/x"]);
    let head = &seen[0].head;
    for lie in ["6.6.6.6", "127.0.0.9", "1.1.1.1", "evil", "/public/x\r\n", "https"] {
        assert!(!head.contains(lie), "S14.2: {lie} in {head}");
    }
    assert_eq!(seen[0].header("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen[0].header("x-forwarded-proto"), "http");
    assert!(!answers[0].has("strict-transport-security"), "S14.4 S38.2");
    let many = "X-Forwarded-For: 1.1.1.1⏎".repeat(50);
    bed.answers("S14.6", &get("/public/x", &many), &[200], &["/public/x"]);
    let hops = format!("X-Forwarded-For: {}⏎", vec!["1.1.1.1"; 2000].join(", "));
    let (answers, _) = bed.says("S14.6", &get("/public/x", &hops));
    assert!([200, 400, 431].contains(&answers[0].status), "S14.6: {}", answers[0].status);
}

#[test]
fn the_hop_before_the_trusted_ones_is_the_client() {
    let (upstream, plot) = (Upstream::plain(), Plot::new());
    let yaml = format!(
        "version: 1\nlisten: [{{address: \"127.0.0.1:{}\", trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]}}]\n\
         admin: {{address: \"127.0.0.1:{}\"}}\nupstreams: {{far: {{servers: [\"http://127.0.0.1:{}\"]}}}}\n\
         routes: [{{match: \"* /**\", access: public, upstream: far}}]\n",
        plot.port, plot.admin, upstream.port
    );
    let house = plot.start(&yaml);
    for (lines, client) in [
        ("X-Forwarded-For: 6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.9", "203.0.113.9"),
        ("X-Forwarded-For: 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        ("X-Forwarded-For: 10.0.0.2, 10.0.0.1", "10.0.0.2"),
    ] {
        let answer = house.raw(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\nConnection: close\r\n\r\n"));
        assert_eq!(answer.status, 200, "S14.3: {lines}");
        assert_eq!(house.log_of(&answer)["client.address"], client, "S14.3: {lines}");
    }
}

#[test]
fn g_13_rs_07_nobody_but_the_gateway_says_who_calls() {
    let bed = Bed::new();
    let names = [
        "X-Auth-Subject",
        "x_auth_subject",
        "X.Auth.Subject",
        "X-AUTH-SUBJECT",
        "X_Auth-Scope",
        "X-Auth-Scope",
        "X-Auth-Roles",
        "X-Auth-Client",
        "X-Auth-Issuer",
        "X-Auth-Token",
        "X-User",
        "X_User",
        "X-Scopes",
        "X-Userinfo",
        "Remote-User",
        "Remote_User",
        "Remote.User",
        "X-Remote-User",
        "X-Forwarded-User",
        "X-Auth-Request-User",
        "X-Auth_Request_User",
        "Proxy",
        "X-Forwarded-Client-Cert",
        "X-SSL-Client-Verify",
        "X-Client-Cert",
    ];
    let lines: String = names.iter().map(|name| format!("{name}: forged⏎")).collect();
    for (id, target, token) in [("S15.1", "/public/x", ""), ("S15.2", "/api/a", "T.read⏎")] {
        let (_, seen) = bed.answers(id, &get(target, &(lines.clone() + token)), &[200], &[target]);
        assert!(!seen[0].head.contains("forged"), "{id}: {}", seen[0].head);
    }
    bed.refuses("S15.2", "GET /public/x HTTP/1.1⏎Host: api.test⏎X-Auth-Subject : a⏎⏎", &[400]);
    // A claim that the token does not have is no header at all, and one that could break out of its line does not.
    let nobody = bed.issuer.token_with(|claims| drop(claims.as_object_mut().unwrap().remove("client_id")));
    let forged = format!("Authorization: Bearer {nobody}⏎X-Auth-Client: forged⏎");
    let (_, seen) = bed.answers("S15.4", &get("/api/a", &forged), &[200], &["/api/a"]);
    assert!(!seen[0].has("x-auth-client"), "S15.4: {}", seen[0].head);
    for subject in ["a\r\nX-Auth-Scope: admin", "a,b", "ÄÖ", "a\u{0}b", "a\nb"] {
        let token = bed.issuer.token_with(|claims| claims["sub"] = subject.into());
        let (answers, seen) = bed.says("S15.3", &get("/api/a", &format!("Authorization: Bearer {token}⏎")));
        assert!([200, 401].contains(&answers[0].status), "S15.3: {}", answers[0].status);
        for seen in seen {
            let own = |name: &str| seen.headers.iter().filter(|(own, _)| own == name).count();
            assert!(own("x-auth-subject") <= 1 && own("x-auth-scope") == 1, "S15.3: {}", seen.head);
            assert!(seen.header("x-auth-subject").is_ascii(), "S15.3: {}", seen.head);
            assert_eq!(seen.header("x-auth-scope"), "read");
        }
    }
}

#[test]
fn another_method_in_a_header_moves_nothing() {
    let bed = Bed::new();
    for name in ["X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "X_Http_Method_Override"] {
        let (_, seen) = bed.answers("S15.6", &get("/public/x", &format!("{name}: DELETE⏎")), &[200], &["/public/x"]);
        assert!(!seen[0].head.contains("DELETE"), "S15.6: {}", seen[0].head);
    }
}

#[test]
fn what_servers_believe_of_proxies_does_not_come_from_a_client() {
    let bed = Bed::new();
    for name in ["Proxy", "X-Forwarded-Client-Cert", "X-SSL-Client-Verify", "X-SSL-Client-S-DN", "SSL-Client-Cert"] {
        let probe = get("/public/x", &format!("{name}: forged-by-client⏎"));
        let (_, seen) = bed.answers("S15.5", &probe, &[200], &["/public/x"]);
        assert!(!seen[0].head.contains("forged-by-client"), "S15.5: {}", seen[0].head);
    }
}

/// What a condition reads of a header that stands there twice is all of it: neither the good value alone nor the bad one.
#[test]
fn a_condition_sees_every_value_of_a_header() {
    let bed = Bed::with(
        |seen| Reply::ok(&seen.target),
        "  - {match: GET api.test/paid, access: {scope: read, when: \"request.headers['x-tier'] == 'paid'\"}}\n  \
         - {match: GET api.test/not-free, access: {scope: read, when: \"!request.headers['x-tier'].contains('free')\"}}\n",
    );
    for path in ["/paid", "/not-free"] {
        bed.answers("S17.1", &get(path, "T.read⏎X-Tier: paid⏎"), &[200], &[path]);
        for lines in
            ["X-Tier: paid⏎X-Tier: free⏎", "X-Tier: free⏎X-Tier: paid⏎", "X-Tier: paid,free⏎", "X-Tier: free⏎", ""]
        {
            let (answers, _) = bed.answers("S17.1", &get(path, &format!("T.read⏎{lines}")), &[403], &[]);
            assert_eq!(answers[0].code(), "condition_failed", "S17.1: {path} {lines}");
        }
    }
}

#[test]
fn a_token_in_the_query_beside_one_in_the_header_is_one_too_many() {
    let bed = Bed::new();
    let probe = get("/api/a?access_token=x", "T.read⏎");
    let (answers, _) = bed.answers("S18.3", &probe, &[400], &[]);
    assert_eq!(answers[0].code(), "credentials_duplicated", "S18.3");
}

#[test]
fn a_client_cannot_have_the_gateways_headers_taken_off() {
    let bed = Bed::new();
    let nominated =
        "close, X-Auth-Subject, X-Auth-Scope, X-Forwarded-For, X-Forwarded-Proto, Authorization, X-Request-Id, Via";
    let probe = format!("GET /api/a HTTP/1.1⏎Host: api.test⏎T.read⏎Connection: {nominated}⏎⏎");
    let (_, seen) = bed.answers("S16.1", &probe, &[200], &["/api/a"]);
    for name in ["x-auth-subject", "x-auth-scope", "x-forwarded-for", "x-forwarded-proto", "x-request-id"] {
        assert!(seen[0].has(name), "S16.1: {name} in {}", seen[0].head);
    }
    for name in ["Host", "Content-Length", "Transfer-Encoding"] {
        let probe =
            format!("POST /public/x HTTP/1.1⏎Host: api.test⏎Content-Length: 5⏎Connection: close, {name}⏎⏎hello");
        let (answers, seen) = bed.says("S16.2", &probe);
        assert!([200, 400].contains(&answers[0].status), "S16.2");
        assert!(seen.iter().all(|seen| seen.body == b"hello"), "S16.2");
    }
    let odd =
        [bed.bytes("GET /public/x HTTP/1.1⏎Host: api.test⏎Connection: close, "), b"\xff\r\n\r\n".to_vec()].concat();
    assert!([200, 400].contains(&wire::exchange(bed.house.port, odd).status), "S16.3");
    let hops = "Keep-Alive: 1⏎Proxy-Connection: keep-alive⏎TE: trailers⏎Trailer: X⏎Proxy-Authorization: Basic YTpi⏎";
    let (_, seen) = bed.answers("S16.4", &get("/public/x", hops), &[200], &["/public/x"]);
    for name in ["keep-alive", "proxy-connection", "te", "trailer", "proxy-authorization"] {
        assert!(!seen[0].has(name), "S16.4: {name} in {}", seen[0].head);
    }
}

#[test]
fn a_header_that_must_be_one_is_one() {
    let bed = Bed::new();
    for lines in [
        "Content-Type: text/plain⏎Content-Type: text/html⏎",
        "Origin: https://a.test⏎Origin: https://b.test⏎",
        "T.read⏎T.read⏎",
        "T.read⏎Authorization: Basic YTpi⏎",
    ] {
        let (answers, seen) = bed.says("S17.2", &get("/api/a", &format!("T.read⏎{lines}")));
        assert!([400, 401].contains(&answers[0].status) && seen.is_empty(), "S17.2: {lines} {}", answers[0].status);
    }
}

#[test]
fn rs_01_rs_02_a_bearer_token_comes_in_one_header_in_one_form() {
    let bed = Bed::new();
    let token = bed.read.clone();
    for (id, target, lines) in [
        ("S18.1", format!("/api/a?access_token={token}"), String::new()),
        ("S18.4", "/api/a".into(), format!("Authorization: Bearer {token}, Bearer {token}⏎")),
        ("S18.4", "/api/a".into(), format!("Authorization: Bearer⇥{token}⏎")),
        ("S18.4", "/api/a".into(), format!("Authorization: Bearer{token}⏎")),
        ("S18.4", "/api/a".into(), "Authorization: Bearer ⏎".to_owned()),
        ("S18.4", "/api/a".into(), "Authorization: Bearer⏎".to_owned()),
        ("S18.4", "/api/a".into(), format!("Authorization: Bearer {token} x⏎")),
        ("S18.4", "/api/a".into(), format!("Authorization: {token}⏎")),
        ("S18.4", "/api/a".into(), format!("Authorization: Token {token}⏎")),
        ("S18.5", "/api/a".into(), format!("Proxy-Authorization: Bearer {token}⏎")),
        ("S18.5", "/api/a".into(), format!("X-Authorization: Bearer {token}⏎Cookie: access_token={token}⏎")),
        ("S40.4", "/api/a".into(), format!("Authorization: Bearer {}⏎", "a".repeat(20 * 1024))),
    ] {
        let (answers, seen) = bed.says(id, &get(&target, &lines));
        assert!([400, 401, 431].contains(&answers[0].status), "{id}: {} to {lines}", answers[0].status);
        assert!(seen.is_empty(), "{id}");
        assert!(!answers[0].text().contains(&token), "S38.4: reflected");
    }
    let form = format!("access_token={token}");
    let probe = format!(
        "POST /api/a HTTP/1.1⏎Host: api.test⏎Content-Type: application/x-www-form-urlencoded⏎Content-Length: {}⏎\
         Connection: close⏎⏎{form}",
        form.len()
    );
    bed.answers("S18.2", &probe, &[401], &[]);
    for scheme in ["bearer", "BEARER", "Bearer"] {
        bed.answers("S18.4", &get("/api/a", &format!("Authorization: {scheme} {token}⏎")), &[200], &["/api/a"]);
    }
    let (answers, _) = bed.answers("S18.6", &get("/api/a", ""), &[401], &[]);
    let challenge = answers[0].header("www-authenticate");
    assert!(challenge.starts_with("Bearer ") && !challenge.contains("error="), "S18.6: {challenge}");
    let (answers, _) = bed.answers("S18.6", &get("/api/admin/a", "T.read⏎"), &[403], &[]);
    let challenge = answers[0].header("www-authenticate");
    assert!(challenge.contains("error=\"insufficient_scope\"") && challenge.contains("scope=\"admin\""), "{challenge}");
}

#[test]
fn nothing_of_a_request_stands_in_an_answer_of_the_gateway() {
    let bed = Bed::new();
    for (target, lines) in [
        ("/nowhere/<script>alert(1)</script>", ""),
        ("/api/%22%3E%3Cscript%3E", ""),
        ("/api/a?x=<script>", "Authorization: Bearer <script>⏎"),
    ] {
        let (answers, _) = bed.says("S38.4", &get(target, lines));
        let answer = &answers[0];
        let all = format!("{:?} {}", answer.headers, answer.text());
        assert!(!all.contains("script"), "S38.4: {all}");
        if answer.has("content-type") {
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
        }
    }
}

#[test]
fn an_address_in_a_header_changes_no_page_and_no_document() {
    let plot = Plot::new();
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\nauthority: {{issuer: \"http://127.0.0.1:{}\"}}\nroutes: [{{match: GET /x, access: public, respond: echo}}]\n",
        plot.port
    ));
    let house = plot.start(&yaml);
    let lies = "X-Forwarded-Host: evil.test\r\nForwarded: host=evil.test\r\nX-Forwarded-Proto: gopher\r\nX-Host: evil.test\r\n";
    for target in ["/.well-known/openid-configuration", "/login", "/oauth/authorize?client_id=x", "/account"] {
        let answer = house.call("GET", target, lies);
        let all = format!("{:?} {}", answer.headers, answer.text());
        assert!(!all.contains("evil") && !all.contains("gopher"), "S14.5: {target} {all}");
    }
}

#[test]
fn an_issuer_of_tokens_is_not_asked_where_a_token_says() {
    let spy = Upstream::plain();
    let bed = Bed::new();
    let address = format!("http://127.0.0.1:{}/jwks", spy.port);
    let foreign = Issuer::start();
    for token in [
        foreign.token("read"),
        super::jose::headed(
            &bed,
            &serde_json::json!({"alg": "ES256", "typ": "at+jwt", "jku": address, "x5u": address}),
        ),
    ] {
        bed.answers("S20.2", &get("/api/a", &format!("Authorization: Bearer {token}⏎")), &[401], &[]);
    }
    assert_eq!(spy.connections(), 0, "S20.2");
}

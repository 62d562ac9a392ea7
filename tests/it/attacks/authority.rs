//! The authorization server, attacked over sockets: redirects, PKCE, codes, clients, parameters, pages.

use crate::conformance::{BYE, CALLBACK, End, Run, SECRET};
use crate::support::browser::VERIFIER;

fn basic() -> String {
    format!("Authorization: Basic {}\r\n", base64_simd::STANDARD.encode_to_string(format!("web:{SECRET}")))
}

#[test]
fn nobody_is_sent_to_an_address_that_is_not_registered_letter_by_letter() {
    for (id, uri) in [
        ("S27.1", "https://app.example.com/cb/"),
        ("S27.1", "https://app.example.com/cb/../evil"),
        ("S27.1", "https://app.example.com/cb%2f.."),
        ("S27.1", "https://app.example.com/cb?x=1"),
        ("S27.1", "https://app.example.com/CB"),
        ("S27.1", "https://app.example.com:443/cb"),
        ("S27.1", "http://app.example.com/cb"),
        ("S27.2", "https://app.example.com@evil.test/cb"),
        ("S27.2", "https://evil.test#@app.example.com/cb"),
        ("S27.2", "https://evil.test\\@app.example.com/cb"),
        ("S27.2", "https://app.example.com.evil.test/cb"),
        ("S27.5", "javascript:alert(1)"),
        ("S27.5", "data:text/html,x"),
        ("S27.5", "//evil.test/cb"),
        ("S27.5", "https://app.example.com/cb\r\nX: y"),
        ("S27.5", "https://app.example.com/cb#x"),
    ] {
        let page = Run::new().authorize(&[("redirect_uri", uri)]).page();
        assert!(page.status == 400 && !page.has("location"), "{id}: {uri} {page:?}");
        assert!(!page.text().contains("evil.test"), "{id}: reflected");
    }
    for name in ["redirect_uri", "client_id", "scope", "state", "response_type"] {
        let mut run = Run::new();
        let query = format!("{}&{name}=again", run.query(&[]));
        let page = run.with_browser(|browser| {
            let first = browser.get(&format!("/oauth/authorize?{query}"));
            browser.through("/login", ("alice", "a sentence of alice"));
            first
        });
        let location = page.header("location");
        assert!(page.status == 400 || location.starts_with("/login"), "S27.3: {name} {page:?}");
    }
}

#[test]
fn a_code_needs_its_verifier_its_client_and_its_address_and_is_good_once() {
    let mut run = Run::new();
    let form = |code: &str, more: &str| format!("grant_type=authorization_code&code={code}{more}");
    let ask = |run: &Run, form: &str| {
        let answer = run.house.post_form("/oauth/token", &basic(), form);
        (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
    };
    let code = run.authorize(&[]).code();
    let refused = (400, "invalid_grant".to_owned());
    assert_eq!(ask(&run, &form(&code, "")), refused, "S28.1");
    let elsewhere = format!("&code_verifier={VERIFIER}&redirect_uri=https://app.example.com/other");
    assert_eq!(ask(&run, &form(&code, &elsewhere)), refused, "S27.6");
    for verifier in ["x".repeat(42), "x".repeat(129), format!("{}%", &VERIFIER[..42])] {
        let (status, error) = ask(&run, &form(&code, &format!("&code_verifier={verifier}")));
        assert!(status == 400 && ["invalid_grant", "invalid_request"].contains(&error.as_str()), "S28.5: {error}");
    }
    let code = run.authorize(&[]).code();
    assert_eq!(run.redeem(&code).status, 200);
    assert_eq!(ask(&run, &form(&code, &format!("&code_verifier={VERIFIER}"))), refused, "S29.1");
    for wrong in [format!("{code}x"), code[..code.len() - 1].to_owned(), format!("{code}%00"), "pc_ac_".to_owned()] {
        assert_eq!(ask(&run, &form(&wrong, &format!("&code_verifier={VERIFIER}"))), refused, "S29.4");
    }
    for (name, value) in [
        ("code_challenge_method", "plain"),
        ("code_challenge_method", "S512"),
        ("code_challenge_method", "s256"),
        ("code_challenge", "short"),
        ("code_challenge", ""),
    ] {
        assert_eq!(Run::new().authorize(&[(name, value)]).error(), "invalid_request", "S28.3 S28.4: {name}={value}");
    }
}

#[test]
fn a_token_request_has_one_form_and_one_way_to_say_who_asks() {
    let run = Run::new();
    let both = format!("grant_type=client_credentials&client_id=web&client_secret={SECRET}");
    assert_eq!(run.house.post_form("/oauth/token", &basic(), &both).json()["error"], "invalid_request", "S31.1");
    let other = "grant_type=client_credentials&client_id=other";
    let answer = run.house.post_form("/oauth/token", &basic(), other);
    assert!([400, 401].contains(&answer.status), "S31.1");
    for form in ["client_id=web", "client_id=web&client_secret=", "client_secret=x"] {
        let answer = run.house.post_form("/oauth/token", "", &format!("grant_type=client_credentials&{form}"));
        assert!([400, 401].contains(&answer.status), "S31.2: {form} {}", answer.status);
    }
    for basic in ["Basic !!!", "Basic", "Basic d2Vi", "Basic /////w==", "Bearer x"] {
        let headers = format!("Authorization: {basic}\r\n");
        let answer = run.house.post_form("/oauth/token", &headers, "grant_type=client_credentials");
        assert!([400, 401].contains(&answer.status), "S31.5: {basic} {}", answer.status);
    }
    for grant in ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "none"] {
        let answer = run.house.post_form("/oauth/token", &basic(), &format!("grant_type={grant}"));
        let error = answer.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(["unsupported_grant_type", "unauthorized_client"].contains(&error.as_str()), "S32.1: {grant} {error}");
    }
    assert_eq!(run.get("/oauth/token?grant_type=client_credentials", "").status, 405, "S32.2");
    let json = "{\"grant_type\":\"client_credentials\"}";
    let bytes = |kind: &str, target: &str, more: &str| {
        run.house.raw(format!(
            "POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{}Content-Type: {kind}\r\n{more}Content-Length: {}\r\n\
             Connection: close\r\n\r\n{json}",
            basic(),
            json.len()
        ))
    };
    assert_eq!(bytes("application/json", "/oauth/token", "").status, 400, "S32.2");
    let urlencoded = "application/x-www-form-urlencoded";
    assert_eq!(bytes(urlencoded, "/oauth/token?grant_type=client_credentials", "").status, 400, "S32.2");
    let bomb = bytes(urlencoded, "/oauth/token", "Content-Encoding: gzip\r\n").status;
    assert!([400, 415].contains(&bomb), "S40.3: {bomb}");
    let many = format!("grant_type=client_credentials&scope={}", "a+".repeat(10_000));
    assert_eq!(run.house.post_form("/oauth/token", &basic(), &many).status, 400, "S32.4");
    let large = format!("grant_type=client_credentials&x={}", "a".repeat(100_000));
    assert!([400, 413].contains(&run.house.post_form("/oauth/token", &basic(), &large).status), "S40.2");
}

#[test]
fn tokens_of_others_are_nobody_s_business() {
    let mut run = Run::new();
    let tokens = run.tokens(&[]);
    let token = tokens["access_token"].as_str().unwrap();
    for headers in ["", "Authorization: Basic bm9ib2R5Om5vdGhpbmc=\r\n"] {
        assert_eq!(run.house.post_form("/oauth/introspect", headers, &format!("token={token}")).status, 401, "S35.2");
    }
    assert_eq!(
        run.house.post_form("/oauth/revoke", "", &format!("token={token}&client_id=nobody")).status,
        401,
        "S35.3"
    );
    assert_eq!(run.userinfo(&tokens["access_token"]).status, 200, "S35.3: it lives");
    for what in ["id_token", "access_token"] {
        let odd = run.get("/oauth/userinfo", &format!("Authorization: Bearer {}x\r\n", tokens[what].as_str().unwrap()));
        assert_eq!(odd.status, 401, "S23.3: {what}");
    }
    assert_eq!(run.userinfo(&tokens["id_token"]).status, 401, "S23.1");
}

#[test]
fn pages_take_no_orders_from_elsewhere() {
    let mut run = Run::new();
    let End::Page(login) = run.first(&[]) else { panic!("no login page") };
    let policy = login.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'"), "S33.5: {policy}");
    assert_eq!(login.header("x-frame-options"), "DENY", "S33.5");
    for cookie in login.headers("set-cookie") {
        for part in ["__Host-", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(part) && !cookie.contains("Domain"), "S37.1: {cookie}");
        }
    }
    let form = "username=alice&password=a+sentence+of+alice";
    let without_mark = run.house.post_form("/login", "", form).status;
    assert!([400, 403].contains(&without_mark), "S33.2: {without_mark}");
    let cross = "Origin: https://evil.test\r\nSec-Fetch-Site: cross-site\r\n";
    let from_elsewhere = run.house.post_form("/login", cross, form).status;
    assert!([400, 403].contains(&from_elsewhere), "S33.2: {from_elsewhere}");
    let odd_cookies = [
        "\u{2000}__Host-portcullis-session=evil",
        "=__Host-portcullis-session=evil",
        "__Host-portcullis-session=a; __Host-portcullis-session=b",
        "$Version=1; __Host-portcullis-session=\"a; b\"",
        "__Host-portcullis-session",
    ];
    for cookie in odd_cookies {
        let page = run.get("/account", &format!("Cookie: {cookie}\r\n"));
        assert!(
            page.status == 303 || page.text().contains("name=\"password\"") || page.status == 400,
            "S37.2: {cookie}"
        );
    }
    for query in
        ["post_logout_redirect_uri=https://evil.test", &format!("post_logout_redirect_uri={BYE}"), "next=//evil.test"]
    {
        let page = run.get(&format!("/oauth/logout?{query}"), "");
        assert!(!page.has("location"), "S33.6: {page:?}");
    }
    for next in ["/\\evil.test", "//evil.test", "/%09/evil.test", "/%2f%2fevil.test", "https:evil.test"] {
        let page = run.get(&format!("/login?next={next}&return_to={next}&t={next}"), "");
        assert!(!page.header("location").contains("evil"), "S33.8: {page:?}");
    }
    assert_eq!(Run::new().first(&[("prompt", "none")]).error(), "login_required", "S33.7");
    assert_eq!(
        Run::new().authorize(&[("redirect_uri", CALLBACK), ("response_type", "token")]).error(),
        "unsupported_response_type",
        "S32.3"
    );
}

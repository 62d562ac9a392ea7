//! The code flow, its tokens, and what UserInfo tells.

use serde_json::Value;

use super::{CALLBACK, Run, SECRET};

#[test]
fn oidcc_server() {
    let mut run = Run::new();
    let answered = run.authorize(&[]).client();
    assert_eq!((answered["state"].as_str(), answered["iss"].as_str()), ("a state", run.issuer().as_str()));
    let answer = run.redeem(&answered["code"]);
    assert_eq!(answer.header("cache-control"), "no-store");
    let tokens = answer.json();
    assert_eq!(tokens["token_type"], "Bearer");
    let claims = run.claims(&tokens);
    assert_eq!(claims["nonce"], "n-1");
    let userinfo = run.userinfo(&tokens["access_token"]).json();
    assert_eq!(userinfo["sub"], claims["sub"]);
}

#[test]
fn oidcc_response_type_missing() {
    let mut run = Run::new();
    assert_eq!(run.authorize(&[("response_type", "")]).error(), "invalid_request");
}

#[test]
fn oidcc_idtoken_signature() {
    let mut run = Run::new();
    let tokens = run.tokens(&[]);
    let claims = run.claims(&tokens);
    let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
    assert_eq!((text("iss"), text("aud")), (run.issuer(), "web".to_owned()));
    assert!((1..=255).contains(&text("sub").len()));
    let (made, ends) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    assert!(ends > made && made.abs_diff(crate::support::issuer::now()) < 300);
    // Left half of the access token's hash (OpenID Connect Core section 3.1.3.6).
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, tokens["access_token"].as_str().unwrap().as_bytes());
    assert_eq!(text("at_hash"), base64_simd::URL_SAFE_NO_PAD.encode_to_string(&digest.as_ref()[..16]));
}

#[test]
fn oidcc_userinfo_get() {
    let mut run = Run::new();
    let tokens = run.tokens(&[]);
    let answer = run.userinfo(&tokens["access_token"]);
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.json()["sub"], run.claims(&tokens)["sub"]);
}

#[test]
fn oidcc_userinfo_post_header() {
    let mut run = Run::new();
    let tokens = run.tokens(&[]);
    let bearer = format!("Authorization: Bearer {}\r\n", tokens["access_token"].as_str().unwrap());
    let answer = run.house.post_form("/oauth/userinfo", &bearer, "");
    assert_eq!((answer.status, &answer.json()["sub"]), (200, &run.claims(&tokens)["sub"]));
}

#[test]
fn oidcc_userinfo_post_body() {
    let mut run = Run::new();
    let tokens = run.tokens(&[]);
    let form = format!("access_token={}", tokens["access_token"].as_str().unwrap());
    let answer = run.house.post_form("/oauth/userinfo", "", &form);
    assert_eq!((answer.status, &answer.json()["sub"]), (200, &run.claims(&tokens)["sub"]));
}

#[test]
fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow() {
    let mut run = Run::new();
    let tokens = run.tokens(&[("nonce", "")]);
    assert_eq!(run.claims(&tokens)["nonce"], Value::Null);
}

/// What UserInfo tells with these scopes: exactly these members beside `sub`.
fn check_scope(scope: &str, members: &[&str]) {
    let mut run = Run::new();
    let tokens = run.tokens(&[("scope", scope)]);
    let told = run.userinfo(&tokens["access_token"]).json();
    let mut names: Vec<&str> =
        told.as_object().unwrap().keys().map(String::as_str).filter(|name| *name != "sub").collect();
    names.sort_unstable();
    assert_eq!(names, members, "{scope}");
    // With a code, claims of scopes are told by UserInfo alone (OpenID Connect Core section 5.4).
    assert_eq!(run.claims(&tokens)["email"], Value::Null);
}

#[test]
fn oidcc_scope_profile() {
    check_scope("openid profile", &["locale", "name", "preferred_username"]);
}

#[test]
fn oidcc_scope_email() {
    check_scope("openid email", &["email", "email_verified"]);
}

/// Not offered, and not advertised.
#[test]
fn oidcc_scope_address() {
    let mut run = Run::new();
    assert_eq!(run.authorize(&[("scope", "openid address")]).error(), "invalid_scope");
    assert!(!run.metadata()["scopes_supported"].to_string().contains("address"));
}

/// Not offered, and not advertised.
#[test]
fn oidcc_scope_phone() {
    let mut run = Run::new();
    assert_eq!(run.authorize(&[("scope", "openid phone")]).error(), "invalid_scope");
    assert!(!run.metadata()["scopes_supported"].to_string().contains("phone"));
}

#[test]
fn oidcc_scope_all() {
    check_scope("openid profile email", &["email", "email_verified", "locale", "name", "preferred_username"]);
}

#[test]
fn oidcc_alternate_happy_flow() {
    let mut run = Run::new();
    let mut members: Vec<(String, String)> =
        url::form_urlencoded::parse(run.query(&[("scope", "email openid profile")]).as_bytes()).into_owned().collect();
    members.reverse();
    let turned: Vec<(&str, &str)> = members.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let tokens = run.tokens(&turned);
    assert!(run.userinfo(&tokens["access_token"]).text().contains("alice@example.com"));
}

#[test]
fn oidcc_codereuse() {
    let mut run = Run::new();
    let code = run.authorize(&[]).code();
    let tokens = run.redeem(&code).json();
    let again = run.redeem(&code);
    assert_eq!((again.status, again.json()["error"].as_str()), (400, Some("invalid_grant")));
    assert_eq!(run.userinfo(&tokens["access_token"]).status, 401, "what came of it is revoked");
}

#[test]
fn oidcc_ensure_registered_redirect_uri() {
    let mut run = Run::new();
    let page = run.authorize(&[("redirect_uri", "https://app.example.com/cb/other")]).page();
    assert!(page.status == 400 && !page.has("location"), "{page:?}");
}

#[test]
fn oidcc_ensure_post_request_succeeds() {
    let run = Run::new();
    let form = run.query(&[]);
    let answer = run.house.post_form("/oauth/authorize", "", &form);
    // Once more by GET: that is how a browser's cookies come along from another site.
    let again = answer.header("location");
    assert!(answer.status == 303 && again.starts_with("/oauth/authorize?"), "{answer:?}");
    let answer = run.get(again, "");
    assert!(answer.status == 303 && answer.header("location").starts_with("/login"), "{answer:?}");
}

#[test]
fn oidcc_server_client_secret_post() {
    let mut run = Run::new();
    let code = run.authorize(&[]).code();
    let answer = run.redeem_with(&code, "", &format!("&client_id=web&client_secret={SECRET}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    run.claims(&answer.json());
}

#[test]
fn oidcc_refresh_token() {
    let mut run = Run::new();
    assert_eq!(run.tokens(&[])["refresh_token"], Value::Null, "only with offline_access");
    let tokens = run.tokens(&[("scope", "openid offline_access"), ("prompt", "consent")]);
    let basic = base64_simd::STANDARD.encode_to_string(format!("web:{SECRET}"));
    let form = format!("grant_type=refresh_token&refresh_token={}", tokens["refresh_token"].as_str().unwrap());
    let answer = run.house.post_form("/oauth/token", &format!("Authorization: Basic {basic}\r\n"), &form);
    let new = answer.json();
    assert_eq!(answer.status, 200, "{new}");
    assert_ne!(new["access_token"], tokens["access_token"]);
    let (first, second) = (run.claims(&tokens), run.claims(&new));
    for name in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(first[name], second[name], "{name}");
    }
    // Another client cannot use it.
    let foreign = run.house.post_form("/oauth/token", "", &format!("{form}&client_id=nobody"));
    assert_eq!(foreign.status, 401);
}

#[test]
fn oidcc_ensure_request_with_valid_pkce_succeeds() {
    let mut run = Run::new();
    let code = run.authorize(&[]).code();
    let basic = base64_simd::STANDARD.encode_to_string(format!("web:{SECRET}"));
    let headers = format!("Authorization: Basic {basic}\r\n");
    let without = format!("grant_type=authorization_code&code={code}&redirect_uri={CALLBACK}");
    assert_eq!(run.house.post_form("/oauth/token", &headers, &without).json()["error"], "invalid_grant");
    assert_eq!(run.redeem(&code).status, 200);
}

#[test]
fn oidcc_discovery_endpoint_verification() {
    let run = Run::new();
    let told = run.metadata();
    assert_eq!(told["issuer"], run.issuer());
    for name in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint"] {
        let url = told[name].as_str().unwrap_or_else(|| panic!("{name} is missing"));
        let path = url.strip_prefix(&run.issuer()).unwrap_or_else(|| panic!("{name} is elsewhere: {url}"));
        assert_ne!(run.get(path, "").status, 404, "{name}");
    }
    let has = |name: &str, value: &str| {
        assert!(told[name].as_array().is_some_and(|list| list.contains(&Value::from(value))), "{name}: {}", told[name]);
    };
    for (name, value) in [
        ("response_types_supported", "code"),
        ("subject_types_supported", "public"),
        ("id_token_signing_alg_values_supported", "RS256"),
        ("scopes_supported", "openid"),
        ("claims_supported", "sub"),
        ("grant_types_supported", "authorization_code"),
        ("code_challenge_methods_supported", "S256"),
        ("token_endpoint_auth_methods_supported", "client_secret_basic"),
    ] {
        has(name, value);
    }
    for (name, value) in [
        ("request_parameter_supported", false),
        ("request_uri_parameter_supported", false),
        ("authorization_response_iss_parameter_supported", true),
    ] {
        assert_eq!(told[name], value, "{name}");
    }
    let keys = run.get("/oauth/jwks", "").json();
    for key in keys["keys"].as_array().unwrap() {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert_eq!(key[private], Value::Null);
        }
        assert!(key["kid"].is_string() && key["use"] == "sig", "{key}");
    }
    // Between host and path as well (RFC 8414), with the same words.
    let other = run.get("/.well-known/oauth-authorization-server", "").json();
    assert_eq!((&other["issuer"], &other["token_endpoint"]), (&told["issuer"], &told["token_endpoint"]));
}

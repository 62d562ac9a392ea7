//! What else a request may say: pages, prompts, hints, locales, and what is not supported.

use serde_json::Value;

use super::{End, Run};

/// A request with this parameter more ends with tokens like one without it.
fn check_harmless(name: &str, value: &str) {
    let mut run = Run::new();
    let tokens = run.tokens(&[(name, value)]);
    assert_eq!(run.claims(&tokens)["nonce"], "n-1", "{name}={value}");
}

#[test]
fn oidcc_display_page() {
    check_harmless("display", "page");
}

#[test]
fn oidcc_display_popup() {
    check_harmless("display", "popup");
}

#[test]
fn oidcc_prompt_login() {
    let mut run = Run::new();
    let first = run.tokens(&[]);
    let page = run.first(&[("prompt", "login")]).page();
    assert!(page.text().contains("name=\"password\""), "the password is asked for again");
    let second = run.tokens(&[("prompt", "login")]);
    let (first, second) = (run.claims(&first), run.claims(&second));
    assert_eq!(first["sub"], second["sub"]);
    assert!(second["auth_time"].as_u64() >= first["auth_time"].as_u64());
}

#[test]
fn oidcc_prompt_none_not_logged_in() {
    let mut run = Run::new();
    assert_eq!(run.first(&[("prompt", "none")]).error(), "login_required");
}

#[test]
fn oidcc_prompt_none_logged_in() {
    let mut run = Run::new();
    let first = run.tokens(&[]);
    let End::Client(answered) = run.first(&[("prompt", "none")]) else { panic!("a page") };
    let second = run.redeem(&answered["code"]).json();
    assert_eq!(run.claims(&first)["sub"], run.claims(&second)["sub"]);
}

#[test]
fn oidcc_max_age_1() {
    let mut run = Run::new();
    let first = run.tokens(&[("max_age", "10000")]);
    let signed_in = run.claims(&first)["auth_time"].as_u64().expect("max_age asks for auth_time");
    while crate::support::issuer::now() < signed_in + 2 {
        std::thread::yield_now();
    }
    let page = run.first(&[("max_age", "1")]).page();
    assert!(page.text().contains("name=\"password\""), "the login is too old");
    let second = run.tokens(&[("max_age", "1")]);
    assert!(run.claims(&second)["auth_time"].as_u64().unwrap() > signed_in);
}

#[test]
fn oidcc_max_age_10000() {
    let mut run = Run::new();
    let first = run.tokens(&[("max_age", "10000")]);
    let second = run.tokens(&[("max_age", "10000")]);
    let (first, second) = (run.claims(&first), run.claims(&second));
    assert!(first["auth_time"].is_u64() && first["auth_time"] == second["auth_time"]);
    assert_eq!(first["sub"], second["sub"]);
}

#[test]
fn oidcc_ensure_request_with_unknown_parameter_succeeds() {
    check_harmless("extra", "foobar");
}

#[test]
fn oidcc_id_token_hint() {
    let mut run = Run::new();
    let first = run.tokens(&[]);
    let hint = first["id_token"].as_str().unwrap().to_owned();
    let End::Client(answered) = run.first(&[("prompt", "none"), ("id_token_hint", &hint)]) else { panic!("a page") };
    let second = run.redeem(&answered["code"]).json();
    assert_eq!(run.claims(&first)["sub"], run.claims(&second)["sub"]);
}

#[test]
fn oidcc_login_hint() {
    let mut run = Run::new();
    let page = run.first(&[("login_hint", "alice")]).page();
    assert!(page.text().contains("value=\"alice\""), "{}", page.text());
    check_harmless("login_hint", "somebody@else");
}

#[test]
fn oidcc_ui_locales() {
    let mut run = Run::new();
    let page = run.first(&[("ui_locales", "xx de")]).page();
    assert!(page.text().contains("<html lang=\"de\">"), "{}", page.text());
    check_harmless("ui_locales", "se");
}

#[test]
fn oidcc_claims_locales() {
    check_harmless("claims_locales", "se");
}

#[test]
fn oidcc_ensure_request_with_acr_values_succeeds() {
    check_harmless("acr_values", "1 2");
}

/// Nothing but the code and its errors comes of a request object, signed or not.
#[test]
fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported() {
    let mut run = Run::new();
    assert_eq!(run.authorize(&[("request_uri", "https://app.example.com/r.jwt")]).error(), "request_uri_not_supported");
}

#[test]
fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported() {
    let mut run = Run::new();
    assert_eq!(run.authorize(&[("request", "eyJhbGciOiJub25lIn0.e30.")]).error(), "request_not_supported");
}

/// The redirect URI of the object is never looked at.
#[test]
fn oidcc_ensure_request_object_with_redirect_uri() {
    let mut run = Run::new();
    let object = |text: &str| base64_simd::URL_SAFE_NO_PAD.encode_to_string(text);
    let request =
        format!("{}.{}.", object("{\"alg\":\"none\"}"), object("{\"redirect_uri\":\"https://evil.example.com/\"}"));
    assert_eq!(run.authorize(&[("request", &request)]).error(), "request_not_supported");
}

/// Voluntary and essential claims do not fail a request (OpenID Connect Core section 5.5); `claims_parameter_supported`
/// says whether they are heard.
#[test]
fn oidcc_claims_essential() {
    let claims = "{\"userinfo\":{\"name\":{\"essential\":true}},\"id_token\":{\"auth_time\":{\"essential\":true}}}";
    let mut run = Run::new();
    let tokens = run.tokens(&[("claims", claims)]);
    let told = run.claims(&tokens);
    if run.metadata()["claims_parameter_supported"] == true {
        assert!(told["auth_time"].is_u64(), "{told}");
    }
    assert_ne!(told["sub"], Value::Null);
}

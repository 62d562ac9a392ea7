//! The authorization endpoint: who comes back to the client with what? Rules AZ.

use super::browser::*;
use super::*;

/// What the client of a request is told, after alice has logged in.
async fn told(changes: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    let house = house().await;
    Browser::new(&house).through(&authorize(changes), "alice").await.answer()
}

async fn fails(changes: &[(&str, &str)], code: &str) {
    let told = told(changes).await;
    assert_eq!(told.get("error").map(String::as_str), Some(code), "{changes:?}: {told:?}");
    assert_eq!((told.get("iss").unwrap().as_str(), told.contains_key("code")), (ISSUER, false));
    assert_eq!(told.get("state").map(String::as_str), Some("a state & more"));
}

#[tokio::test]
async fn az_10_a_good_request_ends_with_a_code_the_state_and_the_issuer_behind_the_registered_query() {
    let house = house().await;
    let page = Browser::new(&house).through(&authorize(&[]), "alice").await;
    assert_eq!(page.status, 303);
    assert!(page.location().starts_with("https://app.test/cb?keep=1&code=pc_ac_"), "{}", page.location());
    let told = page.answer();
    assert_eq!((told["state"].as_str(), told["iss"].as_str()), ("a state & more", ISSUER));
}

#[tokio::test]
async fn az_01_a_request_may_be_posted() {
    let house = house().await;
    let mut browser = Browser::new(&house);
    let request = authorize(&[]);
    let form: Vec<(String, String)> =
        url::form_urlencoded::parse(request.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    let mut form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let page = browser.post("/oauth/authorize", &form).await;
    assert!(page.location().starts_with("/login?t="), "{} {}", page.status, page.html);

    // From elsewhere a browser sends our cookies with a GET alone.
    let mut browser = Browser::new(&house);
    for headers in [&[("sec-fetch-site", "cross-site")][..], &[("sec-fetch-site", "same-site")], &[]] {
        let page = browser.send(Method::POST, "/oauth/authorize", Some(&form), headers).await;
        let (path, query) = page.location().split_once('?').unwrap();
        let again: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let again: Vec<(&str, &str)> = again.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!((page.status, path, &again), (303, "/oauth/authorize", &form));
        assert_eq!(page.header("set-cookie"), "", "a browser that has a name keeps it");
    }
    let long = "x".repeat(10_000);
    form.push(("login_hint", &long));
    let page = browser.send(Method::POST, "/oauth/authorize", Some(&form), &[("sec-fetch-site", "cross-site")]).await;
    assert!(page.location().starts_with("/login?t="), "too long for an address: {}", page.status);
}

#[tokio::test]
async fn az_02_az_03_while_client_or_redirect_uri_is_in_doubt_nobody_is_sent_anywhere() {
    let house = house().await;
    for changes in [
        &[("client_id", "")][..],
        &[("client_id", "nobody")],
        &[("client_id", "<script>")],
        &[("redirect_uri", "https://evil.test/cb")],
        &[("redirect_uri", "https://app.test/cb")],
        &[("redirect_uri", "https://app.test/cb?keep=1&more=1")],
        &[("redirect_uri", "https://app.test/cb?keep=1#x")],
        &[("redirect_uri", "HTTPS://app.test/cb?keep=1")],
        &[("redirect_uri", "javascript:alert(1)")],
        &[("client_id", "reporting"), ("redirect_uri", "")],
    ] {
        let page = Browser::new(&house).get(&authorize(changes)).await;
        assert_eq!((page.status, page.location()), (400, ""), "{changes:?}");
        assert!(page.html.contains("invalid_") && !page.html.contains("evil") && !page.html.contains("<script"));
    }
    for twice in ["client_id=web", "redirect_uri=https%3A%2F%2Fevil.test"] {
        let page = Browser::new(&house).get(&format!("{}&{twice}", authorize(&[]))).await;
        assert_eq!((page.status, page.location()), (400, ""), "{twice}");
    }
    // The only one there is need not be named.
    assert_eq!(Browser::new(&house).get(&authorize(&[("redirect_uri", "")])).await.status, 303);
}

#[tokio::test]
async fn az_06_what_else_is_wrong_is_told_to_the_client() {
    fails(&[("response_type", "")], "invalid_request").await;
    fails(&[("response_type", "id_token")], "unsupported_response_type").await;
    fails(&[("response_type", "code token")], "unsupported_response_type").await;
    fails(&[("scope", "admin")], "invalid_scope").await;
    fails(&[("scope", "openid  read")], "invalid_scope").await;
    fails(&[("scope", "openid nonsense")], "invalid_scope").await;
    fails(&[("prompt", "nonsense")], "invalid_request").await;
    fails(&[("max_age", "soon")], "invalid_request").await;
}

#[tokio::test]
async fn az_07_az_08_every_client_needs_a_challenge_and_s256_alone_is_taken() {
    for changes in [
        &[("code_challenge", "")][..],
        &[("code_challenge", ""), ("code_challenge_method", "")],
        &[("code_challenge_method", "")],
        &[("code_challenge_method", "plain")],
        &[("code_challenge_method", "s256")],
        &[("code_challenge", "short")],
        &[("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM")],
    ] {
        fails(changes, "invalid_request").await;
    }
}

#[tokio::test]
async fn az_09_state_and_nonce_come_back_as_they_were() {
    let state = "ä~\"%&=+ ".repeat(70);
    let told = told(&[("state", &state)]).await;
    assert_eq!(told["state"], state);
    let long = "x".repeat(2049);
    let house = house().await;
    let answer = Browser::new(&house).through(&authorize(&[("nonce", &long)]), "alice").await.answer();
    assert_eq!(answer["error"], "invalid_request");
}

#[tokio::test]
async fn az_11_not_even_an_error_goes_back_before_somebody_is_signed_in() {
    let house = house().await;
    let mut browser = Browser::new(&house);
    let page = browser.get(&authorize(&[("scope", "nonsense")])).await;
    assert!(page.location().starts_with("/login?t="), "{}", page.location());
    // Silently it does: nobody sees a page in between.
    let page = browser.get(&authorize(&[("scope", "nonsense"), ("prompt", "none")])).await;
    assert_eq!(page.answer()["error"], "invalid_scope");
}

#[tokio::test]
async fn az_12_prompt_decides_which_pages_there_are() {
    let house = house().await;
    let mut browser = Browser::new(&house);
    let silent = authorize(&[("prompt", "none")]);
    assert_eq!(browser.get(&silent).await.answer()["error"], "login_required");
    let page = browser.get(&authorize(&[])).await;
    let page = browser.follow(page).await;
    let consent = browser.log_in(&page, "alice").await;
    assert_eq!(browser.get(&silent).await.answer()["error"], "consent_required");
    assert!(browser.allow(&consent).await.answer().contains_key("code"));
    assert!(browser.get(&silent).await.answer().contains_key("code"));
    assert!(browser.get(&authorize(&[])).await.answer().contains_key("code"), "allowed before: no page");

    let page = browser.get(&authorize(&[("prompt", "consent")])).await;
    assert!(browser.follow(page).await.html.contains("name=\"decision\""));
    house.clock.advance(Duration::from_secs(1));
    let page = browser.get(&authorize(&[("prompt", "login")])).await;
    let page = browser.follow(page).await;
    assert!(page.html.contains("name=\"password\"") && page.html.contains("value=\"alice\""));
    assert!(browser.log_in(&page, "alice").await.answer().contains_key("code"), "once is enough");
    let page = browser.get(&authorize(&[("prompt", "select_account")])).await;
    let page = browser.follow(page).await;
    assert!(page.html.contains("Continue as alice"), "{}", page.html);
    assert!(browser.submit(&page, "/login", &[("action", "continue")]).await.answer().contains_key("code"));
    assert_eq!(browser.get(&authorize(&[("prompt", "none login")])).await.answer()["error"], "invalid_request");
}

#[tokio::test]
async fn az_13_an_old_login_is_not_fresh_enough_for_max_age() {
    let house = house().await;
    let mut browser = Browser::new(&house);
    browser.through(&authorize(&[]), "alice").await;
    house.clock.advance(Duration::from_secs(100));
    assert!(browser.get(&authorize(&[("max_age", "1000")])).await.answer().contains_key("code"));
    let page = browser.get(&authorize(&[("max_age", "50")])).await;
    assert!(page.location().starts_with("/login"));
    let page = browser.follow(page).await;
    let code = browser.log_in(&page, "alice").await.answer().remove("code").unwrap();
    let claims = payload(house.redeem("web", &code, "").await.text("id_token"));
    assert_eq!(claims["auth_time"], NOW + 100);
    house.clock.advance(Duration::from_secs(1));
    assert!(browser.get(&authorize(&[("max_age", "0")])).await.location().starts_with("/login"));
    let plain = house.tokens("web", "openid read").await;
    assert_eq!(payload(plain.text("id_token")).get("auth_time"), None, "only when it was asked for");
}

#[tokio::test]
async fn az_14_parameters_that_we_do_not_need_do_no_harm() {
    for (name, value) in [
        ("display", "popup"),
        ("ui_locales", "de xx"),
        ("claims_locales", "de"),
        ("login_hint", "alice"),
        ("acr_values", "1 2"),
        ("claims", "{\"id_token\":{}}"),
        ("id_token_hint", "forged.token.here"),
        ("foo", "bar"),
    ] {
        assert!(told(&[(name, value)]).await.contains_key("code"), "{name}");
    }
    let house = house().await;
    let mut browser = Browser::new(&house);
    let code = browser.through(&authorize(&[]), "alice").await.answer().remove("code").unwrap();
    let hint = house.redeem("web", &code, "").await.text("id_token").to_owned();
    let silent = authorize(&[("prompt", "none"), ("id_token_hint", &hint)]);
    assert!(browser.get(&silent).await.answer().contains_key("code"));
    let mut other = Browser::new(&house);
    other.through(&authorize(&[]), "bob").await;
    assert_eq!(other.get(&silent).await.answer()["error"], "login_required");
}

#[tokio::test]
async fn az_16_im_01_tokens_in_a_redirect_are_not_there_unless_a_client_is_switched_on_for_them() {
    fails(&[("response_type", "token")], "unsupported_response_type").await;
    fails(&[("response_type", "id_token token")], "unsupported_response_type").await;
    let mut parts = people();
    let old = ClientParts {
        redirect_uris: vec![redirect::RedirectUri::new(CALLBACK).unwrap()],
        grants: vec![Grant::Implicit],
        scopes: vec![scope("openid"), scope("read")],
        ..ClientParts::named("old")
    };
    parts.clients.push(client(old));
    let house = House::with(parts).await;
    let im_01 = authorize(&[("client_id", "old"), ("response_type", "token id_token")]);
    let page = Browser::new(&house).through(&im_01, "alice").await;
    assert!(page.location().starts_with(&format!("{CALLBACK}#")), "{}", page.location());
    let told = page.answer();
    assert!(!told.contains_key("refresh_token") && !told.contains_key("code"));
    let claims = payload(&told["id_token"]);
    assert_eq!((&claims["nonce"], claims["at_hash"].is_string()), (&"n-0S6".into(), true));
    assert!(house.authority.own_token(&told["access_token"]).await.unwrap().is_some());
    let without = authorize(&[("client_id", "old"), ("response_type", "id_token token"), ("nonce", "")]);
    assert_eq!(Browser::new(&house).through(&without, "alice").await.answer()["error"], "invalid_request");
}

#[tokio::test]
async fn az_17_an_answer_can_be_posted_by_a_page_of_ours_to_the_redirect_uri_alone() {
    let house = house().await;
    let page = Browser::new(&house).through(&authorize(&[("response_mode", "form_post")]), "alice").await;
    assert_eq!((page.status, page.header("cache-control")), (200, "no-store"));
    assert!(page.html.contains(&format!("action=\"{CALLBACK}\"")), "{}", page.html);
    assert!(page.field("code").unwrap().starts_with("pc_ac_") && page.field("state").is_some());
    assert!(page.header("content-security-policy").contains("form-action https://app.test;"));
    fails(&[("response_mode", "fragment")], "invalid_request").await;
    fails(&[("response_mode", "nonsense")], "invalid_request").await;
}

#[tokio::test]
async fn az_18_requests_by_value_or_by_reference_are_refused_by_name() {
    fails(&[("request", "e30.e30.")], "request_not_supported").await;
    fails(&[("request_uri", "https://evil.test/r")], "request_uri_not_supported").await;
    fails(&[("registration", "{}")], "registration_not_supported").await;
}

#[tokio::test]
async fn az_19_a_resource_must_be_one_that_the_client_may_name() {
    for wrong in ["https://evil.test", "not absolute", "https://api.test/#x"] {
        fails(&[("resource", wrong)], "invalid_target").await;
    }
    let house = house().await;
    let code = house.code(&[("resource", "https://billing.test"), ("scope", "read write")]).await;
    let answer = house.redeem("web", &code, "").await;
    let claims = payload(answer.text("access_token"));
    assert_eq!((&claims["aud"], &claims["scope"]), (&"https://billing.test".into(), &"read".into()));
}

#[tokio::test]
async fn az_21_many_tabs_work_at_once_and_none_breaks_another() {
    let house = house().await;
    let mut browser = Browser::new(&house);
    let mut tabs = Vec::new();
    for state in ["one", "two", "three"] {
        let page = browser.get(&authorize(&[("state", state)])).await;
        tabs.push((state, page.location().to_owned(), browser.follow(page).await));
    }
    for (state, _, page) in &tabs {
        let page = browser.log_in(page, "alice").await;
        let page = if page.html.contains("name=\"decision\"") { browser.allow(&page).await } else { page };
        assert_eq!(page.answer()["state"], *state);
    }
    // The login page of another tab, reloaded after somebody has signed in, goes on instead of asking again.
    let (_, login_page, _) = &tabs[2];
    let done = browser.get(login_page).await;
    assert!(done.html.contains("This is done already"), "{}", done.html);
}

#[tokio::test]
async fn az_21_a_transaction_belongs_to_the_browser_that_began_it() {
    let house = house().await;
    let mut victim = Browser::new(&house);
    let mut thief = Browser::new(&house);
    let page = thief.get(&authorize(&[])).await;
    let carried = page.location().to_owned();
    let page = victim.get(&carried).await;
    assert_eq!(page.status, 400, "login CSRF: {}", page.html);
    assert!(victim.get("/login?t=garbage").await.status == 400);
}

#[tokio::test]
async fn az_22_a_finished_transaction_never_makes_a_second_code() {
    let house = house().await;
    let mut browser = Browser::new(&house);
    let first = browser.get(&authorize(&[])).await;
    let login_page = first.location().to_owned();
    let page = browser.follow(first).await;
    let consent = browser.log_in(&page, "alice").await;
    assert!(browser.allow(&consent).await.answer().contains_key("code"));
    for page in [browser.allow(&consent).await, browser.log_in(&page, "alice").await, browser.get(&login_page).await] {
        assert_eq!((page.status, page.location()), (200, ""), "{}", page.html);
        assert!(page.html.contains("This is done already"), "{}", page.html);
    }
}

/// A browser holds a form to this list on all redirects until there is a page.
#[tokio::test]
async fn ui_01_forms_of_a_sign_in_may_end_at_the_client_and_at_the_pages_that_it_names() {
    let mut parts = people();
    let own = parts.clients.pop().unwrap().parts().clone();
    parts.clients.push(client(ClientParts { origins: vec!["https://home.test".into(), "nonsense;".into()], ..own }));
    let house = House::with(parts).await;
    for (id, more) in [("web", ""), ("own", " https://home.test")] {
        let mut browser = Browser::new(&house);
        let first = browser.get(&authorize(&[("client_id", id)])).await;
        let login = browser.follow(first).await;
        let policy = login.header("content-security-policy").to_owned();
        assert!(policy.contains(&format!("form-action 'self' https://app.test{more};")), "{policy}");
    }
}

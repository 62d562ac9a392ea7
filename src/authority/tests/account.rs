//! Pages and people: rules UI, UI-14 and the account page.

use super::browser::*;
use super::*;

async fn account(house: &House) -> (Browser<'_>, Page) {
    let mut browser = Browser::new(house);
    let first = browser.get("/account").await;
    let page = browser.follow(first).await;
    let page = browser.log_in(&page, "alice").await;
    assert!(page.html.contains("Your account"), "{}", page.html);
    (browser, page)
}

#[tokio::test]
async fn ui_02_a_form_from_elsewhere_does_nothing() {
    let house = house().await;
    let mut browser = Browser::new(&house);
    let first = browser.get(&authorize(&[])).await;
    let login = browser.follow(first).await;
    let (csrf, carried) = (login.field("csrf").unwrap(), login.field("t").unwrap());
    let right = [("t", carried.as_str()), ("csrf", csrf.as_str()), ("username", "alice"), ("password", PASSWORD)];
    for headers in [
        &[("origin", "https://evil.test")][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", ISSUER)],
    ] {
        let page = browser.send(Method::POST, "/login", Some(&right), headers).await;
        assert_eq!(page.status, 403, "{headers:?}");
    }
    for form in [
        &[("t", carried.as_str()), ("username", "alice"), ("password", PASSWORD)][..],
        &[("t", carried.as_str()), ("csrf", "x"), ("username", "alice"), ("password", PASSWORD)],
    ] {
        assert_eq!(browser.post("/login", form).await.status, 403);
    }
    let mut other = Browser::new(&house);
    other.get("/account").await;
    assert_eq!(other.post("/login", &right).await.status, 400, "another browser's transaction");
    assert_eq!(browser.post("/login", &right).await.status, 303);
}

#[tokio::test]
async fn ui_04_signing_in_changes_the_session_s_cookie_and_kills_the_old_one() {
    let house = house().await;
    let mut browser = Browser::new(&house);
    browser.through(&authorize(&[]), "alice").await;
    let before = browser.cookies.clone();
    house.clock.advance(Duration::from_secs(1));
    browser.through(&authorize(&[("prompt", "login")]), "alice").await;
    assert_ne!(browser.cookies["__Host-portcullis-session"], before["__Host-portcullis-session"]);
    let mut old = Browser::new(&house);
    old.cookies = before;
    assert!(old.get("/account").await.location().starts_with("/login"));
}

#[tokio::test]
async fn ui_05_a_session_ends_when_it_is_not_used_and_in_any_case() {
    let house = house().await;
    let (mut browser, _) = account(&house).await;
    for _ in 0..15 {
        house.clock.advance(Duration::from_secs(11 * 3600));
        assert_eq!(browser.get("/account").await.status, 200);
    }
    house.clock.advance(Duration::from_secs(11 * 3600));
    assert_eq!(browser.get("/account").await.status, 303, "seven days");
    let (mut browser, _) = account(&house).await;
    house.clock.advance(Duration::from_secs(12 * 3600 + 1));
    assert_eq!(browser.get("/account").await.status, 303, "twelve hours");
}

#[tokio::test]
async fn ui_06_no_answer_tells_who_exists() {
    let house = house().await;
    let now = house.clock.now();
    house.store.disable_user("usr_bob".into(), true, now, now).await.unwrap();
    let mut answers = Vec::new();
    for (name, password) in [("alice", "wrong password"), ("nobody", "wrong password"), ("bob", PASSWORD), ("", "x")] {
        let mut browser = Browser::new(&house);
        let first = browser.get("/account").await;
        let page = browser.follow(first).await;
        let refused = browser.submit(&page, "/login", &[("username", name), ("password", password)]).await;
        assert!(refused.html.contains("User name or password is not right."), "{name}");
        let carried = [refused.field("t").unwrap(), refused.field("csrf").unwrap()];
        let html = carried.iter().fold(refused.html.clone(), |html, part| html.replace(part, "…"));
        let html = html.replace(&format!("value=\"{name}\""), "value=\"…\"").replace(" autofocus", "");
        let mut headers: Vec<_> = refused.headers.keys().map(ToString::to_string).collect();
        headers.sort_unstable();
        answers.push((refused.status, html, headers));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

#[tokio::test]
async fn ui_07_guessing_is_slowed_down_and_the_owner_is_not_kept_out() {
    let house = house().await;
    let (owner, _) = account(&house).await;
    let known = owner.cookies.clone();
    let mut stranger = Browser::new(&house);
    let first = stranger.get("/account").await;
    let page = stranger.follow(first).await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(stranger.submit(&page, "/login", &[("username", "alice"), ("password", "wrong")]).await.status);
    }
    assert_eq!((statuses[0], statuses[7]), (422, 429), "{statuses:?}");
    let waiting = stranger.submit(&page, "/login", &[("username", "alice"), ("password", PASSWORD)]).await;
    assert!(waiting.status == 429 && !waiting.header("retry-after").is_empty(), "even the right one waits");

    let mut owner = Browser::new(&house);
    owner.cookies = known.into_iter().filter(|(name, _)| !name.ends_with("session")).collect();
    let first = owner.get("/account").await;
    let page = owner.follow(first).await;
    assert!(owner.log_in(&page, "alice").await.html.contains("Your account"));
}

#[tokio::test]
async fn ui_08_a_right_password_kept_in_an_old_form_is_kept_in_the_new_one_from_then_on() {
    let house = house().await;
    account(&house).await;
    let hash = house.store.user("usr_alice".into()).await.unwrap().unwrap().password.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    account(&house).await;
}

/// The code of an app for the secret that a page shows.
fn code_of(page: &Page, house: &House) -> String {
    let secret: String = page.html.split("<code class=\"secret\">").nth(1).unwrap().split('<').next().unwrap().into();
    let mut bits = String::new();
    for letter in secret.chars().filter(|letter| *letter != ' ') {
        let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).unwrap();
        bits.push_str(&format!("{value:05b}"));
    }
    let bytes: Vec<u8> =
        (0..bits.len() / 8).map(|at| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).unwrap()).collect();
    totp::code(&bytes, house.clock.now())
}

#[tokio::test]
async fn ui_09_a_second_factor_is_set_up_used_once_per_step_and_taken_away_again() {
    let house = house().await;
    let (mut browser, page) = account(&house).await;
    let setup = browser.submit(&page, "/account", &[("action", "begin_factor")]).await;
    assert!(setup.html.contains("<svg"), "{}", setup.html);
    let wrong = browser.submit(&setup, "/account", &[("action", "confirm_factor"), ("code", "000000")]).await;
    assert_eq!(wrong.status, 422);
    let code = code_of(&setup, &house);
    let done = browser.submit(&setup, "/account", &[("action", "confirm_factor"), ("code", &code)]).await;
    let codes: Vec<&str> = done.html.split("<li><code>").skip(1).map(|part| part.split('<').next().unwrap()).collect();
    assert_eq!(codes.len(), 10, "{}", done.html);

    let try_code = async |code: &str| {
        let mut browser = Browser::new(&house);
        let first = browser.get("/account").await;
        let page = browser.follow(first).await;
        let second = browser.log_in(&page, "alice").await;
        assert!(second.html.contains("name=\"code\"") && !second.html.contains("Your account"));
        browser.submit(&second, "/login", &[("code", code)]).await.html.contains("Your account")
    };
    assert!(!try_code(&code).await, "the step of the confirmation is used up");
    house.clock.advance(Duration::from_secs(60));
    let code = code_of(&setup, &house);
    assert!(try_code(&code).await);
    assert!(!try_code(&code).await, "a step is good once");
    let recovery = codes[0].to_uppercase().replace('-', " ");
    assert!(try_code(&recovery).await);
    assert!(!try_code(&recovery).await, "a recovery code is good once");

    let page = browser.get("/account").await;
    let gone = browser.submit(&page, "/account", &[("action", "remove_factor")]).await;
    assert!(gone.html.contains("Your second factor is off."), "{}", gone.html);
    account(&house).await;
}

#[tokio::test]
async fn a_new_second_factor_ends_what_was_granted_before() {
    let house = house().await;
    let tokens = house.tokens("web", "openid offline_access read").await;
    let (mut browser, page) = account(&house).await;
    let setup = browser.submit(&page, "/account", &[("action", "begin_factor")]).await;
    let code = code_of(&setup, &house);
    browser.submit(&setup, "/account", &[("action", "confirm_factor"), ("code", &code)]).await;
    house.refresh("web", tokens.text("refresh_token"), "").await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn ui_13_a_user_may_allow_less_or_nothing() {
    let house = house().await;
    let mut browser = Browser::new(&house);
    let first = browser.get(&authorize(&[("scope", "openid read write")])).await;
    let page = browser.follow(first).await;
    let consent = browser.log_in(&page, "alice").await;
    for part in ["Example Shop", "app.test", "https://api.test", "Do write", "Know who you are"] {
        assert!(consent.html.contains(part), "UI-11: {part}");
    }
    let less = browser.submit(&consent, "/consent", &[("decision", "allow"), ("scope", "read")]).await;
    let code = less.answer().remove("code").unwrap();
    assert_eq!(house.redeem("web", &code, "").await.text("scope"), "openid read");
    let again = browser.get(&authorize(&[("scope", "openid read write")])).await;
    let again = browser.follow(again).await;
    assert!(again.html.contains("name=\"decision\""), "UI-12: more than was allowed");
    let denied = browser.submit(&again, "/consent", &[("decision", "deny"), ("scope", "read")]).await;
    assert_eq!(denied.answer()["error"], "access_denied");
}

#[tokio::test]
async fn ui_12_a_public_client_is_asked_for_each_time_and_a_trusted_one_never() {
    let house = house().await;
    let mut browser = Browser::new(&house);
    browser.through(&authorize(&[("client_id", "spa")]), "alice").await;
    let again = browser.get(&authorize(&[("client_id", "spa")])).await;
    assert!(browser.follow(again).await.html.contains("name=\"decision\""));
    assert!(browser.get(&authorize(&[("client_id", "own")])).await.answer().contains_key("code"));
}

#[tokio::test]
async fn ui_14_removing_an_application_ends_its_grants_now() {
    let house = house().await;
    let tokens = house.tokens("web", "openid offline_access read").await;
    let (mut browser, page) = account(&house).await;
    assert!(page.html.contains("Example Shop"), "{}", page.html);
    let after = browser.submit(&page, "/account", &[("action", "revoke"), ("client", "web")]).await;
    assert!(!after.html.contains("Example Shop"), "{}", after.html);
    assert!(!house.is_active(tokens.text("access_token")).await);
    house.refresh("web", tokens.text("refresh_token"), "").await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn ui_14_a_new_password_wants_a_fresh_login_and_signs_everything_else_out() {
    let house = house().await;
    let tokens = house.tokens("web", "openid offline_access read").await;
    let (mut elsewhere, _) = account(&house).await;
    let (mut browser, page) = account(&house).await;
    let short = browser.submit(&page, "/account", &[("action", "set_password"), ("new_password", "short")]).await;
    assert_eq!((short.status, short.html.contains("at least 15 characters")), (422, true));
    house.clock.advance(Duration::from_secs(301));
    let new = [("action", "set_password"), ("new_password", "another sentence entirely")];
    let stale = browser.submit(&page, "/account", &new).await;
    assert!(stale.html.contains("name=\"password\""), "UI-14: five minutes");
    let page = browser.log_in(&stale, "alice").await;
    let done = browser.submit(&page, "/account", &new).await;
    assert!(done.html.contains("Your password is changed"), "{}", done.html);
    assert_eq!(browser.get("/account").await.status, 200);
    assert_eq!(elsewhere.get("/account").await.status, 303);
    house.refresh("web", tokens.text("refresh_token"), "").await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn another_site_that_posts_to_our_pages_gives_the_browser_no_other_name() {
    let house = house().await;
    let cross = [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")];
    let too_long = "x".repeat(8 * 1024);
    for (target, form) in [
        ("/login", ("username", "alice")),
        ("/consent", ("decision", "allow")),
        ("/account", ("action", "leave")),
        ("/oauth/logout", ("decision", "leave")),
        ("/oauth/authorize", ("state", &too_long)),
    ] {
        let mut nameless = Browser::new(&house);
        nameless.send(Method::POST, target, Some(&[form]), &cross).await;
        assert!(nameless.cookies.is_empty(), "{target}: {:?}", nameless.cookies);
    }
    let mut browser = Browser::new(&house);
    let first = browser.get("/account").await;
    browser.follow(first).await;
    assert!(browser.cookies.contains_key("__Host-portcullis-browser"));
}

#[tokio::test]
async fn ui_05_signing_out_everywhere_ends_sessions_and_grants() {
    let house = house().await;
    let tokens = house.tokens("web", "openid offline_access read").await;
    let (mut elsewhere, _) = account(&house).await;
    let (mut browser, page) = account(&house).await;
    browser.submit(&page, "/account", &[("action", "leave_everywhere")]).await;
    for browser in [&mut browser, &mut elsewhere] {
        assert_eq!(browser.get("/account").await.status, 303);
    }
    house.refresh("web", tokens.text("refresh_token"), "").await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn g_11_a_store_that_fails_is_503_and_never_a_verdict() {
    let memory = Arc::new(Memory::default());
    let house = House::on(memory.clone(), people()).await;
    let tokens = house.tokens("web", "openid offline_access read").await;
    let code = house.code(&[]).await;
    memory.is_down.store(true, std::sync::atomic::Ordering::SeqCst);
    house.refresh("web", tokens.text("refresh_token"), "").await.is_refused(503, "temporarily_unavailable");
    house.redeem("web", &code, "").await.is_refused(503, "temporarily_unavailable");
    let token = format!("token={}", tokens.text("access_token"));
    house.at(Endpoint::Introspect, "web", &token).await.is_refused(503, "temporarily_unavailable");
    house.at(Endpoint::Revoke, "web", &token).await.is_refused(503, "temporarily_unavailable");
    let mut browser = Browser::new(&house);
    browser.cookies.insert("__Host-portcullis-session".into(), format!("pc_ss_{}", "A".repeat(43)));
    assert_eq!(browser.get("/account").await.status, 503);
}

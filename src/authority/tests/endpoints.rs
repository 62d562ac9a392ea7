//! Introspection, revocation, userinfo, logout: rules IN, RV, UF and LO.

use super::browser::*;
use super::*;

#[tokio::test]
async fn in_01_only_clients_that_prove_who_they_are_may_ask() {
    let house = house().await;
    let token = house.tokens("web", "openid read").await.text("access_token").to_owned();
    let body = format!("token={token}");
    house.at(Endpoint::Introspect, "spa", &body).await.is_refused(401, "invalid_client");
    let mut wrong = post(body.as_str()).basic("web", "wrong");
    wrong.endpoint = Endpoint::Introspect;
    house.ask(wrong).await.is_refused(401, "invalid_client");
    house.at(Endpoint::Introspect, "web", "").await.is_refused(400, "invalid_request");
}

#[tokio::test]
async fn in_02_what_is_none_of_the_caller_s_business_is_inactive_like_what_is_not_there() {
    let house = house().await;
    let answer = house.tokens("web", "openid offline_access read").await;
    let own = house.tokens("own", "read").await;
    let ask = async |client: &str, token: &str| {
        house.at(Endpoint::Introspect, client, &format!("token={token}&token_type_hint=nonsense")).await.body
    };
    let inactive = serde_json::json!({"active": false});
    for (client, token) in [
        ("web", "garbage"),
        ("web", "pc_at_garbage"),
        ("web", "pc_rt_garbage"),
        ("web", answer.text("id_token")),
        ("web", own.text("access_token")),
        ("own", answer.text("refresh_token")),
        ("own", answer.text("access_token")),
    ] {
        assert_eq!(ask(client, token).await, inactive, "{client} {token}");
    }
    // The API itself: a client that acts for itself alone, for tokens of its resource.
    assert_eq!(ask("web", answer.text("access_token")).await["active"], true);
    house.clock.advance(Duration::from_secs(601));
    assert_eq!(ask("web", answer.text("access_token")).await, inactive);
}

#[tokio::test]
async fn in_03_an_active_token_is_told_whole() {
    let house = house().await;
    let answer = house.tokens("web", "openid offline_access read").await;
    let ask = async |token: &str| house.at(Endpoint::Introspect, "web", &format!("token={token}")).await.body;
    let told = ask(answer.text("access_token")).await;
    for (name, value) in [
        ("scope", "openid offline_access read"),
        ("client_id", "web"),
        ("sub", "usr_alice"),
        ("aud", "https://api.test"),
        ("iss", ISSUER),
        ("token_type", "Bearer"),
        ("username", "alice"),
    ] {
        assert_eq!(told[name], value, "{told}");
    }
    assert_eq!((&told["exp"], &told["iat"]), (&(NOW + 600).into(), &NOW.into()));
    assert_eq!(ask(answer.text("refresh_token")).await["active"], true);
}

#[tokio::test]
async fn rv_01_a_token_is_revoked_by_its_client_alone_and_garbage_is_no_error() {
    let house = house().await;
    let answer = house.tokens("web", "openid offline_access read").await;
    let (access, refresh) = (answer.text("access_token"), answer.text("refresh_token"));
    let revoke = async |client: &str, token: &str| {
        house.at(Endpoint::Revoke, client, &format!("token={token}&token_type_hint=nonsense")).await
    };
    for garbage in ["garbage", "pc_rt_garbage", "pc_at_garbage"] {
        let answer = revoke("web", garbage).await;
        assert_eq!((answer.status, &answer.body), (200, &Value::Null));
    }
    revoke("own", access).await.is_refused(400, "invalid_grant");
    revoke("spa", refresh).await.is_refused(400, "invalid_grant");
    assert!(house.is_active(access).await && house.is_active(refresh).await);
    house.at(Endpoint::Revoke, "web", "").await.is_refused(400, "invalid_request");
}

#[tokio::test]
async fn rv_03_a_refresh_token_takes_its_grant_along_and_an_access_token_itself_alone() {
    let house = house().await;
    let answer = house.tokens("web", "openid offline_access read").await;
    let later = house.refresh("web", answer.text("refresh_token"), "").await;
    house.at(Endpoint::Revoke, "web", &format!("token={}", answer.text("access_token"))).await;
    assert!(!house.is_active(answer.text("access_token")).await);
    assert!(house.is_active(later.text("access_token")).await);
    house.at(Endpoint::Revoke, "web", &format!("token={}", answer.text("refresh_token"))).await;
    assert!(!house.is_active(later.text("access_token")).await);
    house.refresh("web", answer.text("refresh_token"), "").await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn uf_01_userinfo_tells_what_the_scopes_allow() {
    let house = house().await;
    let told = async |scope: &str| {
        let token = house.tokens("web", scope).await.text("access_token").to_owned();
        house.userinfo(&token).await
    };
    assert_eq!(told("openid").await.body, serde_json::json!({"sub": "usr_alice"}));
    let all = told("openid profile email").await.body;
    assert_eq!((&all["name"], &all["preferred_username"]), (&"Somebody".into(), &"alice".into()));
    assert_eq!((&all["email"], &all["email_verified"]), (&"alice@example.test".into(), &true.into()));

    let refused = told("read").await;
    assert_eq!((refused.status, refused.text("error")), (403, "insufficient_scope"));
    let none = house.ask(get(Endpoint::Userinfo)).await;
    assert_eq!((none.status, none.header("www-authenticate")), (401, "Bearer realm=\"userinfo\""));
    let bad = house.ask(get(Endpoint::Userinfo).header(http::header::AUTHORIZATION, "Bearer nonsense")).await;
    assert!(bad.status == 401 && bad.header("www-authenticate").contains("invalid_token"));
    let in_query = house.ask(get(Endpoint::Userinfo).query("access_token=x")).await;
    assert_eq!(in_query.status, 401);
    let token = house.tokens("web", "openid").await.text("access_token").to_owned();
    let mut posted = post(format!("access_token={token}"));
    posted.endpoint = Endpoint::Userinfo;
    assert_eq!(house.ask(posted).await.text("sub"), "usr_alice");
}

#[tokio::test]
async fn jo_03_every_kind_of_token_is_good_for_its_own_use_alone() {
    let house = house().await;
    let answer = house.tokens("web", "openid offline_access read").await;
    assert_eq!(house.userinfo(answer.text("id_token")).await.status, 401);
    assert_eq!(house.userinfo(answer.text("refresh_token")).await.status, 401);
    house.refresh("web", answer.text("access_token"), "").await.is_refused(400, "invalid_grant");
    assert_eq!(house.authority.hinted_user(answer.text("access_token")), None);
    assert_eq!(house.authority.hinted_user(answer.text("id_token")).as_deref(), Some("usr_alice"));
}

/// Alice's browser, signed in, with her tokens for `web`.
async fn signed_in(house: &House, scope: &str) -> (std::collections::BTreeMap<String, String>, Answer) {
    let mut browser = Browser::new(house);
    let code = browser.through(&authorize(&[("scope", scope)]), "alice").await.answer().remove("code").unwrap();
    (browser.cookies, house.redeem("web", &code, "").await)
}

#[tokio::test]
async fn lo_01_lo_03_a_hint_of_this_user_ends_the_session_and_leads_to_the_registered_place_alone() {
    for (parameters, location) in [
        ("&post_logout_redirect_uri=https://app.test/bye&state=a%26b", "https://app.test/bye?state=a%26b"),
        ("&post_logout_redirect_uri=https://app.test/bye", "https://app.test/bye"),
        ("&post_logout_redirect_uri=https://app.test/bye?x=1", ""),
        ("&post_logout_redirect_uri=https://evil.test/", ""),
        ("&post_logout_redirect_uri=https://app.test/bye&client_id=own", ""),
        ("&state=only", ""),
        ("", ""),
    ] {
        let house = house().await;
        let (cookies, tokens) = signed_in(&house, "openid read").await;
        let (offline_cookies, offline) = signed_in(&house, "openid offline_access read").await;
        let mut browser = Browser::new(&house);
        browser.cookies = cookies;
        let hint = tokens.text("id_token");
        let page = browser.get(&format!("/oauth/logout?id_token_hint={hint}{parameters}")).await;
        assert_eq!(page.location(), location, "{parameters}");
        assert_eq!(page.status, if location.is_empty() { 200 } else { 303 });
        assert!(!browser.cookies.keys().any(|name| name.ends_with("session")), "the cookie is gone");
        assert!(!house.is_active(tokens.text("access_token")).await);

        browser.cookies = offline_cookies;
        browser.get(&format!("/oauth/logout?id_token_hint={}", offline.text("id_token"))).await;
        house.refresh("web", offline.text("refresh_token"), "").await.is_granted();
    }
}

#[tokio::test]
async fn lo_02_without_a_hint_of_this_user_people_are_asked() {
    let house = house().await;
    let (cookies, tokens) = signed_in(&house, "openid read").await;
    let hint = tokens.text("id_token");
    let unsigned = format!("{}.", hint.rsplit_once('.').unwrap().0);
    for (query, to) in [
        (String::new(), ""),
        ("client_id=web&post_logout_redirect_uri=https://app.test/bye".to_owned(), "https://app.test/bye"),
        (format!("id_token_hint={unsigned}&post_logout_redirect_uri=https://app.test/bye"), ""),
        ("id_token_hint=garbage&client_id=web&post_logout_redirect_uri=https://app.test/bye".to_owned(), ""),
    ] {
        let mut browser = Browser::new(&house);
        browser.cookies = cookies.clone();
        let page = browser.get(&format!("/oauth/logout?{query}")).await;
        assert_eq!((page.status, page.html.contains("Do you want to sign out?")), (200, true), "{query}");
        let stay = browser.submit(&page, "/oauth/logout", &[("decision", "stay")]).await;
        assert!(stay.html.contains("Your account"), "{}", stay.html);
        let forged = browser.post("/oauth/logout", &[("decision", "leave"), ("csrf", "forged")]).await;
        assert_eq!(forged.status, 403);
        assert_eq!(page.field("t").is_some(), !to.is_empty(), "{query}");
    }
    let mut browser = Browser::new(&house);
    browser.cookies = cookies;
    let page = browser.get("/oauth/logout?client_id=web&post_logout_redirect_uri=https://app.test/bye").await;
    let left = browser.submit(&page, "/oauth/logout", &[("decision", "leave")]).await;
    assert_eq!(left.location(), "https://app.test/bye");
    let nobody = Browser::new(&house).get("/oauth/logout").await;
    assert!(nobody.status == 200 && nobody.html.contains("You are signed out"));
}

#[tokio::test]
async fn lo_01_a_post_of_an_application_ends_the_session_although_it_comes_without_cookies() {
    let house = house().await;
    let mut browser = Browser::new(&house);
    let code = browser.through(&authorize(&[]), "alice").await.answer().remove("code").unwrap();
    let hint = house.redeem("web", &code, "").await.text("id_token").to_owned();
    let form =
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", "https://app.test/bye"), ("state", "&=")];
    // As browsers do it: cookies with SameSite=Lax stay at home.
    let mut bare = Browser::new(&house);
    let cross = [("origin", "https://app.test"), ("sec-fetch-site", "cross-site")];
    let sent = bare.send(Method::POST, "/oauth/logout", Some(&form), &cross).await;
    assert_eq!((sent.status, sent.header("set-cookie")), (303, ""));
    assert!(sent.location().starts_with("/oauth/logout?id_token_hint="), "{}", sent.location());
    let left = browser.get(sent.location()).await;
    assert_eq!(left.location(), "https://app.test/bye?state=%26%3D");
    assert_eq!(browser.get("/account").await.status, 303, "the session is over");
    let nobody = bare.get(sent.location()).await;
    assert_eq!(nobody.location(), "https://app.test/bye?state=%26%3D", "and not round in circles");
}

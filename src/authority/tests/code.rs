//! Codes for tokens: rules AC, TK and ID.

use super::browser::*;
use super::*;

#[tokio::test]
async fn tk_02_a_code_gives_an_access_token_a_refresh_token_and_an_id_token() {
    let house = house().await;
    let answer = house.tokens("web", "openid profile offline_access read").await;
    assert_eq!((answer.text("token_type"), &answer.body["expires_in"]), ("Bearer", &600.into()));
    assert_eq!(answer.text("scope"), "openid profile offline_access read");
    assert!(answer.text("refresh_token").starts_with("pc_rt_"), "G-07");
    assert!(answer.body["refresh_token_expires_in"].is_u64(), "RT-09");
    let claims = payload(answer.text("access_token"));
    for (name, value) in [("iss", ISSUER), ("aud", "https://api.test"), ("sub", "usr_alice"), ("client_id", "web")] {
        assert_eq!(claims[name], value, "AT-01");
    }
    assert_eq!((&claims["auth_time"], &claims["roles"]), (&NOW.into(), &serde_json::json!(["clerk"])));
    let id = payload(answer.text("id_token"));
    for (name, value) in [("iss", ISSUER), ("aud", "web"), ("sub", "usr_alice"), ("nonce", "n-0S6")] {
        assert_eq!(id[name], value, "ID-01");
    }
    assert!(id["at_hash"].is_string() && id["sid"].is_string() && id.get("email").is_none(), "ID-02");
}

#[tokio::test]
async fn az_15_without_openid_there_is_no_id_token() {
    let house = house().await;
    let answer = house.tokens("web", "read").await;
    assert!(answer.body.get("id_token").is_none());
    assert!(answer.body.get("refresh_token").is_some(), "RT-07: it is no OpenID Connect");
    let answer = house.tokens("web", "openid read").await;
    assert!(answer.body.get("refresh_token").is_none(), "RT-07: offline_access was not asked for");
}

#[tokio::test]
async fn ac_01_a_code_is_good_for_a_minute() {
    let house = house().await;
    let code = house.code(&[]).await;
    house.clock.advance(Duration::from_secs(59));
    let other = house.code(&[]).await;
    house.redeem("web", &code, "").await.is_granted();
    house.clock.advance(Duration::from_secs(61));
    house.redeem("web", &other, "").await.is_refused(400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ac_02_of_100_redemptions_at_once_one_wins() {
    let house = Arc::new(house().await);
    let code = house.code(&[]).await;
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (house, code) = (Arc::clone(&house), code.clone());
            tokio::spawn(async move { house.redeem("web", &code, "").await.status })
        })
        .collect();
    let mut granted = 0;
    for task in tasks {
        granted += usize::from(task.await.unwrap() == 200);
    }
    assert_eq!(granted, 1);
}

#[tokio::test]
async fn ac_03_a_code_that_comes_again_ends_everything_that_came_of_it_when_all_else_is_right() {
    let house = house().await;
    let code = house.code(&[("scope", "openid offline_access read")]).await;
    let answer = house.redeem("web", &code, "").await;
    let (access, refresh) = (answer.text("access_token"), answer.text("refresh_token"));
    let wrong = format!("grant_type=authorization_code&code={code}&code_verifier={}", "x".repeat(43));
    house.of("web", wrong).await.is_refused(400, "invalid_grant");
    house.redeem("own", &code, "").await.is_refused(400, "invalid_grant");
    assert!(house.is_active(access).await, "whoever cannot prove the code revokes nothing");
    house.redeem("web", &code, "").await.is_refused(400, "invalid_grant");
    assert!(!house.is_active(access).await);
    house.refresh("web", refresh, "").await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn oidcc_codereuse_30seconds() {
    let house = house().await;
    let code = house.code(&[("scope", "openid offline_access read")]).await;
    let answer = house.redeem("web", &code, "").await;
    house.clock.advance(Duration::from_secs(31));
    house.redeem("web", &code, "").await.is_refused(400, "invalid_grant");
    assert!(!house.is_active(answer.text("access_token")).await);
}

#[tokio::test]
async fn ac_04_another_client_s_code_and_a_made_up_one_are_refused_alike() {
    let house = house().await;
    let code = house.code(&[]).await;
    house.redeem("own", &code, "").await.is_refused(400, "invalid_grant");
    house.redeem("spa", &code, "").await.is_refused(400, "invalid_grant");
    house.redeem("web", "pc_ac_nonsense", "").await.is_refused(400, "invalid_grant");
    house.of("web", "grant_type=authorization_code".into()).await.is_refused(400, "invalid_request");
    house.redeem("web", &code, "").await.is_granted();
}

#[tokio::test]
async fn ac_05_the_verifier_is_needed_and_right_and_five_wrong_ones_burn_the_code() {
    let house = house().await;
    let code = house.code(&[]).await;
    let with = |verifier: String| house.of("web", format!("grant_type=authorization_code&code={code}{verifier}"));
    with(String::new()).await.is_refused(400, "invalid_grant");
    for _ in 0..4 {
        with(format!("&code_verifier={}", "x".repeat(43))).await.is_refused(400, "invalid_grant");
    }
    house.redeem("web", &code, "").await.is_granted();
    let code = house.code(&[]).await;
    for _ in 0..5 {
        let wrong = format!("grant_type=authorization_code&code={code}&code_verifier={}", "x".repeat(43));
        house.of("web", wrong).await.is_refused(400, "invalid_grant");
    }
    house.redeem("web", &code, "").await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn az_07_a_client_that_may_omit_pkce_needs_a_nonce_and_sends_no_verifier() {
    let mut parts = people();
    let old = ClientParts {
        secrets: vec![clear(SECRET)],
        redirect_uris: vec![redirect::RedirectUri::new(CALLBACK).unwrap()],
        grants: vec![Grant::AuthorizationCode],
        scopes: vec![scope("openid"), scope("read")],
        may_omit_pkce: true,
        ..ClientParts::named("old")
    };
    parts.clients.push(client(old));
    let house = House::with(parts).await;
    let plain = [("client_id", "old"), ("code_challenge", ""), ("code_challenge_method", "")];
    let without_nonce = [&plain[..], &[("nonce", "")]].concat();
    let page = Browser::new(&house).through(&authorize(&without_nonce), "alice").await;
    assert_eq!(page.answer()["error"], "invalid_request");
    let code = house.code(&plain).await;
    house.redeem("old", &code, "").await.is_refused(400, "invalid_request");
    house.of("old", format!("grant_type=authorization_code&code={code}")).await.is_granted();
}

#[tokio::test]
async fn ac_06_a_redirect_uri_that_is_sent_must_be_the_one_of_the_request() {
    let house = house().await;
    let code = house.code(&[]).await;
    house.redeem("web", &code, "&redirect_uri=https://evil.test").await.is_refused(400, "invalid_grant");
    house.redeem("web", &code, "&redirect_uri=https%3A%2F%2Fapp.test%2Fcb%3Fkeep%3D1").await.is_granted();
}

#[tokio::test]
async fn tk_05_asking_for_too_much_does_not_use_the_code_up() {
    let house = house().await;
    let code = house.code(&[]).await;
    house.redeem("web", &code, "&scope=openid+write").await.is_refused(400, "invalid_scope");
    house.redeem("web", &code, "&resource=https://billing.test").await.is_refused(400, "invalid_target");
    let answer = house.redeem("web", &code, "&scope=read").await;
    assert_eq!(answer.text("scope"), "read");
}

#[tokio::test]
async fn tk_06_roles_decide_what_a_user_can_give() {
    let house = house().await;
    let request = authorize(&[("scope", "openid read write")]);
    let code = Browser::new(&house).through(&request, "bob").await.answer().remove("code").unwrap();
    assert_eq!(house.redeem("web", &code, "").await.text("scope"), "openid read");
    let page = Browser::new(&house).through(&authorize(&[("scope", "write")]), "bob").await;
    assert_eq!(page.answer()["error"], "invalid_scope");
}

#[tokio::test]
async fn tk_07_a_user_who_is_disabled_gets_nothing_any_more() {
    let house = house().await;
    let code = house.code(&[]).await;
    let refresh = house.tokens("web", "openid offline_access read").await.text("refresh_token").to_owned();
    let now = house.clock.now();
    house.store.disable_user("usr_alice".into(), true, now, now.plus(Duration::from_secs(9))).await.unwrap();
    house.redeem("web", &code, "").await.is_refused(400, "invalid_grant");
    house.refresh("web", &refresh, "").await.is_refused(400, "invalid_grant");
}

#[tokio::test]
async fn at_02_a_token_for_two_resources_at_once_is_not_made() {
    let house = house().await;
    let code = house.code(&[("resource", "https://api.test"), ("scope", "openid read")]).await;
    let both = "&resource=https://api.test&resource=https://billing.test";
    house.redeem("web", &code, both).await.is_refused(400, "invalid_target");
}

#[tokio::test]
async fn at_03_an_opaque_token_says_nothing_and_can_be_asked_about() {
    let mut parts = people();
    parts.access_tokens.format = client::TokenFormat::Opaque;
    let house = House::with(parts).await;
    let answer = house.tokens("web", "openid read").await;
    let token = answer.text("access_token");
    assert!(token.starts_with("pc_at_") && token.len() == 49 && !token.contains('.'));
    assert_eq!(answer.body["expires_in"], 3600);
    assert!(house.is_active(token).await);
    assert_eq!(house.userinfo(token).await.text("sub"), "usr_alice");
    house.at(Endpoint::Revoke, "web", &format!("token={token}")).await;
    assert!(!house.is_active(token).await);
}

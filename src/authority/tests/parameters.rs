//! What may a token request say, and how? Rules G-03, G-04, G-14, TK-01, TK-03, probes S32.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::*;

#[tokio::test]
async fn tk_01_only_post_is_taken() {
    let house = House::open().await;
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::TRACE] {
        let asking = post("grant_type=client_credentials").basic("reporting", SECRET).method(method);
        let answer = house.ask(asking).await;
        answer.is_refused(405, "invalid_request");
        assert_eq!(answer.header("allow"), "POST");
    }
}

#[tokio::test]
async fn tk_01_nothing_may_stand_in_the_url() {
    let house = House::open().await;
    let asking = |query: &str| post("grant_type=client_credentials").basic("reporting", SECRET).query(query);
    for query in ["client_secret=x", "grant_type=client_credentials", "code=x", "scope=read", "%63lient_id=x", "x"] {
        house.ask(asking(query)).await.is_refused(400, "invalid_request");
    }
    house.ask(asking("")).await.is_granted();
}

#[tokio::test]
async fn g_03_only_a_form_is_taken() {
    let house = House::open().await;
    let typed = |kind: &str| {
        let asking = post("grant_type=client_credentials").basic("reporting", SECRET);
        asking.without(CONTENT_TYPE).header(CONTENT_TYPE, kind)
    };
    for kind in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "",
        "application/x-www-form-urlencoded-not",
        "x; application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded, application/json",
    ] {
        house.ask(typed(kind)).await.is_refused(400, "invalid_request");
    }
    for kind in [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-Urlencoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded ;charset=utf-8",
    ] {
        house.ask(typed(kind)).await.is_granted();
    }
    house.ask(typed(FORM).header(CONTENT_TYPE, FORM)).await.is_refused(400, "invalid_request");
    house.ask(typed(FORM).without(CONTENT_TYPE)).await.is_refused(400, "invalid_request");
}

#[tokio::test]
async fn g_03_a_body_that_can_be_read_in_two_ways_is_refused() {
    let house = House::open().await;
    for body in [&b"scope=%"[..], b"scope=%4", b"scope=%zz", b"%=read", b"scope=%FF", b"scope=\xFF", b"sc\xC0pe=read"] {
        let whole = [b"grant_type=client_credentials&", body].concat();
        house.ask(post(whole).basic("reporting", SECRET)).await.is_refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn g_04_a_parameter_sent_twice_is_refused() {
    let house = House::open().await;
    for body in [
        "scope=read&scope=read",
        "scope=read&scope=write",
        "scope=read&sc%6Fpe=write",
        "scope=&scope=read",
        "grant_type=client_credentials",
        "unknown=1&unknown=2",
    ] {
        house.token(body).await.is_refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn g_04_empty_is_absent_and_unknown_is_ignored() {
    let house = House::open().await;
    house.token("scope=&resource=&unknown=1&=&&x").await.is_granted();
    let asking = post("grant_type=").basic("reporting", SECRET);
    house.ask(asking).await.is_refused(400, "invalid_request");
}

#[tokio::test]
async fn g_14_a_body_over_64_kib_is_refused() {
    let house = House::open().await;
    let head = "grant_type=client_credentials&x=";
    let padded = |size: usize| post(format!("{head}{}", "x".repeat(size - head.len()))).basic("reporting", SECRET);
    house.ask(padded(64 * 1024)).await.is_granted();
    house.ask(padded(64 * 1024 + 1)).await.is_refused(413, "invalid_request");
}

#[tokio::test]
async fn an_encoded_body_is_refused() {
    let house = House::open().await;
    for encoding in ["gzip", "identity", "br"] {
        let asking = post("grant_type=client_credentials").basic("reporting", SECRET);
        house.ask(asking.header(CONTENT_ENCODING, encoding)).await.is_refused(415, "invalid_request");
    }
}

#[tokio::test]
async fn s32_1_grants_that_are_not_there_or_not_allowed_are_refused() {
    let idle = ClientParts { id: "idle".into(), grants: vec![], ..reporting() };
    let house = House::with(with_clients(vec![reporting(), idle])).await;
    for grant in [
        "password",
        "implicit",
        "Client_Credentials",
        "client_credentials%20",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "%00",
    ] {
        let asking = post(format!("grant_type={grant}&username=a&password=b")).basic("reporting", SECRET);
        house.ask(asking).await.is_refused(400, "unsupported_grant_type");
    }
    for grant in ["authorization_code", "refresh_token", "client_credentials"] {
        let asking = post(format!("grant_type={grant}")).basic("idle", SECRET);
        house.ask(asking).await.is_refused(400, "unauthorized_client");
    }
    house.ask(post("scope=read").basic("reporting", SECRET)).await.is_refused(400, "invalid_request");
}

#[tokio::test]
async fn tk_04_a_stranger_learns_nothing_about_grants() {
    let house = House::open().await;
    for body in ["grant_type=password", "grant_type=client_credentials&scope=nonsense", ""] {
        house.ask(post(body).basic("reporting", "wrong")).await.is_refused(401, "invalid_client");
    }
}

#[tokio::test]
async fn s32_4_scopes_are_bounded_and_written_by_the_grammar() {
    let house = House::open().await;
    let many = ["read"; 10_000].join("+");
    let unknown = (0..5_000).map(|number| format!("s{number}")).collect::<Vec<_>>().join("+");
    for scope in [
        "admin",
        "read+admin",
        "unknown",
        "READ",
        "read%0Awrite",
        "read%09write",
        "read++write",
        "+read",
        "read+",
        "+",
        "re%22ad",
        "re%5Cad",
        "r%C3%A9ad",
        "read%00",
        "openid",
        "offline_access",
        &many,
        &unknown,
    ] {
        let answer = house.token(&format!("scope={scope}")).await;
        answer.is_refused(400, "invalid_scope");
        assert!(answer.body.to_string().len() < 300, "nothing is reflected");
    }
}

#[tokio::test]
async fn tk_03_scopes_are_what_was_asked_for_or_what_is_registered() {
    let openid = [scope("openid"), scope("read"), scope("offline_access"), scope("write")];
    let house = House::with(with_clients(vec![ClientParts { scopes: openid.into(), ..reporting() }])).await;
    for (asked, granted) in [
        ("", "read write"),
        ("scope=", "read write"),
        ("scope=read", "read"),
        ("scope=write+read", "write read"),
        ("scope=read+read", "read"),
        ("scope=write+offline_access", "write"),
    ] {
        assert_eq!(house.token(asked).await.text("scope"), granted, "{asked}");
    }
    house.token("scope=read+openid").await.is_refused(400, "invalid_scope");
}

#[tokio::test]
async fn tk_06_a_token_without_any_scope_is_not_made() {
    let bare = ClientParts { scopes: vec![scope("openid")], ..reporting() };
    let house = House::with(with_clients(vec![bare])).await;
    house.token("").await.is_refused(400, "invalid_scope");
}

#[tokio::test]
async fn at_02_a_resource_is_the_clients_own_or_refused() {
    let house = House::open().await;
    for resource in [
        "resource=https://other.test",
        "resource=https://api.test&resource=https://other.test",
        "resource=https://api.test/%23fragment",
        "resource=api.test",
        "resource=/relative",
        "resource=https://api.test.evil.test",
        "resource=https://api.test/deeper",
        "resource=http://api.test",
        "resource=%0a",
    ] {
        house.token(resource).await.is_refused(400, "invalid_target");
    }
    for resource in ["resource=https://api.test", "resource=https://api.test/", "resource=https://API.test:443"] {
        house.token(resource).await.is_granted();
    }
    house.token("resource=https://api.test&resource=https://api.test").await.is_granted();
}

//! What is published? Rules JW-01, MD, G-02, G-10, probe S35.6.

use super::*;

#[tokio::test]
async fn md_01_the_metadata_document_is_as_it_was_agreed() {
    let house = House::open().await;
    let answer = house.ask(get(Endpoint::Metadata)).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let agreed: Value = serde_json::from_str(include_str!("metadata.json")).unwrap();
    assert_eq!(answer.body, agreed, "{:#}", answer.body);
}

#[tokio::test]
async fn md_05_what_the_metadata_says_is_what_the_endpoints_do() {
    let house = House::open().await;
    let metadata = house.ask(get(Endpoint::Metadata)).await.body;
    let paths = Endpoint::paths(house.authority.settings().issuer());
    let path = |endpoint| paths.iter().find(|(own, _, _)| *own == endpoint).unwrap().2.clone();
    assert_eq!(metadata["token_endpoint"], format!("{ISSUER}{}", path(Endpoint::Token)));
    assert_eq!(metadata["jwks_uri"], format!("{ISSUER}{}", path(Endpoint::Jwks)));
    for grant in metadata["grant_types_supported"].as_array().unwrap() {
        let body = format!("grant_type={}", grant.as_str().unwrap());
        let answer = house.ask(post(body).basic("reporting", SECRET)).await;
        assert_ne!(answer.text("error"), "unsupported_grant_type", "{grant}");
    }
    for (name, endpoint) in [
        ("authorization_endpoint", Endpoint::Authorize),
        ("userinfo_endpoint", Endpoint::Userinfo),
        ("introspection_endpoint", Endpoint::Introspect),
        ("revocation_endpoint", Endpoint::Revoke),
        ("end_session_endpoint", Endpoint::Logout),
    ] {
        assert_eq!(metadata[name], format!("{ISSUER}{}", path(endpoint)));
    }
}

#[tokio::test]
async fn s35_6_the_issuer_is_the_configured_one_whatever_the_request_says() {
    let house = House::open().await;
    let forged = get(Endpoint::Metadata)
        .header(http::header::HOST, "evil.test")
        .header(HeaderName::from_static("x-forwarded-host"), "evil.test")
        .query("issuer=https://evil.test");
    let answer = house.ask(forged).await;
    assert_eq!(answer.text("issuer"), ISSUER);
    assert!(!answer.body.to_string().contains("evil"));
}

#[tokio::test]
async fn jw_01_the_key_set_holds_public_keys_and_nothing_else() {
    let house = House::anew(Arc::new(Memory::default()), parts()).await;
    let answer = house.ask(get(Endpoint::Jwks)).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let keys = answer.body["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let mut members: Vec<_> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!((&keys[0]["alg"], &keys[0]["use"], &keys[0]["kty"]), (&"ES256".into(), &"sig".into(), &"EC".into()));
    assert_eq!(serde_json::from_str::<Value>(&published(&house)).unwrap(), answer.body);
}

#[test]
fn jw_01_a_private_member_never_leaves_whatever_is_handed_in() {
    let key =
        serde_json::json!({"kty": "EC", "kid": "1", "d": "private", "p": "private", "k": "private", "x": "public"});
    let document = jwks::document(&[key]);
    assert_eq!(document.body(), r#"{"keys":[{"kid":"1","kty":"EC","x":"public"}]}"#);
}

#[tokio::test]
async fn jw_01_the_key_id_is_the_thumbprint_of_rfc_7638() {
    let house = House::open().await;
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&published(&house)).unwrap();
    let thumbprint = keys.keys[0].thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap();
    assert_eq!(keys.keys[0].common.key_id.as_ref(), Some(&thumbprint));
}

#[tokio::test]
async fn public_documents_are_read_and_nothing_else() {
    let house = House::open().await;
    for endpoint in [Endpoint::Jwks, Endpoint::Metadata] {
        let whole = house.ask(get(endpoint)).await;
        let head = house.ask(get(endpoint).method(Method::HEAD)).await;
        assert_eq!((head.status, &head.headers, &head.body), (200, &whole.headers, &Value::Null));
        let preflight = house.ask(get(endpoint).method(Method::OPTIONS)).await;
        assert_eq!((preflight.status, preflight.header("access-control-allow-methods")), (204, "GET, HEAD"));
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::TRACE] {
            let answer = house.ask(get(endpoint).method(method)).await;
            assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD, OPTIONS"));
        }
    }
}

#[test]
fn md_01_the_metadata_lies_where_either_standard_looks_for_it() {
    let check = |issuer: &str, endpoint: Endpoint, expected: &[&str]| {
        let paths = Endpoint::paths(&Issuer::new(issuer).unwrap());
        let own = paths.iter().filter(|(own, _, _)| *own == endpoint);
        assert_eq!(own.map(|(_, _, path)| path.as_str()).collect::<Vec<_>>(), expected, "{issuer}");
    };
    for issuer in ["https://as.test", "https://as.test/"] {
        check(issuer, Endpoint::Token, &["/oauth/token"]);
        let plain = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
        check(issuer, Endpoint::Metadata, &plain);
    }
    for issuer in ["https://as.test/a/b", "https://as.test/a/b/"] {
        check(issuer, Endpoint::Token, &["/a/b/oauth/token"]);
        check(issuer, Endpoint::Login, &["/a/b/login"]);
        check(
            issuer,
            Endpoint::Metadata,
            &[
                "/.well-known/oauth-authorization-server/a/b",
                "/.well-known/openid-configuration/a/b",
                "/a/b/.well-known/openid-configuration",
            ],
        );
    }
}

#[tokio::test]
async fn md_01_the_metadata_of_an_issuer_with_a_path_says_where_things_are() {
    let house = House::with(Parts { issuer: Issuer::new("https://as.test/t/").unwrap(), ..parts() }).await;
    let metadata = house.ask(get(Endpoint::Metadata)).await;
    assert_eq!(metadata.text("issuer"), "https://as.test/t/");
    assert_eq!(metadata.text("token_endpoint"), "https://as.test/t/oauth/token");
}

//! What is in the token? Rules TK-02, CC-01, AT; read by another library than the one that made it.

use std::collections::HashSet;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

use super::*;

/// The claims of a token that verifies with the published keys.
fn claims(house: &House, token: &str) -> Value {
    let keys: JwkSet = serde_json::from_str(&published(house)).unwrap();
    let header = decode_header(token).unwrap();
    let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::ES256);
    // The clock of this test is not that of the library.
    (rules.validate_exp, rules.validate_aud) = (false, false);
    decode::<Value>(token, &key, &rules).unwrap().claims
}

#[tokio::test]
async fn tk_02_the_answer_says_everything_about_the_token() {
    let house = House::open().await;
    let answer = house.token("scope=read").await;
    answer.is_granted();
    let members: HashSet<_> = answer.body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, HashSet::from(["access_token", "token_type", "expires_in", "scope"]));
    assert_eq!(answer.text("token_type"), "Bearer");
    assert_eq!(answer.body["expires_in"], 600);
    assert_eq!(answer.text("scope"), "read");
}

#[tokio::test]
async fn at_01_the_token_has_the_header_and_claims_of_rfc_9068() {
    let house = House::open().await;
    let answer = house.token("").await;
    let header = decode_header(answer.text("access_token")).unwrap();
    assert_eq!((header.typ.as_deref(), header.alg), (Some("at+jwt"), Algorithm::ES256));
    let mut claims = claims(&house, answer.text("access_token"));
    let id = claims["jti"].take();
    assert!(id.as_str().unwrap().len() >= 22);
    assert_eq!(
        claims,
        serde_json::json!({
            "iss": ISSUER, "sub": "reporting", "client_id": "reporting", "aud": "https://api.test",
            "iat": NOW, "exp": NOW + 600, "scope": "read write", "jti": null,
        })
    );
}

#[tokio::test]
async fn at_01_every_token_has_its_own_id() {
    let house = House::open().await;
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let answer = house.token("").await;
        assert!(seen.insert(claims(&house, answer.text("access_token"))["jti"].to_string()));
    }
}

#[tokio::test]
async fn at_02_the_audience_is_the_clients_resource_then_the_authoritys_then_the_issuer() {
    let audience = async |parts: Parts| {
        let house = House::with(parts).await;
        let answer = house.token("").await;
        claims(&house, answer.text("access_token"))["aud"].clone()
    };
    let billing = Resource::new("https://billing.test/v1").unwrap();
    let own = ClientParts { resource: Some(billing), ..reporting() };
    assert_eq!(audience(with_clients(vec![own])).await, "https://billing.test/v1");
    assert_eq!(audience(parts()).await, "https://api.test");
    assert_eq!(audience(Parts { resource: None, ..parts() }).await, ISSUER);
}

#[tokio::test]
async fn at_02_another_spelling_of_the_resource_gives_the_configured_one() {
    let house = House::open().await;
    let answer = house.token("resource=https://api.test/").await;
    assert_eq!(claims(&house, answer.text("access_token"))["aud"], "https://api.test");
}

#[tokio::test]
async fn at_03_the_lifetime_is_the_clients_or_the_authoritys() {
    let lifetime = async |parts: Parts| {
        let house = House::with(parts).await;
        let answer = house.token("").await;
        let claims = claims(&house, answer.text("access_token"));
        assert_eq!(claims["exp"], NOW + answer.body["expires_in"].as_u64().unwrap());
        answer.body["expires_in"].clone()
    };
    let minutes = |count: u64| Duration::from_secs(count * 60);
    assert_eq!(lifetime(Parts { access_tokens: lasting(minutes(5)), ..parts() }).await, 300);
    let own = ClientParts { access_tokens_for: Some(minutes(60)), ..reporting() };
    assert_eq!(lifetime(with_clients(vec![own])).await, 3600);
}

#[tokio::test]
async fn time_comes_from_the_clock_that_was_handed_in() {
    let house = House::open().await;
    wait(&house, Duration::from_secs(100));
    let answer = house.token("").await;
    assert_eq!(claims(&house, answer.text("access_token"))["iat"], NOW + 100);
}

#[tokio::test]
async fn any_changed_byte_breaks_the_token() {
    let house = House::open().await;
    let answer = house.token("").await;
    let token = answer.text("access_token");
    let keys: JwkSet = serde_json::from_str(&published(&house)).unwrap();
    let key = DecodingKey::from_jwk(&keys.keys[0]).unwrap();
    let mut rules = Validation::new(Algorithm::ES256);
    (rules.validate_exp, rules.validate_aud) = (false, false);
    assert!(decode::<Value>(token, &key, &rules).is_ok());
    // The last character carries unused bits, so it is left alone.
    for place in (0..token.len() - 1).step_by(7) {
        let mut bytes = token.as_bytes().to_vec();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        assert!(decode::<Value>(&bytes, &key, &rules).is_err(), "byte {place}");
    }
}

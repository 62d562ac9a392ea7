//! `private_key_jwt`: rules CA-04 and CA-05.

use super::*;
use crate::token::issuer::KeySource;
use crate::token::jwt::Algorithm;
use crate::token::jwt::sign::{Signer, generate_pkcs8};

const KIND: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

fn signer() -> Signer {
    Signer::from_pkcs8(Algorithm::Es256, &generate_pkcs8(Algorithm::Es256).unwrap()).unwrap()
}

async fn house(key: &Signer) -> House {
    let keys = KeySource::Document(serde_json::json!({"keys": [key.public_jwk()]}).to_string().into());
    let service = |id: &str| ClientParts {
        keys: Some(keys.clone()),
        grants: vec![Grant::ClientCredentials],
        scopes: vec![scope("read")],
        ..ClientParts::named(id)
    };
    let lax = ClientParts { assertion_audience: client::AssertionAudience::Endpoint, ..service("lax") };
    House::with(with_clients(vec![reporting(), service("robot"), lax])).await
}

fn claims(changes: &Value) -> Value {
    let mut claims = serde_json::json!({
        "iss": "robot", "sub": "robot", "aud": ISSUER, "iat": NOW, "exp": NOW + 60, "jti": "one",
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => drop(claims.as_object_mut().unwrap().insert(name.clone(), value.clone())),
        }
    }
    claims
}

async fn shown(house: &House, assertion: &str, more: &str) -> Answer {
    let form = format!("grant_type=client_credentials&client_assertion_type={KIND}&client_assertion={assertion}{more}");
    house.ask(post(form)).await
}

#[tokio::test]
async fn ca_04_a_client_proves_itself_by_its_own_key_once_per_statement() {
    let key = signer();
    let house = house(&key).await;
    for typ in ["JWT", "client-authentication+jwt"] {
        let assertion = key.sign(typ, &claims(&serde_json::json!({"jti": typ}))).unwrap();
        shown(&house, &assertion, "&client_id=robot").await.is_granted();
        shown(&house, &assertion, "").await.is_refused(401, "invalid_client");
    }
}

#[tokio::test]
async fn ca_04_ca_05_a_statement_that_is_not_exactly_right_is_refused() {
    let key = signer();
    let house = house(&key).await;
    for (number, changes) in [
        serde_json::json!({"iss": "reporting"}),
        serde_json::json!({"sub": "reporting", "iss": "reporting"}),
        serde_json::json!({"aud": "https://other.test"}),
        serde_json::json!({"aud": [ISSUER]}),
        serde_json::json!({"aud": format!("{ISSUER}/oauth/token")}),
        serde_json::json!({"aud": null}),
        serde_json::json!({"exp": null}),
        serde_json::json!({"exp": NOW - 11}),
        serde_json::json!({"exp": NOW + 311}),
        serde_json::json!({"exp": "soon"}),
        serde_json::json!({"iat": NOW + 61}),
        serde_json::json!({"nbf": NOW + 61}),
        serde_json::json!({"jti": null}),
        serde_json::json!({"jti": ""}),
    ]
    .iter()
    .enumerate()
    {
        let mut changed = changes.clone();
        if changed.get("jti").is_none() {
            changed["jti"] = number.to_string().into();
        }
        let assertion = key.sign("JWT", &claims(&changed)).unwrap();
        shown(&house, &assertion, "").await.is_refused(401, "invalid_client");
    }
    let good = |jti: &str| claims(&serde_json::json!({"jti": jti}));
    let stranger = signer().sign("JWT", &good("stranger")).unwrap();
    shown(&house, &stranger, "").await.is_refused(401, "invalid_client");
    let other_kind = key.sign("at+jwt", &good("kind")).unwrap();
    shown(&house, &other_kind, "").await.is_refused(401, "invalid_client");
    let right = key.sign("JWT", &good("right")).unwrap();
    shown(&house, &right, "&client_id=reporting").await.is_refused(401, "invalid_client");
    shown(&house, &right, "&client_secret=x").await.is_refused(400, "invalid_request");
    let form = format!("grant_type=client_credentials&client_assertion_type=other&client_assertion={right}");
    house.ask(post(form)).await.is_refused(401, "invalid_client");
    shown(&house, "garbage", "").await.is_refused(401, "invalid_client");
    house.ask(post("grant_type=client_credentials&client_id=robot")).await.is_refused(401, "invalid_client");
    house.ask(post("grant_type=client_credentials").basic("robot", "x")).await.is_refused(401, "invalid_client");
    shown(&house, &right, "").await.is_granted();
}

#[tokio::test]
async fn ca_05_a_client_may_be_let_name_the_endpoint() {
    let key = signer();
    let house = house(&key).await;
    let names = |aud: Value, jti: &str| {
        key.sign("JWT", &claims(&serde_json::json!({"iss": "lax", "sub": "lax", "aud": aud, "jti": jti}))).unwrap()
    };
    let endpoint = format!("{ISSUER}/oauth/token");
    shown(&house, &names(endpoint.clone().into(), "a"), "").await.is_granted();
    shown(&house, &names(serde_json::json!([endpoint]), "b"), "").await.is_granted();
    shown(&house, &names(serde_json::json!([endpoint, "https://other.test"]), "c"), "")
        .await
        .is_refused(401, "invalid_client");
}

//! What is good once, and what may be guessed so often, on whichever gateway it is tried.

use portcullis::token::jwt::Algorithm;
use portcullis::token::jwt::sign::{Signer, generate_pkcs8};
use serde_json::json;

use super::wait_for_state;
use crate::support::house::Plot;
use crate::support::{Answer, House, Redis, now};

/// The name that all gateways of the fleet issue under.
const ISSUER: &str = "http://127.0.0.1:9";
const PASSWORD: &str = "correct horse battery staple";

/// A gateway with a store of its own, on a shared Redis.
fn gateway(redis: &Redis, keys: &str) -> House {
    let plot = Plot::new();
    plot.write("redis-url", format!("redis://127.0.0.1:{}", redis.port));
    plot.write("keys.json", keys);
    plot.write("password", PASSWORD);
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\nshared: {{redis: {{file: redis-url}}}}\n\
         authority:\n  issuer: {ISSUER}\n  scopes: {{read: Read}}\n  roles: {{reader: {{scopes: [read]}}}}\n  \
         users: [{{name: alice, password: {{file: password}}, roles: [reader]}}]\n  clients:\n    \
         - {{id: robot, auth: private_key_jwt, keys: {{file: keys.json}}, grants: [client_credentials], scopes: [read]}}\n    \
         - {{id: old, auth: none, grants: [password], scopes: [read], danger_allow_password_grant: true}}\n\
         routes: [{{match: GET /read, access: {{scope: read}}, respond: echo}}]\n"
    ));
    let house = plot.start(&yaml);
    wait_for_state(&house, "up");
    house
}

fn signer() -> Signer {
    Signer::from_pkcs8(Algorithm::Es256, &generate_pkcs8(Algorithm::Es256).unwrap()).unwrap()
}

fn prove(house: &House, assertion: &str) -> Answer {
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let form = format!("grant_type=client_credentials&client_assertion_type={kind}&client_assertion={assertion}");
    house.post_form("/oauth/token", "", &form)
}

#[test]
fn a_client_assertion_is_good_once_on_all_gateways_and_nowhere_without_redis() {
    let mut redis = Redis::start();
    let key = signer();
    let keys = json!({"keys": [key.public_jwk()]}).to_string();
    let houses = [gateway(&redis, &keys), gateway(&redis, &keys)];
    let assertion = |id: &str| {
        let claims = json!({
            "iss": "robot", "sub": "robot", "aud": ISSUER, "iat": now(), "exp": now() + 120, "jti": id,
        });
        key.sign("JWT", &claims).unwrap()
    };
    let first = assertion("one");
    assert_eq!(prove(&houses[0], &first).status, 200);
    for house in &houses {
        let again = prove(house, &first);
        assert_eq!((again.status, again.json()["error"].as_str()), (401, Some("invalid_client")));
    }
    assert_eq!(prove(&houses[1], &assertion("two")).status, 200);

    redis.stop();
    houses.iter().for_each(|house| wait_for_state(house, "down"));
    let third = assertion("three");
    assert_eq!(prove(&houses[0], &third).status, 503, "it may have been used elsewhere");
    redis.start_again();
    houses.iter().for_each(|house| wait_for_state(house, "up"));
    assert_eq!(prove(&houses[0], &third).status, 200, "what was not looked at is not used up");
    assert_eq!(prove(&houses[1], &third).status, 401);
    assert_eq!(prove(&houses[0], &first).status, 401, "the store of a gateway remembers its own");
}

fn log_in(house: &House, password: &str) -> u16 {
    let password = password.replace(' ', "+");
    let form = format!("grant_type=password&client_id=old&username=alice&password={password}&scope=read");
    house.post_form("/oauth/token", "", &form).status
}

#[test]
fn guesses_at_a_password_are_counted_on_all_gateways() {
    let mut redis = Redis::start();
    let keys = json!({"keys": [signer().public_jwk()]}).to_string();
    let houses = [gateway(&redis, &keys), gateway(&redis, &keys)];
    assert_eq!(log_in(&houses[1], PASSWORD), 200);
    for number in 0..5 {
        assert_eq!(log_in(&houses[number % 2], "wrong"), 400);
    }
    for house in &houses {
        assert_eq!(log_in(house, "wrong"), 429, "no gateway is a fresh start");
        assert_eq!(log_in(house, PASSWORD), 429);
    }
    redis.stop();
    houses.iter().for_each(|house| wait_for_state(house, "down"));
    let wrong = (0..6).map(|_| log_in(&houses[0], "wrong")).collect::<Vec<_>>();
    assert!(wrong.contains(&400) && wrong.last() == Some(&429), "each counts for itself without Redis: {wrong:?}");
}

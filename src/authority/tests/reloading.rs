//! One authority follows another: what is said to the first must reach the second, and what the first gave is not forgotten.

use super::*;
use crate::authority::upkeep::Upkeep;
use crate::store::KeptClient;

/// A client whose secret is `demo-secret`.
const REGISTRATION: &str = r#"{"grants":["client_credentials"],"scopes":["read"],"secrets":[{"made":0,
    "hash":"sha256:cd577fe2561ebff23505db0bb006300c7cdecbd46bc0e03c449afafaca2c25bf"}]}"#;

/// An authority whose client `made` was made by a command.
async fn with_made() -> House {
    let house = House::open().await;
    let row = KeptClient {
        id: "made".into(),
        registration: REGISTRATION.into(),
        made: Time::from_secs(NOW),
        disabled: false,
    };
    assert!(house.store.add_client(row).await.unwrap());
    house
}

/// What `house` becomes by a reload with `parts`, not yet in force.
async fn next(house: &House, parts: Parts) -> Authority {
    house.authority.with_settings(Settings::new(parts).unwrap(), Equipment::default()).await.unwrap()
}

fn end() -> Time {
    Time::from_secs(NOW + 600)
}

#[tokio::test]
async fn a_client_that_is_disabled_during_a_reload_is_disabled_after_it() {
    let house = with_made().await;
    let mut upkeep = Upkeep::default();
    upkeep.hear(&house.authority).await;
    let next = next(&house, parts()).await;
    assert!(next.registry.load().client("made").is_some());
    house.store.disable_client("made".into(), true, Time::from_secs(NOW), end()).await.unwrap();
    // Heard while the old one is still in force; from then on the new one is asked.
    upkeep.hear(&house.authority).await;
    assert!(house.authority.registry.load().client("made").is_none());
    upkeep.hear(&next).await;
    assert!(next.registry.load().client("made").is_none());
}

/// A client that proves itself by a key and wants its ID tokens signed with ES256.
const BY_KEY: &str = r#"{"auth":"private_key_jwt","keys_url":"https://app.test/jwks","id_token_algorithm":"ES256",
    "grants":["authorization_code"],"scopes":["openid"],"redirect_uris":["https://app.test/back"]}"#;

#[tokio::test]
async fn md_05_the_metadata_speaks_of_what_a_client_may_do_that_a_command_made_meanwhile() {
    let house = House::open().await;
    let mut upkeep = Upkeep::default();
    let told = async || {
        let metadata = house.ask(get(Endpoint::Metadata)).await.body;
        let has = |list: &str, name: &str| metadata[list].as_array().unwrap().iter().any(|own| own == name);
        let by_key = has("token_endpoint_auth_methods_supported", "private_key_jwt");
        (by_key, has("id_token_signing_alg_values_supported", "ES256"))
    };
    assert_eq!(told().await, (false, false));
    let (id, made) = ("by-key".to_owned(), Time::from_secs(NOW));
    let row = KeptClient { id, registration: BY_KEY.into(), made, disabled: false };
    assert!(house.store.add_client(row).await.unwrap());
    upkeep.hear(&house.authority).await;
    assert_eq!(told().await, (true, true));
    house.store.disable_client("by-key".into(), true, made, end()).await.unwrap();
    upkeep.hear(&house.authority).await;
    assert_eq!(told().await, (false, false));
}

#[tokio::test]
async fn settings_that_never_come_into_force_take_nothing_from_anybody() {
    let house = House::open().await;
    let given = house.token("").await.text("access_token").to_owned();
    let _never = next(&house, with_clients(vec![])).await;
    house.clock.advance(Duration::from_secs(1));
    assert!(house.authority.own_token(&given).await.unwrap().is_some());
}

#[tokio::test]
async fn what_a_client_got_until_the_new_settings_were_in_force_is_revoked_with_it() {
    let house = House::open().await;
    let next = next(&house, with_clients(vec![])).await;
    next.reconcile().await.unwrap();
    house.clock.advance(Duration::from_secs(2));
    let late = house.token("").await.text("access_token").to_owned();
    assert!(next.own_token(&late).await.unwrap().is_some());
    next.succeed(&house.authority).await;
    assert!(next.own_token(&late).await.unwrap().is_none());
}

#[tokio::test]
async fn what_a_client_got_until_its_end_was_heard_of_is_revoked_with_it() {
    let house = with_made().await;
    let mut upkeep = Upkeep::default();
    upkeep.hear(&house.authority).await;
    house.store.disable_client("made".into(), true, Time::from_secs(NOW), end()).await.unwrap();
    house.clock.advance(Duration::from_secs(2));
    let asking = post("grant_type=client_credentials").basic("made", "demo-secret");
    let late = house.ask(asking).await.text("access_token").to_owned();
    upkeep.hear(&house.authority).await;
    assert!(house.authority.own_token(&late).await.unwrap().is_none());
}

//! Are signing keys made once and kept whole?

use super::key;
use crate::ground::Time;
use crate::store::{SharedStore, Succession};

pub(super) async fn a_new_store_has_no_signing_key(store: &SharedStore) {
    assert_eq!(store.signing_keys().await.unwrap(), []);
}

pub(super) async fn the_first_key_of_an_algorithm_is_kept_and_given_back_whole(store: &SharedStore) {
    let first = key("one", "ES256", 1_799_000_000_123);
    assert_eq!(store.first_signing_key(first.clone()).await.unwrap(), first);
    assert_eq!(store.signing_keys().await.unwrap(), [first]);
}

pub(super) async fn a_second_key_of_the_same_algorithm_gives_the_first(store: &SharedStore) {
    let first = store.first_signing_key(key("one", "ES256", 2)).await.unwrap();
    assert_eq!(store.first_signing_key(key("two", "ES256", 3)).await.unwrap(), first);
    // Not even one that claims to be older: the first is whoever was kept.
    assert_eq!(store.first_signing_key(key("three", "ES256", 1)).await.unwrap(), first);
    assert_eq!(store.signing_keys().await.unwrap(), [first]);
}

pub(super) async fn each_algorithm_has_its_own_first_key(store: &SharedStore) {
    let elliptic = store.first_signing_key(key("one", "ES256", 1)).await.unwrap();
    let rsa = store.first_signing_key(key("two", "RS256", 2)).await.unwrap();
    assert_eq!((elliptic.id.as_str(), rsa.id.as_str()), ("one", "two"));
}

pub(super) async fn keys_are_listed_oldest_first(store: &SharedStore) {
    for (id, algorithm, made) in [("b", "ES256", 20), ("c", "RS256", 30), ("a", "EdDSA", 10), ("d", "ES384", 30)] {
        store.first_signing_key(key(id, algorithm, made)).await.unwrap();
    }
    let ids: Vec<_> = store.signing_keys().await.unwrap().into_iter().map(|key| key.id).collect();
    assert_eq!(ids, ["a", "b", "c", "d"]);
}

pub(super) async fn a_successor_is_kept_once_and_the_old_one_goes_on_verifying(store: &SharedStore) {
    store.first_signing_key(key("one", "ES256", 1)).await.unwrap();
    let planned = Succession::Planned { old_ends: Time::from_millis(100) };
    assert!(store.succeed_signing_key("one".into(), key("two", "ES256", 2), planned).await.unwrap());
    assert!(!store.succeed_signing_key("one".into(), key("three", "ES256", 3), planned).await.unwrap());
    let keys = store.signing_keys().await.unwrap();
    let ends: Vec<_> = keys.iter().map(|key| (key.id.as_str(), key.ends)).collect();
    assert_eq!(ends, [("one", Some(Time::from_millis(100))), ("two", None)]);
    store.sweep(Time::from_millis(100), 10).await.unwrap();
    assert_eq!(store.signing_keys().await.unwrap().len(), 1);
}

pub(super) async fn in_an_emergency_the_old_ones_of_the_algorithm_are_gone(store: &SharedStore) {
    store.first_signing_key(key("one", "ES256", 1)).await.unwrap();
    store.first_signing_key(key("other", "RS256", 1)).await.unwrap();
    assert!(store.succeed_signing_key("one".into(), key("two", "ES256", 2), Succession::Emergency).await.unwrap());
    let ids: Vec<String> = store.signing_keys().await.unwrap().into_iter().map(|key| key.id).collect();
    assert!(ids.contains(&"two".to_owned()) && ids.contains(&"other".to_owned()) && ids.len() == 2, "{ids:?}");
}

pub(super) async fn a_key_is_sealed_anew_only_from_what_was_seen(store: &SharedStore) {
    let first = store.first_signing_key(key("one", "ES256", 1)).await.unwrap();
    assert!(!store.reseal_signing_key("one".into(), vec![9], vec![8]).await.unwrap());
    assert!(store.reseal_signing_key("one".into(), first.pkcs8, vec![8]).await.unwrap());
    assert_eq!(store.signing_keys().await.unwrap()[0].pkcs8, [8]);
}

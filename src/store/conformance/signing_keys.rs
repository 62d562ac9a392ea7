//! Are signing keys made once and kept whole?

use super::key;
use crate::store::SharedStore;

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

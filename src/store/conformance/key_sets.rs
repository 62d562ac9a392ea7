//! Are the last good key sets of issuers kept?

use super::set;
use crate::store::SharedStore;

pub(super) async fn a_key_set_that_was_never_kept_is_none(store: &SharedStore) {
    assert_eq!(store.key_set("https://login.example".into()).await.unwrap(), None);
}

pub(super) async fn a_kept_key_set_comes_back_as_it_was(store: &SharedStore) {
    let kept = set(r#"{"keys":[{"kty":"EC"}]}"#, 1_799_000_000_123);
    store.keep_key_set("corp".into(), kept.clone()).await.unwrap();
    assert_eq!(store.key_set("corp".into()).await.unwrap(), Some(kept));
}

pub(super) async fn a_later_key_set_replaces_an_earlier_one_and_never_the_other_way(store: &SharedStore) {
    for (document, fetched, expected) in [("a", 10, "a"), ("b", 20, "b"), ("late", 15, "b"), ("again", 20, "again")] {
        store.keep_key_set("corp".into(), set(document, fetched)).await.unwrap();
        assert_eq!(store.key_set("corp".into()).await.unwrap().unwrap().document, expected);
    }
}

pub(super) async fn each_issuer_has_its_own_key_set(store: &SharedStore) {
    store.keep_key_set("one".into(), set("1", 1)).await.unwrap();
    store.keep_key_set("two".into(), set("2", 2)).await.unwrap();
    assert_eq!(store.key_set("one".into()).await.unwrap(), Some(set("1", 1)));
    assert_eq!(store.key_set("two".into()).await.unwrap(), Some(set("2", 2)));
    assert_eq!(store.key_set("One".into()).await.unwrap(), None);
}

pub(super) async fn odd_issuers_and_documents_are_only_data(store: &SharedStore) {
    let long = "x".repeat(1 << 20);
    for text in ["", "'; DROP TABLE key_set; --", "nul\0inside", "\u{1F511}", &long] {
        store.keep_key_set(text.to_owned(), set(text, 1)).await.unwrap();
        assert_eq!(store.key_set(text.to_owned()).await.unwrap(), Some(set(text, 1)));
    }
}

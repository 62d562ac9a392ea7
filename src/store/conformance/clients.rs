//! Clients made by commands, and those that the file named.

use super::records::{NOW, TOKENS_END, after, client, consent, grant, user};
use crate::store::{KeptClient, SecretUse, SharedStore};

pub(super) async fn a_client_is_kept_once_and_listed_by_id(store: &SharedStore) {
    assert!(store.add_client(client("b")).await.unwrap());
    assert!(store.add_client(client("a")).await.unwrap());
    let other = KeptClient { registration: "{}".into(), ..client("a") };
    assert!(!store.add_client(other).await.unwrap());
    assert_eq!(store.clients().await.unwrap(), [client("a"), client("b")]);
}

pub(super) async fn a_registration_changes_only_from_what_was_seen(store: &SharedStore) {
    store.add_client(client("a")).await.unwrap();
    let seen = client("a").registration;
    assert!(store.change_client("a".into(), seen.clone(), "{\"x\":1}".into()).await.unwrap());
    assert!(!store.change_client("a".into(), seen, "{\"y\":1}".into()).await.unwrap());
    assert!(!store.change_client("b".into(), "{}".into(), "{}".into()).await.unwrap());
    assert_eq!(store.clients().await.unwrap()[0].registration, "{\"x\":1}");
}

pub(super) async fn disabling_takes_and_enabling_gives_nothing_back(store: &SharedStore) {
    store.add_client(client("a")).await.unwrap();
    store.keep_grant(grant(1, "a", "u1")).await.unwrap();
    assert!(store.disable_client("a".into(), true, NOW, TOKENS_END).await.unwrap());
    assert!(store.clients().await.unwrap()[0].disabled);
    assert!(store.disable_client("a".into(), false, NOW, TOKENS_END).await.unwrap());
    assert!(!store.clients().await.unwrap()[0].disabled);
    assert_eq!(store.grants(None, NOW, 10).await.unwrap(), []);
    assert!(!store.disable_client("z".into(), true, NOW, TOKENS_END).await.unwrap());
}

pub(super) async fn a_removed_client_leaves_no_consent_and_no_grant(store: &SharedStore) {
    store.add_client(client("a")).await.unwrap();
    store.add_user(user("u1", "alice")).await.unwrap();
    store.keep_grant(grant(1, "a", "u1")).await.unwrap();
    store.remember_consent(consent("u1", "a", &["read"])).await.unwrap();
    assert!(store.remove_client("a".into(), NOW, TOKENS_END).await.unwrap());
    assert!(!store.remove_client("a".into(), NOW, TOKENS_END).await.unwrap());
    assert_eq!(store.clients().await.unwrap(), []);
    assert_eq!(store.consents("u1".into()).await.unwrap(), []);
    assert_eq!(store.grants(None, NOW, 10).await.unwrap(), []);
    assert!(store.is_revoked("j".into(), None, "a".into(), NOW, NOW).await.unwrap());
}

pub(super) async fn a_client_that_leaves_the_file_loses_its_grants(store: &SharedStore) {
    let read = async |named: &[&str]| {
        let named = named.iter().map(|&id| id.to_owned()).collect();
        store.reconcile_clients(named, NOW, TOKENS_END).await.unwrap()
    };
    assert_eq!(read(&["a", "b"]).await, Vec::<String>::new());
    store.keep_grant(grant(1, "a", "u1")).await.unwrap();
    store.keep_grant(grant(2, "b", "u1")).await.unwrap();
    assert_eq!(read(&["b"]).await, ["a"]);
    assert_eq!(read(&["b"]).await, Vec::<String>::new());
    let left = store.grants(None, NOW, 10).await.unwrap();
    assert_eq!(left.iter().map(|grant| grant.client.as_str()).collect::<Vec<_>>(), ["b"]);
}

pub(super) async fn a_client_is_ended_by_its_id_alone(store: &SharedStore) {
    store.keep_grant(grant(1, "a", "u1")).await.unwrap();
    store.keep_grant(grant(2, "b", "u1")).await.unwrap();
    store.end_client("a".into(), NOW, TOKENS_END).await.unwrap();
    let left = store.grants(None, NOW, 10).await.unwrap();
    assert_eq!(left.iter().map(|grant| grant.client.as_str()).collect::<Vec<_>>(), ["b"]);
    let is_revoked = |client: &str, issued| store.is_revoked("t".into(), None, client.into(), issued, NOW);
    assert!(is_revoked("a", NOW).await.unwrap());
    assert!(!is_revoked("a", after(1)).await.unwrap());
    assert!(!is_revoked("b", NOW).await.unwrap());
}

pub(super) async fn the_latest_use_of_a_secret_stays(store: &SharedStore) {
    let used = |secret: &str, at| SecretUse { client: "a".into(), secret: secret.into(), used: after(at) };
    store.secrets_used(vec![used("1", 5), used("2", 1)]).await.unwrap();
    store.secrets_used(vec![used("1", 3), used("2", 9)]).await.unwrap();
    let mut uses = store.secret_uses().await.unwrap();
    uses.sort_by(|a, b| a.secret.cmp(&b.secret));
    assert_eq!(uses, [used("1", 5), used("2", 9)]);
}

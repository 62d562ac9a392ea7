//! Opaque tokens and revocations: is what is revoked refused, in order, and only as long as it matters?

use super::records::{NOW, TOKENS_END, after, client, digest, grant, token};
use crate::store::{Revoked, SharedStore, Versions, Whose};

pub(super) async fn an_opaque_token_comes_back_as_it_was_kept_until_it_ends(store: &SharedStore) {
    let owner = grant(1, "spa", "u1");
    store.keep_grant(owner.clone()).await.unwrap();
    for kept in [token("own", None), token("of a grant", Some(&owner))] {
        store.keep_token(kept.clone()).await.unwrap();
        assert_eq!(store.token(kept.digest, after(299)).await.unwrap(), Some(kept.clone()));
        assert_eq!(store.token(kept.digest, after(300)).await.unwrap(), None);
    }
    assert_eq!(store.token(digest("unknown"), NOW).await.unwrap(), None);
}

pub(super) async fn an_opaque_token_without_its_grant_is_nothing(store: &SharedStore) {
    let never_kept = grant(1, "spa", "u1");
    store.keep_token(token("orphan", Some(&never_kept))).await.unwrap();
    assert_eq!(store.token(digest("orphan"), NOW).await.unwrap(), None);
}

pub(super) async fn a_revoked_token_is_gone_and_told(store: &SharedStore) {
    store.keep_token(token("t", None)).await.unwrap();
    store.revoke_token("jti of t".into(), after(300)).await.unwrap();
    assert_eq!(store.token(digest("t"), NOW).await.unwrap(), None);
    let asked = |id: &str, at| store.is_revoked(id.to_owned(), None, "service".into(), NOW, at);
    assert!(asked("jti of t", after(299)).await.unwrap());
    assert!(!asked("jti of t", after(300)).await.unwrap());
    assert!(!asked("jti of another", NOW).await.unwrap());
}

pub(super) async fn a_lost_role_reaches_the_tokens_made_so_far_and_no_others(store: &SharedStore) {
    store.add_user(super::records::user("u1", "alice")).await.unwrap();
    let owner = grant(1, "spa", "u1");
    store.keep_grant(owner.clone()).await.unwrap();
    store.keep_token(token("before", Some(&owner))).await.unwrap();
    assert!(store.set_roles("u1".into(), vec!["reader".into()], NOW, TOKENS_END).await.unwrap());
    let now = store.grant(owner.id).await.unwrap().unwrap();
    assert!(now.lives(NOW) && now.epoch == 1);
    assert_eq!(store.token(digest("before"), NOW).await.unwrap(), None);
    store.keep_token(token("after", Some(&now))).await.unwrap();
    assert!(store.token(digest("after"), NOW).await.unwrap().is_some());
    let asked = |epoch| store.is_revoked("j".into(), Some((owner.id, epoch)), "spa".into(), NOW, NOW);
    assert!(asked(0).await.unwrap());
    assert!(!asked(1).await.unwrap());
    // A role more takes nothing from anybody.
    let before = store.versions().await.unwrap();
    assert!(store.set_roles("u1".into(), vec!["reader".into(), "x".into()], NOW, TOKENS_END).await.unwrap());
    assert_eq!(store.versions().await.unwrap(), before);
    assert_eq!(store.user("u1".into()).await.unwrap().unwrap().roles, ["reader", "x"]);
}

pub(super) async fn a_disabled_client_loses_what_it_holds(store: &SharedStore) {
    store.add_client(client("service")).await.unwrap();
    let owner = grant(1, "service", "u1");
    store.keep_grant(owner.clone()).await.unwrap();
    store.keep_token(token("own", None)).await.unwrap();
    store.keep_token(token("of a user", Some(&owner))).await.unwrap();
    assert!(store.disable_client("service".into(), true, NOW, TOKENS_END).await.unwrap());
    assert_eq!(store.token(digest("own"), NOW).await.unwrap(), None);
    assert_eq!(store.token(digest("of a user"), NOW).await.unwrap(), None);
    assert!(store.grant(owner.id).await.unwrap().unwrap().revoked);
    // Signed ones that it got so far; those after it was enabled again are good.
    let asked = |issued| store.is_revoked("j".into(), None, "service".into(), issued, after(10));
    assert!(asked(NOW).await.unwrap());
    assert!(!asked(after(5)).await.unwrap());
}

pub(super) async fn revocations_come_in_order_once_and_not_after_their_time(store: &SharedStore) {
    store.revoke_token("short".into(), after(10)).await.unwrap();
    for number in 0..5 {
        store.revoke_token(format!("long {number}"), after(100)).await.unwrap();
    }
    let all = store.revocations(0, NOW, 100).await.unwrap();
    assert_eq!(all.len(), 6);
    assert!(all.windows(2).all(|pair| pair[0].number < pair[1].number));
    assert_eq!(all[0].what, Revoked::Token("short".into()));
    assert_eq!(store.versions().await.unwrap().revocations, all[5].number);
    // In pages, and without what is over.
    assert_eq!(store.revocations(all[1].number, NOW, 2).await.unwrap(), all[2..4]);
    assert_eq!(store.revocations(0, after(10), 100).await.unwrap(), all[1..]);
    assert_eq!(store.revocations(all[5].number, NOW, 100).await.unwrap(), []);
    // A number is never used again, though its row has been swept.
    store.sweep(after(200), 100).await.unwrap();
    assert_eq!(store.revocations(0, NOW, 100).await.unwrap(), []);
    store.revoke_token("later".into(), after(300)).await.unwrap();
    let later = store.revocations(0, after(200), 100).await.unwrap();
    assert!(later.len() == 1 && later[0].number > all[5].number);
}

pub(super) async fn each_subject_has_its_own_version(store: &SharedStore) {
    let start = store.versions().await.unwrap();
    store.add_client(client("c")).await.unwrap();
    let clients = store.versions().await.unwrap();
    assert!(clients.clients != start.clients);
    assert_eq!(Versions { clients: start.clients, ..clients }, start);
    store.first_signing_key(super::key("k", "ES256", 1)).await.unwrap();
    let keys = store.versions().await.unwrap();
    assert!(keys.keys != clients.keys && keys.clients == clients.clients);
    store.keep_grant(grant(1, "spa", "u1")).await.unwrap();
    assert_eq!(store.versions().await.unwrap(), keys);
    store.revoke_grants(Whose::User("u1".into()), NOW, TOKENS_END).await.unwrap();
    assert!(store.versions().await.unwrap().revocations > keys.revocations);
}

pub(super) async fn a_sweep_takes_what_is_over_and_nothing_else(store: &SharedStore) {
    let (lasting, short) = (grant(1, "spa", "u1"), crate::store::Grant { ends: after(5), ..grant(2, "spa", "u1") });
    for kept in [&lasting, &short] {
        store.keep_grant(kept.clone()).await.unwrap();
    }
    store.keep_token(token("t", Some(&lasting))).await.unwrap();
    store.keep_code(super::records::code("c"), digest("t"), after(60)).await.unwrap();
    store.use_assertion(digest("a"), after(60)).await.unwrap();
    assert_eq!(store.sweep(NOW, 100).await.unwrap(), 0);
    assert_eq!(store.sweep(after(5), 100).await.unwrap(), 1);
    assert_eq!(store.grant(short.id).await.unwrap(), None);
    // Code, transaction and assertion; then the token; then the grant.
    assert_eq!(store.sweep(after(60), 100).await.unwrap(), 3);
    assert!(store.use_assertion(digest("a"), after(120)).await.unwrap());
    assert_eq!(store.sweep(after(300), 100).await.unwrap(), 2);
    assert_eq!(store.sweep(after(500), 100).await.unwrap(), 1);
    assert_eq!(store.grant(lasting.id).await.unwrap(), None);
}

pub(super) async fn a_revoked_grant_is_remembered_as_long_as_its_tokens_could_live(store: &SharedStore) {
    let owner = grant(1, "spa", "u1");
    store.keep_grant(owner.clone()).await.unwrap();
    store.revoke_grants(Whose::User("u1".into()), NOW, after(50)).await.unwrap();
    store.sweep(after(49), 100).await.unwrap();
    assert!(store.grant(owner.id).await.unwrap().is_some());
    assert_eq!(store.sweep(after(50), 100).await.unwrap(), 2);
    assert_eq!(store.grant(owner.id).await.unwrap(), None);
}

pub(super) async fn a_sweep_takes_no_more_than_it_may(store: &SharedStore) {
    for number in 0..10 {
        store.keep_token(token(&number.to_string(), None)).await.unwrap();
    }
    assert_eq!(store.sweep(after(300), 4).await.unwrap(), 4);
    assert_eq!(store.sweep(after(300), 4).await.unwrap(), 4);
    assert_eq!(store.sweep(after(300), 4).await.unwrap(), 2);
}

//! Do users of the file whose `subject` is written stay who they are when the file calls them by another name?

use super::records::{NOW, TOKENS_END, consent, digest, grant, proven, session, user, written};
use crate::store::{FileUser, Reconciled, SecondFactor, SharedStore, Spare, User};

/// A user whose id the file demands; the password is the same under each name.
fn demanded(id: &str, name: &str) -> FileUser {
    FileUser { id_is_written: true, ..written(id, name, "1", &["a"]) }
}

async fn read<const N: usize>(store: &SharedStore, users: [FileUser; N]) -> Reconciled {
    store.reconcile_users(users.into(), NOW, TOKENS_END).await.unwrap()
}

async fn named(store: &SharedStore, name: &str) -> Option<String> {
    store.user_named(name.into()).await.unwrap().map(|user| user.id)
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

pub(super) async fn whose_written_id_stays_keeps_everything_under_another_name(store: &SharedStore) {
    read(store, [demanded("u1", "alice")]).await;
    let factor = SecondFactor { secret: vec![1, 7], made: NOW, last_step: Some(9) };
    let codes = vec![digest("a")];
    assert!(store.set_second_factor("u1".into(), Some(factor), codes, Spare::None, NOW, TOKENS_END).await.unwrap());
    let proven = proven(store, "u1").await;
    assert!(store.open_session(session("one", "s1", "u1"), proven, None, NOW, TOKENS_END).await.unwrap());
    store.keep_grant(grant(1, "spa", "u1")).await.unwrap();
    store.remember_consent(consent("u1", "spa", &["read"])).await.unwrap();
    let before = store.user("u1".into()).await.unwrap().unwrap();

    let report = read(store, [demanded("u1", "Anna")]).await;
    assert_eq!(report, Reconciled { renamed: texts(&["alice -> Anna"]), ..Reconciled::default() });
    let after = User { name: "Anna".into(), ..before };
    assert_eq!(store.user_named("anna".into()).await.unwrap().as_ref(), Some(&after));
    assert_eq!(named(store, "alice").await, None);
    assert_eq!(store.session(digest("one"), NOW).await.unwrap().map(|(_, user)| user), Some(after));
    assert_eq!(store.grants(None, NOW, 10).await.unwrap().len(), 1);
    assert_eq!(store.consents("u1".into()).await.unwrap().len(), 1);
    assert_eq!(read(store, [demanded("u1", "Anna")]).await, Reconciled::default());
    // The hash of the file is found before the new name is kept.
    assert_eq!(store.file_password("other".into(), Some("u1".into())).await.unwrap().as_deref(), Some("1"));
    assert_eq!(store.file_password("anna".into(), Some("u2".into())).await.unwrap(), None);
}

pub(super) async fn names_that_change_hands_change_nobody(store: &SharedStore) {
    read(store, [demanded("u1", "alice"), demanded("u2", "bob"), written("u3", "carol", "1", &[])]).await;
    let swapped = [written("u4", "dave", "1", &[]), demanded("u1", "bob"), demanded("u2", "alice")];
    let report = read(store, swapped).await;
    assert_eq!(report.renamed, ["alice -> bob", "bob -> alice"]);
    assert_eq!((report.added, report.removed), (texts(&["dave"]), texts(&["carol"])));
    assert_eq!((report.changed, report.conflicts), (vec![], vec![]));
    for (name, id) in [("alice", "u2"), ("bob", "u1"), ("dave", "u4")] {
        assert_eq!(named(store, name).await.as_deref(), Some(id), "{name}");
    }
    // A name that somebody leaves is free for who is new.
    let report = read(store, [written("u5", "bob", "1", &[]), demanded("u1", "erin"), demanded("u2", "alice")]).await;
    assert_eq!((report.added, report.conflicts), (texts(&["bob"]), vec![]));
    assert_eq!((named(store, "bob").await, named(store, "erin").await), (Some("u5".into()), Some("u1".into())));
}

pub(super) async fn who_cannot_have_the_name_of_a_command_s_user_keeps_the_old_one(store: &SharedStore) {
    store.add_user(user("c1", "bob")).await.unwrap();
    read(store, [demanded("u1", "alice"), demanded("u2", "carol"), demanded("u3", "dave")]).await;
    // What else the file says is taken: a role that goes must not stay because of a name. Nor is a name free that is kept.
    let less = FileUser { roles: vec![], ..demanded("u1", "Bob") };
    let moved = [demanded("u3", "carol"), demanded("u2", "alice"), less, written("u4", "dave", "1", &[])];
    let report = read(store, moved.clone()).await;
    assert_eq!(report.conflicts, ["carol", "alice", "Bob", "dave"]);
    assert_eq!((report.changed, report.removed, report.renamed), (texts(&["alice"]), vec![], vec![]));
    assert!(store.user("u1".into()).await.unwrap().unwrap().roles.is_empty());
    for (name, id) in [("alice", "u1"), ("bob", "c1"), ("carol", "u2"), ("dave", "u3")] {
        assert_eq!(named(store, name).await.as_deref(), Some(id), "{name}");
    }
    assert!(store.remove_user("c1".into(), NOW, TOKENS_END).await.unwrap());
    let report = read(store, moved).await;
    assert_eq!((report.renamed.len(), report.added, report.conflicts), (3, texts(&["dave"]), vec![]));
}

pub(super) async fn a_name_finds_nobody_whose_id_is_written_elsewhere(store: &SharedStore) {
    read(store, [demanded("u1", "alice")]).await;
    // Another person gets the name, and nothing of what the first one has.
    let report = read(store, [written("u2", "alice", "1", &["b"]), demanded("u1", "anna")]).await;
    assert_eq!((report.added, report.renamed), (texts(&["alice"]), texts(&["alice -> anna"])));
    assert_eq!((named(store, "alice").await, named(store, "anna").await), (Some("u2".into()), Some("u1".into())));
    // One who has been known by name is the same when the file begins to write the id.
    let report = read(store, [demanded("u2", "alfred"), demanded("u1", "anna")]).await;
    assert_eq!((report.renamed, report.removed), (texts(&["alice -> alfred"]), vec![]));
}

//! Are users who they are said to be, and does what is taken from them end?

use super::records::{NOW, TOKENS_END, consent, digest, grant, proven, session, user, written};
use crate::store::{Origin, SecondFactor, SharedStore, Spare, User};

/// Recovery codes have no order.
fn sorted(mut user: User) -> User {
    user.recovery.sort_unstable();
    user
}

pub(super) async fn a_user_comes_back_as_it_was_kept(store: &SharedStore) {
    let mut odd = user("u1", "Älice O'Hara");
    odd.second_factor = Some(SecondFactor { secret: vec![0, 255, 7], made: NOW, last_step: Some(9) });
    odd.recovery = vec![digest("a"), digest("b")];
    let odd = sorted(odd);
    let bare = User { email: None, password: None, roles: vec![], disabled: true, ..user("u2", "bob") };
    for kept in [&odd, &bare] {
        assert!(store.add_user(kept.clone()).await.unwrap());
        assert_eq!(store.user(kept.id.clone()).await.unwrap().map(sorted).as_ref(), Some(kept));
    }
    assert_eq!(store.user_named(" älice o'hara ".into()).await.unwrap().map(sorted), Some(odd.clone()));
    let listed: Vec<User> = store.users().await.unwrap().into_iter().map(sorted).collect();
    assert_eq!(listed, [bare, odd]);
    assert_eq!(store.user("u3".into()).await.unwrap(), None);
}

pub(super) async fn a_name_and_an_id_belong_to_one_user_for_ever(store: &SharedStore) {
    assert!(store.add_user(user("u1", "alice")).await.unwrap());
    assert!(!store.add_user(user("u2", "ALICE")).await.unwrap());
    assert!(!store.add_user(user("u1", "bob")).await.unwrap());
    assert!(!store.is_retired("u1".into()).await.unwrap());
    assert!(store.remove_user("u1".into(), NOW, TOKENS_END).await.unwrap());
    assert!(store.is_retired("u1".into()).await.unwrap());
    assert!(!store.remove_user("u1".into(), NOW, TOKENS_END).await.unwrap());
    // The name is free again; the id would bring somebody else into what others know of the first (OIDC Core 5.7).
    assert!(!store.add_user(user("u1", "alice")).await.unwrap());
    assert!(store.add_user(user("u2", "alice")).await.unwrap());
}

/// A user with two sessions, a grant and a consent.
async fn settled(store: &SharedStore) {
    store.add_user(user("u1", "alice")).await.unwrap();
    assert!(
        store.open_session(session("one", "s1", "u1"), proven(store, "u1").await, None, NOW, TOKENS_END).await.unwrap()
    );
    assert!(
        store.open_session(session("two", "s2", "u1"), proven(store, "u1").await, None, NOW, TOKENS_END).await.unwrap()
    );
    store.keep_grant(grant(1, "spa", "u1")).await.unwrap();
    store.remember_consent(consent("u1", "spa", &["read"])).await.unwrap();
}

/// Which of sessions, grants and consents are left.
async fn left(store: &SharedStore) -> (Vec<String>, usize, usize) {
    let mut sids: Vec<String> =
        store.sessions("u1".into(), NOW).await.unwrap().into_iter().map(|session| session.sid).collect();
    sids.sort_unstable();
    let grants = store.grants(None, NOW, 10).await.unwrap().len();
    (sids, grants, store.consents("u1".into()).await.unwrap().len())
}

pub(super) async fn a_removed_user_leaves_nothing_behind(store: &SharedStore) {
    settled(store).await;
    assert!(store.remove_user("u1".into(), NOW, TOKENS_END).await.unwrap());
    assert_eq!(left(store).await, (vec![], 0, 0));
    assert_eq!(store.session(digest("one"), NOW).await.unwrap(), None);
}

pub(super) async fn a_new_password_ends_other_sessions_and_all_grants(store: &SharedStore) {
    settled(store).await;
    let spare = Spare::Session("s2".into());
    assert!(store.set_password("u1".into(), "new".into(), spare, NOW, TOKENS_END).await.unwrap());
    assert_eq!(left(store).await, (vec!["s2".to_owned()], 0, 1));
    assert_eq!(store.user("u1".into()).await.unwrap().unwrap().password.as_deref(), Some("new"));
    assert!(!store.set_password("u9".into(), "new".into(), Spare::None, NOW, TOKENS_END).await.unwrap());
}

pub(super) async fn a_better_hash_replaces_only_the_one_that_was_checked(store: &SharedStore) {
    settled(store).await;
    assert!(!store.rehash_password("u1".into(), "other".into(), "better".into()).await.unwrap());
    assert!(store.rehash_password("u1".into(), "$argon2id$1".into(), "better".into()).await.unwrap());
    assert_eq!(store.user("u1".into()).await.unwrap().unwrap().password.as_deref(), Some("better"));
    assert_eq!(left(store).await.0.len(), 2);
}

pub(super) async fn a_disabled_user_is_signed_out_and_can_come_back(store: &SharedStore) {
    settled(store).await;
    assert!(store.disable_user("u1".into(), true, NOW, TOKENS_END).await.unwrap());
    assert_eq!(left(store).await, (vec![], 0, 1));
    assert!(store.user("u1".into()).await.unwrap().unwrap().disabled);
    assert!(
        !store
            .open_session(session("late", "s3", "u1"), proven(store, "u1").await, None, NOW, TOKENS_END)
            .await
            .unwrap()
    );
    assert_eq!(store.session(digest("late"), NOW).await.unwrap(), None);
    assert!(store.disable_user("u1".into(), false, NOW, TOKENS_END).await.unwrap());
    assert!(!store.user("u1".into()).await.unwrap().unwrap().disabled);
}

pub(super) async fn a_profile_is_replaced_whole(store: &SharedStore) {
    settled(store).await;
    assert!(store.set_profile("u1".into(), None, false, "{\"a\":1}".into()).await.unwrap());
    let user = store.user("u1".into()).await.unwrap().unwrap();
    assert_eq!((user.email, user.email_verified, user.profile.as_str()), (None, false, "{\"a\":1}"));
    assert!(!store.set_profile("u9".into(), None, false, "{}".into()).await.unwrap());
}

pub(super) async fn a_time_step_and_a_recovery_code_are_used_once(store: &SharedStore) {
    settled(store).await;
    assert!(!store.use_step("u1".into(), 5).await.unwrap());
    let factor = SecondFactor { secret: vec![1], made: NOW, last_step: None };
    let codes = vec![digest("a"), digest("b")];
    let spare = Spare::Session("s1".into());
    assert!(store.set_second_factor("u1".into(), Some(factor), codes, spare, NOW, TOKENS_END).await.unwrap());
    assert_eq!(left(store).await.0, ["s1"]);
    for (step, fits) in [(5, true), (5, false), (4, false), (6, true)] {
        assert_eq!(store.use_step("u1".into(), step).await.unwrap(), fits, "{step}");
    }
    for (code, fits) in [("x", false), ("a", true), ("a", false), ("b", true)] {
        assert_eq!(store.use_recovery("u1".into(), digest(code)).await.unwrap(), fits, "{code}");
    }
    assert!(store.set_recovery("u1".into(), vec![digest("c")]).await.unwrap());
    assert_eq!(store.user("u1".into()).await.unwrap().unwrap().recovery, [digest("c")]);
    assert!(store.set_second_factor("u1".into(), None, vec![], Spare::None, NOW, TOKENS_END).await.unwrap());
    assert!(!store.use_step("u1".into(), 99).await.unwrap());
    assert!(!store.use_recovery("u1".into(), digest("c")).await.unwrap());
}

pub(super) async fn a_second_factor_that_comes_or_goes_ends_other_sessions_and_all_grants(store: &SharedStore) {
    settled(store).await;
    let (set, factor) = (Spare::Session("s2".into()), SecondFactor { secret: vec![1], made: NOW, last_step: None });
    assert!(store.set_second_factor("u1".into(), Some(factor), vec![], set, NOW, TOKENS_END).await.unwrap());
    assert_eq!(left(store).await, (vec!["s2".to_owned()], 0, 1));
    store.keep_grant(grant(2, "spa", "u1")).await.unwrap();
    assert!(store.set_second_factor("u1".into(), None, vec![], Spare::None, NOW, TOKENS_END).await.unwrap());
    assert_eq!(left(store).await, (vec![], 0, 1));
    assert!(!store.set_second_factor("u9".into(), None, vec![], Spare::None, NOW, TOKENS_END).await.unwrap());
}

pub(super) async fn a_second_factor_is_sealed_anew_only_from_what_was_seen(store: &SharedStore) {
    for (id, secret) in [("u1", vec![0, 5]), ("u2", vec![1, 5]), ("u3", vec![0, 6])] {
        let factor = SecondFactor { secret, made: NOW, last_step: Some(3) };
        let recovery = vec![digest(id)];
        store.add_user(User { second_factor: Some(factor), recovery, ..user(id, id) }).await.unwrap();
    }
    store.add_user(user("u4", "none")).await.unwrap();
    let clear = async |most| {
        let mut found = store.second_factors_besides(1, most).await.unwrap();
        found.sort_unstable();
        found
    };
    assert_eq!(clear(10).await, [("u1".to_owned(), vec![0, 5]), ("u3".to_owned(), vec![0, 6])]);
    assert_eq!(clear(1).await.len(), 1);
    let reseal =
        async |id: &str, old: &[u8]| store.reseal_second_factor(id.into(), old.to_vec(), vec![1, 9]).await.unwrap();
    assert!(!reseal("u1", &[0, 4]).await);
    assert!(!reseal("u4", &[]).await);
    assert!(reseal("u1", &[0, 5]).await);
    assert_eq!(clear(10).await, [("u3".to_owned(), vec![0, 6])]);
    let sealed = store.user("u1".into()).await.unwrap().unwrap();
    let factor = SecondFactor { secret: vec![1, 9], made: NOW, last_step: Some(3) };
    assert_eq!((sealed.second_factor, sealed.recovery), (Some(factor), vec![digest("u1")]));
}

pub(super) async fn users_of_the_file_come_change_and_go_with_it(store: &SharedStore) {
    let read = async |users: &[(&str, &str, &[&str])]| {
        let written =
            |(name, hash, roles): &(&str, &str, &[&str])| written(&format!("{name} {hash}"), name, hash, roles);
        let file = users.iter().map(written);
        store.reconcile_users(file.collect(), NOW, TOKENS_END).await.unwrap()
    };
    let report = read(&[("alice", "1", &["b", "a"]), ("bob", "1", &[])]).await;
    assert_eq!((report.added.len(), report.changed.len(), report.removed.len()), (2, 0, 0));
    let alice = store.user_named("alice".into()).await.unwrap().unwrap();
    assert_eq!((alice.origin, alice.roles.as_slice()), (Origin::File, &["a".to_owned(), "b".to_owned()][..]));
    // The same file again changes nothing, not even a password that was changed elsewhere since.
    store.set_password(alice.id.clone(), "own".into(), Spare::None, NOW, TOKENS_END).await.unwrap();
    assert_eq!(read(&[("alice", "1", &["a", "b"]), ("bob", "1", &[])]).await, crate::store::Reconciled::default());
    assert_eq!(store.user(alice.id.clone()).await.unwrap().unwrap().password.as_deref(), Some("own"));
    assert_eq!(store.file_password("Alice".into(), None).await.unwrap().as_deref(), Some("1"));
    // What the file says anew holds, and a role that goes is lost; who is no more in it is gone.
    let report = read(&[("alice", "2", &["a"])]).await;
    assert_eq!((report.changed, report.removed), (vec!["alice".to_owned()], vec!["bob".to_owned()]));
    let now = store.user(alice.id.clone()).await.unwrap().unwrap();
    assert_eq!((now.password.as_deref(), now.roles.len()), (Some("2"), 1));
    // Back again under the same name, it is another person, who cannot have the id of the first by accident...
    assert_eq!(read(&[("alice", "2", &["a"]), ("bob", "1", &[])]).await.conflicts, ["bob"]);
    assert_eq!(read(&[("alice", "2", &["a"]), ("bob", "2", &[])]).await.added, ["bob"]);
    // ... only because the file demands it.
    read(&[]).await;
    let demanded = crate::store::FileUser { id_is_written: true, ..written("bob 1", "bob", "1", &[]) };
    assert_eq!(store.reconcile_users(vec![demanded], NOW, TOKENS_END).await.unwrap().added, ["bob"]);
}

pub(super) async fn a_name_of_a_command_is_not_the_files(store: &SharedStore) {
    store.add_user(user("u1", "alice")).await.unwrap();
    let report = store.reconcile_users(vec![written("f", "ALICE", "1", &[])], NOW, TOKENS_END).await.unwrap();
    assert_eq!(report.conflicts, ["ALICE"]);
    assert_eq!(store.users().await.unwrap(), [user("u1", "alice")]);
}

pub(super) async fn another_written_id_is_another_person(store: &SharedStore) {
    let read = async |id: &str| {
        let file = crate::store::FileUser { id_is_written: true, ..written(id, "alice", "1", &[]) };
        store.reconcile_users(vec![file], NOW, TOKENS_END).await.unwrap()
    };
    read("u1").await;
    assert!(
        store.open_session(session("one", "s1", "u1"), proven(store, "u1").await, None, NOW, TOKENS_END).await.unwrap()
    );
    let report = read("u2").await;
    assert_eq!((report.removed.len(), report.added.len()), (1, 1));
    assert_eq!(store.session(digest("one"), NOW).await.unwrap(), None);
    assert_eq!(store.user_named("alice".into()).await.unwrap().unwrap().id, "u2");
}

//! Sessions and consents: does a cookie open what is there, and nothing after its end?

use super::records::{NOW, TOKENS_END, after, consent, digest, grant, proven, session, user};
use crate::store::{Grant, GrantId, SecondFactor, SharedStore, Spare};

async fn alice(store: &SharedStore) {
    store.add_user(user("u1", "alice")).await.unwrap();
}

async fn open(store: &SharedStore, cookie: &str, sid: &str, replaces: Option<&str>) {
    let replaces = replaces.map(digest);
    assert!(
        store
            .open_session(session(cookie, sid, "u1"), proven(store, "u1").await, replaces, NOW, TOKENS_END)
            .await
            .unwrap()
    );
}

/// A grant made in a session, and one that outlives it.
async fn granted(store: &SharedStore, sid: &str) {
    let mut online = grant(1, "spa", "u1");
    online.allowed.session = Some(sid.to_owned());
    let mut offline = Grant { id: GrantId([2; 16]), ..online.clone() };
    offline.allowed.offline = true;
    store.keep_grant(online).await.unwrap();
    store.keep_grant(offline).await.unwrap();
}

async fn live_grants(store: &SharedStore) -> Vec<u8> {
    let grants = store.grants(None, NOW, 10).await.unwrap();
    let mut ids: Vec<u8> = grants.into_iter().map(|grant| grant.id.0[0]).collect();
    ids.sort_unstable();
    ids
}

pub(super) async fn a_session_comes_back_whole_with_its_user(store: &SharedStore) {
    alice(store).await;
    open(store, "c", "s1", None).await;
    let found = store.session(digest("c"), NOW).await.unwrap();
    assert_eq!(found, Some((session("c", "s1", "u1"), user("u1", "alice"))));
    assert_eq!(store.session(digest("x"), NOW).await.unwrap(), None);
}

pub(super) async fn a_session_ends_idle_or_for_good(store: &SharedStore) {
    alice(store).await;
    open(store, "c", "s1", None).await;
    assert!(store.session(digest("c"), after(99)).await.unwrap().is_some());
    assert_eq!(store.session(digest("c"), after(100)).await.unwrap(), None);
    store.touch_session(digest("c"), after(50), after(150)).await.unwrap();
    let (touched, _) = store.session(digest("c"), after(120)).await.unwrap().unwrap();
    assert_eq!((touched.seen, touched.idle_end), (after(50), after(150)));
    // Never past the absolute end.
    store.touch_session(digest("c"), after(900), after(2000)).await.unwrap();
    assert!(store.session(digest("c"), after(999)).await.unwrap().is_some());
    assert_eq!(store.session(digest("c"), after(1000)).await.unwrap(), None);
    assert_eq!(store.sessions("u1".into(), after(1000)).await.unwrap(), []);
    assert!(store.sweep(after(1000), 10).await.unwrap() >= 1);
}

pub(super) async fn a_replaced_session_is_dead_and_its_grants_go_on_under_one_sid(store: &SharedStore) {
    alice(store).await;
    open(store, "old", "s1", None).await;
    granted(store, "s1").await;
    open(store, "new", "s1", Some("old")).await;
    assert_eq!(store.session(digest("old"), NOW).await.unwrap(), None);
    assert!(store.session(digest("new"), NOW).await.unwrap().is_some());
    assert_eq!(live_grants(store).await, [1, 2]);
    open(store, "other", "s2", Some("new")).await;
    assert_eq!(live_grants(store).await, [2]);
}

/// What happens to a user between their login and what comes of it.
#[derive(Debug, PartialEq)]
enum Meanwhile {
    Nothing,
    Unrelated,
    Password,
    Disabled,
    SecondFactor,
    Removed,
}

pub(super) async fn what_comes_of_a_login_is_kept_only_while_what_it_proved_is_so(store: &SharedStore) {
    use Meanwhile::{Disabled, Nothing, Password, Removed, SecondFactor as Factor, Unrelated};
    for (number, meanwhile) in (1..).zip([Nothing, Unrelated, Password, Disabled, Factor, Removed]) {
        let (id, cookie, sid) = (format!("u{number}"), format!("c{number}"), format!("s{number}"));
        store.add_user(user(&id, &format!("name{number}"))).await.unwrap();
        let before = proven(store, &id).await;
        assert!(
            store
                .open_session(session(&format!("old{number}"), "s", &id), before.clone(), None, NOW, TOKENS_END)
                .await
                .unwrap()
        );
        let old = digest(&format!("old{number}"));
        let factor = SecondFactor { secret: vec![1], made: NOW, last_step: None };
        let done = match meanwhile {
            Nothing => true,
            Unrelated => store.set_roles(id.clone(), vec![], NOW, TOKENS_END).await.unwrap(),
            Password => {
                store.set_password(id.clone(), "new".into(), Spare::Session("s".into()), NOW, TOKENS_END).await.unwrap()
            }
            Disabled => store.disable_user(id.clone(), true, NOW, TOKENS_END).await.unwrap(),
            Factor => store
                .set_second_factor(id.clone(), Some(factor), vec![], Spare::Session("s".into()), NOW, TOKENS_END)
                .await
                .unwrap(),
            Removed => store.remove_user(id.clone(), NOW, TOKENS_END).await.unwrap(),
        };
        assert!(done, "{meanwhile:?}");
        let still = matches!(meanwhile, Nothing | Unrelated);
        let opened =
            store.open_session(session(&cookie, &sid, &id), before.clone(), Some(old), NOW, TOKENS_END).await.unwrap();
        let kept = store.keep_proven_grant(grant(number, "spa", &id), before).await.unwrap();
        assert_eq!((opened, kept), (still, still), "{meanwhile:?}");
        assert_eq!(store.session(digest(&cookie), NOW).await.unwrap().is_some(), still, "{meanwhile:?}");
        assert_eq!(store.grant(GrantId([number; 16])).await.unwrap().is_some(), still, "{meanwhile:?}");
        if matches!(meanwhile, Password | Factor) {
            assert!(store.session(old, NOW).await.unwrap().is_some(), "nothing was replaced");
        }
    }
}

pub(super) async fn a_session_is_ended_by_its_user_only(store: &SharedStore) {
    alice(store).await;
    open(store, "c", "s1", None).await;
    granted(store, "s1").await;
    assert!(!store.end_session("u2".into(), "s1".into(), NOW, TOKENS_END).await.unwrap());
    assert_eq!(live_grants(store).await, [1, 2]);
    assert!(store.end_session("u1".into(), "s1".into(), NOW, TOKENS_END).await.unwrap());
    assert_eq!(live_grants(store).await, [2]);
    assert!(!store.end_session("u1".into(), "s1".into(), NOW, TOKENS_END).await.unwrap());
}

pub(super) async fn signing_out_everywhere_ends_offline_grants_too(store: &SharedStore) {
    alice(store).await;
    for (cookie, sid) in [("a", "s1"), ("b", "s2"), ("c", "s3")] {
        open(store, cookie, sid, None).await;
    }
    granted(store, "s1").await;
    let spare = Spare::Session("s2".into());
    assert_eq!(store.end_sessions("u1".into(), spare, NOW, TOKENS_END).await.unwrap(), 2);
    assert_eq!(live_grants(store).await, Vec::<u8>::new());
    let left = store.sessions("u1".into(), NOW).await.unwrap();
    assert_eq!(left.iter().map(|session| session.sid.as_str()).collect::<Vec<_>>(), ["s2"]);
    assert_eq!(store.end_sessions("u1".into(), Spare::None, NOW, TOKENS_END).await.unwrap(), 1);
}

pub(super) async fn sessions_are_listed_latest_use_first(store: &SharedStore) {
    alice(store).await;
    for (cookie, sid, seen) in [("a", "s1", 1), ("b", "s2", 3), ("c", "s3", 2)] {
        open(store, cookie, sid, None).await;
        store.touch_session(digest(cookie), after(seen), after(100)).await.unwrap();
    }
    let sids: Vec<String> =
        store.sessions("u1".into(), NOW).await.unwrap().into_iter().map(|session| session.sid).collect();
    assert_eq!(sids, ["s2", "s3", "s1"]);
}

pub(super) async fn consent_grows_and_is_withdrawn_with_its_grants(store: &SharedStore) {
    alice(store).await;
    store.remember_consent(consent("u1", "spa", &["read"])).await.unwrap();
    store.remember_consent(consent("u1", "spa", &["a", "read"])).await.unwrap();
    store.remember_consent(consent("u1", "web", &["read"])).await.unwrap();
    let at = "https://api.example.com";
    let kept = store.consent("u1".into(), "spa".into(), at.into()).await.unwrap();
    assert_eq!(kept, Some(consent("u1", "spa", &["a", "read"])));
    assert_eq!(store.consent("u1".into(), "spa".into(), "https://elsewhere".into()).await.unwrap(), None);
    store.keep_grant(grant(1, "spa", "u1")).await.unwrap();
    store.keep_grant(grant(2, "web", "u1")).await.unwrap();
    store.withdraw_consent("u1".into(), "spa".into(), NOW, TOKENS_END).await.unwrap();
    assert_eq!(store.consents("u1".into()).await.unwrap(), [consent("u1", "web", &["read"])]);
    assert_eq!(live_grants(store).await, [2]);
}

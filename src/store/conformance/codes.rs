//! Are codes and transactions used up exactly once?

use super::records::{NOW, TOKENS_END, after, allowed, code, digest, grant, proven, session, user};
use crate::store::{Allowed, Code, Redeem, SharedStore, Spare, Whose};

/// A code that alice allowed in her session.
fn seated(text: &str, offline: bool) -> Code {
    let allowed = Allowed { offline, ..allowed("u1", Some("s1")) };
    Code { allowed, ..code(text) }
}

async fn alice(store: &SharedStore) {
    store.add_user(user("u1", "alice")).await.unwrap();
    let alice = proven(store, "u1").await;
    let opened = store.open_session(session("cookie", "s1", "u1"), alice, None, NOW, TOKENS_END).await;
    assert!(opened.unwrap());
}

pub(super) async fn a_code_comes_back_as_it_was_kept(store: &SharedStore) {
    alice(store).await;
    let kept = seated("c", true);
    assert!(store.keep_code(kept.clone(), digest("t"), after(60)).await.unwrap());
    assert_eq!(store.code(digest("c")).await.unwrap(), Some(kept));
    assert_eq!(store.code(digest("another")).await.unwrap(), None);
}

pub(super) async fn a_session_that_has_ended_gives_no_code(store: &SharedStore) {
    alice(store).await;
    let other = Code { allowed: allowed("u2", Some("s1")), ..code("c") };
    assert!(!store.keep_code(other, digest("t"), after(60)).await.unwrap());
    assert!(store.end_session("u1".into(), "s1".into(), NOW, TOKENS_END).await.unwrap());
    assert!(!store.keep_code(seated("c", true), digest("t"), after(60)).await.unwrap());
    assert_eq!(store.code(digest("c")).await.unwrap(), None);
    assert!(!store.is_finished(digest("t")).await.unwrap());
}

/// What ends somebody's grants ends the codes that would give more of them.
pub(super) async fn a_code_that_nobody_redeemed_goes_with_the_grants(store: &SharedStore) {
    alice(store).await;
    let acts = ["session", "withdraw", "client", "everywhere", "password", "disable"];
    for act in acts {
        for offline in [false, true] {
            let text = format!("{act} {offline}");
            let allowed = Allowed { offline, ..allowed("u1", (act == "session").then_some("s1")) };
            let code = Code { allowed, ..code(&text) };
            assert!(store.keep_code(code, digest(&text), after(60)).await.unwrap(), "{text}");
        }
        end(store, act).await;
        for offline in [false, true] {
            let redeemed = store.redeem_code(digest(&format!("{act} {offline}")), grant(1, "spa", "u1"), NOW).await;
            let lives = act == "session" && offline;
            assert_eq!(redeemed.unwrap(), if lives { Redeem::Granted } else { Redeem::Gone }, "{act} {offline}");
        }
    }
}

async fn end(store: &SharedStore, act: &str) {
    let user = || "u1".to_owned();
    match act {
        "password" => {
            store.set_password(user(), "hash".into(), Spare::Session("s1".into()), NOW, TOKENS_END).await.map(drop)
        }
        "everywhere" => store.end_sessions(user(), Spare::None, NOW, TOKENS_END).await.map(drop),
        "disable" => store.disable_user(user(), true, NOW, TOKENS_END).await.map(drop),
        "withdraw" => store.withdraw_consent(user(), "spa".into(), NOW, TOKENS_END).await,
        "client" => store.revoke_grants(Whose::Client("spa".into()), NOW, TOKENS_END).await.map(drop),
        _ => store.end_session(user(), "s1".into(), NOW, TOKENS_END).await.map(drop),
    }
    .unwrap();
}

pub(super) async fn a_transaction_ends_once_with_a_code_or_without(store: &SharedStore) {
    assert!(!store.is_finished(digest("t")).await.unwrap());
    assert!(store.keep_code(code("c"), digest("t"), after(60)).await.unwrap());
    assert!(store.is_finished(digest("t")).await.unwrap());
    assert!(!store.keep_code(code("d"), digest("t"), after(60)).await.unwrap());
    assert_eq!(store.code(digest("d")).await.unwrap(), None);
    assert!(!store.finish_transaction(digest("t"), after(60)).await.unwrap());
    assert!(store.finish_transaction(digest("other"), after(60)).await.unwrap());
    assert!(!store.keep_code(code("d"), digest("other"), after(60)).await.unwrap());
}

pub(super) async fn a_code_is_redeemed_once_and_then_names_its_grant(store: &SharedStore) {
    store.keep_code(code("c"), digest("t"), after(60)).await.unwrap();
    let first = grant(1, "spa", "u1");
    assert_eq!(store.redeem_code(digest("c"), first.clone(), NOW).await.unwrap(), Redeem::Granted);
    assert_eq!(store.grant(first.id).await.unwrap(), Some(first.clone()));
    let again = store.redeem_code(digest("c"), grant(2, "spa", "u1"), NOW).await.unwrap();
    assert_eq!(again, Redeem::Again(first.id));
    assert_eq!(store.grant(grant(2, "spa", "u1").id).await.unwrap(), None);
    assert_eq!(store.code(digest("c")).await.unwrap().unwrap().grant, Some(first.id));
}

pub(super) async fn a_code_is_known_as_long_as_its_grant_lives(store: &SharedStore) {
    store.keep_code(code("c"), digest("t"), after(60)).await.unwrap();
    let first = grant(1, "spa", "u1");
    store.redeem_code(digest("c"), first.clone(), NOW).await.unwrap();
    store.sweep(after(120), 100).await.unwrap();
    // After the code's own end, and after a revocation too: the replay is still told from a code that never was.
    let late = store.redeem_code(digest("c"), grant(2, "spa", "u1"), after(120)).await.unwrap();
    assert_eq!(late, Redeem::Again(first.id));
    store.revoke_grants(Whose::Grant(first.id), after(120), TOKENS_END).await.unwrap();
    let late = store.redeem_code(digest("c"), grant(2, "spa", "u1"), after(121)).await.unwrap();
    assert_eq!(late, Redeem::Again(first.id));
}

pub(super) async fn an_unknown_code_and_one_that_is_over_give_nothing(store: &SharedStore) {
    store.keep_code(code("c"), digest("t"), after(60)).await.unwrap();
    let grant = grant(1, "spa", "u1");
    assert_eq!(store.redeem_code(digest("x"), grant.clone(), NOW).await.unwrap(), Redeem::Gone);
    assert_eq!(store.redeem_code(digest("c"), grant.clone(), after(60)).await.unwrap(), Redeem::Gone);
    assert_eq!(store.grant(grant.id).await.unwrap(), None);
}

pub(super) async fn the_fifth_wrong_verifier_burns_a_code(store: &SharedStore) {
    store.keep_code(code("c"), digest("t"), after(60)).await.unwrap();
    for misses in 1..5 {
        store.miss_code(digest("c")).await.unwrap();
        assert_eq!(store.code(digest("c")).await.unwrap().unwrap().misses, misses);
    }
    store.miss_code(digest("c")).await.unwrap();
    assert_eq!(store.code(digest("c")).await.unwrap(), None);
    assert_eq!(store.redeem_code(digest("c"), grant(1, "spa", "u1"), NOW).await.unwrap(), Redeem::Gone);
}

pub(super) async fn an_assertion_is_used_once(store: &SharedStore) {
    assert!(store.use_assertion(digest("a"), after(60)).await.unwrap());
    assert!(!store.use_assertion(digest("a"), after(60)).await.unwrap());
    assert!(store.use_assertion(digest("b"), after(60)).await.unwrap());
}

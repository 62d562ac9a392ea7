//! Is every verb one act, whoever else acts at the same moment?

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::Barrier;

use super::records::{NOW, TOKENS_END, after, allowed, code, digest, grant, proven, session, turning, user, written};
use super::{key, set};
use crate::store::{Act, Code, GrantId, Redeem, SecondFactor, SharedStore, Spare, Store, StoreFault, Turn};

/// What `act` gives to 64 who do it at the same moment.
async fn at_once<T: Send + 'static>(
    store: &SharedStore,
    act: impl Fn(&'static dyn Store, u8) -> Act<'static, T> + Copy + Send + 'static,
) -> Vec<T> {
    let start = Arc::new(Barrier::new(64));
    let store: &'static SharedStore = Box::leak(Box::new(Arc::clone(store)));
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                act(&**store, number).await
            })
        })
        .collect();
    let mut given: Vec<Result<T, StoreFault>> = Vec::new();
    for task in tasks {
        given.push(task.await.unwrap());
    }
    given.into_iter().map(Result::unwrap).collect()
}

fn wins(given: &[bool]) -> usize {
    given.iter().filter(|won| **won).count()
}

pub(super) async fn of_64_first_signing_keys_at_once_one_wins(store: &SharedStore) {
    let start = Arc::new(Barrier::new(64));
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let (store, start) = (Arc::clone(store), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                store.first_signing_key(key(&format!("key {number}"), "ES256", 1000 - number)).await.unwrap().id
            })
        })
        .collect();
    let mut winners = HashSet::new();
    for task in tasks {
        winners.insert(task.await.unwrap());
    }
    assert_eq!(winners.len(), 1);
    let kept = store.signing_keys().await.unwrap();
    assert_eq!(kept.len(), 1);
    assert!(winners.contains(&kept[0].id));
}

pub(super) async fn of_64_key_sets_at_once_the_latest_stays(store: &SharedStore) {
    let start = Arc::new(Barrier::new(64));
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let (store, start) = (Arc::clone(store), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                store.keep_key_set("corp".into(), set(&number.to_string(), number)).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.key_set("corp".into()).await.unwrap(), Some(set("63", 63)));
}

pub(super) async fn a_store_that_works_answers_a_ping(store: &SharedStore) {
    store.ping().await.unwrap();
}

pub(super) async fn of_64_redemptions_at_once_one_is_granted(store: &SharedStore) {
    store.keep_code(code("c"), digest("t"), after(60)).await.unwrap();
    let given = at_once(store, |store, number| store.redeem_code(digest("c"), grant(number, "spa", "u1"), NOW)).await;
    assert_eq!(given.iter().filter(|one| **one == Redeem::Granted).count(), 1);
    let grants = store.grants(None, NOW, 100).await.unwrap();
    assert_eq!(grants.len(), 1);
    let again = given.iter().filter(|one| **one == Redeem::Again(grants[0].id)).count();
    assert_eq!(again, 63);
}

pub(super) async fn of_codes_made_and_redeemed_while_the_session_ends_no_grant_lives(store: &SharedStore) {
    store.add_user(user("u1", "alice")).await.unwrap();
    let alice = proven(store, "u1").await;
    let opened = store.open_session(session("cookie", "s1", "u1"), alice, None, NOW, TOKENS_END).await;
    assert!(opened.unwrap());
    let seated = |text: &str| Code { allowed: allowed("u1", Some("s1")), ..code(text) };
    for number in 0..32 {
        let text = format!("before {number}");
        assert!(store.keep_code(seated(&text), digest(&text), after(60)).await.unwrap());
    }
    at_once(store, |store, number| match number {
        0 => Box::pin(async { store.end_sessions("u1".into(), Spare::None, NOW, TOKENS_END).await.map(drop) }),
        1..32 => Box::pin(async move {
            let code = Code { allowed: allowed("u1", Some("s1")), ..code(&format!("late {number}")) };
            store.keep_code(code, digest(&format!("late {number}")), after(60)).await.map(drop)
        }),
        _ => Box::pin(async move {
            let code = digest(&format!("before {}", number - 32));
            store.redeem_code(code, grant(number, "spa", "u1"), NOW).await.map(drop)
        }),
    })
    .await;
    for number in 1..32 {
        let late = store.redeem_code(digest(&format!("late {number}")), grant(number, "spa", "u1"), NOW).await;
        assert_eq!(late.unwrap(), Redeem::Gone);
    }
    assert_eq!(store.grants(None, NOW, 100).await.unwrap(), []);
}

pub(super) async fn of_64_refreshes_at_once_all_get_the_same_successor(store: &SharedStore) {
    store.keep_grant(grant(1, "spa", "u1")).await.unwrap();
    let given = at_once(store, |store, _| store.turn_grant(GrantId([1; 16]), 0, turning(), NOW, TOKENS_END)).await;
    for turn in given {
        assert!(matches!(&turn, Turn::Good(grant) if grant.generation == 1), "{turn:?}");
    }
    assert_eq!(store.grant(GrantId([1; 16])).await.unwrap().unwrap().generation, 1);
}

pub(super) async fn of_64_ends_of_a_transaction_at_once_one_counts(store: &SharedStore) {
    let given = at_once(store, |store, number| store.keep_code(code(&number.to_string()), digest("t"), after(60)));
    assert_eq!(wins(&given.await), 1);
}

pub(super) async fn of_64_uses_at_once_of_what_is_good_once_one_counts(store: &SharedStore) {
    store.add_user(user("u1", "alice")).await.unwrap();
    let factor = SecondFactor { secret: vec![1], made: NOW, last_step: None };
    store.set_second_factor("u1".into(), Some(factor), vec![digest("a")], Spare::None, NOW, TOKENS_END).await.unwrap();
    assert_eq!(wins(&at_once(store, |store, _| store.use_step("u1".into(), 7)).await), 1);
    assert_eq!(wins(&at_once(store, |store, _| store.use_recovery("u1".into(), digest("a"))).await), 1);
    assert_eq!(wins(&at_once(store, |store, _| store.use_assertion(digest("j"), after(9))).await), 1);
}

pub(super) async fn of_64_users_of_one_name_at_once_one_is_kept(store: &SharedStore) {
    let given = at_once(store, |store, number| store.add_user(user(&number.to_string(), "alice"))).await;
    assert_eq!((wins(&given), store.users().await.unwrap().len()), (1, 1));
}

pub(super) async fn of_64_readings_of_a_file_at_once_one_adds(store: &SharedStore) {
    let given = at_once(store, |store, number| {
        store.reconcile_users(vec![written(&number.to_string(), "alice", "1", &[])], NOW, TOKENS_END)
    })
    .await;
    assert_eq!(given.iter().filter(|report| !report.added.is_empty()).count(), 1);
    assert_eq!(store.users().await.unwrap().len(), 1);
}

pub(super) async fn no_login_outlives_a_new_password_that_comes_at_the_same_moment(store: &SharedStore) {
    store.add_user(user("u1", "alice")).await.unwrap();
    let before = proven(store, "u1").await;
    assert_eq!(before.password.as_deref(), Some("$argon2id$1"));
    at_once(store, |store, number| {
        let proven = crate::store::Proven::of(&user("u1", "alice"));
        let cookie = format!("c{number}");
        match number {
            40 => store.set_password("u1".into(), "new".into(), Spare::None, NOW, TOKENS_END),
            0..32 => store.open_session(session(&cookie, &cookie, "u1"), proven, None, NOW, TOKENS_END),
            _ => store.keep_proven_grant(grant(number, "spa", "u1"), proven),
        }
    })
    .await;
    assert_eq!(store.sessions("u1".into(), NOW).await.unwrap(), []);
    assert_eq!(store.grants(None, NOW, 100).await.unwrap(), []);
}

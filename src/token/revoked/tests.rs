//! Is exactly that refused which was revoked?

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::ground::ManualClock;
use crate::store::{Grants as _, Memory, SharedStore};

fn token(id: &str, grant: Option<(u8, u32)>, client: &str, issued: u64) -> Revocable {
    Revocable {
        id: id.into(),
        grant: grant.map(|(id, epoch)| (GrantId([id; 16]), 0, epoch)),
        client: client.into(),
        issued: Time::from_secs(issued),
    }
}

fn set(revoked: Vec<(Revoked, u64)>) -> Set {
    let mut set = Set::default();
    for (number, (what, until)) in revoked.into_iter().enumerate() {
        set.take(Revocation { number: number as u64 + 1, what, until: Time::from_secs(until) });
    }
    set
}

#[test]
fn a_token_is_refused_by_its_id_its_grant_or_its_client() {
    let grant = |id: u8, below_epoch| Revoked::Grant { id: GrantId([id; 16]), below_epoch };
    let client = Revoked::Client { id: "gone".into(), issued_until: Time::from_secs(50) };
    let set =
        set(vec![(Revoked::Token("t1".into()), 100), (grant(1, 3), 100), (grant(2, u32::MAX), 100), (client, 100)]);
    for (token, refused) in [
        (token("t1", None, "a", 10), true),
        (token("t2", None, "a", 10), false),
        (token("t2", Some((1, 2)), "a", 10), true),
        (token("t2", Some((1, 3)), "a", 10), false),
        (token("t2", Some((2, 4_000_000_000)), "a", 10), true),
        (token("t2", Some((3, 0)), "a", 10), false),
        (token("t2", None, "gone", 50), true),
        (token("t2", None, "gone", 51), false),
    ] {
        assert_eq!(set.refuses(&token), refused, "{token:?}");
    }
}

#[test]
fn what_is_over_is_forgotten_and_nothing_else() {
    let mut set = set(vec![(Revoked::Token("a".into()), 10), (Revoked::Token("b".into()), 20)]);
    set.forget(Time::from_secs(10));
    assert!(!set.refuses(&token("a", None, "c", 1)) && set.refuses(&token("b", None, "c", 1)));
}

#[test]
fn a_set_that_is_too_large_refuses_everything_from_before_and_nothing_from_after() {
    let many = (0..=MOST).map(|number| (Revoked::Token(number.to_string()), 1000)).collect();
    let mut set = set(many);
    set.bound(Time::from_secs(500));
    assert_eq!(set.len(), 0);
    assert!(set.refuses(&token("anything", None, "c", 500)));
    assert!(!set.refuses(&token("anything", None, "c", 501)));
    set.forget(Time::from_secs(1000));
    assert!(!set.refuses(&token("anything", None, "c", 500)));
}

#[tokio::test]
async fn what_the_store_revokes_is_refused_after_a_kick() {
    let clock = ManualClock::at(Time::from_secs(100));
    let memory = Arc::new(Memory::default());
    let store: SharedStore = memory.clone();
    memory.revoke_token("early".into(), Time::from_secs(200)).await.unwrap();
    let revocations = Arc::new(Revocations::default());
    let follower = Follower::open(Arc::clone(&revocations), store, clock.clone()).await.unwrap();
    assert!(revocations.refuse(&token("early", None, "c", 1)), "what was there before the start");
    let following = tokio::spawn(follower.follow());
    memory.revoke_token("late".into(), Time::from_secs(200)).await.unwrap();
    revocations.kick();
    while !revocations.refuse(&token("late", None, "c", 1)) {
        tokio::task::yield_now().await;
    }
    assert!(!revocations.refuse(&token("other", None, "c", 1)));
    following.abort();
}

#[tokio::test]
async fn what_a_database_says_that_is_behind_the_one_before_is_heard() {
    let revocations = Arc::new(Revocations::default());
    let [before, after] = [Arc::new(Memory::default()), Arc::new(Memory::default())];
    for id in ["one", "two", "lost"] {
        before.revoke_token(id.into(), Time::from_secs(200)).await.unwrap();
    }
    let clock = ManualClock::at(Time::from_secs(100));
    let mut follower = Follower::open(Arc::clone(&revocations), before, clock).await.unwrap();
    after.revoke_token("one".into(), Time::from_secs(200)).await.unwrap();
    follower.store = after.clone();
    follower.read().await.unwrap();
    for id in ["said", "again"] {
        after.revoke_token(id.into(), Time::from_secs(200)).await.unwrap();
        follower.read().await.unwrap();
        assert!(revocations.refuse(&token(id, None, "c", 1)), "{id}");
    }
    assert!(revocations.refuse(&token("lost", None, "c", 1)), "what was known stays known");
}

#[tokio::test]
async fn what_was_read_before_a_page_failed_is_read_again() {
    let clock = ManualClock::at(Time::from_secs(100));
    let memory = Arc::new(Memory::default());
    memory.revoke_token("early".into(), Time::from_secs(200)).await.unwrap();
    let revocations = Arc::new(Revocations::default());
    let mut follower = Follower::open(Arc::clone(&revocations), memory.clone(), clock).await.unwrap();
    for number in 0..=PAGE {
        memory.revoke_token(number.to_string(), Time::from_secs(200)).await.unwrap();
    }
    // The version and the first page.
    *memory.verbs_left.lock() = Some(2);
    assert!(follower.read().await.is_err(), "the second page fails");
    *memory.verbs_left.lock() = None;
    follower.read().await.unwrap();
    for id in ["early".to_owned(), "0".to_owned(), PAGE.to_string()] {
        assert!(revocations.refuse(&token(&id, None, "c", 1)), "{id}");
    }
}

proptest! {
    #[test]
    fn the_set_agrees_with_a_list_of_everything(
        revoked in prop::collection::vec((0..3_u8, 0..4_u8, 0..5_u32, 1..40_u64), 0..40),
        (id, grant, epoch, issued, now) in (0..4_u8, 0..4_u8, 0..5_u32, 0..5_u64, 0..40_u64),
    ) {
        let what = |(kind, name, bound, until): (u8, u8, u32, u64)| {
            let what = match kind {
                0 => Revoked::Token(name.to_string()),
                1 => Revoked::Grant { id: GrantId([name; 16]), below_epoch: bound },
                _ => Revoked::Client { id: name.to_string(), issued_until: Time::from_secs(u64::from(bound)) },
            };
            (what, until)
        };
        let list: Vec<_> = revoked.into_iter().map(what).collect();
        let token = token(&id.to_string(), Some((grant, epoch)), &id.to_string(), issued);
        let mut set = set(list.clone());
        set.forget(Time::from_secs(now));
        let hits = |(what, _): &(Revoked, u64)| match what {
            Revoked::Token(own) => **own == *token.id,
            Revoked::Grant { id, below_epoch } => *id == GrantId([grant; 16]) && epoch < *below_epoch,
            Revoked::Client { id, issued_until } => **id == *token.client && token.issued <= *issued_until,
        };
        // An entry lives as long as the longest of its kind and name: refusing longer is safe, refusing less is not.
        let must = list.iter().any(|one| hits(one) && now < one.1);
        let may = list.iter().any(hits);
        prop_assert!(!must || set.refuses(&token));
        prop_assert!(may || !set.refuses(&token));
    }
}

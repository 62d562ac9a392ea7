//! Does a grant turn as the state machine says, and end with all that came of it?

use super::records::{NOW, TOKENS_END, after, digest, grant, token, turning};
use crate::store::{Grant, GrantId, Revoked, SharedStore, Turn, Turning, Whose};

async fn turned(store: &SharedStore, generation: u32, at: u64) -> Turn {
    store.turn_grant(GrantId([1; 16]), generation, turning(), after(at), TOKENS_END).await.unwrap()
}

fn good(turn: Turn) -> Grant {
    match turn {
        Turn::Good(grant) => *grant,
        Turn::Replayed | Turn::Gone => panic!("{turn:?}"),
    }
}

pub(super) async fn a_grant_comes_back_as_it_was_kept(store: &SharedStore) {
    let mut odd = grant(1, "spa", "u1");
    (odd.superseded, odd.confirmed, odd.generation, odd.epoch) = (Some(after(3)), true, 7, 2);
    (odd.allowed.offline, odd.allowed.session, odd.nonce) = (true, None, None);
    store.keep_grant(odd.clone()).await.unwrap();
    assert_eq!(store.grant(odd.id).await.unwrap(), Some(odd));
    assert_eq!(store.grant(GrantId([9; 16])).await.unwrap(), None);
}

pub(super) async fn the_current_generation_advances_and_moves_the_idle_end(store: &SharedStore) {
    store.keep_grant(grant(1, "spa", "u1")).await.unwrap();
    let next = good(turned(store, 0, 10).await);
    assert_eq!((next.generation, next.superseded, next.confirmed), (1, Some(after(10)), false));
    assert_eq!((next.used, next.idle_end), (after(10), after(510)));
    assert_eq!(store.grant(next.id).await.unwrap(), Some(next));
    // Never past the absolute end.
    let long = Turning { idle: std::time::Duration::from_secs(1_000_000), ..turning() };
    let turn = store.turn_grant(GrantId([1; 16]), 1, long, after(20), TOKENS_END).await.unwrap();
    assert_eq!(good(turn).idle_end, after(5000));
}

pub(super) async fn one_that_does_not_rotate_stays(store: &SharedStore) {
    store.keep_grant(grant(1, "web", "u1")).await.unwrap();
    let stays = Turning { rotates: false, ..turning() };
    for at in [10, 20] {
        let turn = store.turn_grant(GrantId([1; 16]), 0, stays, after(at), TOKENS_END).await.unwrap();
        let grant = good(turn);
        assert_eq!((grant.generation, grant.used), (0, after(at)));
    }
}

pub(super) async fn a_lost_answer_is_given_again_until_the_new_one_is_seen(store: &SharedStore) {
    store.keep_grant(grant(1, "spa", "u1")).await.unwrap();
    good(turned(store, 0, 0).await);
    // Within the grace, then within the retry window, the same successor.
    assert_eq!(good(turned(store, 0, 5).await).generation, 1);
    assert_eq!(good(turned(store, 0, 50).await).generation, 1);
    // A confirmation of an older generation says nothing.
    store.confirm_grant(GrantId([1; 16]), 0).await.unwrap();
    assert_eq!(good(turned(store, 0, 55).await).generation, 1);
    store.confirm_grant(GrantId([1; 16]), 1).await.unwrap();
    assert_eq!(turned(store, 0, 55).await, Turn::Replayed);
}

pub(super) async fn a_replay_revokes_the_grant_and_what_came_of_it(store: &SharedStore) {
    let first = grant(1, "spa", "u1");
    store.keep_grant(first.clone()).await.unwrap();
    store.keep_token(token("opaque", Some(&first))).await.unwrap();
    good(turned(store, 0, 0).await);
    good(turned(store, 1, 1).await);
    assert_eq!(turned(store, 0, 2).await, Turn::Replayed);
    let kept = store.grant(first.id).await.unwrap().unwrap();
    assert!(kept.revoked && kept.epoch == u32::MAX && !kept.lives(after(2)));
    assert_eq!(store.token(digest("opaque"), after(2)).await.unwrap(), None);
    let revoked: Vec<Revoked> =
        store.revocations(0, after(2), 10).await.unwrap().into_iter().map(|one| one.what).collect();
    assert_eq!(revoked, [Revoked::Grant { id: first.id, below_epoch: u32::MAX }]);
    // Nothing comes of it any more, whichever generation.
    for generation in 0..4 {
        assert_eq!(turned(store, generation, 3).await, Turn::Gone);
    }
}

pub(super) async fn what_is_over_unknown_or_not_refreshable_is_gone(store: &SharedStore) {
    assert_eq!(turned(store, 0, 0).await, Turn::Gone);
    store.keep_grant(grant(1, "spa", "u1")).await.unwrap();
    assert_eq!(turned(store, 0, 500).await, Turn::Gone);
    assert_eq!(turned(store, 1, 0).await, Turn::Gone);
    let fixed = Grant { refreshable: false, id: GrantId([2; 16]), ..grant(2, "spa", "u1") };
    store.keep_grant(fixed.clone()).await.unwrap();
    assert_eq!(store.turn_grant(fixed.id, 0, turning(), NOW, TOKENS_END).await.unwrap(), Turn::Gone);
    assert!(!store.grant(fixed.id).await.unwrap().unwrap().revoked);
}

pub(super) async fn grants_are_listed_by_owner_latest_first(store: &SharedStore) {
    for (number, client, user, made) in [(1, "spa", "u1", 1), (2, "web", "u1", 3), (3, "spa", "u2", 2)] {
        store.keep_grant(Grant { made: after(made), ..grant(number, client, user) }).await.unwrap();
    }
    let check = async |whose: Option<Whose>, at: u64, expected: &[u8]| {
        let listed = store.grants(whose.clone(), after(at), 10).await.unwrap();
        let ids: Vec<u8> = listed.iter().map(|grant| grant.id.0[0]).collect();
        assert_eq!(ids, expected, "{whose:?}");
    };
    check(None, 10, &[2, 3, 1]).await;
    check(Some(Whose::User("u1".into())), 10, &[2, 1]).await;
    check(Some(Whose::Client("spa".into())), 10, &[3, 1]).await;
    check(Some(Whose::UserAt { user: "u1".into(), client: "spa".into() }), 10, &[1]).await;
    check(Some(Whose::Grant(GrantId([3; 16]))), 10, &[3]).await;
    check(None, 500, &[]).await;
    assert_eq!(store.grants(None, after(10), 2).await.unwrap().len(), 2);
}

pub(super) async fn revoking_ends_just_the_live_grants_of_whom_it_names(store: &SharedStore) {
    for (number, client, user) in [(1, "spa", "u1"), (2, "web", "u1"), (3, "spa", "u2"), (4, "spa", "u1")] {
        let idle_end = if number == 4 { after(1) } else { after(500) };
        let kept = Grant { idle_end, ..grant(number, client, user) };
        store.keep_grant(kept.clone()).await.unwrap();
        store.keep_token(token(&format!("of {number}"), Some(&kept))).await.unwrap();
    }
    let whose = Whose::UserAt { user: "u1".into(), client: "spa".into() };
    assert_eq!(store.revoke_grants(whose.clone(), after(2), TOKENS_END).await.unwrap(), 1);
    assert_eq!(store.revoke_grants(whose, after(2), TOKENS_END).await.unwrap(), 0);
    assert_eq!(store.token(digest("of 1"), after(2)).await.unwrap(), None);
    assert!(store.token(digest("of 2"), after(2)).await.unwrap().is_some());
    assert!(store.token(digest("of 3"), after(2)).await.unwrap().is_some());
    assert_eq!(store.revoke_grants(Whose::User("u1".into()), after(2), TOKENS_END).await.unwrap(), 1);
    assert_eq!(store.revoke_grants(Whose::Client("spa".into()), after(2), TOKENS_END).await.unwrap(), 1);
    assert_eq!(store.revocations(0, after(2), 10).await.unwrap().len(), 3);
}

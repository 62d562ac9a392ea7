//! Everything out of one store and into another: is what was good still good there, and what was used up still used up?

use super::records::{
    NOW, TOKENS_END, after, client, code, consent, digest, grant, proven, session, token, turning, user, written,
};
use super::{Fresh, key};
use crate::store::whole::{Clash, Incoming, KeptGrant, KeptUser, Mark, PAGE, Part, Row, Taken, Tally};
use crate::store::{
    Code, Grant, GrantId, Redeem, Revocation, Revoked, SecondFactor, SecretUse, SharedStore, Spare, Succession, Turn,
    User, Whose,
};

/// One of each backend, empty.
async fn others() -> Vec<Fresh> {
    vec![
        super::memory().await,
        #[cfg(feature = "sqlite")]
        super::sqlite().await,
        #[cfg(feature = "postgres")]
        super::postgres().await,
    ]
}

/// Something of every part, and in every column.
pub(in crate::store) async fn filled(store: &SharedStore) {
    for (id, algorithm) in [("k1", "ES256"), ("mac", "HS256")] {
        store.first_signing_key(key(id, algorithm, 5000)).await.unwrap();
    }
    let successor = key("k2", "ES256", 6000);
    let planned = Succession::Planned { old_ends: after(9000) };
    assert!(store.succeed_signing_key("k1".into(), successor, planned).await.unwrap());
    store.add_client(client("made")).await.unwrap();
    store.disable_client("made".into(), true, NOW, TOKENS_END).await.unwrap();
    store.secrets_used(vec![SecretUse { client: "made".into(), secret: "0a".into(), used: after(1) }]).await.unwrap();
    store.reconcile_clients(vec!["spa".into(), "web".into()], NOW, TOKENS_END).await.unwrap();
    people(store).await;
    assert!(store.keep_code(code("first"), digest("t1"), after(600)).await.unwrap());
    let mut second = code("second");
    second.allowed.session = Some("s1".into());
    second.allowed.offline = true;
    store.keep_code(second, digest("t2"), after(600)).await.unwrap();
    store.miss_code(digest("second")).await.unwrap();
    let first = grant(1, "spa", "u1");
    assert_eq!(store.redeem_code(digest("first"), first.clone(), NOW).await.unwrap(), Redeem::Granted);
    let later = Grant { generation: 2, epoch: 1, ..first };
    store.keep_token(token("opaque", Some(&later))).await.unwrap();
    let mut offline = grant(2, "web", "u1");
    offline.allowed.offline = true;
    store.keep_grant(offline).await.unwrap();
    for number in [3, 4] {
        store.keep_grant(grant(number, "spa", "u9")).await.unwrap();
    }
    for generation in [0, 1] {
        turned(store, 1, generation, 1).await;
    }
    store.confirm_grant(GrantId([1; 16]), 2).await.unwrap();
    turned(store, 2, 0, 1).await;
    store.revoke_grants(Whose::Grant(GrantId([3; 16])), NOW, TOKENS_END).await.unwrap();
    store.revoke_token("gone".into(), after(300)).await.unwrap();
    store.use_assertion(digest("assertion"), after(60)).await.unwrap();
}

async fn people(store: &SharedStore) {
    let factor = SecondFactor { secret: vec![1, 2, 0, 255], made: NOW, last_step: Some(7) };
    let recovery = vec![digest("r1"), digest("r2")];
    let alice = User { second_factor: Some(factor), recovery, ..user("u1", "Alice") };
    assert!(store.add_user(alice).await.unwrap());
    assert!(store.add_user(user("u2", "bob")).await.unwrap());
    assert!(store.disable_user("u2".into(), true, NOW, TOKENS_END).await.unwrap());
    let filed = vec![written("u9", "filed", "hash of the file", &["clerk"])];
    store.reconcile_users(filed, NOW, TOKENS_END).await.unwrap();
    store.set_password("u9".into(), "changed since".into(), Spare::None, NOW, TOKENS_END).await.unwrap();
    store.add_user(user("u3", "gone")).await.unwrap();
    store.remove_user("u3".into(), NOW, TOKENS_END).await.unwrap();
    assert!(
        store
            .open_session(session("cookie", "s1", "u1"), proven(store, "u1").await, None, NOW, TOKENS_END)
            .await
            .unwrap()
    );
    store.remember_consent(consent("u1", "spa", &["a", "read"])).await.unwrap();
}

async fn turned(store: &SharedStore, number: u8, generation: u32, seconds: u64) -> Turn {
    store.turn_grant(GrantId([number; 16]), generation, turning(), after(seconds), TOKENS_END).await.unwrap()
}

/// What was promised, and what came.
pub(in crate::store) async fn taken_out(store: &SharedStore, seconds: u64) -> (Tally, Vec<Row>) {
    let mut outgoing = store.take_out(after(seconds)).await.unwrap();
    let mut rows = Vec::new();
    while let Some(page) = outgoing.next().await {
        rows.extend(page.unwrap());
    }
    (outgoing.tally, rows)
}

pub(in crate::store) async fn taken_in(store: &SharedStore, rows: &[Row]) -> Taken {
    let (feed, incoming) = Incoming::channel();
    let feeding = async move {
        for page in rows.chunks(PAGE) {
            if !feed.rows(page.to_vec()).await {
                return;
            }
        }
        feed.end().await;
    };
    let (taken, ()) = tokio::join!(store.take_in(incoming), feeding);
    taken.unwrap()
}

async fn tally(store: &SharedStore) -> u64 {
    store.tally().await.unwrap().total()
}

pub(super) async fn what_is_taken_out_is_whole_sorted_and_the_same_elsewhere(store: &SharedStore) {
    filled(store).await;
    let (promised, rows) = taken_out(store, 10).await;
    for part in Part::ALL {
        let count = rows.iter().filter(|row| row.part() == part).count();
        assert!(count > 0 && promised.of(part) == u64::try_from(count).unwrap(), "{part:?}: {count} of {promised}");
    }
    let others: Vec<&Row> = rows.iter().filter(|row| row.part() != Part::Keys).collect();
    assert!(others.is_sorted_by(|one, other| (one.part(), one.key()) < (other.part(), other.key())));
    assert_eq!(store.tally().await.unwrap(), promised);
    for other in others_of(&rows).await {
        let again = taken_out(&other.store, 10).await;
        assert_eq!((&again.0, again.1.as_slice()), (&promised, rows.as_slice()));
    }
}

/// Each backend with these rows.
async fn others_of(rows: &[Row]) -> Vec<Fresh> {
    let others = others().await;
    for other in &others {
        assert_eq!(taken_in(&other.store, rows).await, Taken::All);
    }
    others
}

pub(super) async fn what_was_good_is_good_elsewhere_and_what_was_used_up_is_used_up(store: &SharedStore) {
    filled(store).await;
    let rows = taken_out(store, 10).await.1;
    for other in others_of(&rows).await {
        let here = &other.store;
        let (opened, owner) = here.session(digest("cookie"), after(10)).await.unwrap().expect("a session");
        assert_eq!((opened, owner.name.as_str()), (session("cookie", "s1", "u1"), "Alice"));
        assert!(!here.use_step("u1".into(), 7).await.unwrap());
        assert!(here.use_step("u1".into(), 8).await.unwrap());
        assert!(here.use_recovery("u1".into(), digest("r1")).await.unwrap());
        assert!(!here.add_user(user("u3", "somebody else")).await.unwrap());
        assert!(here.is_finished(digest("t1")).await.unwrap());
        assert!(!here.use_assertion(digest("assertion"), after(60)).await.unwrap());
        let first = GrantId([1; 16]);
        assert!(here.token(digest("opaque"), after(10)).await.unwrap().is_some());
        grants(here).await;
        assert_eq!(here.redeem_code(digest("first"), grant(7, "spa", "u1"), NOW).await.unwrap(), Redeem::Again(first));
        assert_eq!(here.token(digest("opaque"), after(10)).await.unwrap(), None, "a replay takes it away");
        revocations(here).await;
        file(here).await;
        keys(here).await;
    }
}

async fn grants(here: &SharedStore) {
    let good = |turn: Turn| match turn {
        Turn::Good(grant) => grant.generation,
        other => panic!("{other:?}"),
    };
    // The answer with the new one was lost on the move: the same successor.
    assert_eq!(good(turned(here, 2, 0, 11).await), 1);
    assert_eq!(good(turned(here, 2, 1, 12).await), 2);
    assert_eq!(turned(here, 2, 0, 13).await, Turn::Replayed);
    // A confirmed one: its predecessor is a second holder's.
    assert_eq!(turned(here, 1, 1, 12).await, Turn::Replayed);
    assert_eq!(turned(here, 1, 2, 13).await, Turn::Gone);
    assert_eq!(turned(here, 3, 0, 13).await, Turn::Gone);
    assert_eq!(good(turned(here, 4, 0, 13).await), 1);
}

async fn revocations(here: &SharedStore) {
    let before = here.versions().await.unwrap();
    assert!(before.clients > 0 && before.keys > 0, "{before:?}");
    assert!(here.is_revoked("gone".into(), None, "spa".into(), NOW, after(10)).await.unwrap());
    let all = here.revocations(0, after(10), 100).await.unwrap();
    let last = all.last().unwrap().number;
    assert_eq!(before.revocations, last);
    here.revoke_token("another".into(), after(300)).await.unwrap();
    let new = here.revocations(last, after(10), 100).await.unwrap();
    assert_eq!(new.len(), 1);
    assert_eq!(new[0].what, Revoked::Token("another".into()));
}

async fn file(here: &SharedStore) {
    let filed = vec![written("u9", "filed", "hash of the file", &["clerk"])];
    let report = here.reconcile_users(filed, NOW, TOKENS_END).await.unwrap();
    assert_eq!(report, crate::store::Reconciled::default());
    assert_eq!(here.user("u9".into()).await.unwrap().unwrap().password.as_deref(), Some("changed since"));
    let gone = here.reconcile_clients(vec!["spa".into()], NOW, TOKENS_END).await.unwrap();
    assert_eq!(gone, ["web"]);
}

async fn keys(here: &SharedStore) {
    assert_eq!(here.first_signing_key(key("other", "ES256", 1)).await.unwrap().id, "k1");
    let planned = Succession::Planned { old_ends: after(9000) };
    assert!(here.succeed_signing_key("k2".into(), key("k3", "ES256", 7000), planned).await.unwrap());
}

pub(super) async fn what_is_over_stays_behind(store: &SharedStore) {
    filled(store).await;
    // Of the revoked grant, its code and what was told of it: as long as its tokens could live.
    let (promised, rows) = taken_out(store, 1000).await;
    let count = |part| rows.iter().filter(|row| row.part() == part).count();
    for part in [Part::Sessions, Part::Codes, Part::Finished, Part::Tokens, Part::Assertions] {
        assert_eq!((count(part), promised.of(part)), (0, 0), "{part:?}");
    }
    assert_eq!((count(Part::Grants), count(Part::Keys), count(Part::Users)), (1, 3, 3));
    assert!(rows.iter().all(|row| !matches!(row, Row::Revocation(one) if one.what == Revoked::Token("gone".into()))));
    assert_eq!(taken_out(store, 10_000).await.0.of(Part::Keys), 2, "one has ended");
    others_of(&rows).await;
}

pub(super) async fn what_is_taken_out_is_what_was_there_when_it_began(store: &SharedStore) {
    // More than are under way at once.
    let many = 5 * PAGE + 3;
    for number in 0..many {
        store.finish_transaction(digest(&number.to_string()), after(60)).await.unwrap();
    }
    let mut outgoing = store.take_out(NOW).await.unwrap();
    store.add_user(user("u1", "late")).await.unwrap();
    store.sweep(after(60), 10_000).await.unwrap();
    let mut rows = Vec::new();
    while let Some(page) = outgoing.next().await {
        rows.extend(page.unwrap());
    }
    assert_eq!((rows.len(), outgoing.tally.of(Part::Finished)), (many, u64::try_from(many).unwrap()));
    assert_eq!(outgoing.tally.of(Part::Users), 0);
    for other in others_of(&rows).await {
        assert_eq!(tally(&other.store).await, u64::try_from(many).unwrap());
    }
    // Who takes nothing is in nobody's way.
    drop(store.take_out(NOW).await.unwrap());
    assert!(store.add_user(user("u2", "later")).await.unwrap());
}

pub(super) async fn a_store_that_holds_something_takes_nothing_in(store: &SharedStore) {
    store.add_user(user("u5", "there")).await.unwrap();
    let row = Row::Retired("u6".into());
    let Taken::Occupied(there) = taken_in(store, &[row]).await else { panic!("it is not empty") };
    assert_eq!(there.to_string(), "1 user");
    assert_eq!(tally(store).await, 1);
}

pub(super) async fn rows_that_clash_or_break_off_leave_nothing(store: &SharedStore) {
    let first = Row::User(KeptUser { user: user("u1", "alice"), file_hash: None });
    let kept = |number| Row::Grant(KeptGrant { grant: grant(number, "spa", "u1"), until: after(9) });
    let mark = Mark { digest: digest("m"), until: after(9) };
    let revocation = Revocation { number: 4, what: Revoked::Token("t".into()), until: after(9) };
    let twice = [
        Row::Key(key("k", "ES256", 1)),
        Row::Client(client("c")),
        Row::SecretUse(SecretUse { client: "c".into(), secret: "s".into(), used: NOW }),
        Row::Declared("c".into()),
        first.clone(),
        Row::Retired("u7".into()),
        Row::Session(session("cookie", "s1", "u1")),
        Row::Consent(consent("u1", "spa", &["read"])),
        kept(1),
        Row::Code(code("c")),
        Row::Finished(mark),
        Row::Token(token("o", None)),
        Row::Revocation(revocation),
        Row::Assertion(mark),
    ];
    assert!(Part::ALL.iter().zip(&twice).all(|(part, row)| *part == row.part()), "one of each");
    let check = async |rows: &[Row], row: u64, why: Clash| {
        assert_eq!(taken_in(store, rows).await, Taken::Clash { row, why }, "{rows:?}");
        assert_eq!(tally(store).await, 0);
    };
    for row in twice {
        check(&[first.clone(), kept(9), row.clone(), row.clone()], if row == first { 2 } else { 3 }, Clash::Twice)
            .await;
    }
    let other_case = Row::User(KeptUser { user: user("u2", "ALICE"), file_hash: None });
    check(&[first.clone(), kept(1), kept(2), other_case], 3, Clash::Twice).await;
    check(&[Row::Session(session("cookie", "s1", "u1"))], 0, Clash::Orphan).await;
    check(&[first.clone(), Row::Consent(consent("u2", "spa", &["read"]))], 1, Clash::Orphan).await;
    let redeemed = Code { grant: Some(GrantId([2; 16])), ..code("c") };
    check(&[kept(1), Row::Code(redeemed)], 1, Clash::Orphan).await;

    let (feed, incoming) = Incoming::channel();
    let breaking_off = async move { assert!(feed.rows(vec![first]).await) };
    let (taken, ()) = tokio::join!(store.take_in(incoming), breaking_off);
    assert_eq!(taken.unwrap(), Taken::BrokenOff);
    assert_eq!(tally(store).await, 0);
    // And it is as good as new.
    assert_eq!(taken_in(store, &[kept(1)]).await, Taken::All);
    let live: Vec<Grant> = store.grants(None, NOW, 10).await.unwrap();
    assert_eq!(live, [grant(1, "spa", "u1")]);
}

pub(super) async fn who_starts_while_everything_comes_in_finds_it(store: &SharedStore) {
    let (feed, incoming) = Incoming::channel();
    let meanwhile = async {
        // More pages than are under way at once: the store has begun.
        for _ in 0..8 {
            assert!(feed.rows(Vec::new()).await);
        }
        assert!(feed.rows(vec![Row::Key(key("moved", "ES256", 1))]).await);
        let first = store.first_signing_key(key("made", "ES256", 2));
        feed.end().await;
        first.await.unwrap().id
    };
    let (taken, first) = tokio::join!(store.take_in(incoming), meanwhile);
    let kept: Vec<String> = store.signing_keys().await.unwrap().into_iter().map(|key| key.id).collect();
    match taken.unwrap() {
        Taken::All => assert_eq!((first.as_str(), kept.as_slice()), ("moved", &["moved".to_owned()][..])),
        // Memory holds no lock while it waits.
        Taken::Occupied(_) if store.status().kind == "memory" => assert_eq!((first.as_str(), kept.len()), ("made", 1)),
        other => panic!("{other:?}"),
    }
}

use std::time::Duration;

use super::*;

impl Remembered for u32 {
    fn fetch(&self) {}
}

fn at(secs: u64) -> Time {
    Time::from_secs(secs)
}

fn local(entries: usize, bytes: usize) -> Local<u32> {
    Local::with_bounds(7, LocalBounds { entries, bytes })
}

#[test]
fn a_token_is_answered_up_to_its_time_and_not_after() {
    let mut cache = local(8, 4096);
    cache.insert(1, b"token", 5, at(100));
    assert_eq!(cache.lookup(1, b"token", at(99)), Some(5));
    assert_eq!(cache.lookup(1, b"token", at(100)), None);
    assert_eq!(cache.lookup(1, b"tokem", at(99)), None);
    cache.insert(1, b"token", 6, at(200));
    assert_eq!(cache.lookup(1, b"token", at(150)), Some(6));
    assert_eq!(cache.len(), 1);
}

#[test]
fn another_generation_knows_nothing_of_the_last() {
    let mut cache = local(8, 4096);
    cache.insert(1, b"token", 5, at(100));
    assert_eq!(cache.lookup(2, b"token", at(1)), None);
    assert_eq!(cache.lookup(1, b"token", at(1)), None);
    assert!(cache.is_empty());
}

#[test]
fn entries_and_bytes_are_bounded() {
    let mut cache = local(50, 4096);
    for number in 0..10_000_u32 {
        let token = format!("{number}{}", "x".repeat((number % 200) as usize));
        cache.insert(1, token.as_bytes(), number, at(100));
        assert!(cache.len() <= 50 && cache.bytes <= 4096 && cache.slots.len() <= 50, "{number}");
        assert_eq!(cache.lookup(1, token.as_bytes(), at(1)), Some(number));
        let held: usize = cache.slots.iter().flatten().map(|slot| slot.token.len()).sum();
        assert_eq!((held, cache.slots.iter().flatten().count()), (cache.bytes, cache.len()));
    }
    cache.insert(1, "x".repeat(257).as_bytes(), 1, at(100));
    assert_eq!(cache.lookup(1, "x".repeat(257).as_bytes(), at(1)), None, "too large to be kept");
}

#[test]
fn a_token_in_use_outlives_a_flood_of_others() {
    let mut cache = local(10, 4096);
    cache.insert(1, b"hot", 1, at(100));
    for number in 0..1000_u32 {
        assert_eq!(cache.lookup(1, b"hot", at(1)), Some(1), "{number}");
        cache.insert(1, number.to_string().as_bytes(), number, at(100));
    }
}

fn claims(token: &str, fresh_until: Time, expires: Time) -> Arc<Claims> {
    Arc::new(Claims {
        revocable: None,
        issuer: "corp".into(),
        subject: None,
        client: None,
        scopes: Vec::new(),
        roles: Vec::new(),
        expires,
        fresh_until,
        key: None,
        id: None,
        all: serde_json::Map::new(),
        digest: Digest::of(token.as_bytes()),
    })
}

#[test]
fn a_shared_entry_lives_until_the_earlier_of_its_two_ends() {
    for (fresh_until, expires) in [(10, 20), (20, 10)] {
        let cache = Shared::default();
        cache.insert(claims("t", at(fresh_until), at(expires)), 1, 1, 1);
        let digest = Digest::of(b"t");
        assert!(cache.lookup(&digest, at(9), |_| true).is_some());
        assert!(cache.lookup(&digest, at(10), |_| true).is_none());
        assert!(cache.lookup(&digest, at(9), |_| true).is_none(), "and is forgotten");
    }
}

#[test]
fn a_shared_entry_falls_with_what_it_rests_on() {
    let cache = Shared::default();
    let end = at(0).plus(Duration::from_secs(100));
    cache.insert(claims("t", end, end), 3, 7, 1);
    let digest = Digest::of(b"t");
    assert!(cache.lookup(&digest, at(1), |entry| entry.issuer == 3 && entry.epoch == 7).is_some());
    assert!(cache.lookup(&digest, at(1), |entry| entry.epoch == 8).is_none());
    assert!(cache.lookup(&digest, at(1), |_| true).is_none());
}

#[test]
fn a_million_tokens_do_not_fill_the_memory() {
    let cache = Shared::with_capacity(1024 * 1024);
    for number in 0..20_000_u32 {
        cache.insert(claims(&number.to_string(), at(100), at(100)), 1, 1, 1000);
    }
    cache.entries.run_pending_tasks();
    assert!(cache.len() <= 1024 * 1024 / 5024, "{}", cache.len());
}

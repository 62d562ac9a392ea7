mod stale;

use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::json;

use super::refresh::Flight;
use super::*;
use crate::dial::client::Bounds;
use crate::ground::Clock;
use crate::token::jwt::{Algorithm, Signer};
use crate::token::stage::{NOW, Reply, Server, World, key_set, signer, world, world_with};

const JWKS: &str = "/jwks";

fn settings(source: KeySource, url: &str) -> KeySettings {
    KeySettings {
        name: "corp".into(),
        url: url.to_owned(),
        source,
        stale_for: Duration::from_secs(3600),
        refresh_every: Duration::from_secs(300),
        refetch_every: Duration::from_secs(30),
    }
}

struct Stage {
    world: World,
    server: Arc<Server>,
    generation: Arc<AtomicU64>,
}

impl Stage {
    async fn new() -> Self {
        Self::with(world()).await
    }

    async fn with(world: World) -> Self {
        Self { world, server: Server::start().await, generation: Arc::default() }
    }

    fn open(&self) -> Arc<Keys> {
        let source = KeySource::Url(format!("{}{JWKS}", self.server.url));
        Keys::open(settings(source, &self.server.url), &self.world.context, &self.generation, None)
    }

    fn publish(&self, keys: &[&Signer]) {
        self.server.set(JWKS, Reply::json(key_set(keys)));
    }

    /// An issuer whose first fetch has brought `keys`.
    async fn opened(keys: &[&Signer]) -> (Self, Arc<Keys>) {
        let stage = Self::new().await;
        stage.publish(keys);
        let opened = stage.open();
        ended(&opened).await;
        (stage, opened)
    }

    async fn check(&self, keys: &Arc<Keys>, token: &str) -> Result<u64, TokenFault> {
        let compact = Compact::split(token).unwrap();
        keys.check(&compact, &compact.header().unwrap(), self.world.clock.now()).await
    }

    fn fetches(&self) -> usize {
        self.server.count(JWKS)
    }
}

/// Waits for the end of the fetch that is on its way.
async fn ended(keys: &Arc<Keys>) {
    let mut news = keys.news.subscribe();
    while keys.state.lock().in_flight {
        news.changed().await.unwrap();
    }
}

async fn refresh(stage: &Stage, keys: &Arc<Keys>, after: Duration) {
    stage.world.clock.advance(after);
    keys.refresh_if_due();
    ended(keys).await;
}

fn token(signer: &Signer) -> String {
    signer.sign("at+jwt", &json!({})).unwrap()
}

fn is_unknown(found: &Result<u64, TokenFault>) -> bool {
    matches!(found, Err(TokenFault::KeyUnknown(_)))
}

fn is_unavailable(found: &Result<u64, TokenFault>) -> bool {
    matches!(found, Err(TokenFault::KeysUnavailable { .. }))
}

#[tokio::test]
async fn two_hundred_requests_wait_for_one_fetch() {
    let key = signer(Algorithm::Es256);
    let stage = Stage::new().await;
    stage.publish(&[&key]);
    stage.server.hold(true);
    let keys = stage.open();
    let token = token(&key);
    let release = async {
        stage.server.arrived(1).await;
        stage.server.hold(false);
    };
    let (found, ()) = join(join_all((0..200).map(|_| stage.check(&keys, &token))), release).await;
    assert!(found.iter().all(Result::is_ok), "{found:?}");
    assert_eq!(stage.fetches(), 1);
}

#[tokio::test]
async fn an_unknown_key_is_fetched_for_at_once_and_by_one_alone() {
    let (old, new) = (signer(Algorithm::Es256), signer(Algorithm::Es256));
    let (stage, keys) = Stage::opened(&[&old]).await;
    stage.publish(&[&old, &new]);
    stage.server.hold(true);
    let token = token(&new);
    let release = async {
        stage.server.arrived(2).await;
        stage.server.hold(false);
    };
    let (found, ()) = join(join_all((0..200).map(|_| stage.check(&keys, &token))), release).await;
    assert!(found.iter().all(Result::is_ok), "{found:?}");
    assert_eq!(stage.fetches(), 2);
}

#[tokio::test]
async fn invented_key_ids_cost_one_fetch_in_thirty_seconds() {
    let (key, stranger) = (signer(Algorithm::Es256), signer(Algorithm::Es256));
    let (stage, keys) = Stage::opened(&[&key]).await;
    for number in 0..300 {
        let header = json!({"alg": "ES256", "kid": format!("invented-{number}")}).to_string();
        let token = crate::token::stage::forge(&stranger, &header, "{}");
        assert!(is_unknown(&stage.check(&keys, &token).await));
    }
    assert_eq!(stage.fetches(), 2);
    stage.world.clock.advance(Duration::from_secs(30));
    assert!(is_unknown(&stage.check(&keys, &token(&stranger)).await));
    assert!(is_unknown(&stage.check(&keys, &token(&stranger)).await));
    assert_eq!(stage.fetches(), 3);
    assert!(stage.check(&keys, &token(&key)).await.is_ok());
}

#[tokio::test]
async fn a_known_key_never_waits_for_a_fetch() {
    let key = signer(Algorithm::Es256);
    let (stage, keys) = Stage::opened(&[&key]).await;
    stage.server.hold(true);
    stage.world.clock.advance(Duration::from_secs(300));
    keys.refresh_if_due();
    stage.server.arrived(2).await;
    let token = token(&key);
    let check = std::pin::pin!(stage.check(&keys, &token));
    assert!(futures_util::future::FutureExt::now_or_never(check).unwrap().is_ok());
    stage.server.hold(false);
    ended(&keys).await;
}

#[tokio::test]
async fn keys_are_fetched_again_on_time() {
    let (old, new) = (signer(Algorithm::Es256), signer(Algorithm::Es256));
    let (stage, keys) = Stage::opened(&[&old]).await;
    stage.publish(&[&new]);
    refresh(&stage, &keys, Duration::from_secs(200)).await;
    assert_eq!(stage.fetches(), 1, "not due yet");
    let epoch = keys.epoch();
    refresh(&stage, &keys, Duration::from_secs(100)).await;
    assert_eq!(stage.fetches(), 2);
    assert!(stage.check(&keys, &token(&new)).await.is_ok());
    assert_ne!(keys.epoch(), epoch, "a key has gone");
    assert_eq!(stage.generation.load(Ordering::Relaxed), 1);
    assert!(is_unknown(&stage.check(&keys, &token(&old)).await));
}

#[tokio::test]
async fn a_new_key_beside_the_old_ones_leaves_what_was_verified() {
    let (old, new) = (signer(Algorithm::Es256), signer(Algorithm::Es256));
    let (stage, keys) = Stage::opened(&[&old]).await;
    let epoch = keys.epoch();
    stage.publish(&[&new, &old]);
    refresh(&stage, &keys, Duration::from_secs(300)).await;
    assert_eq!((keys.epoch(), stage.generation.load(Ordering::Relaxed)), (epoch, 0));
}

/// Seconds until the next fetch is due.
async fn due_with(cache_control: &'static str) -> u64 {
    let key = signer(Algorithm::EdDsa);
    let stage = Stage::new().await;
    let mut reply = Reply::json(key_set(&[&key]));
    reply.headers.push(("cache-control", cache_control.to_owned()));
    stage.server.set(JWKS, reply);
    let keys = stage.open();
    ended(&keys).await;
    let due = keys.state.lock().due.unwrap();
    (due - stage.world.clock.instant()).as_secs()
}

#[tokio::test]
async fn cache_control_shortens_the_wait_within_bounds() {
    for (cache_control, least, most) in [
        ("public", 270, 300),
        ("max-age=100", 90, 100),
        ("public, max-age=\"60\"", 54, 60),
        ("max-age=86400", 270, 300),
        ("max-age=1", 27, 30),
        ("no-store, max-age=3600", 27, 30),
        ("max-age=-5", 270, 300),
    ] {
        let due = due_with(cache_control).await;
        assert!((least..=most).contains(&due), "{cache_control}: {due}");
    }
}

#[tokio::test]
async fn what_is_no_key_set_keeps_the_old_keys() {
    let key = signer(Algorithm::Es256);
    let world = world_with(Bounds { time: Duration::from_secs(5), size: 64 * 1024 });
    let stage = Stage::with(world).await;
    stage.publish(&[&key]);
    let keys = stage.open();
    ended(&keys).await;
    for (reply, part) in [
        (Reply::json("{}"), "`keys` is missing"),
        (Reply::json("<html>Sign in</html>"), "not JSON"),
        (Reply::json(r#"{"keys":[]}"#), "no usable key"),
        (Reply::json(format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(70_000))), "longer than 64KiB"),
        (Reply::status(500), "answered 500"),
        (Reply::status(302), "answered 302"),
        (Reply::status(204), "answered 204"),
    ] {
        stage.server.set(JWKS, reply);
        refresh(&stage, &keys, Duration::from_secs(300)).await;
        let status = keys.status(stage.world.clock.now());
        let error = status.last_error.unwrap();
        assert!(error.contains(part), "{error}");
        assert!(stage.check(&keys, &token(&key)).await.is_ok());
    }
    assert_eq!((stage.fetches(), keys.status(stage.world.clock.now()).failures), (8, 7));
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_keeps_the_old_keys() {
    let key = signer(Algorithm::Es256);
    let stage = Stage::with(world_with(Bounds { time: Duration::from_millis(100), size: 65_536 })).await;
    stage.publish(&[&key]);
    let keys = stage.open();
    ended(&keys).await;
    stage.server.hold(true);
    refresh(&stage, &keys, Duration::from_secs(300)).await;
    assert!(keys.status(stage.world.clock.now()).last_error.unwrap().contains("within 100ms"));
    assert!(stage.check(&keys, &token(&key)).await.is_ok());
}

#[tokio::test]
async fn the_last_good_keys_end_with_stale_for() {
    let key = signer(Algorithm::Es256);
    let (stage, keys) = Stage::opened(&[&key]).await;
    stage.server.set(JWKS, Reply::status(503));
    refresh(&stage, &keys, Duration::from_secs(3600)).await;
    assert!(stage.check(&keys, &token(&key)).await.is_ok());
    assert_eq!(keys.good_until(), Time::from_secs(NOW + 3600));
    stage.world.clock.advance(Duration::from_secs(1));
    assert!(is_unavailable(&stage.check(&keys, &token(&key)).await));
    assert!(!keys.status(stage.world.clock.now()).usable);
    stage.publish(&[&key]);
    refresh(&stage, &keys, Duration::from_secs(30)).await;
    assert!(stage.check(&keys, &token(&key)).await.is_ok());
}

#[tokio::test]
async fn without_keys_nobody_queues_and_the_background_heals_soon() {
    let key = signer(Algorithm::Es256);
    let stage = Stage::new().await;
    let keys = stage.open();
    ended(&keys).await;
    for _ in 0..100 {
        assert!(is_unavailable(&stage.check(&keys, &token(&key)).await));
    }
    assert_eq!(stage.fetches(), 1, "requests do not fetch from an issuer that is down");
    for _ in 0..10 {
        refresh(&stage, &keys, Duration::from_secs(4)).await;
    }
    stage.publish(&[&key]);
    refresh(&stage, &keys, Duration::from_secs(4)).await;
    assert!(stage.check(&keys, &token(&key)).await.is_ok());
    assert_eq!(stage.fetches(), 12);
    assert_eq!(keys.status(stage.world.clock.now()).last_error, None);
}

#[tokio::test]
async fn the_gateway_starts_with_kept_keys_while_the_issuer_is_down() {
    let key = signer(Algorithm::Es256);
    let (stage, keys) = Stage::opened(&[&key]).await;
    stage.world.store.kept.subscribe().wait_for(|count| *count == 1).await.unwrap();
    drop(keys);
    stage.server.set(JWKS, Reply::status(500));
    stage.world.clock.advance(Duration::from_secs(3000));
    let again = stage.open();
    again.first_news().await;
    assert!(stage.check(&again, &token(&key)).await.is_ok());
    ended(&again).await;
    assert!(stage.check(&again, &token(&key)).await.is_ok());
    assert_eq!(again.good_until(), Time::from_secs(NOW + 3600), "counted from the last success, not from the start");
    stage.world.clock.advance(Duration::from_secs(601));
    assert!(is_unavailable(&stage.check(&again, &token(&key)).await));
}

#[tokio::test]
async fn requests_use_kept_keys_before_the_first_fetch_has_ended() {
    let key = signer(Algorithm::Es256);
    let (stage, keys) = Stage::opened(&[&key]).await;
    stage.world.store.kept.subscribe().wait_for(|count| *count == 1).await.unwrap();
    drop(keys);
    stage.server.hold(true);
    let again = stage.open();
    assert!(stage.check(&again, &token(&key)).await.is_ok());
    assert!(again.state.lock().in_flight);
    stage.server.hold(false);
}

#[tokio::test]
async fn keys_kept_of_another_address_are_not_used() {
    let key = signer(Algorithm::Es256);
    let (stage, keys) = Stage::opened(&[&key]).await;
    stage.world.store.kept.subscribe().wait_for(|count| *count == 1).await.unwrap();
    drop(keys);
    let elsewhere = KeySource::Url(format!("{}/other", stage.server.url));
    let other = Keys::open(settings(elsewhere, &stage.server.url), &stage.world.context, &stage.generation, None);
    ended(&other).await;
    assert!(is_unavailable(&stage.check(&other, &token(&key)).await));
}

#[tokio::test]
async fn a_fetch_that_panics_lets_nobody_hang() {
    let (stage, keys) = Stage::opened(&[&signer(Algorithm::EdDsa)]).await;
    keys.state.lock().in_flight = true;
    let flight = Flight(Arc::clone(&keys));
    let fails = tokio::spawn(async move {
        let _flight = flight;
        panic!("as a bug would");
    });
    let stranger = token(&signer(Algorithm::Es256));
    let (found, failed) = join(stage.check(&keys, &stranger), fails).await;
    assert!(failed.is_err());
    assert!(is_unknown(&found), "{found:?}");
}

#[tokio::test]
async fn the_background_ends_with_its_issuer() {
    let (stage, keys) = Stage::opened(&[&signer(Algorithm::EdDsa)]).await;
    stage.world.store.kept.subscribe().wait_for(|count| *count == 1).await.unwrap();
    let weak = Arc::downgrade(&keys);
    drop(keys);
    while weak.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(weak.strong_count(), 0);
}

#[tokio::test]
async fn discovery_finds_the_key_set_at_either_place() {
    for path in ["/realm/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/realm"] {
        let key = signer(Algorithm::Es256);
        let stage = Stage::new().await;
        let issuer = format!("{}/realm", stage.server.url);
        stage.publish(&[&key]);
        let jwks = format!("{}{JWKS}", stage.server.url);
        stage.server.set(path, Reply::json(json!({"issuer": issuer, "jwks_uri": jwks})));
        let keys = Keys::open(settings(KeySource::Discovery, &issuer), &stage.world.context, &stage.generation, None);
        ended(&keys).await;
        assert!(stage.check(&keys, &token(&key)).await.is_ok(), "{path}");
        refresh(&stage, &keys, Duration::from_secs(300)).await;
        assert_eq!((stage.server.count(path), stage.fetches()), (1, 2), "the address is remembered");
        stage.server.set(JWKS, Reply::status(404));
        refresh(&stage, &keys, Duration::from_secs(300)).await;
        refresh(&stage, &keys, Duration::from_secs(300)).await;
        assert_eq!(stage.server.count(path), 2, "and looked for again when it fails");
    }
}

#[tokio::test]
async fn metadata_of_another_issuer_brings_no_keys() {
    let key = signer(Algorithm::Es256);
    let stage = Stage::new().await;
    stage.publish(&[&key]);
    let jwks = format!("{}{JWKS}", stage.server.url);
    let metadata = json!({"issuer": format!("{}/", stage.server.url), "jwks_uri": jwks});
    stage.server.set("/.well-known/openid-configuration", Reply::json(metadata));
    let keys =
        Keys::open(settings(KeySource::Discovery, &stage.server.url), &stage.world.context, &stage.generation, None);
    ended(&keys).await;
    let fault = stage.check(&keys, &token(&key)).await.unwrap_err();
    assert!(fault.to_string().contains("another issuer"), "{fault}");
    assert_eq!(stage.fetches(), 0);
}

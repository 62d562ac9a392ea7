//! Does the key stay the key? Rules JW-02 and JW-03, probe S43.8.

use super::browser::*;
use super::*;
use crate::authority::prove::totp_context;
use crate::store::{Origin, SecondFactor, SigningKey, User};

fn user(name: &str, secret: Vec<u8>) -> User {
    User {
        id: name.to_owned(),
        name: name.to_owned(),
        email: None,
        email_verified: false,
        profile: "{}".to_owned(),
        password: None,
        roles: Vec::new(),
        disabled: false,
        origin: Origin::Command,
        made: Time::from_secs(1),
        second_factor: Some(SecondFactor { secret, made: Time::from_secs(1), last_step: Some(5) }),
        recovery: Vec::new(),
    }
}

fn key_id(house: &House) -> String {
    house.authority.signer().unwrap().kid().to_string()
}

async fn opened(store: SharedStore) -> Result<Authority, OpenFault> {
    let clock = ManualClock::at(Time::from_secs(NOW));
    Authority::open(Settings::new(parts()).unwrap(), Equipment::default(), &context(&store, &clock)).await
}

#[tokio::test]
async fn the_key_is_made_once_and_found_again() {
    let first = House::anew(Arc::new(Memory::default()), parts()).await;
    let second = House::anew(Arc::clone(&first.store), parts()).await;
    assert_eq!(key_id(&first), key_id(&second));
    assert_eq!(published(&first), published(&second));
    let third = House::anew(Arc::new(Memory::default()), parts()).await;
    assert_ne!(key_id(&first), key_id(&third), "another store, another key");
}

#[tokio::test]
async fn new_settings_keep_the_key() {
    let house = House::anew(Arc::new(Memory::default()), parts()).await;
    let other = Settings::new(Parts { issuer: Issuer::new("https://other.test").unwrap(), ..parts() }).unwrap();
    let after = house.authority.with_settings(other, Equipment::default()).await.unwrap();
    assert_eq!(after.ring.document().body(), house.authority.ring.document().body());
    let metadata = Answer::of(after.answer(Endpoint::Metadata, get(Endpoint::Metadata).incoming).await);
    assert_eq!(metadata.text("issuer"), "https://other.test");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_gateways_that_start_at_once_all_have_one_key() {
    let store: SharedStore = Arc::new(Memory::default());
    let tasks: Vec<_> = (0..16).map(|_| tokio::spawn(opened(Arc::clone(&store)))).collect();
    let mut ids = std::collections::HashSet::new();
    for task in tasks {
        ids.insert(task.await.unwrap().unwrap().signer().unwrap().kid().to_owned());
    }
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn a_damaged_key_stops_the_start_and_is_never_replaced() {
    let store: SharedStore = Arc::new(Memory::default());
    let damaged = SigningKey {
        id: "one".into(),
        algorithm: "ES256".into(),
        pkcs8: b"not a key".to_vec(),
        made: Time::from_secs(1),
        starts: Time::from_secs(1),
        ends: None,
    };
    store.first_signing_key(damaged.clone()).await.unwrap();
    let fault = opened(Arc::clone(&store)).await.err().unwrap().to_string();
    assert!(fault.contains("signing key `one`") && fault.contains("damaged"), "{fault}");
    assert!(!fault.contains("not a key"), "{fault}");
    let kept = store.signing_keys().await.unwrap();
    assert_eq!(kept.iter().filter(|key| key.algorithm == "ES256").collect::<Vec<_>>(), [&damaged]);
}

#[tokio::test]
async fn a_key_under_a_wrong_id_stops_the_start() {
    let house = House::anew(Arc::new(Memory::default()), parts()).await;
    let mut key = house.store.signing_keys().await.unwrap().remove(0);
    key.id = "another".into();
    let store: SharedStore = Arc::new(Memory::default());
    store.first_signing_key(key).await.unwrap();
    let fault = opened(store).await.err().unwrap().to_string();
    assert!(fault.contains("signing key `another`"), "{fault}");
}

#[tokio::test]
async fn s43_8_a_store_that_is_down_stops_the_start_with_its_reason() {
    let store = Memory::default();
    store.is_down.store(true, std::sync::atomic::Ordering::SeqCst);
    let fault = opened(Arc::new(store)).await.err().unwrap().to_string();
    assert!(fault.contains("the disk is gone"), "{fault}");
}

#[tokio::test]
async fn what_was_kept_in_clear_is_sealed_at_the_next_start_with_a_key() {
    let store: SharedStore = Arc::new(Memory::default());
    opened(Arc::clone(&store)).await.unwrap();
    let clear = Sealer::clear();
    for id in ["usr_1", "usr_2"] {
        let secret = clear.seal(&totp_context(id), b"a secret of theirs").unwrap();
        assert!(store.add_user(user(id, secret)).await.unwrap());
    }
    // Damaged: nobody can read it, and nobody else waits for it.
    let damaged = user("damaged", b"\x09".to_vec());
    store.add_user(damaged.clone()).await.unwrap();

    let key = crate::ground::Secret::new("0123456789abcdef0123456789abcdef");
    let equipment = Equipment { sealer: Sealer::with(&key).unwrap(), ..Equipment::default() };
    let clock = ManualClock::at(Time::from_secs(NOW));
    Authority::open(Settings::new(parts()).unwrap(), equipment, &context(&store, &clock)).await.unwrap();
    let sealer = Sealer::with(&key).unwrap();
    for id in ["usr_1", "usr_2"] {
        let kept = store.user(id.into()).await.unwrap().unwrap().second_factor.unwrap();
        assert_eq!((kept.secret[0], kept.last_step), (1, Some(5)));
        assert_eq!(sealer.open(&totp_context(id), &kept.secret).unwrap().clear, b"a secret of theirs");
    }
    assert!(store.signing_keys().await.unwrap().iter().all(|key| key.pkcs8[0] == 1));
    assert_eq!(store.user("damaged".into()).await.unwrap(), Some(damaged));
}

#[tokio::test]
async fn open_forms_and_known_devices_outlive_a_change_of_the_symmetric_key() {
    let house = super::browser::house().await;
    let mut owner = Browser::new(&house);
    owner.through(&authorize(&[]), "alice").await;
    let first = owner.get(&authorize(&[("prompt", "login")])).await;
    let open = owner.follow(first).await;
    change_symmetric_key(&house).await;
    let after = owner.log_in(&open, "alice").await;
    assert_ne!(after.status, 403, "{}", after.html);

    // A stranger who guesses keeps other strangers out, and not a browser that was known before.
    let mut old = Browser::new(&house);
    old.cookies = owner.cookies.clone();
    old.cookies.remove("__Host-portcullis-session");
    change_symmetric_key(&house).await;
    for _ in 0..7 {
        let place = crate::authority::prove::Place { source: "192.0.2.1".parse().unwrap(), device: None };
        let user = house.store.user_named("alice".into()).await.unwrap();
        house.authority.prove_password("alice", user, &Secret::new("wrong"), place).await.unwrap();
    }
    let first = old.get("/account").await;
    let page = old.follow(first).await;
    let page = old.log_in(&page, "alice").await;
    assert!(page.html.contains("Your account"), "{} {}", page.status, page.html);
    let marks = old.cookies["__Host-portcullis-known"].split('.').count();
    assert_eq!(marks, 1, "the mark under the old key gives way to that under the new one");
}

/// As the schedule does it after ninety days, and the day after that the new key is in use.
async fn change_symmetric_key(house: &House) {
    let keys = house.store.signing_keys().await.unwrap();
    let old = keys.iter().filter(|key| key.algorithm == "HS256").max_by_key(|key| key.starts).unwrap();
    let now = house.clock.now();
    let key = SigningKey {
        id: format!("next-{}", keys.len()),
        pkcs8: Sealer::clear().seal(&format!("signing-key:next-{}", keys.len()), &[keys.len() as u8; 32]).unwrap(),
        made: now,
        starts: now,
        ..old.clone()
    };
    let old_ends = now.plus(Duration::from_secs(400 * 24 * 3600));
    let succession = crate::store::Succession::Planned { old_ends };
    assert!(house.store.succeed_signing_key(old.id.clone(), key, succession).await.unwrap());
    // Two keys that begin in one moment have no order.
    house.clock.advance(Duration::from_secs(1));
    house.authority.ring.refresh().await.unwrap();
}

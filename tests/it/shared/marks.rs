//! What is good once, and what may be guessed so often, on whichever gateway it is tried.

use std::time::{Duration, Instant};

use portcullis::token::jwt::Algorithm;
use portcullis::token::jwt::sign::{Signer, generate_pkcs8};
use serde_json::json;

use super::wait_for_state;
use crate::support::house::Plot;
use crate::support::postgres::Server;
use crate::support::{Answer, House, Redis, now};

/// The name that all gateways of the fleet issue under.
const ISSUER: &str = "http://127.0.0.1:9";
const PASSWORD: &str = "correct horse battery staple";
const SECRET: &str = "service-secret-0123456789";

/// A gateway with a store of its own, on a shared Redis.
fn gateway(redis: &Redis, keys: &str) -> House {
    gateway_on("{sqlite: store.db}", "", redis, keys)
}

/// A gateway on this store, which may be the one whose address is given.
fn gateway_on(store: &str, url: &str, redis: &Redis, keys: &str) -> House {
    let plot = Plot::new();
    plot.write("url", url);
    plot.write("secret", SECRET);
    plot.write("redis-url", format!("redis://127.0.0.1:{}", redis.port));
    plot.write("keys.json", keys);
    plot.write("password", PASSWORD);
    let yaml = plot.yaml(&format!(
        "store: {store}\nshared: {{redis: {{file: redis-url}}}}\n\
         authority:\n  issuer: {ISSUER}\n  scopes: {{read: Read}}\n  roles: {{reader: {{scopes: [read]}}}}\n  \
         users: [{{name: alice, password: {{file: password}}, roles: [reader]}}]\n  clients:\n    \
         - {{id: robot, auth: private_key_jwt, keys: {{file: keys.json}}, grants: [client_credentials], scopes: [read]}}\n    \
         - {{id: service, secret: {{file: secret}}, grants: [client_credentials], scopes: [read]}}\n    \
         - {{id: old, auth: none, grants: [password], scopes: [read], danger_allow_password_grant: true}}\n\
         routes: [{{match: GET /read, access: {{scope: read}}, respond: echo}}]\n"
    ));
    let port = plot.port;
    let house = plot.start(&yaml.replacen(
        &format!("address: \"127.0.0.1:{port}\""),
        &format!("address: \"127.0.0.1:{port}\", trusted_proxies: [127.0.0.1]"),
        1,
    ));
    wait_for_state(&house, "up");
    house
}

fn signer() -> Signer {
    Signer::from_pkcs8(Algorithm::Es256, &generate_pkcs8(Algorithm::Es256).unwrap()).unwrap()
}

fn prove(house: &House, assertion: &str) -> Answer {
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    let form = format!("grant_type=client_credentials&client_assertion_type={kind}&client_assertion={assertion}");
    house.post_form("/oauth/token", "", &form)
}

/// What `robot` says of itself, under this `jti`.
fn assertion_of(key: &Signer, id: &str) -> String {
    let claims = json!({
        "iss": "robot", "sub": "robot", "aud": ISSUER, "iat": now(), "exp": now() + 120, "jti": id,
    });
    key.sign("JWT", &claims).unwrap()
}

#[test]
fn a_client_assertion_is_good_once_on_all_gateways_and_nowhere_without_redis() {
    let mut redis = Redis::start();
    let key = signer();
    let keys = json!({"keys": [key.public_jwk()]}).to_string();
    let houses = [gateway(&redis, &keys), gateway(&redis, &keys)];
    let assertion = |id: &str| assertion_of(&key, id);
    let first = assertion("one");
    assert_eq!(prove(&houses[0], &first).status, 200);
    for house in &houses {
        let again = prove(house, &first);
        assert_eq!((again.status, again.json()["error"].as_str()), (401, Some("invalid_client")));
    }
    assert_eq!(prove(&houses[1], &assertion("two")).status, 200);

    redis.stop();
    houses.iter().for_each(|house| wait_for_state(house, "down"));
    let third = assertion("three");
    assert_eq!(prove(&houses[0], &third).status, 503, "it may have been used elsewhere");
    redis.start_again();
    houses.iter().for_each(|house| wait_for_state(house, "up"));
    assert_eq!(prove(&houses[0], &third).status, 200, "what was not looked at is not used up");
    assert_eq!(prove(&houses[1], &third).status, 401);
    assert_eq!(prove(&houses[0], &first).status, 401, "the store of a gateway remembers its own");
}

#[test]
fn where_the_store_is_shared_it_remembers_assertions_and_redis_is_not_asked() {
    let mut redis = Redis::start();
    let database = Server::shared().database();
    let key = signer();
    let keys = json!({"keys": [key.public_jwk()]}).to_string();
    let open = || gateway_on("{postgres: {file: url, connections: 4}}", &database.url(), &redis, &keys);
    let houses = [open(), open()];
    let is_good_once = |id: &str| {
        let assertion = assertion_of(&key, id);
        assert_eq!(prove(&houses[0], &assertion).status, 200);
        for house in &houses {
            let again = prove(house, &assertion);
            assert_eq!((again.status, again.json()["error"].as_str()), (401, Some("invalid_client")));
        }
    };
    is_good_once("with Redis");
    let marked = |house: &House| house.metric("portcullis_shared_commands_total", &[("act", "mark")]);
    assert_eq!(houses.each_ref().map(marked), [0.0, 0.0], "Redis was asked");
    redis.stop();
    houses.iter().for_each(|house| wait_for_state(house, "down"));
    is_good_once("without Redis");
    // At the same moment on both, one of them takes it.
    for round in 0..10 {
        let assertion = assertion_of(&key, &format!("race {round}"));
        let answers: Vec<u16> = std::thread::scope(|scope| {
            let asked = houses.each_ref().map(|house| {
                let assertion = &assertion;
                scope.spawn(move || prove(house, assertion).status)
            });
            asked.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(answers.contains(&200) && answers.contains(&401), "{answers:?}");
    }
}

/// The short form of the tests here, on a server of another kind.
pub(super) fn are_good_once_and_guesses_are_counted(server: &Redis) {
    let key = signer();
    let keys = json!({"keys": [key.public_jwk()]}).to_string();
    let houses = [gateway(server, &keys), gateway(server, &keys)];
    let assertion = assertion_of(&key, "one");
    assert_eq!((prove(&houses[0], &assertion).status, prove(&houses[1], &assertion).status), (200, 401));
    for number in 0..5 {
        assert_eq!(log_in(&houses[number % 2], "wrong"), 400);
    }
    assert_eq!([log_in(&houses[0], PASSWORD), log_in(&houses[1], PASSWORD)], [429; 2]);
    let (looked_at, most) = guess_until_refused(&houses);
    assert!((10..=most).contains(&looked_at), "{looked_at} of {most}");
}

fn log_in(house: &House, password: &str) -> u16 {
    let password = password.replace(' ', "+");
    let form = format!("grant_type=password&client_id=old&username=alice&password={password}&scope=read");
    house.post_form("/oauth/token", "", &form).status
}

#[test]
fn guesses_at_a_password_are_counted_on_all_gateways() {
    let mut redis = Redis::start();
    let keys = json!({"keys": [signer().public_jwk()]}).to_string();
    let houses = [gateway(&redis, &keys), gateway(&redis, &keys)];
    assert_eq!(log_in(&houses[1], PASSWORD), 200);
    for number in 0..5 {
        assert_eq!(log_in(&houses[number % 2], "wrong"), 400);
    }
    // On a machine that takes long for each hash a guess may have come back meanwhile.
    assert!((0..20).any(|_| log_in(&houses[0], "wrong") == 429), "there is an end to guessing");
    assert_eq!(log_in(&houses[1], "wrong"), 429, "no gateway is a fresh start");
    assert!(houses.iter().all(|house| log_in(house, PASSWORD) == 429));
    redis.stop();
    houses.iter().for_each(|house| wait_for_state(house, "down"));
    let wrong = (0..6).map(|_| log_in(&houses[0], "wrong")).collect::<Vec<_>>();
    assert!(wrong.contains(&400) && wrong.last() == Some(&429), "each counts for itself without Redis: {wrong:?}");
}

/// A request of the service with this secret, from this address; `None`: from the address of the test.
fn show(house: &House, secret: &str, from: Option<&str>) -> Answer {
    let forwarded = from.map(|from| format!("X-Forwarded-For: {from}\r\n")).unwrap_or_default();
    let form = format!("grant_type=client_credentials&client_id=service&client_secret={secret}");
    house.post_form("/oauth/token", &forwarded, &form)
}

/// Guesses on both in turn until somebody has to wait for a good while; how many were looked at, and how many there may
/// have been: ten, and one more for each six seconds that it took.
fn guess_until_refused(houses: &[House; 2]) -> (u64, u64) {
    let start = Instant::now();
    let mut looked_at = 0;
    while start.elapsed() < Duration::from_secs(30) {
        let answer = show(&houses[looked_at % 2], "wrong", None);
        match answer.status {
            401 => looked_at += 1,
            429 if answer.header("retry-after").parse::<u32>().unwrap() < 4 => {}
            429 => return (looked_at as u64, 10 + start.elapsed().as_secs().div_ceil(6)),
            other => panic!("{other}"),
        }
    }
    panic!("nobody had to wait");
}

#[test]
fn guesses_at_a_clients_secret_are_counted_on_all_gateways_and_lock_out_nobody_else() {
    let mut redis = Redis::start();
    let keys = json!({"keys": [signer().public_jwk()]}).to_string();
    let houses = [gateway(&redis, &keys), gateway(&redis, &keys)];
    let third = gateway(&redis, &keys);
    assert!(houses.iter().all(|house| show(house, SECRET, None).status == 200));
    let (looked_at, most) = guess_until_refused(&houses);
    assert!((10..=most).contains(&looked_at), "{looked_at} of {most}");
    for house in &houses {
        let right = show(house, SECRET, None);
        assert_eq!(right.status, 429, "a right guess is told by nobody");
        assert!((1..=6).contains(&right.header("retry-after").parse::<u32>().unwrap()), "{right:?}");
        assert_eq!(show(house, SECRET, Some("192.0.2.7")).status, 200, "a stranger locks no client out");
    }
    assert_eq!(show(&third, SECRET, None).status, 429, "one that has never heard of it is no fresh start");

    redis.stop();
    houses.iter().chain([&third]).for_each(|house| wait_for_state(house, "down"));
    let start = Instant::now();
    while show(&third, SECRET, None).status != 200 {
        assert!(start.elapsed() < Duration::from_secs(30), "what Redis said last holds for six seconds at most");
    }
    let alone = (0..40).map(|_| show(&third, "wrong", None).status).collect::<Vec<_>>();
    assert!(alone.starts_with(&[401; 10]) && alone.contains(&429), "each counts for itself without Redis: {alone:?}");
}

#[test]
fn whoever_knows_its_secret_is_asked_about_once_and_never_waits_for_others() {
    let redis = Redis::start();
    let keys = json!({"keys": [signer().public_jwk()]}).to_string();
    let house = gateway(&redis, &keys);
    // At the start of a service many right requests come at once, and nothing is known of it yet.
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..40).map(|_| scope.spawn(|| show(&house, SECRET, None).status)).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers, [200; 40]);
    let taken = || house.metric("portcullis_shared_commands_total", &[("act", "take"), ("result", "good")]);
    let before = taken();
    assert!((2.0..=4.0).contains(&before), "{before}");
    assert!((0..50).all(|_| show(&house, SECRET, None).status == 200));
    assert_eq!(taken(), before, "nobody is asked about who is in good standing");
    assert_eq!(show(&house, "wrong", None).status, 401);
    assert_eq!(taken(), before + 1.0, "a wrong one is paid for");
    assert!((0..20).all(|_| show(&house, SECRET, None).status == 200), "right ones are paid back");
}

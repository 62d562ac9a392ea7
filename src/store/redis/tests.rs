use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::stage::Server;
use super::*;
use crate::ground::{ManualClock, Time};

const NOW: u64 = 1_790_000_000;
const LONG: Duration = Duration::from_secs(5);

fn bucket(key: &str, each: Duration, burst: u32) -> Bucket {
    Bucket { key: Digest::of(key.as_bytes()), each: u64::try_from(each.as_nanos()).unwrap(), burst }
}

fn taken(granted: u32, left: u32, wait: u64) -> Taken {
    Taken { granted, left, wait: Duration::from_millis(wait) }
}

/// Waits until `holds`.
async fn until(holds: impl Fn() -> bool) {
    for _ in 0..30_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never comes");
}

#[tokio::test]
async fn a_bucket_gives_what_is_there_and_fills_at_its_rate() {
    let server = Server::start();
    let clock = ManualClock::at(Time::from_secs(NOW));
    let counters = server.by_hand(&clock).await;
    let bucket = bucket("a", Duration::from_millis(100), 10);
    let take = async |charged, wanted| counters.take(&bucket, charged, wanted, LONG).await.unwrap();
    assert_eq!(take(0, 4).await, taken(4, 6, 0));
    assert_eq!(take(0, 9).await, taken(6, 0, 100));
    assert_eq!(take(0, 1).await, taken(0, 0, 100));
    clock.advance(Duration::from_millis(250));
    assert_eq!(take(0, 5).await, taken(2, 0, 50), "a quarter of a second is two units and a half");
    assert_eq!(take(3, 1).await, taken(0, 0, 350), "what is used already is charged although nothing is there");
    assert_eq!(take(-4, 0).await, taken(0, 1, 0), "what is given back is there again");
    clock.advance(Duration::from_secs(60));
    assert_eq!(take(0, 0).await, taken(0, 10, 0), "never more than the burst");
    assert_eq!(take(-5, 10).await, taken(10, 0, 100), "not by giving back either");
}

#[tokio::test]
async fn a_clock_that_was_set_back_empties_a_bucket_and_no_more() {
    let server = Server::start();
    let clock = ManualClock::at(Time::from_secs(NOW));
    let counters = server.by_hand(&clock).await;
    let bucket = bucket("a", Duration::from_millis(100), 10);
    counters.take(&bucket, 0, 10, LONG).await.unwrap();
    clock.jump_to(Time::from_secs(NOW - 3600));
    assert_eq!(counters.take(&bucket, 0, 10, LONG).await.unwrap(), taken(0, 0, 100));
    clock.advance(Duration::from_secs(1));
    assert_eq!(counters.take(&bucket, 0, 10, LONG).await.unwrap(), taken(10, 0, 100));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// The script and a bucket of whole numbers agree, whoever takes how much when.
    #[test]
    fn a_bucket_is_the_algorithm_of_the_book(
        burst in 1_u32..40,
        steps in proptest::collection::vec((0_u64..400, 0_i64..6, 0_u32..12), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcome: Result<(), TestCaseError> = runtime.block_on(async {
            let server = Server::start();
            let clock = ManualClock::at(Time::from_secs(NOW));
            let counters = server.by_hand(&clock).await;
            let bucket = bucket("a", Duration::from_millis(20), burst);
            let (mut now, mut full, span) = (0_u64, 0_u64, 20 * u64::from(burst));
            for (pause, charged, wanted) in steps {
                clock.advance(Duration::from_millis(pause));
                now += pause;
                // Debts beyond this are forgiven, so that a clock that jumps shuts nobody out.
                full = if full > now + 2 * span { now + span } else { full.max(now) } + charged.unsigned_abs() * 20;
                let there = (now + span).saturating_sub(full) / 20;
                let granted = there.min(u64::from(wanted));
                full += granted * 20;
                let seen = counters.take(&bucket, charged, wanted, LONG).await.unwrap();
                prop_assert_eq!((u64::from(seen.granted), u64::from(seen.left)), (granted, there - granted));
            }
            Ok(())
        });
        outcome?;
    }
}

#[tokio::test]
async fn a_mark_is_good_once_until_it_is_over_and_for_all() {
    let server = Server::start();
    let (one, other) = (server.gateway().await, server.gateway().await);
    let mark = Digest::of(b"jti");
    assert!(one.mark(mark, LONG).await.unwrap());
    assert!(!other.mark(mark, LONG).await.unwrap());
    assert!(other.mark(Digest::of(b"another"), Duration::from_millis(1)).await.unwrap());
    let again = async || one.mark(Digest::of(b"another"), LONG).await.unwrap();
    while !again().await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let racing = (0..64).map(|number| {
        let gateway = Arc::clone(if number % 2 == 0 { &one } else { &other });
        tokio::spawn(async move { gateway.mark(Digest::of(b"race"), LONG).await.unwrap() })
    });
    let won = futures_util::future::join_all(racing).await.into_iter().filter(|won| *won.as_ref().unwrap()).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn wrong_guesses_wait_longer_each_time_and_time_forgets_them() {
    let server = Server::start();
    let clock = ManualClock::at(Time::from_secs(NOW));
    let (one, other) = (server.by_hand(&clock).await, server.by_hand(&clock).await);
    let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    let guess = Guess { key: Digest::of(b"alice"), free: 2, longest: Duration::from_secs(3), forget: 5 * minute };
    assert_eq!(one.pay(guess).await.unwrap(), Ok(()));
    assert_eq!(other.pay(guess).await.unwrap(), Ok(()));
    assert_eq!(one.pay(guess).await.unwrap(), Err(second));
    clock.advance(second);
    assert_eq!(other.pay(guess).await.unwrap(), Ok(()));
    assert_eq!(one.pay(guess).await.unwrap(), Err(2 * second));
    clock.advance(2 * second);
    assert_eq!(one.pay(guess).await.unwrap(), Ok(()));
    assert_eq!(one.pay(guess).await.unwrap(), Err(3 * second), "the longest wait");
    clock.advance(3 * second);
    assert_eq!(other.pay(guess).await.unwrap(), Ok(()));
    one.pay_back(guess.key).await.unwrap();
    assert_eq!(other.pay(guess).await.unwrap(), Ok(()), "what was right is taken back, and makes nobody wait");
    assert_eq!(one.pay(guess).await.unwrap(), Err(3 * second));
    // Five of them: the first is forgotten five minutes after it was made, whatever comes in between.
    for _ in 0..4 {
        clock.advance(minute);
        assert_eq!(one.pay(guess).await.unwrap(), Ok(()));
        one.pay_back(guess.key).await.unwrap();
    }
    clock.advance(17 * minute);
    assert_eq!(other.pay(guess).await.unwrap(), Ok(()), "one of five is left");
    assert_eq!(other.pay(guess).await.unwrap(), Err(second));
}

#[tokio::test]
async fn gateways_know_how_many_they_are() {
    let server = Server::start();
    let one = server.gateway().await;
    assert_eq!(one.nodes(), 1);
    let other = server.gateway().await;
    until(|| one.nodes() == 2 && other.nodes() == 2).await;
    drop(other);
    until(|| one.nodes() == 1).await;
}

#[tokio::test]
async fn scripts_are_taught_again_to_a_server_that_forgot_them() {
    let mut server = Server::start();
    let gateway = server.gateway().await;
    let bucket = bucket("a", Duration::from_secs(1), 5);
    assert_eq!(gateway.take(&bucket, 0, 5, LONG).await.unwrap().granted, 5);
    let flush = gateway.link.command::<String>(Verb::Mark, redis::cmd("SCRIPT").arg("FLUSH"), LONG).await;
    assert_eq!(flush.unwrap(), "OK");
    assert_eq!(gateway.take(&bucket, 0, 5, LONG).await.unwrap().granted, 0);
    server.stop();
    until(|| !gateway.is_up()).await;
    let fault = gateway.take(&bucket, 0, 1, LONG).await.unwrap_err();
    assert!(fault.to_string().contains("count together"), "{fault}");
    assert!(gateway.mark(Digest::of(b"jti"), LONG).await.is_err());
    server.start_again();
    until(|| gateway.is_up()).await;
    assert_eq!(gateway.take(&bucket, 0, 5, LONG).await.unwrap().granted, 5);
    assert_eq!(gateway.status().connections, 2);
}

#[tokio::test]
async fn a_server_that_has_become_a_replica_is_left() {
    let (server, master) = (Server::start(), Server::start());
    let gateway = server.gateway().await;
    let mut command = redis::cmd("REPLICAOF");
    command.arg("127.0.0.1").arg(master.port);
    let _: String = gateway.link.command(Verb::Mark, &command, LONG).await.unwrap();
    until(|| !gateway.is_up()).await;
    until(|| gateway.status().fault.is_some_and(|fault| fault.to_lowercase().contains("read only"))).await;
    let mut admin =
        ::redis::Client::open(format!("redis://127.0.0.1:{}", server.port)).unwrap().get_connection().unwrap();
    let _: String = ::redis::cmd("REPLICAOF").arg("NO").arg("ONE").query(&mut admin).unwrap();
    until(|| gateway.is_up()).await;
}

#[tokio::test]
async fn every_key_ends_by_itself_and_says_nothing() {
    let server = Server::start();
    let gateway = server.gateway().await;
    gateway.take(&bucket("alice", Duration::from_millis(10), 5), 0, 5, LONG).await.unwrap();
    gateway.mark(Digest::of(b"alice"), LONG).await.unwrap();
    let forget = Duration::from_secs(60);
    gateway.pay(Guess { key: Digest::of(b"alice"), free: 1, longest: forget, forget }).await.unwrap().unwrap();
    let mut admin =
        ::redis::Client::open(format!("redis://127.0.0.1:{}", server.port)).unwrap().get_connection().unwrap();
    let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query(&mut admin).unwrap();
    assert_eq!(keys.len(), 4, "{keys:?}");
    for key in keys {
        let left: i64 = ::redis::cmd("PTTL").arg(&key).query(&mut admin).unwrap();
        assert!(left > 0 && key.starts_with("test:") && !key.contains("alice"), "{key}: {left}");
    }
}

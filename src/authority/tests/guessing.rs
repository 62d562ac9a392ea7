//! How far does guessing get? Rules CA-08 and G-11, probes S34.3 and S41.

use std::task::Poll;

use super::*;
use crate::authority::authenticate::Desk;
use crate::authority::hashing::Hashing;
use crate::authority::remembered::Remembered;
use crate::authority::throttle::{BURST, INTERVAL, Pair, Throttle, Together};

fn guess(address: &str) -> Asking {
    post("grant_type=client_credentials").basic("reporting", "wrong").from(address)
}

fn right(address: &str) -> Asking {
    post("grant_type=client_credentials").basic("reporting", SECRET).from(address)
}

async fn exhaust(house: &House, address: &str) {
    for _ in 0..BURST {
        house.ask(guess(address)).await.is_refused(401, "invalid_client");
    }
    house.ask(guess(address)).await.is_refused(429, "temporarily_unavailable");
}

#[tokio::test]
async fn ca_08_after_ten_wrong_secrets_even_the_right_one_waits() {
    let house = House::open().await;
    exhaust(&house, "192.0.2.1").await;
    let answer = house.ask(right("192.0.2.1")).await;
    answer.is_refused(429, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "6");
    wait(&house, INTERVAL);
    house.ask(right("192.0.2.1")).await.is_granted();
    house.ask(guess("192.0.2.1")).await.is_refused(401, "invalid_client");
    house.ask(guess("192.0.2.1")).await.is_refused(429, "temporarily_unavailable");
}

#[tokio::test]
async fn ca_08_a_stranger_cannot_lock_a_client_out() {
    let house = House::open().await;
    exhaust(&house, "192.0.2.1").await;
    house.ask(right("192.0.2.2")).await.is_granted();
    house.ask(right("2001:db8::1")).await.is_granted();
}

#[tokio::test]
async fn ca_08_one_source_cannot_pose_as_many() {
    let house = House::open().await;
    exhaust(&house, "2001:db8:0:1::1").await;
    house.ask(guess("2001:db8:0:1:ffff::2")).await.is_refused(429, "temporarily_unavailable");
    house.ask(guess("2001:db8:0:2::1")).await.is_refused(401, "invalid_client");
    exhaust(&house, "192.0.2.9").await;
    house.ask(guess("::ffff:192.0.2.9")).await.is_refused(429, "temporarily_unavailable");
    // Other spellings of the same client id share its budget.
    let spelled = post("grant_type=client_credentials").basic("%72eporting", "wrong").from("192.0.2.9");
    house.ask(spelled).await.is_refused(429, "temporarily_unavailable");
}

#[tokio::test]
async fn ca_08_right_secrets_cost_nothing_however_many_come() {
    let house = House::open().await;
    for _ in 0..200 {
        house.ask(right("192.0.2.1")).await.is_granted();
    }
    exhaust(&house, "192.0.2.1").await;
}

#[tokio::test]
async fn ca_08_guesses_by_basic_and_post_share_one_budget() {
    let house = House::open().await;
    exhaust(&house, "192.0.2.1").await;
    let posted = post("grant_type=client_credentials&client_id=reporting&client_secret=wrong");
    house.ask(posted).await.is_refused(429, "temporarily_unavailable");
}

#[tokio::test]
async fn ca_08_unknown_clients_are_throttled_like_known_ones() {
    let house = House::open().await;
    let unknown = || post("grant_type=client_credentials").basic("nobody", "wrong");
    for _ in 0..BURST {
        house.ask(unknown()).await.is_refused(401, "invalid_client");
    }
    house.ask(unknown()).await.is_refused(429, "temporarily_unavailable");
}

#[test]
fn ca_08_a_flood_of_made_up_clients_takes_bounded_memory_and_frees_no_guesser() {
    let clock = ManualClock::at(Time::from_secs(NOW));
    let now = crate::ground::Clock::instant(&*clock);
    let throttle = Throttle::new(now);
    let pair = |id: &str| Pair::new(id, "192.0.2.1".parse().unwrap());
    for number in 0..60_000 {
        throttle.begin(pair(&number.to_string()), now).map(drop).unwrap();
    }
    assert!(throttle.pairs() <= 50_000, "{}", throttle.pairs());
    for _ in 0..BURST {
        throttle.begin(pair("reporting"), now).map(drop).unwrap();
    }
    assert!(throttle.begin(pair("reporting"), now).is_err());
}

#[tokio::test]
async fn s43_9_a_jump_of_the_wall_clock_forgives_no_guess() {
    let house = House::open().await;
    exhaust(&house, "192.0.2.1").await;
    house.clock.jump_to(Time::from_secs(NOW + 86_400));
    house.ask(right("192.0.2.1")).await.is_refused(429, "temporarily_unavailable");
    house.clock.jump_to(Time::from_secs(NOW - 86_400));
    wait(&house, INTERVAL);
    house.ask(right("192.0.2.1")).await.is_granted();
}

#[tokio::test]
async fn a_reload_forgives_no_guess() {
    let mut house = House::open().await;
    exhaust(&house, "192.0.2.1").await;
    house.authority =
        house.authority.with_settings(Settings::new(parts()).unwrap(), Equipment::default()).await.unwrap();
    house.ask(right("192.0.2.1")).await.is_refused(429, "temporarily_unavailable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ca_08_parallel_guesses_all_count() {
    let house =
        Arc::new(House::with(with_clients(vec![ClientParts { secrets: vec![argon2id("x")], ..reporting() }])).await);
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.ask(guess("192.0.2.1")).await.status })
        })
        .collect();
    let mut looked_at = 0;
    for task in tasks {
        match task.await.unwrap() {
            401 => looked_at += 1,
            429 | 503 => {}
            other => panic!("{other}"),
        }
    }
    assert!(looked_at <= BURST, "{looked_at} guesses were answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g_08_many_right_requests_at_once_all_pass_a_slow_hash() {
    let slow = ClientParts { secrets: vec![argon2id("correct horse")], ..reporting() };
    let house = Arc::new(House::with(with_clients(vec![slow])).await);
    let tasks: Vec<_> = (0..30)
        .map(|_| {
            let house = Arc::clone(&house);
            let asking = post("grant_type=client_credentials").basic("reporting", "correct horse");
            tokio::spawn(async move { house.ask(asking).await.is_granted() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    exhaust(&house, "192.0.2.1").await;
}

/// However many cores there are: each could hash at once, and one client has a budget of ten.
#[tokio::test]
async fn g_08_right_requests_use_up_no_budget_between_them_where_many_could_be_hashed_at_once() {
    let mut house = House::with(with_clients(vec![many_secrets(vec![argon2id("correct horse")])])).await;
    give_cores(&mut house, 64);
    let house = Arc::new(house);
    for _ in 0..2 {
        let asking = |_| post("grant_type=client_credentials").basic("reporting", "correct horse");
        let answers = futures_util::future::join_all((0..30).map(asking).map(|asking| house.ask(asking))).await;
        answers.iter().for_each(Answer::is_granted);
    }
    exhaust(&house, "192.0.2.1").await;
}

#[tokio::test]
async fn g_08_a_client_with_secrets_of_both_kinds_uses_up_no_budget_either() {
    let secrets = vec![clear(SECRET), argon2id("correct horse")];
    let mut house = House::with(with_clients(vec![many_secrets(secrets)])).await;
    give_cores(&mut house, 64);
    let asking = |_| post("grant_type=client_credentials").basic("reporting", "correct horse");
    let answers = futures_util::future::join_all((0..30).map(asking).map(|asking| house.ask(asking))).await;
    answers.iter().for_each(Answer::is_granted);
    exhaust(&house, "192.0.2.1").await;
}

fn many_secrets(secrets: Vec<ClientSecret>) -> ClientParts {
    ClientParts { secrets, ..reporting() }
}

/// A desk that could run so many slow hashes at once.
pub(super) fn give_cores(house: &mut House, cores: usize) {
    let start = crate::ground::Clock::instant(&*house.clock);
    let (hashing, remembered) = (Hashing::with(cores), Remembered::new(&SystemRandom));
    house.authority.desk = Arc::new(Desk::new(Throttle::new(start), Together::new(start, None), hashing, remembered));
}

#[tokio::test]
async fn g_08_a_secret_that_was_right_is_good_for_its_own_hash_alone() {
    let with = |secret: &str| with_clients(vec![ClientParts { secrets: vec![argon2id(secret)], ..reporting() }]);
    let mut house = House::with(with("first")).await;
    let asking = |secret: &str| post("grant_type=client_credentials").basic("reporting", secret);
    house.ask(asking("first")).await.is_granted();
    house.ask(asking("first")).await.is_granted();
    house.ask(asking("second")).await.is_refused(401, "invalid_client");
    house.authority =
        house.authority.with_settings(Settings::new(with("second")).unwrap(), Equipment::default()).await.unwrap();
    house.ask(asking("first")).await.is_refused(401, "invalid_client");
    house.ask(asking("second")).await.is_granted();
}

#[tokio::test]
async fn s34_3_when_too_many_wait_for_a_hash_the_rest_hear_it_at_once() {
    let hashing = Hashing::new();
    let (mut running, mut waiting) = (Vec::new(), Vec::new());
    let refused = loop {
        // Places to run in go first, then places to wait in.
        let mut turn = Box::pin(hashing.turn());
        match futures_util::poll!(&mut turn) {
            Poll::Ready(Err(error)) => break error,
            Poll::Ready(Ok(turn)) => running.push(turn),
            Poll::Pending => waiting.push(turn),
        }
        assert!(waiting.len() < 100_000, "the queue has no bound");
    };
    assert_eq!((refused.status().as_u16(), refused.code()), (503, "temporarily_unavailable"));
}

//! How far does guessing at passwords get, and what do those notice who know theirs? Rule UI-07.

use futures_util::future::join_all;

use super::browser::{Browser, cheap_hash, people};
use super::guessing::give_cores;
use super::*;
use crate::authority::login_throttle::Attempting;
use crate::authority::prove::{Place, Proof};
use crate::ground::{Digest, SharedClock};
use crate::store::redis::stage::Server;
use crate::store::{FileUser, People as _};

const PASSWORD: &str = "a sentence of theirs";

/// A house of people called `u0`, `u1` and so on.
async fn house(people: usize) -> House {
    let hash = current_hash();
    House::with(Parts { users: (0..people).map(|number| user(number, &hash)).collect(), ..parts() }).await
}

fn user(number: usize, hash: &str) -> FileUser {
    FileUser {
        id: format!("usr_{number}"),
        id_is_written: true,
        name: format!("u{number}"),
        email: None,
        email_verified: false,
        profile: "{}".into(),
        password: Some(hash.to_owned()),
        roles: vec![],
    }
}

/// As passwords are kept today, so that no login replaces it.
fn current_hash() -> String {
    password::hash(&Secret::new(PASSWORD), &SystemRandom).unwrap()
}

async fn attempt(
    house: &House,
    name: &str,
    password: &str,
    place: (&str, Option<[u8; 32]>),
) -> Result<Proof, OAuthError> {
    let user = house.store.user_named(name.into()).await.unwrap();
    let place = Place { source: place.0.parse().unwrap(), device: place.1 };
    house.authority.prove_password(name, user, &Secret::new(password), place).await
}

const HERE: (&str, Option<[u8; 32]>) = ("192.0.2.1", None);

#[track_caller]
fn is_right(proof: &Result<Proof, OAuthError>) {
    match proof {
        Ok(Proof::Right(_)) => {}
        Ok(Proof::Wrong) => panic!("wrong"),
        Ok(Proof::Wait(wait)) => panic!("it waits for {wait:?}"),
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn ui_07_an_answer_that_all_hashes_are_busy_costs_no_attempt() {
    let mut house = house(1).await;
    give_cores(&mut house, 0);
    for device in [None, Some([7; 32])] {
        for _ in 0..60 {
            let busy = attempt(&house, "u0", PASSWORD, (HERE.0, device)).await;
            assert!(matches!(busy, Err(OAuthError::Busy { .. })));
        }
    }
    give_cores(&mut house, 1);
    is_right(&attempt(&house, "u0", PASSWORD, HERE).await);
    is_right(&attempt(&house, "u0", PASSWORD, (HERE.0, Some([7; 32]))).await);
}

#[tokio::test]
async fn ui_07_a_store_that_fails_at_the_second_factor_costs_no_attempt() {
    let memory = Arc::new(Memory::default());
    let house = House::on(memory.clone(), people()).await;
    let secret = [5; 20];
    let sealed = house.authority.sealer.seal(&crate::authority::prove::totp_context("usr_alice"), &secret).unwrap();
    let factor = crate::store::SecondFactor { secret: sealed, made: house.clock.now(), last_step: None };
    let (spare, now) = (crate::store::Spare::None, house.clock.now());
    house.store.set_second_factor("usr_alice".into(), Some(factor), vec![], spare, now, now).await.unwrap();
    let user = house.store.user("usr_alice".into()).await.unwrap().unwrap();
    let code = totp::code(&secret, house.clock.now());
    let is_down = |down| memory.is_down.store(down, std::sync::atomic::Ordering::SeqCst);
    is_down(true);
    for _ in 0..20 {
        assert!(house.authority.prove_second_factor(&user, &code).await.is_err());
    }
    is_down(false);
    is_right(&house.authority.prove_second_factor(&user, &code).await);
}

#[tokio::test]
async fn ui_07_hanging_up_while_a_guess_is_looked_at_takes_nothing_back() {
    let mut house = house(1).await;
    give_cores(&mut house, 8);
    for _ in 0..5 {
        let mut guess = Box::pin(attempt(&house, "u0", "wrong", HERE));
        assert!(futures_util::poll!(&mut guess).is_pending(), "a slow hash takes its time");
    }
    assert!(matches!(attempt(&house, "u0", PASSWORD, HERE).await, Ok(Proof::Wait(_))));
}

#[tokio::test]
async fn ui_07_right_logins_at_the_same_moment_all_succeed() {
    let mut house = house(60).await;
    give_cores(&mut house, 64);
    let device = Some([7; 32]);
    join_all((0..30).map(|_| attempt(&house, "u0", PASSWORD, HERE))).await.iter().for_each(is_right);
    join_all((0..30).map(|_| attempt(&house, "u0", PASSWORD, (HERE.0, device)))).await.iter().for_each(is_right);
    let everywhere: Vec<String> = (0..40).map(|number| format!("192.0.2.{number}")).collect();
    let from = everywhere.iter().map(|address| attempt(&house, "u0", PASSWORD, (address, None)));
    join_all(from).await.iter().for_each(is_right);
    let names: Vec<String> = (0..60).map(|number| format!("u{number}")).collect();
    join_all(names.iter().map(|name| attempt(&house, name, PASSWORD, HERE))).await.iter().for_each(is_right);
}

#[tokio::test]
async fn ui_07_right_logins_at_the_same_moment_all_succeed_while_the_hash_is_replaced() {
    let mut house = House::with(people()).await;
    give_cores(&mut house, 64);
    let right = (0..30).map(|_| attempt(&house, "alice", super::browser::PASSWORD, HERE));
    join_all(right).await.iter().for_each(is_right);
}

/// Of so many guesses at once no more than these are looked at, whatever they have in common.
#[tokio::test]
async fn ui_07_parallel_guesses_all_count() {
    let mut house = house(0).await;
    give_cores(&mut house, 64);
    let cheap = cheap_hash(PASSWORD);
    for number in 0..100 {
        let user = user(number, &cheap);
        assert!(house.store.add_user(user.into_user(house.clock.now())).await.unwrap());
    }
    let looked_at = |proofs: Vec<Result<Proof, OAuthError>>| {
        proofs.iter().filter(|proof| matches!(proof, Ok(Proof::Wrong))).count()
    };
    let names: Vec<String> = (0..100).map(|number| format!("u{number}")).collect();
    let places: Vec<String> = (0..100).map(|number| format!("198.51.100.{number}")).collect();
    let pair = join_all((0..100).map(|_| attempt(&house, "u0", "wrong", HERE))).await;
    assert_eq!(looked_at(pair), 5);
    let account = join_all(places.iter().map(|place| attempt(&house, "u1", "wrong", (place, None)))).await;
    assert_eq!(looked_at(account), 25);
    let source = join_all(names.iter().map(|name| attempt(&house, name, "wrong", ("203.0.113.9", None)))).await;
    // Some of them are of accounts that wait already.
    assert!((45..=50).contains(&looked_at(source)));
}

/// What the owner, or whoever runs the house, does at this moment of a stranger's login.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Password,
    Disabled,
    SecondFactor,
}

impl Meanwhile {
    fn happens(self, memory: &Memory, now: Time) {
        let (id, spare) = ("usr_0".to_owned(), crate::store::Spare::None);
        let factor = crate::store::SecondFactor { secret: vec![0; 20], made: now, last_step: None };
        let tokens_end = now.plus(Duration::from_secs(3600));
        let done = match self {
            Self::Password => memory.set_password(id, cheap_hash("another one"), spare, now, tokens_end),
            Self::Disabled => memory.disable_user(id, true, now, tokens_end),
            Self::SecondFactor => memory.set_second_factor(id, Some(factor), vec![], spare, now, tokens_end),
        };
        assert!(futures_util::FutureExt::now_or_never(done).unwrap().unwrap());
    }
}

/// At any moment of it, and where the hash is replaced by the way too.
#[tokio::test]
async fn ui_14_a_login_on_its_way_opens_nothing_once_the_password_is_another_one() {
    use Meanwhile::{Disabled, Password, SecondFactor};
    let hashes = [current_hash(), cheap_hash(PASSWORD)];
    let cases =
        [Password, Disabled, SecondFactor].into_iter().flat_map(|case| (0..14).map(move |moment| (case, moment)));
    for ((meanwhile, moment), hash) in cases.flat_map(|case| hashes.iter().map(move |hash| (case, hash))) {
        let (memory, house) = house_of_one(hash).await;
        let now = house.clock.now();
        let act = move |memory: &Memory| meanwhile.happens(memory, now);
        let mut browser = Browser::new(&house);
        let first = browser.get("/account").await;
        let page = browser.follow(first).await;
        *memory.between.lock() = Some((moment, Box::new(act)));
        browser.submit(&page, "/login", &[("username", "u0"), ("password", PASSWORD)]).await;
        let happened = memory.between.lock().take().is_none();
        // A second factor ends sessions, and those that were there before it no more than that.
        let is_open = browser.get("/account").await.status == 200;
        assert!(!happened || !is_open, "{meanwhile:?} before verb {moment}");

        let (memory, house) = house_of_one(hash).await;
        *memory.between.lock() = Some((moment, Box::new(act)));
        let form = format!("grant_type=password&username=u0&scope=read&password={}", PASSWORD.replace(' ', "+"));
        let answer = house.ask(post(form).basic("old", SECRET)).await;
        let happened = memory.between.lock().take().is_none();
        let token = answer.text("access_token").to_owned();
        let is_good = !token.is_empty()
            && house.at(Endpoint::Introspect, "old", &format!("token={token}")).await.body["active"] == true;
        let ends_grants = matches!(meanwhile, Password | Disabled);
        assert!(!happened || !is_good || !ends_grants, "{meanwhile:?} before verb {moment}");
        assert!(happened || is_good, "{}", answer.body);
    }
}

/// `u0` with this hash, and a client that takes their password.
async fn house_of_one(hash: &str) -> (Arc<Memory>, House) {
    let old = ClientParts {
        secrets: vec![clear(SECRET)],
        grants: vec![Grant::Password],
        scopes: vec![scope("read")],
        ..ClientParts::named("old")
    };
    let memory = Arc::new(Memory::default());
    let house = House::on(memory.clone(), Parts { users: vec![user(0, hash)], ..with_clients(vec![old]) }).await;
    (memory, house)
}

/// Budgets by themselves, where many hours pass.
struct Budgets {
    throttle: LoginThrottle,
    clock: Arc<ManualClock>,
    counters: Option<SharedCounters>,
}

impl Budgets {
    fn new() -> Self {
        let clock = ManualClock::at(Time::from_secs(NOW));
        Self { throttle: LoginThrottle::default(), clock, counters: None }
    }

    /// The same, where each attempt comes to another gateway.
    async fn of_a_fleet(server: &Server) -> Self {
        let budgets = Self::new();
        let counters = server.by_hand(&budgets.clock).await;
        Self { counters: Some(counters), ..budgets }
    }

    /// The time that somebody has to wait, if so.
    async fn attempt(&self, name: &str, source: &str, is_right: bool) -> Result<(), Duration> {
        let fresh = LoginThrottle::default();
        let throttle = if self.counters.is_some() { &fresh } else { &self.throttle };
        self.attempt_at(throttle, (name, source), is_right).await
    }

    async fn attempt_at(
        &self,
        throttle: &LoginThrottle,
        (name, source): (&str, &str),
        is_right: bool,
    ) -> Result<(), Duration> {
        let (account, source) = (Digest::of(name.as_bytes()), source.parse().unwrap());
        let clock: SharedClock = self.clock.clone();
        let attempting = Attempting { account, source, device: None };
        let mut attempt = throttle.begin(&attempting, &clock, self.counters.as_ref()).await?;
        attempt.is_looked_at();
        // Others come in between.
        tokio::task::yield_now().await;
        if is_right {
            attempt.right().await;
        } else {
            attempt.wrong();
        }
        Ok(())
    }

    /// Three hours behind one address: a right login every ten seconds, and a wrong one a minute.
    async fn holds_with_many_people(&self) {
        for second in (0..3 * 3600_u64).step_by(5) {
            if second % 10 == 0 {
                let right = self.attempt("somebody", "192.0.2.1", true).await;
                assert_eq!(right, Ok(()), "at second {second}");
            } else if second % 60 == 5 {
                let wrong = self.attempt(&format!("u{}", second / 60 % 50), "192.0.2.1", false).await;
                assert_eq!(wrong, Ok(()), "at second {second}");
            }
            self.clock.advance(Duration::from_secs(5));
        }
    }

    /// Guesses within so many seconds of whoever tries as often as it may.
    async fn guessed(&self, seconds: u64, who: impl Fn(u64) -> (String, String)) -> u64 {
        let (mut guesses, mut passed) = (0, 0);
        while passed < seconds {
            let (name, source) = who(guesses);
            match self.attempt(&name, &source, false).await {
                Ok(()) => guesses += 1,
                Err(wait) => {
                    let wait = wait.max(Duration::from_millis(1));
                    self.clock.advance(wait);
                    passed += wait.as_secs().max(1);
                }
            }
        }
        guesses
    }
}

#[tokio::test]
async fn ui_07_an_address_of_many_people_is_never_locked_by_those_who_mistype() {
    Budgets::new().holds_with_many_people().await;
    let server = Server::start();
    Budgets::of_a_fleet(&server).await.holds_with_many_people().await;
}

#[tokio::test]
async fn ui_07_pure_guessing_stays_slow() {
    const DAY: u64 = 24 * 3600;
    let here = |_| ("alice".to_owned(), "192.0.2.1".to_owned());
    let everywhere = |guess: u64| ("alice".to_owned(), format!("10.0.{}.{}", guess / 250 % 250, guess % 250));
    let at_all = |guess: u64| (format!("u{guess}"), "192.0.2.1".to_owned());
    let each = DAY / 300;
    let one = Budgets::new().guessed(DAY, here).await;
    assert!((each / 2..=5 + 10 + each).contains(&one), "{one} at one account from one address");
    let account = Budgets::new().guessed(DAY, everywhere).await;
    assert!((each / 2..=25 + 10 + each).contains(&account), "{account} at one account");
    let source = Budgets::new().guessed(DAY, at_all).await;
    assert!((each..=50 + 10 + 5 * each).contains(&source), "{source} from one address");
}

#[tokio::test]
async fn ui_07_a_wait_is_as_long_as_it_says_and_right_logins_do_not_make_it_longer() {
    let server = Server::start();
    for budgets in [Budgets::new(), Budgets::of_a_fleet(&server).await] {
        let wrong = async || budgets.attempt("alice", "192.0.2.1", false).await;
        for _ in 0..5 {
            assert_eq!(wrong().await, Ok(()));
        }
        for wait in [1, 2, 4, 8, 16, 32, 64, 128] {
            let (wait, second) = (Duration::from_secs(wait), Duration::from_secs(1));
            assert_eq!(wrong().await, Err(wait));
            budgets.clock.advance(wait - second);
            assert_eq!(wrong().await, Err(second));
            budgets.clock.advance(second);
            assert_eq!(budgets.attempt("alice", "192.0.2.1", true).await, Ok(()), "a right one passes");
            assert_eq!(wrong().await, Ok(()), "and changes nothing");
        }
        // Four minutes and a quarter have passed. One of thirteen is forgotten at the end of the fifth.
        assert_eq!(wrong().await, Err(Duration::from_secs(256)));
        budgets.clock.advance(Duration::from_secs(45));
        assert_eq!(wrong().await, Err(Duration::from_secs(128 - 45)), "forgetting does not end a wait");
        budgets.clock.advance(Duration::from_secs(24 * 3600));
        for _ in 0..5 {
            assert_eq!(wrong().await, Ok(()));
        }
        assert_eq!(wrong().await, Err(Duration::from_secs(1)));
    }
}

#[tokio::test]
async fn ui_07_what_is_in_flight_on_one_gateway_refuses_nobody_there_although_others_count_too() {
    let server = Server::start();
    let budgets = Budgets::of_a_fleet(&server).await;
    let here = LoginThrottle::default();
    let at_once = async |number: usize, is_right: bool| {
        let attempts = (0..number).map(|_| budgets.attempt_at(&here, ("alice", "192.0.2.1"), is_right));
        join_all(attempts).await.into_iter().filter(|attempt| attempt.is_ok()).count()
    };
    for _ in 0..3 {
        budgets.attempt("alice", "192.0.2.1", false).await.unwrap();
    }
    assert_eq!(at_once(30, true).await, 30);
    assert_eq!(at_once(100, false).await, 2, "three of five are used up elsewhere");
    budgets.clock.advance(Duration::from_secs(1));
    assert_eq!(at_once(30, true).await, 30);
    assert_eq!(at_once(100, false).await, 1);
}

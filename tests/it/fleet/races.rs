//! What is good once is good once in the whole fleet, and what is over is over in the whole fleet.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{ALICE, CALLBACK, SOON, ask, at_once, command, fleet, own, redeem, refresh, text, until};
use crate::support::postgres::Server;
use crate::support::{Browser, House};

#[test]
fn of_64_redemptions_of_one_code_on_two_gateways_at_once_one_succeeds() {
    let database = Server::shared().database();
    let houses = fleet(&database.url(), 2);
    let ports = [houses[0].port, houses[1].port];
    let mut browser = Browser::new(&houses[0]);
    for round in 0..5 {
        let code = browser.code("spa", CALLBACK, "read", ALICE);
        let answers = at_once(64, move |number| redeem(ports[number % 2], "spa", &code).unwrap().0);
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{round}: {answers:?}");
        assert!(answers.iter().all(|status| [200, 400].contains(status)), "{round}: {answers:?}");
    }
}

#[test]
fn fifty_refreshes_on_two_gateways_at_once_all_get_the_same_successor_and_there_is_one_chain() {
    let database = Server::shared().database();
    let houses = fleet(&database.url(), 2);
    let ports = [houses[0].port, houses[1].port];
    let code = Browser::new(&houses[0]).code("spa", CALLBACK, "read", ALICE);
    let mut current = text(&redeem(ports[1], "spa", &code).unwrap().1, "refresh_token");
    for round in 0..5 {
        let shown = current.clone();
        let answers = at_once(50, move |number| refresh(ports[number % 2], "spa", &shown).unwrap());
        assert!(answers.iter().all(|(status, _)| *status == 200), "{round}: {answers:?}");
        let mut successors: Vec<String> = answers.iter().map(|(_, body)| text(body, "refresh_token")).collect();
        successors.dedup();
        assert_eq!(successors.len(), 1, "{round}");
        assert_ne!(successors[0], current, "{round}");
        current = successors.remove(0);
    }
    assert_eq!(database.sql("SELECT generation FROM portcullis.family"), "5");
}

#[test]
fn rotations_by_command_on_two_gateways_at_once_make_one_successor_and_fail_no_token() {
    let database = Server::shared().database();
    let houses = fleet(&database.url(), 2);
    let keys = || -> usize {
        database.sql("SELECT count(*) FROM portcullis.signing_key WHERE algorithm = 'ES256'").parse().unwrap()
    };
    let held = text(&own(houses[0].port, "gate").1, "access_token");
    let published = |number: usize| {
        let answer = Browser::new(&houses[number]).get("/oauth/jwks");
        answer.text().matches("\"ES256\"").count()
    };
    let before = published(1);
    std::thread::scope(|scope| {
        for house in &houses {
            // One of them may come too late, and is told so.
            scope.spawn(|| {
                let mut rotate = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"));
                rotate.args(["key", "rotate", "--algorithm", "ES256"]).current_dir(house.path(".")).output().unwrap()
            });
        }
    });
    assert_eq!(keys(), 2);
    until("both publish the successor", || published(0) == before + 1 && published(1) == before + 1);
    for house in &houses {
        for other in &houses {
            let fresh = text(&own(other.port, "gate").1, "access_token");
            assert_eq!(house.get_with("/read", &fresh).status, 200);
        }
        assert_eq!(house.get_with("/read", &held).status, 200);
    }
    // In an emergency the old ones are refused everywhere, and the new one is known everywhere.
    command(&houses[0], &["key", "rotate", "--algorithm", "ES256", "--now"]);
    until("the old key is gone on the other", || houses[1].get_with("/read", &held).code() == "key_unknown");
    until("the new one is good on both", || {
        let fresh = text(&own(houses[1].port, "gate").1, "access_token");
        houses.iter().all(|house| house.get_with("/read", &fresh).status == 200)
    });
}

/// One grant: whoever refreshes puts down what came of it.
struct Family {
    refresh: Mutex<Vec<String>>,
    access: Mutex<Vec<String>>,
    /// Refreshes that were answered.
    answered: AtomicUsize,
    /// The revocation has answered.
    is_over: AtomicBool,
}

impl Family {
    fn of(body: &serde_json::Value) -> Self {
        Self {
            refresh: Mutex::new(vec![text(body, "refresh_token")]),
            access: Mutex::new(vec![text(body, "access_token")]),
            answered: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    fn newest(&self) -> String {
        self.refresh.lock().unwrap().last().unwrap().clone()
    }

    /// Refreshes until it is refused. What begins behind the answer of the revocation has to be.
    fn refresh_until_refused(&self, port: u16) {
        loop {
            let (shown, is_over) = (self.newest(), self.is_over.load(Ordering::SeqCst));
            let (status, body) = refresh(port, "spa", &shown).unwrap();
            self.answered.fetch_add(1, Ordering::SeqCst);
            match status {
                200 if is_over => panic!("a refresh that began after the revocation had answered was granted"),
                200 => {
                    self.access.lock().unwrap().push(text(&body, "access_token"));
                    let (mut known, next) = (self.refresh.lock().unwrap(), text(&body, "refresh_token"));
                    if !known.contains(&next) {
                        known.push(next);
                    }
                }
                400 => return,
                other => panic!("{other}: {body}"),
            }
        }
    }
}

/// Every token of the family is refused on both, at the latest this long after the revocation's answer, and stays so.
fn is_refused_everywhere(family: Family, houses: &[House], revoked: Instant) {
    let access = family.access.into_inner().unwrap();
    for house in houses {
        for token in &access {
            while house.get_with("/read", token).status == 200 {
                assert!(revoked.elapsed() < SOON, "an access token outlives its grant");
            }
        }
    }
    for token in family.refresh.into_inner().unwrap() {
        assert!(houses.iter().all(|house| refresh(house.port, "spa", &token).unwrap().0 == 400));
    }
    for house in houses {
        assert!(access.iter().all(|token| house.get_with("/read", token).status == 401), "it came back");
    }
}

#[test]
fn whoever_refreshes_on_one_gateway_while_the_other_revokes_holds_nothing_afterwards() {
    const GRANTS: usize = 120;
    let database = Server::shared().database();
    let houses = fleet(&database.url(), 2);
    let ports = [houses[0].port, houses[1].port];
    let mut browser = Browser::new(&houses[0]);
    let (mut overlapped, mut rotated) = (0, 0);
    for number in 0..GRANTS {
        let code = browser.code("spa", CALLBACK, "read", ALICE);
        let family = Family::of(&redeem(ports[0], "spa", &code).unwrap().1);
        let mut revoked = Instant::now();
        std::thread::scope(|scope| {
            let refreshing = scope.spawn(|| family.refresh_until_refused(ports[0]));
            // Another moment each time: before the first answer, and somewhere within a later one.
            while family.answered.load(Ordering::SeqCst) < number % 6 {
                std::thread::park_timeout(Duration::from_micros(50));
            }
            std::thread::park_timeout(Duration::from_micros(number as u64 * 317 % 4_000));
            // By the newest generation, or by the first one.
            let shown = if number % 3 == 0 { family.refresh.lock().unwrap()[0].clone() } else { family.newest() };
            let before = family.answered.load(Ordering::SeqCst);
            let answer = ask(ports[1], "/oauth/revoke", &format!("client_id=spa&token={shown}")).unwrap();
            family.is_over.store(true, Ordering::SeqCst);
            revoked = Instant::now();
            assert_eq!(answer.0, 200, "{}", answer.1);
            refreshing.join().expect("no refresh is granted too late");
            overlapped += usize::from(family.answered.load(Ordering::SeqCst) > before + 1);
        });
        rotated += family.answered.load(Ordering::SeqCst);
        is_refused_everywhere(family, &houses, revoked);
    }
    println!("{GRANTS} grants, {rotated} refreshes, of {overlapped} grants some while they were revoked");
    assert!(rotated > GRANTS * 2 && overlapped > 0, "refreshes and revocations did not meet");
}

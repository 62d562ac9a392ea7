//! What is good once is good once in the whole fleet.

use super::{ALICE, CALLBACK, at_once, command, fleet, own, redeem, refresh, text, until};
use crate::support::Browser;
use crate::support::postgres::Server;

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

//! PgBouncer between the gateways and their database.

use super::{
    ALICE, CALLBACK, SOON, ask, at_once, command, fleet, own, redeem, refresh, signed_in, store_of, text, until,
};
use crate::support::pgbouncer::PgBouncer;
use crate::support::postgres::{Database, Server};
use crate::support::{Browser, House};

/// The first version that takes prepared statements along from one server connection to the next.
const PREPARES: (u32, u32) = (1, 21);

/// What a fleet has to hold, whatever lies between.
fn holds(houses: &[House], database: &Database<'_>) {
    let ports = [houses[0].port, houses[1].port];
    let mut browser = Browser::new(&houses[0]);
    let code = browser.code("spa", CALLBACK, "read", ALICE);
    let answers = at_once(32, move |number| redeem(ports[number % 2], "spa", &code).unwrap().0);
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 400].contains(status)), "{answers:?}");

    let (_, renewal) = signed_in(&houses[0], "spa");
    let shown = renewal.clone();
    let answers = at_once(32, move |number| refresh(ports[number % 2], "spa", &shown).unwrap());
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    let mut successors: Vec<String> = answers.iter().map(|(_, body)| text(body, "refresh_token")).collect();
    successors.dedup();
    assert_eq!(successors.len(), 1);

    for client in ["spa", "web"] {
        let (access, renewal) = signed_in(&houses[0], client);
        assert_eq!(houses[1].get_with("/read", &access).status, 200);
        let secret = if client == "web" { format!("&client_secret={}", super::SECRET) } else { String::new() };
        let form = format!("client_id={client}{secret}&token={renewal}");
        assert_eq!(ask(ports[0], "/oauth/revoke", &form).unwrap().0, 200);
        let after = until("it is refused", || houses[1].get_with("/read", &access).status == 401);
        assert!(after < SOON, "{client}: {after:?}");
        assert_eq!(refresh(ports[1], client, &renewal).unwrap().0, 400);
    }

    let secret = command(&houses[0], &["client", "add", "made", "--grant", "client_credentials", "--scope", "read"]);
    let form = format!("grant_type=client_credentials&client_id=made&client_secret={}", secret.trim());
    // Who asks too early guesses, and waits for that.
    let token = || ask(ports[1], "/oauth/token", &form).unwrap();
    until("the other gateway knows the client", || token().0 == 200);
    let held = text(&token().1, "access_token");
    command(&houses[0], &["client", "disable", "made"]);
    let after = until("it is refused", || houses[1].get_with("/read", &held).status == 401);
    assert!(after < SOON, "{after:?}");
    until("nobody is left in a transaction", || {
        database
            .sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'")
            == "0"
    });
}

fn comes_back(houses: &[House], pooler: &mut PgBouncer) {
    let (_, renewal) = signed_in(&houses[0], "spa");
    pooler.restart();
    for house in houses {
        until("the store is up", || own(house.port, "kept").0 == 200 && store_of(house)["state"] == "up");
    }
    assert_eq!(refresh(houses[1].port, "spa", &renewal).unwrap().0, 200);
}

#[test]
fn in_session_mode_a_pooler_is_not_noticed() {
    let database = Server::shared().database();
    let settings = "pool_mode = session\ndefault_pool_size = 40\n";
    let mut pooler = PgBouncer::before(&database, settings);
    let houses = fleet(&database.url_at(pooler.port), 2);
    let hear = || houses.iter().all(|house| house.metric("portcullis_store_listens", &[("store", "postgres")]) > 0.0);
    until("both listen", hear);
    holds(&houses, &database);
    comes_back(&houses, &mut pooler);
    until("both listen again", hear);
}

#[test]
fn in_transaction_mode_a_pooler_needs_prepared_statements_and_then_nothing_else() {
    let database = Server::shared().database();
    let settings = "pool_mode = transaction\ndefault_pool_size = 6\n";
    if PgBouncer::version() < PREPARES {
        // It loses them, sooner or later: nothing can be promised of it.
        println!("this PgBouncer keeps no prepared statements in transaction mode");
        return;
    }
    let mut pooler = PgBouncer::before(&database, &format!("{settings}max_prepared_statements = 200\n"));
    let houses = fleet(&database.url_at(pooler.port), 2);
    holds(&houses, &database);
    comes_back(&houses, &mut pooler);
}

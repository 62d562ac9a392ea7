//! The primary dies, and its standby takes over.

use super::away::nothing_is_lost;
use super::{SOON, ask, fleet, own, redeem, refresh, signed_in, store_of, until};
use crate::support::Browser;
use crate::support::postgres::Server;

#[test]
fn when_the_primary_is_killed_and_its_standby_promoted_nothing_that_was_acknowledged_is_lost() {
    let primary = Server::start(&[]);
    let database = primary.database();
    let standby = primary.standby();
    // Whoever stands first, the one that writes is found.
    let (first, second, name) = (standby.port, primary.port, &database.name);
    let url = format!("postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/{name}");
    let mut houses = fleet(&url, 2);
    let (revoked, ended) = signed_in(&houses[0], "spa");
    assert_eq!(ask(houses[1].port, "/oauth/revoke", &format!("client_id=spa&token={ended}")).unwrap().0, 200);
    let code = Browser::new(&houses[0]).code("spa", super::CALLBACK, "read", super::ALICE);
    assert_eq!(redeem(houses[0].port, "spa", &code).unwrap().0, 200);

    nothing_is_lost(&mut houses, 1, |houses| {
        primary.kill();
        until("it is missed", || houses.iter().all(|house| store_of(house)["state"] == "down"));
        standby.promote();
        let found = until("the new primary is found", || houses.iter().all(|house| own(house.port, "kept").0 == 200));
        println!("found {found:?} after it was promoted");
    });

    assert_eq!(refresh(houses[0].port, "spa", &ended).unwrap().0, 400, "what was revoked stays so");
    assert_eq!(redeem(houses[1].port, "spa", &code).unwrap().0, 400, "a code that was used is used");
    // A gateway that starts afterwards knows of the revocation from the new primary alone.
    houses[1].restart();
    until("it serves", || houses[1].get("/open").status == 200);
    let after = until("it is refused", || houses[1].get_with("/read", &revoked).status == 401);
    assert!(after < SOON, "{after:?}");
    until("both hear of each other", || {
        houses.iter().all(|house| house.metric("portcullis_store_listens", &[("store", "postgres")]) > 0.0)
    });
}

//! What one gateway was told, the others know within a second.

use std::time::Duration;

use super::{ALICE, CALLBACK, SOON, ask, command, fleet, own, refresh, signed_in, text, until};
use crate::support::postgres::Server;
use crate::support::{Browser, House};

/// The other gateway takes this token, until `act` on the first one; how long it took it after that.
fn refused_after(other: &House, token: &str, act: impl FnOnce()) -> Duration {
    assert_eq!(other.get_with("/read", token).status, 200);
    act();
    let after = until("it is refused", || other.get_with("/read", token).status != 200);
    let code = other.get_with("/read", token).code();
    assert!(["token_revoked", "token_inactive"].contains(&code.as_str()), "{code}");
    after
}

#[test]
fn what_is_revoked_on_one_gateway_is_refused_on_the_others_within_a_second() {
    let database = Server::shared().database();
    let houses = fleet(&database.url(), 3);
    let (here, there) = (&houses[0], &houses[2]);
    let mut quickest = SOON;
    let mut check = |token: &str, act: &dyn Fn()| {
        let after = refused_after(there, token, act);
        assert!(after < SOON, "{after:?}");
        quickest = quickest.min(after);
    };
    for client in ["spa", "web"] {
        let secret = if client == "web" { "&client_secret=web-secret-0123456789abcdef" } else { "" };
        let revoke = |token: &str| {
            let form = format!("client_id={client}{secret}&token={token}");
            assert_eq!(ask(here.port, "/oauth/revoke", &form).unwrap().0, 200);
        };
        let (access, _) = signed_in(here, client);
        check(&access, &|| revoke(&access));
        let (access, renewal) = signed_in(here, client);
        check(&access, &|| revoke(&renewal));
        assert_eq!(refresh(there.port, client, &renewal).unwrap().0, 400);
    }
    let (access, renewal) = signed_in(here, "spa");
    let roles = || drop(command(here, &["grant", "revoke", "--user", "alice"]));
    check(&access, &roles);
    assert_eq!(refresh(there.port, "spa", &renewal).unwrap().0, 400);
    // Of five, each of which a busy machine may hold up.
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
}

#[test]
fn logout_and_a_new_password_on_one_gateway_end_sessions_and_tokens_on_the_others() {
    let database = Server::shared().database();
    let houses = fleet(&database.url(), 2);
    let (here, there) = (&houses[0], &houses[1]);

    let mut browser = Browser::new(here);
    let code = browser.code("spa", CALLBACK, "read", ALICE);
    let body = super::redeem(there.port, "spa", &code).unwrap().1;
    // A session of one gateway is a session of the other.
    let cookies = browser.into_cookies();
    let mut elsewhere = Browser::with(there, cookies.clone());
    assert!(elsewhere.get("/account").text().contains("alice"));
    let mut browser = Browser::with(here, cookies.clone());
    let leave = || {
        let page = browser.get("/oauth/logout");
        browser.submit(&page, "/oauth/logout", &[("decision", "leave")]);
    };
    assert!(refused_after(there, &text(&body, "access_token"), leave) < SOON);
    assert_ne!(Browser::with(there, cookies).get("/account").status, 200, "the session is over there, too");

    let mut browser = Browser::new(here);
    let code = browser.code("spa", CALLBACK, "read", ALICE);
    let body = super::redeem(here.port, "spa", &code).unwrap().1;
    let change = || {
        let page = browser.get("/account");
        let new = [("action", "set_password"), ("new_password", "another sentence of alice")];
        assert!(browser.submit(&page, "/account", &new).text().contains("Your password is changed"));
    };
    assert!(refused_after(there, &text(&body, "access_token"), change) < SOON);
    let new = (ALICE.0, "another sentence of alice");
    assert!(!Browser::new(there).code("spa", CALLBACK, "read", new).is_empty(), "the new password is good there");
}

#[test]
fn clients_and_roles_that_commands_change_reach_all_gateways() {
    let database = Server::shared().database();
    let houses = fleet(&database.url(), 2);
    let (here, there) = (&houses[0], &houses[1]);
    let secret = command(here, &["client", "add", "made", "--grant", "client_credentials", "--scope", "read"]);
    let form = format!("grant_type=client_credentials&client_id=made&client_secret={}", secret.trim());
    let token = || ask(there.port, "/oauth/token", &form).unwrap();
    let known = until("the other gateway knows the client", || token().0 == 200);
    assert!(known < SOON, "{known:?}");
    let held = text(&token().1, "access_token");
    let disable = || drop(command(here, &["client", "disable", "made"]));
    assert!(refused_after(there, &held, disable) < SOON);
    until("it gets no more tokens there", || token().0 == 401);

    // A role that leaves the file of one gateway is gone for all of them.
    let (access, renewal) = signed_in(there, "spa");
    let file = std::fs::read_to_string(here.path("gateway.yaml")).unwrap();
    let lose = || {
        here.rewrite(&file.replace(", roles: [clerk]}", "}"));
        assert_eq!(here.reload().status, 200);
    };
    assert!(refused_after(there, &access, lose) < SOON);
    let (status, body) = refresh(there.port, "spa", &renewal).unwrap();
    assert!(status != 200 || text(&body, "scope").is_empty(), "{body}");
    assert_eq!(own(there.port, "gate").0, 200);
}

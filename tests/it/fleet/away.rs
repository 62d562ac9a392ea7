//! The database goes away, hangs, comes back, changes its mind: what needs it is refused in seconds, all else goes on, and
//! nothing that was acknowledged is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{ALICE, CALLBACK, SOON, ask, fleet, own, redeem, refresh, signed_in, store_of, text, until};
use crate::support::link::Link;
use crate::support::postgres::Server;
use crate::support::{Browser, House};

/// A refusal for want of a store comes in this time, however the store is away.
const SECONDS: Duration = Duration::from_secs(6);

/// What goes on without the database, and what does not.
fn is_without_its_store(house: &House, signed: &str, renewal: &str) {
    assert_eq!(house.get("/open").status, 200);
    assert_eq!(house.get_with("/read", signed).status, 200, "a signed token is good");
    assert_eq!(own(house.port, "gate").0, 200, "a signed token needs no row");
    for (what, form) in [
        (
            "an opaque token",
            "grant_type=client_credentials&client_id=kept&client_secret=web-secret-0123456789abcdef".to_owned(),
        ),
        ("a refresh", format!("grant_type=refresh_token&client_id=spa&refresh_token={renewal}")),
    ] {
        let start = Instant::now();
        let answer = house.post_form("/oauth/token", "", &form);
        assert_eq!(answer.status, 503, "{what}: {}", answer.text());
        assert!(!answer.header("retry-after").is_empty(), "{what}: {answer:?}");
        assert_eq!(answer.json()["error"], "temporarily_unavailable", "{what}");
        assert!(start.elapsed() < SECONDS, "{what}: {:?}", start.elapsed());
    }
    let answer = house.get_with("/read", "pc_at_0123456789012345678901234567890123456789012");
    assert_eq!((answer.status, answer.code().as_str()), (503, "store_unavailable"), "an opaque token is looked up");
    assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    let page = Browser::new(house).get(
        "/oauth/authorize?response_type=code&client_id=spa&redirect_uri=https://app.example.com/cb&scope=read\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
    );
    assert_eq!(page.status, 503, "the log-in page");
    assert!(!page.header("retry-after").is_empty(), "{page:?}");
    assert_eq!(house.admin_get("/readyz").status, 200, "traffic goes on");
    assert_eq!(store_of(house)["state"], "down");
}

fn works(house: &House, renewal: &str) {
    until("the store is up", || store_of(house)["state"] == "up");
    assert_eq!(own(house.port, "kept").0, 200);
    assert_eq!(refresh(house.port, "spa", renewal).unwrap().0, 200, "what was granted before is good");
    signed_in(house, "web");
}

#[test]
fn while_the_database_is_stopped_what_needs_it_is_refused_and_all_else_goes_on() {
    let server = Server::start(&[]);
    let database = server.database();
    let houses = fleet(&database.url(), 2);
    let (signed, renewal) = signed_in(&houses[0], "spa");
    let (kept, _) = signed_in(&houses[0], "web");
    assert_eq!(houses[1].get_with("/read", &kept).status, 200);
    server.stop();
    until("the first one notices", || store_of(&houses[0])["state"] == "down");
    is_without_its_store(&houses[0], &signed, &renewal);
    is_without_its_store(&houses[1], &signed, &renewal);
    assert_eq!(houses[1].get_with("/read", &kept).status, 200, "an opaque token seen within the last minute is known");
    houses[0].event("PostgreSQL is away");
    server.start_again();
    houses[0].event("PostgreSQL answers again");
    works(&houses[0], &renewal);
    works(&houses[1], &renewal);
}

#[test]
fn a_database_that_hangs_costs_seconds_and_then_nothing() {
    let database = Server::shared().database();
    let link = Link::to(Server::shared().port);
    let houses = fleet(&database.url_at(link.port), 1);
    let house = &houses[0];
    let (signed, renewal) = signed_in(house, "spa");
    link.hang();
    is_without_its_store(house, &signed, &renewal);
    // Once that is known nobody waits for it.
    let start = Instant::now();
    let answers: Vec<u16> = (0..20).map(|_| own(house.port, "kept").0).collect();
    assert!(answers.iter().all(|status| *status == 503), "{answers:?}");
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    link.mend();
    works(house, &renewal);
    link.cut();
    is_without_its_store(house, &signed, &renewal);
    link.mend();
    works(house, &renewal);
    until("nobody is left in a transaction", || {
        database
            .sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'")
            == "0"
    });
}

#[test]
fn word_reaches_the_others_without_the_connection_that_listens() {
    let database = Server::shared().database();
    let name = &database.name;
    // A superuser could always connect.
    let role = format!("gate_of_{name}");
    database.sql(&format!("CREATE ROLE {role} LOGIN; ALTER DATABASE {name} OWNER TO {role}"));
    let houses = fleet(&database.url().replace("postgres@", &format!("{role}@")), 2);
    let (here, there) = (&houses[0], &houses[1]);
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
    until("both listen", || database.sql(listening) == "2");
    // Whoever may not connect any more cannot listen again; those that are connected go on.
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND (query LIKE 'LISTEN%' OR query = 'SELECT 1')";
    database.sql(&format!("ALTER DATABASE {name} CONNECTION LIMIT 0; {cut}"));
    there.event("(53300)");
    let (access, _) = signed_in(here, "spa");
    assert_eq!(there.get_with("/read", &access).status, 200);
    assert_eq!(ask(here.port, "/oauth/revoke", &format!("client_id=spa&token={access}")).unwrap().0, 200);
    let after = until("it is refused", || there.get_with("/read", &access).status == 401);
    assert!(after < SOON, "{after:?}");
    assert_eq!(there.metric("portcullis_store_listens", &[("store", "postgres")]), 0.0);
    assert_eq!(store_of(there)["state"], "up", "that nobody listens is no reason to refuse anybody");
    database.sql(&format!("ALTER DATABASE {name} CONNECTION LIMIT -1"));
    until("both listen again", || database.sql(listening) == "2");
}

#[test]
fn a_server_that_only_reads_is_refused_and_left_alone_until_it_writes_again() {
    let server = Server::start(&[]);
    let database = server.database();
    let houses = fleet(&database.url(), 1);
    let house = &houses[0];
    let (_, renewal) = signed_in(house, "spa");
    let only_reads = |word: &str| {
        database.sql(&format!("ALTER SYSTEM SET default_transaction_read_only = {word}"));
        database.sql("SELECT pg_reload_conf()");
    };
    only_reads("on");
    until("writing is refused", || own(house.port, "kept").0 == 503);
    until("it says why", || house.mentions("read-only") + house.mentions("does not allow writes") > 0);
    only_reads("off");
    works(house, &renewal);
}

/// A client that refreshes at whichever gateway answers.
struct Holder {
    ports: Vec<u16>,
    turn: usize,
    code: Option<String>,
    tokens: Vec<String>,
}

impl Holder {
    /// What was acknowledged must hold, and nothing is honoured twice.
    fn step(&mut self) {
        self.turn += 1;
        let port = self.ports[self.turn % self.ports.len()];
        if let Some(code) = &self.code {
            match redeem(port, "spa", code) {
                Some((200, body)) => {
                    self.tokens.push(text(&body, "refresh_token"));
                    self.code = None;
                }
                // The first answer was lost on the way: a code is good once, so this grant is gone.
                Some((400, _)) => self.code = None,
                Some((503, _)) | None => {}
                Some(other) => panic!("{other:?}"),
            }
            return;
        }
        let Some(current) = self.tokens.last() else { return };
        match refresh(port, "spa", current) {
            Some((200, body)) => self.tokens.push(text(&body, "refresh_token")),
            Some((503, _)) | None => {}
            Some(other) => panic!("an acknowledged grant is lost: {other:?}"),
        }
    }
}

/// Holders at work while `trouble` is made once after some requests each, so many times; then what they hold is looked at.
pub(super) fn nothing_is_lost(houses: &mut [House], times: usize, mut trouble: impl FnMut(&mut [House])) {
    const HOLDERS: usize = 6;
    let ports: Vec<u16> = houses.iter().map(|house| house.port).collect();
    let codes: Vec<String> = {
        let mut browser = Browser::new(&houses[0]);
        (0..HOLDERS).map(|_| browser.code("spa", CALLBACK, "read", ALICE)).collect()
    };
    let (over, steps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let threads: Vec<_> = codes
        .into_iter()
        .enumerate()
        .map(|(turn, code)| {
            let (over, steps, ports) = (Arc::clone(&over), Arc::clone(&steps), ports.clone());
            std::thread::spawn(move || {
                let mut holder = Holder { ports, turn, code: Some(code), tokens: Vec::new() };
                while !over.load(Ordering::SeqCst) {
                    holder.step();
                    steps.fetch_add(1, Ordering::SeqCst);
                }
                holder
            })
        })
        .collect();
    for round in 0..times {
        // A moment that differs each time.
        let goal = steps.load(Ordering::SeqCst) + 40 + round * 7 % 31;
        until("the holders get on", || steps.load(Ordering::SeqCst) >= goal);
        trouble(houses);
    }
    let goal = steps.load(Ordering::SeqCst) + 40;
    until("the holders get on", || steps.load(Ordering::SeqCst) >= goal);
    over.store(true, Ordering::SeqCst);
    let mut alive = 0;
    for thread in threads {
        let holder = thread.join().expect("no holder has seen a broken promise");
        let [first, .., last] = holder.tokens.as_slice() else { continue };
        if holder.tokens.len() < 3 {
            continue;
        }
        alive += 1;
        let (port, other) = (ports[0], ports[ports.len() - 1]);
        for asked in [other, port] {
            until("the store answers", || refresh(asked, "spa", last).is_some_and(|(status, _)| status != 503));
        }
        assert_eq!(refresh(port, "spa", last).unwrap().0, 200, "the last acknowledged token is good");
        assert_eq!(refresh(port, "spa", first).unwrap().0, 400, "an old one is a replay");
        assert_eq!(refresh(other, "spa", last).unwrap().0, 400, "which ends the grant");
    }
    assert!(alive > 0, "the test was about nothing");
}

#[test]
fn a_gateway_that_is_killed_loses_nothing_that_it_acknowledged() {
    let database = Server::shared().database();
    let mut houses = fleet(&database.url(), 2);
    nothing_is_lost(&mut houses, 6, |houses| houses[1].restart());
    until("the database has ended what was left open", || {
        database
            .sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'")
            == "0"
    });
}

#[test]
fn a_database_that_is_restarted_and_killed_under_load_loses_nothing_that_was_acknowledged() {
    let server = Server::start(&[]);
    let database = server.database();
    let mut houses = fleet(&database.url(), 2);
    let mut rounds = 0;
    nothing_is_lost(&mut houses, 6, |_| {
        rounds += 1;
        if rounds % 2 == 0 {
            server.kill();
        } else {
            server.stop();
        }
        server.start_again();
    });
}

#[test]
fn what_is_known_of_revocations_counts_for_a_while_and_then_the_tokens_of_the_authority_are_refused() {
    let database = Server::shared().database();
    let link = Link::to(Server::shared().port);
    let plot = crate::support::house::Plot::new();
    let more = "  revocations: {stale_for: 5s}\n";
    let yaml = super::yaml(&plot, &database.url_at(link.port), plot.port, more);
    let house = plot.start(&yaml);
    let (signed, _) = signed_in(&house, "spa");
    let (revoked, _) = signed_in(&house, "spa");
    assert_eq!(ask(house.port, "/oauth/revoke", &format!("client_id=spa&token={revoked}")).unwrap().0, 200);
    until("it is refused", || house.get_with("/read", &revoked).code() == "token_revoked");
    link.cut();
    until("the store is down", || store_of(&house)["state"] == "down");
    assert_eq!(house.get_with("/read", &signed).status, 200, "for a while");
    let detail = store_of(&house)["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.contains("are honoured for"), "{detail}");
    let refused = until("nobody knows any more", || house.get_with("/read", &signed).status != 200);
    assert!(refused >= Duration::from_secs(2), "{refused:?}");
    let answer = house.get_with("/read", &signed);
    assert_eq!((answer.status, answer.code().as_str()), (503, "store_unavailable"));
    assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    assert_eq!(house.get_with("/read", &revoked).code(), "token_revoked", "what is known is known");
    assert_eq!(house.get("/open").status, 200);
    let detail = store_of(&house)["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.contains("which is too long"), "{detail}");
    assert_eq!(house.metric("portcullis_revocations_trusted", &[]), 0.0);
    assert!(house.metric("portcullis_store_faults_total", &[("store", "postgres")]) > 0.0);
    link.mend();
    until("it is good again", || house.get_with("/read", &signed).status == 200);
    assert_eq!(house.metric("portcullis_revocations_trusted", &[]), 1.0);
    until("it listens", || house.metric("portcullis_store_listens", &[("store", "postgres")]) > 0.0);
}

//! Grants of the running authority: races, sudden death, revocation that reaches the gateway.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::browser::VERIFIER;
use crate::support::house::Plot;
use crate::support::{Browser, House};

const CALLBACK: &str = "https://app.example.com/cb";
const ALICE: (&str, &str) = ("alice", "a sentence of alice");
const SECRET: &str = "web-secret-0123456789abcdef";

fn house() -> House {
    house_with("")
}

/// With more lines of the authority, each indented by two and ended.
fn house_with(more: &str) -> House {
    let plot = Plot::new();
    plot.write("alice", ALICE.1);
    plot.write("web", SECRET);
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\n\
         authority:\n  issuer: http://127.0.0.1:{}\n{more}  scopes: {{read: Read, write: Write}}\n  \
         roles: {{clerk: {{scopes: [write]}}}}\n  \
         users: [{{name: alice, password: {{file: alice}}, roles: [clerk]}}]\n  clients:\n    \
         - {{id: spa, redirect_uris: [\"{CALLBACK}\"], grants: [authorization_code, refresh_token], scopes: [read, write]}}\n    \
         - {{id: web, secret: {{file: web}}, redirect_uris: [\"{CALLBACK}\"], grants: [authorization_code, refresh_token], \
         scopes: [openid, offline_access, read, write], access_tokens: {{format: opaque}}}}\n\
         routes:\n  - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n",
        plot.port
    ));
    plot.start(&yaml)
}

/// A form to the token endpoint; `None` when the connection broke before a whole answer was there.
fn ask(port: u16, path: &str, form: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let body = text.split_once("\r\n\r\n")?.1;
    Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

fn redeem(port: u16, client: &str, code: &str) -> Option<(u16, Value)> {
    let secret = if client == "web" { format!("&client_secret={SECRET}") } else { String::new() };
    let form = format!("grant_type=authorization_code&client_id={client}{secret}&code={code}&code_verifier={VERIFIER}");
    ask(port, "/oauth/token", &form)
}

fn refresh(port: u16, token: &str) -> Option<(u16, Value)> {
    ask(port, "/oauth/token", &format!("grant_type=refresh_token&client_id=spa&refresh_token={token}"))
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

/// As many answers at the same moment as there are callers.
fn at_once<T: Send + 'static>(count: usize, call: impl Fn() -> T + Send + Sync + 'static) -> Vec<T> {
    let (start, call) = (Arc::new(Barrier::new(count)), Arc::new(call));
    let threads: Vec<_> = (0..count)
        .map(|_| {
            let (start, call) = (Arc::clone(&start), Arc::clone(&call));
            std::thread::spawn(move || {
                start.wait();
                call()
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn ac_02_of_100_redemptions_at_once_one_succeeds() {
    let house = house();
    let port = house.port;
    let code = Browser::new(&house).code("spa", CALLBACK, "read", ALICE);
    let answers = at_once(100, move || redeem(port, "spa", &code).unwrap().0);
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 400].contains(status)), "{answers:?}");
}

#[test]
fn rt_02_fifty_refreshes_at_once_all_get_the_same_successor_and_there_is_one_chain() {
    let house = house();
    let port = house.port;
    let code = Browser::new(&house).code("spa", CALLBACK, "read", ALICE);
    let first = text(&redeem(port, "spa", &code).unwrap().1, "refresh_token");
    let answers = at_once(50, move || refresh(port, &first).unwrap());
    let mut successors: Vec<String> = answers.iter().map(|(_, body)| text(body, "refresh_token")).collect();
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    successors.dedup();
    assert_eq!(successors.len(), 1);
    assert_eq!(refresh(port, &successors[0]).unwrap().0, 200);
}

/// A client that redeems codes and refreshes while the server dies again and again.
struct Holder {
    code: Option<String>,
    /// Every refresh token that an answer has brought, oldest first.
    tokens: Vec<String>,
}

impl Holder {
    /// One request; what was acknowledged must hold, and nothing is honoured twice.
    fn step(&mut self, port: u16) {
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
        match refresh(port, current) {
            Some((200, body)) => self.tokens.push(text(&body, "refresh_token")),
            Some((503, _)) | None => {}
            Some(other) => panic!("an acknowledged grant is lost: {other:?}"),
        }
    }
}

#[test]
fn no_sudden_death_loses_an_acknowledged_grant_or_honours_a_token_twice() {
    const HOLDERS: usize = 6;
    let kills = std::env::var("PORTCULLIS_KILLS").map_or(12, |kills| kills.parse().unwrap());
    let mut house = house();
    let port = house.port;
    let mut browser_codes = Vec::new();
    {
        let mut browser = Browser::new(&house);
        for _ in 0..HOLDERS {
            browser_codes.push(browser.code("spa", CALLBACK, "read", ALICE));
        }
    }
    let over = Arc::new(AtomicBool::new(false));
    let steps = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = browser_codes
        .into_iter()
        .map(|code| {
            let (over, steps) = (Arc::clone(&over), Arc::clone(&steps));
            std::thread::spawn(move || {
                let mut holder = Holder { code: Some(code), tokens: Vec::new() };
                while !over.load(Ordering::SeqCst) {
                    holder.step(port);
                    steps.fetch_add(1, Ordering::SeqCst);
                }
                holder
            })
        })
        .collect();
    for kill in 0..kills {
        // A moment that differs each time: after some requests, and then somewhere inside the next ones.
        let goal = steps.load(Ordering::SeqCst) + 20 + kill * 7 % 31;
        while steps.load(Ordering::SeqCst) < goal {
            std::thread::park_timeout(Duration::from_micros(300 + (kill as u64 * 137) % 900));
        }
        house.restart();
    }
    over.store(true, Ordering::SeqCst);
    let mut alive = 0;
    for thread in threads {
        let mut holder = thread.join().expect("no holder has seen a broken promise");
        holder.step(port);
        let [first, .., last] = holder.tokens.as_slice() else { continue };
        if holder.tokens.len() < 3 {
            continue;
        }
        alive += 1;
        assert_eq!(refresh(port, last).unwrap().0, 200, "the last acknowledged token is good");
        assert_eq!(refresh(port, first).unwrap().0, 400, "an old one is a replay");
        assert_eq!(refresh(port, last).unwrap().0, 400, "which ends the grant");
    }
    assert!(alive > 0, "the test was about nothing");
}

/// Asks the gateway with this token from several connections until it is refused; how long after `act` that was.
fn refused_after(house: &House, token: &str, act: impl FnOnce()) -> Duration {
    let (port, over) = (house.port, Arc::new(AtomicBool::new(false)));
    let load: Vec<_> = (0..3)
        .map(|_| {
            let (over, token) = (Arc::clone(&over), token.to_owned());
            std::thread::spawn(move || {
                let mut wire = crate::support::wire::Wire::open(port);
                while !over.load(Ordering::SeqCst) {
                    wire.send(format!(
                        "GET /read HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"
                    ));
                    let _ = wire.answer();
                }
            })
        })
        .collect();
    assert_eq!(house.get_with("/read", token).status, 200);
    act();
    let start = Instant::now();
    while house.get_with("/read", token).status == 200 {
        assert!(start.elapsed() < Duration::from_secs(20), "never refused");
    }
    let after = start.elapsed();
    assert!(["token_revoked", "token_inactive"].contains(&house.get_with("/read", token).code().as_str()));
    over.store(true, Ordering::SeqCst);
    load.into_iter().for_each(|thread| thread.join().unwrap());
    after
}

/// The promise is a second; a busy machine gets some more before the test fails for another reason than ours.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn rv_03_at_04_revocation_by_whatever_way_reaches_signed_and_opaque_tokens_at_the_gateway() {
    let house = house();
    let port = house.port;
    for (client, scope) in [("spa", "read write"), ("web", "read write")] {
        let secret = if client == "web" { format!("&client_secret={SECRET}") } else { String::new() };
        let tokens = |browser: &mut Browser<'_>| {
            let code = browser.code(client, CALLBACK, scope, ALICE);
            redeem(port, client, &code).unwrap().1
        };
        let revoke = |token: String| {
            let form = format!("client_id={client}{secret}&token={token}");
            assert_eq!(ask(port, "/oauth/revoke", &form).unwrap().0, 200);
        };
        let mut browser = Browser::new(&house);
        let body = tokens(&mut browser);
        let access = text(&body, "access_token");
        assert!(refused_after(&house, &access, || revoke(access.clone())) < SOON, "RFC 7009, access token");
        let body = tokens(&mut browser);
        let refresh = text(&body, "refresh_token");
        assert!(refused_after(&house, &text(&body, "access_token"), || revoke(refresh)) < SOON, "refresh token");

        let body = tokens(&mut browser);
        let leave = || {
            let page = browser.get("/oauth/logout");
            browser.submit(&page, "/oauth/logout", &[("decision", "leave")]);
        };
        assert!(refused_after(&house, &text(&body, "access_token"), leave) < SOON, "logout");

        let mut browser = Browser::new(&house);
        let body = tokens(&mut browser);
        let change = || {
            let page = browser.get("/account");
            let new = [("action", "set_password"), ("new_password", ALICE.1)];
            assert!(browser.submit(&page, "/account", &new).text().contains("Your password is changed"));
        };
        assert!(refused_after(&house, &text(&body, "access_token"), change) < SOON, "password");
    }
}

#[test]
fn a_role_that_leaves_the_file_takes_its_tokens_along_at_the_reload_and_so_does_a_user() {
    let house = house();
    let yaml = std::fs::read_to_string(house.path("gateway.yaml")).unwrap();
    let token = || {
        let code = Browser::new(&house).code("spa", CALLBACK, "read write", ALICE);
        text(&redeem(house.port, "spa", &code).unwrap().1, "access_token")
    };
    let without_role = || {
        house.rewrite(&yaml.replace(", roles: [clerk]}", "}"));
        assert_eq!(house.reload().status, 200);
    };
    assert!(refused_after(&house, &token(), without_role) < SOON);
    let code = Browser::new(&house).code("spa", CALLBACK, "read", ALICE);
    let body = redeem(house.port, "spa", &code).unwrap().1;
    let without_user = || {
        let start = yaml.find("users: [").unwrap();
        let end = start + yaml[start..].find("]}]").unwrap() + 3;
        house.rewrite(&format!("{}users: []{}", &yaml[..start], &yaml[end..]));
        assert_eq!(house.reload().status, 200);
    };
    assert!(refused_after(&house, &text(&body, "access_token"), without_user) < SOON);
    assert_eq!(refresh(house.port, &text(&body, "refresh_token")).unwrap().0, 400);
}

#[test]
fn rt_05_a_retry_is_answered_until_the_gateway_has_seen_the_new_access_token() {
    let house = house_with("  refresh_tokens: {grace: 100ms}\n");
    let grant = || {
        let code = Browser::new(&house).code("spa", CALLBACK, "read", ALICE);
        let old = text(&redeem(house.port, "spa", &code).unwrap().1, "refresh_token");
        let answer = refresh(house.port, &old).unwrap().1;
        (old, answer)
    };
    let (unseen, lost) = grant();
    let (seen, arrived) = grant();
    assert_eq!(house.get_with("/read", &text(&arrived, "access_token")).status, 200);
    let start = Instant::now();
    while refresh(house.port, &seen).unwrap().0 == 200 {
        assert!(start.elapsed() < Duration::from_secs(20), "the sighting never reached the store");
    }
    let (status, again) = refresh(house.port, &unseen).unwrap();
    assert_eq!((status, text(&again, "refresh_token")), (200, text(&lost, "refresh_token")));
    assert_eq!(house.get_with("/read", &text(&arrived, "access_token")).status, 401, "a replay ends its grant");
}

//! A whole authority moves to another store: browsers stay signed in, tokens stay good, what was used up stays used up.

use std::io::Write as _;
use std::process::{Command, Stdio};

use aws_lc_rs::hmac;

use super::{ALICE, CALLBACK, ask, fleet, own, redeem, refresh, signed_in, text, with_store, yaml};
use crate::support::browser::VERIFIER;
use crate::support::house::Plot;
use crate::support::postgres::Server;
use crate::support::{Answer, Browser, House};

const NEW: (&str, &str) = ("alice", "another sentence of alice");
const BOB: (&str, &str) = ("bob", "a sentence nobody else would say");

/// One that is about to be moved away from.
fn on_sqlite() -> House {
    let plot = Plot::new();
    let yaml = with_store(&plot, "{sqlite: store.db}", plot.port, "");
    plot.start(&yaml)
}

pub(super) fn stop(house: &mut House) {
    house.signal("TERM");
    assert_eq!(house.ended(), Some(0));
}

/// `portcullis` with these words in a folder, with this on its standard input: exit code, output, errors.
pub(super) fn run(folder: &std::path::Path, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut into = child.stdin.take().unwrap();
    let input = input.to_owned();
    // It may end before it has read everything.
    let writing = std::thread::spawn(move || drop(into.write_all(input.as_bytes())));
    let ran = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ran.status.code(), text(&ran.stdout), text(&ran.stderr))
}

/// From one folder into the store of the other, by a pipe.
fn moved(from: &std::path::Path, to: &std::path::Path) -> String {
    let mut export = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["export", "--all"])
        .current_dir(from)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let import = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["import", "--all", "-"])
        .current_dir(to)
        .stdin(export.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(export.wait().unwrap().success());
    let (out, err) = (String::from_utf8_lossy(&import.stdout), String::from_utf8_lossy(&import.stderr));
    assert!(import.status.success(), "{out}{err}");
    out.into_owned()
}

/// Everything of a store but for the moment of the export.
fn lines(folder: &std::path::Path) -> Vec<String> {
    let (code, out, err) = run(folder, &["export", "--all"], "");
    assert_eq!(code, Some(0), "{err}");
    let mut lines: Vec<String> = out.lines().map(str::to_owned).collect();
    assert!(lines[0].starts_with("{\"portcullis\":\"whole store\",\"version\":1,"), "{}", lines[0]);
    let (_, promise) = lines[0].split_once("\"rows\":").unwrap();
    lines[0] = promise.to_owned();
    lines
}

/// The code that an app shows (RFC 6238).
fn app_code(secret: &str) -> String {
    let mut bytes = Vec::new();
    let (mut buffer, mut bits) = (0_u32, 0);
    for letter in secret.chars().filter(|letter| !letter.is_whitespace()) {
        let digit = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).unwrap();
        buffer = (buffer << 5) | u32::try_from(digit).unwrap();
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 255).unwrap());
        }
    }
    let step = crate::support::now() / 30;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    let mac = hmac::sign(&key, &step.to_be_bytes());
    let offset = usize::from(mac.as_ref()[19] & 15);
    let number = u32::from_be_bytes(mac.as_ref()[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1.split(after).next().unwrap()
}

/// Bob signs in, and gets as far as the page that asks for a second factor, or his account.
fn bob_signs_in(browser: &mut Browser<'_>) -> Answer {
    let first = browser.get("/account");
    let page = browser.follow(first);
    browser.submit(&page, "/login", &[("username", BOB.0), ("password", BOB.1)])
}

/// Gives bob a second factor; the code that was used for it, and his recovery codes.
fn second_factor(house: &House) -> (String, Vec<String>) {
    let (code, _, err) = run(&house.path("."), &["user", "add", BOB.0, "--role", "clerk"], &format!("{}\n", BOB.1));
    assert_eq!(code, Some(0), "{err}");
    let mut browser = Browser::new(house);
    let page = bob_signs_in(&mut browser);
    let page = browser.submit(&page, "/account", &[("action", "begin_factor")]);
    let code = app_code(between(&page.text(), "<code class=\"secret\">", "</code>"));
    let page = browser.submit(&page, "/account", &[("action", "confirm_factor"), ("code", &code)]).text();
    let codes = page.split("<li><code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
    (code, codes)
}

/// What was held before the move.
struct Held {
    cookies: std::collections::BTreeMap<String, String>,
    access: String,
    revoked: String,
    opaque: String,
    /// Refresh tokens of one grant, oldest first.
    chain: Vec<String>,
    /// A code that was redeemed, and the refresh token of its grant.
    redeemed: (String, String),
    used_code: String,
    recovery: Vec<String>,
    secret: String,
    keys: String,
}

fn published(house: &House) -> String {
    let keys = house.raw("GET /oauth/jwks HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    assert_eq!(keys.status, 200);
    keys.json().to_string()
}

fn lived(house: &House) -> Held {
    let (used_code, recovery) = second_factor(house);
    let add = ["client", "add", "made", "--grant", "client_credentials", "--scope", "read"];
    let secret = super::command(house, &add).trim().to_owned();
    let mut browser = Browser::new(house);
    browser.code("spa", CALLBACK, "read", ALICE);
    let page = browser.get("/account");
    browser.submit(&page, "/account", &[("action", "set_password"), ("new_password", NEW.1)]);
    let mut tokens = || {
        let code = browser.code("spa", CALLBACK, "read write", NEW);
        let (status, body) = redeem(house.port, "spa", &code).unwrap();
        assert_eq!(status, 200, "{body}");
        (code, text(&body, "access_token"), text(&body, "refresh_token"))
    };
    let (_, access, renewal) = tokens();
    let mut chain = vec![renewal];
    for _ in 0..2 {
        let (status, body) = refresh(house.port, "spa", chain.last().unwrap()).unwrap();
        assert_eq!(status, 200, "{body}");
        chain.push(text(&body, "refresh_token"));
    }
    let (_, revoked, _) = tokens();
    assert_eq!(ask(house.port, "/oauth/revoke", &format!("client_id=spa&token={revoked}")).unwrap().0, 200);
    let (code, _, renewal) = tokens();
    Held {
        cookies: browser.into_cookies(),
        access,
        revoked,
        opaque: text(&own(house.port, "kept").1, "access_token"),
        chain,
        redeemed: (code, renewal),
        used_code,
        recovery,
        secret,
        keys: published(house),
    }
}

#[test]
fn everything_moves_from_sqlite_to_postgresql_and_nobody_has_to_sign_in_again() {
    let mut old = on_sqlite();
    let held = lived(&old);
    stop(&mut old);
    let before = lines(&old.path("."));
    assert_eq!(before, lines(&old.path(".")), "the same store, the same text");
    for clear in [NEW.1, BOB.1, &held.access, &held.chain[2], &held.opaque, &held.secret, &held.recovery[0]] {
        assert!(before.iter().all(|line| !line.contains(clear)), "{clear}");
    }

    let database = Server::shared().database();
    let plot = Plot::new();
    let file = yaml(&plot, &database.url(), old.port, "");
    plot.write("gateway.yaml", &file);
    let said = moved(&old.path("."), plot.folder.path());
    assert!(said.starts_with("moved: 3 keys, 1 client, ") && said.contains(" 2 users, "), "{said}");
    assert_eq!(lines(plot.folder.path()), before, "all of it, in the same order");
    let audit = std::fs::read_to_string(plot.folder.path().join("portcullis.audit.jsonl")).unwrap();
    assert!(audit.contains("\"event\":\"admin.import\"") && audit.contains("a whole store: 3 keys"), "{audit}");

    let new = plot.start(&file);
    assert_eq!(published(&new), held.keys);
    tokens_are_what_they_were(&new, &held);
    people_are_who_they_were(&new, &held);
}

fn tokens_are_what_they_were(new: &House, held: &Held) {
    assert_eq!(new.get_with("/read", &held.access).status, 200);
    assert_eq!(new.get_with("/read", &held.revoked).code(), "token_revoked");
    assert_eq!(new.get_with("/read", &held.opaque).status, 200);
    let form = format!("grant_type=client_credentials&client_id=made&client_secret={}", held.secret);
    assert_eq!(ask(new.port, "/oauth/token", &form).unwrap().0, 200);

    let (status, body) = refresh(new.port, "spa", &held.chain[2]).unwrap();
    assert_eq!(status, 200, "{body}");
    let next = text(&body, "refresh_token");
    assert_eq!(refresh(new.port, "spa", &held.chain[0]).unwrap().0, 400, "a thief's");
    assert_eq!(refresh(new.port, "spa", &next).unwrap().0, 400, "which ends the family");
    super::until("the token of the family is refused", || new.get_with("/read", &held.access).status == 401);

    let (code, renewal) = &held.redeemed;
    let again = format!("grant_type=authorization_code&client_id=spa&code={code}&code_verifier={VERIFIER}");
    assert_eq!(ask(new.port, "/oauth/token", &again).unwrap().0, 400, "a code is good once");
    assert_eq!(refresh(new.port, "spa", renewal).unwrap().0, 400, "and its grant ends");
}

fn people_are_who_they_were(new: &House, held: &Held) {
    assert!(Browser::with(new, held.cookies.clone()).get("/account").text().contains("alice"), "still signed in");
    assert!(!Browser::new(new).code("spa", CALLBACK, "read", NEW).is_empty(), "the password that she chose");

    let mut browser = Browser::new(new);
    let page = bob_signs_in(&mut browser);
    let page = browser.submit(&page, "/login", &[("code", &held.used_code)]);
    assert!(page.text().contains("name=\"code\""), "a used code is used: {}", page.text());
    let page = browser.submit(&page, "/login", &[("code", &held.recovery[0])]);
    assert!(page.text().contains("Unused recovery codes: 9"), "{}", page.text());
}

#[test]
fn everything_moves_from_postgresql_to_sqlite_by_a_file() {
    let database = Server::shared().database();
    let mut old = fleet(&database.url(), 1).remove(0);
    let (access, renewal) = signed_in(&old, "spa");
    stop(&mut old);
    let (code, export, said) = run(&old.path("."), &["export", "--all"], "");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("exported: 3 keys, "), "{said}");

    let plot = Plot::new();
    let file = with_store(&plot, "{sqlite: store.db}", old.port, "");
    plot.write("gateway.yaml", &file);
    plot.write("whole.jsonl", &export);
    let (code, out, _) = run(plot.folder.path(), &["import", "--all", "whole.jsonl"], "");
    assert!(code == Some(0) && out.starts_with("moved: 3 keys, "), "{out}");
    assert_eq!(lines(plot.folder.path()), lines(&old.path(".")));
    let new = plot.start(&file);
    assert_eq!(new.get_with("/read", &access).status, 200);
    assert_eq!(refresh(new.port, "spa", &renewal).unwrap().0, 200);
}

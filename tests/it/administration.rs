//! What operators do from the command line, beside a running gateway.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::House;
use crate::support::house::Plot;

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn house() -> House {
    let plot = Plot::new();
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\n\
         authority:\n  issuer: http://127.0.0.1:{}\n  scopes: {{read: Read}}\n  roles: {{clerk: {{scopes: [read]}}}}\n  \
         users: [{{name: alice, roles: [clerk]}}]\n  clients:\n    \
         - {{id: filed, secret: {{hash: \"sha256:cd577fe2561ebff23505db0bb006300c7cdecbd46bc0e03c449afafaca2c25bf\"}}, \
         grants: [client_credentials], scopes: [read]}}\n\
         routes:\n  - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n",
        plot.port
    ));
    plot.start(&yaml)
}

/// Runs a command in the gateway's folder, with this on standard input.
fn run(house: &House, arguments: &[&str], input: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .current_dir(house.path("."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ran = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: ran.status.code(), out: text(ran.stdout), err: text(ran.stderr) }
}

fn done(house: &House, arguments: &[&str]) -> String {
    let ran = run(house, arguments, "");
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.out, ran.err);
    ran.out
}

fn refused(house: &House, arguments: &[&str], part: &str) {
    let ran = run(house, arguments, "");
    assert_eq!(ran.code, Some(1), "{arguments:?}: {}{}", ran.out, ran.err);
    assert!(ran.err.contains(part), "{arguments:?}: {}", ran.err);
}

/// The status and the token of a request by this client.
fn token(house: &House, id: &str, secret: &str) -> (u16, String) {
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let answer = house.post_form("/oauth/token", "", &form);
    (answer.status, answer.json()["access_token"].as_str().unwrap_or_default().to_owned())
}

/// Waits for what another process has changed to be seen.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        // Seldom enough that the wrong guesses of the meantime cost nothing.
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

#[test]
fn ad_02_a_client_made_by_a_command_gets_tokens_beside_the_running_gateway_until_it_is_disabled() {
    let house = house();
    let secret = done(&house, &["client", "add", "made", "--grant", "client_credentials", "--scope", "read"]);
    let secret = secret.trim();
    assert!(secret.starts_with("pc_cs_") && secret.len() == 49, "{secret}");
    until("the client gets a token", || token(&house, "made", secret).0 == 200);
    let (_, held) = token(&house, "made", secret);
    assert_eq!(house.get_with("/read", &held).status, 200);

    let listed = done(&house, &["client", "list"]);
    assert!(listed.contains("made") && listed.contains("command") && !listed.contains(secret), "{listed}");
    done(&house, &["client", "disable", "made"]);
    until("its token is refused", || house.get_with("/read", &held).code() == "token_revoked");
    let refused = house.get_with("/read", &held);
    house.log_of(&refused);
    crate::reasons::explained(&house, &refused, "token_revoked");
    until("it is refused", || token(&house, "made", secret).0 == 401);
    done(&house, &["client", "enable", "made"]);
    until("it gets a token again", || token(&house, "made", secret).0 == 200);
    done(&house, &["client", "remove", "made"]);
    until("it is gone", || token(&house, "made", secret).0 == 401);
}

#[test]
fn ca_08_a_client_has_two_live_secrets_while_one_is_replaced() {
    let house = house();
    let add = ["client", "add", "made", "--grant", "client_credentials", "--scope", "read"];
    let first = done(&house, &add).trim().to_owned();
    let second = done(&house, &["client", "rotate", "made"]).trim().to_owned();
    until("both are good", || [&first, &second].iter().all(|secret| token(&house, "made", secret).0 == 200));
    let third = done(&house, &["client", "rotate", "made", "--overlap", "0s"]).trim().to_owned();
    until("the new one is good", || token(&house, "made", &third).0 == 200);
    // 429 once the guesses of the meantime are used up: neither is good any more.
    assert!([&first, &second].iter().all(|old| [401, 429].contains(&token(&house, "made", old).0)));
}

#[test]
fn what_cannot_be_is_refused_with_a_reason_and_changes_nothing() {
    let house = house();
    let grant = ["--grant", "client_credentials"];
    let add = |id: &'static str, more: &[&'static str]| [&["client", "add", id][..], &grant[..], more].concat();
    refused(&house, &add("filed", &["--scope", "read"]), "the file has a client `filed`");
    refused(&house, &add("made", &["--scope", "nonsense"]), "scope `nonsense`");
    refused(&house, &add("usr_x", &["--scope", "read"]), "must not begin with `usr_`");
    refused(&house, &add("made", &["--scope", "read", "--public"]), "needs a `secret`");
    refused(&house, &["client", "disable", "filed"], "stands in the file");
    refused(&house, &["client", "rotate", "nobody"], "there is no client `nobody`");
    refused(&house, &["user", "add", "bob", "--no-password", "--role", "king"], "there is no role `king`");
    refused(&house, &["user", "add", "ALICE", "--no-password"], "there is a user");
    refused(&house, &["user", "roles", "alice", "clerk"], "stands in the file");
    refused(&house, &["user", "passwd", "nobody"], "there is no user `nobody`");
    refused(&house, &["grant", "revoke", "xyz"], "32 hexadecimal digits");
    refused(&house, &["grant", "revoke"], "say which");
    assert_eq!(done(&house, &["export"]).lines().filter(|line| line.contains("\"id\"")).count(), 0);
}

#[test]
fn a_user_s_password_comes_by_a_pipe_and_must_be_fit() {
    let house = house();
    let short = run(&house, &["user", "add", "bob"], "short\n");
    assert_eq!(short.code, Some(1));
    assert!(short.err.contains("at least 15 characters"), "{}", short.err);
    let made = run(&house, &["user", "add", "bob", "--role", "clerk"], "a sentence nobody else would say\n");
    assert_eq!(made.code, Some(0), "{}", made.err);
    let users: Value = serde_json::from_str(&done(&house, &["user", "list", "--format", "json"])).unwrap();
    let bob = users.as_array().unwrap().iter().find(|user| user["name"] == "bob").unwrap();
    assert_eq!((&bob["origin"], &bob["password"]), (&"command".into(), &true.into()));
    assert!(bob["id"].as_str().unwrap().starts_with("usr_"));
}

#[test]
fn jw_02_a_planned_rotation_fails_no_token_and_an_emergency_fails_the_old_ones() {
    let house = house();
    let secret = "demo-secret";
    let (_, held) = token(&house, "filed", secret);
    let keys = |house: &House| -> usize {
        let answer = house.raw("GET /oauth/jwks HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        answer.text().matches("\"kid\"").count()
    };
    let before = keys(&house);
    assert!(done(&house, &["key", "rotate"]).contains("ES256"));
    until("the successor is published", || keys(&house) == before + 1);
    assert_eq!(house.get_with("/read", &held).status, 200);
    assert_eq!(house.get_with("/read", &token(&house, "filed", secret).1).status, 200);
    refused(&house, &["key", "rotate"], "waiting for its time");
    let listed = done(&house, &["key", "list"]);
    assert!(listed.contains("signs") && listed.contains("waits"), "{listed}");

    done(&house, &["key", "rotate", "--now"]);
    until("the old key is gone", || house.get_with("/read", &held).code() == "key_unknown");
    until("the new one signs", || house.get_with("/read", &token(&house, "filed", secret).1).status == 200);
}

#[test]
fn ad_02_an_export_is_the_same_each_time_and_brings_everything_into_another_store() {
    let house = house();
    let add = ["client", "add", "made", "--grant", "client_credentials", "--scope", "read"];
    let secret = done(&house, &add).trim().to_owned();
    run(&house, &["user", "add", "bob"], "a sentence nobody else would say\n");
    let export = done(&house, &["export"]);
    assert_eq!(export, done(&house, &["export"]));
    assert!(!export.contains(&secret) && !export.contains("nobody else"), "{export}");

    let elsewhere = self::house();
    let import = |arguments: &[&str]| {
        let ran = run(&elsewhere, arguments, &export);
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
        ran.out
    };
    let expected = "+ client made\n+ user bob\n= 0 unchanged\n";
    assert_eq!(import(&["import", "-", "--dry-run"]), expected);
    assert_eq!(import(&["import", "-", "--dry-run"]), expected, "a dry run changes nothing");
    assert_eq!(import(&["import", "-"]), expected);
    assert_eq!(import(&["import", "-"]), "= 2 unchanged\n");
    assert_eq!(done(&elsewhere, &["export"]), export);
    until("the client is there", || token(&elsewhere, "made", &secret).0 == 200);
}

#[test]
fn an_import_is_brought_in_whole_or_not_at_all() {
    let house = house();
    let node = |text: &str| run(&house, &["import", "--from", "node-oauth2-server", "-"], text);
    let person = |id: &str, name: &str| format!(r#"{{"id": "{id}", "username": "{name}", "password": "in clear"}}"#);
    let people = |list: &[String]| format!(r#"{{"users": [{}]}}"#, list.join(","));
    assert_eq!(node(&people(&[person("1", "bob"), person("2", "carol")])).code, Some(0));
    done(&house, &["user", "remove", "carol"]);
    done(&house, &["client", "add", "made", "--grant", "client_credentials", "--scope", "read"]);
    let before = done(&house, &["export"]);
    for (list, part) in [
        ([person("3", "dave"), person("2", "carol")], "never given again"),
        ([person("3", "dave"), person("4", "DAVE")], "user `dave` is there twice"),
        ([person("3", "dave"), person("3", "erin")], "user id `3` is there twice"),
        ([person("3", "dave"), person("made", "erin")], "a client's too"),
        ([person("3", "dave"), person("filed", "erin")], "a client's too"),
        ([person("3", "dave"), person("1", "erin")], "belongs to somebody else"),
    ] {
        let ran = node(&people(&list));
        assert_eq!(ran.code, Some(1), "{part}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
        assert_eq!(done(&house, &["export"]), before, "{part}");
    }
    let add = ["client", "add", "1", "--grant", "client_credentials", "--scope", "read"];
    refused(&house, &add, "a user has this id");
}

#[test]
fn token_inspect_says_which_check_fails() {
    let house = house();
    let (_, held) = token(&house, "filed", "demo-secret");
    let good = run(&house, &["token", "inspect"], &held);
    assert_eq!(good.code, Some(0), "{}{}", good.out, good.err);
    assert!(good.out.contains("\"client_id\": \"filed\"") && !good.out.contains("FAILED"), "{}", good.out);
    let (start, end) = held.split_at(held.len() - 40);
    let forged = format!("{start}{}{}", if end.starts_with('A') { 'B' } else { 'A' }, &end[1..]);
    for (text, part) in [
        (forged.as_str(), "its signature is right: "),
        ("not a token", "it has the form of a token: "),
        ("pc_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "it is in force: "),
    ] {
        let ran = run(&house, &["token", "inspect", "-"], text);
        assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
        assert!(ran.out.contains(&format!("FAILED   {part}")), "{part} in {}", ran.out);
    }
}

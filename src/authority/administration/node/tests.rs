//! What is read of a dump, and what is said of what cannot be.

use super::{Dump, Password};

fn check(text: &str, problems: &[&str], notes: &[&str]) -> Dump {
    let dump = Dump::read(text).unwrap();
    assert_eq!(dump.problems, problems);
    assert_eq!(dump.notes, notes);
    dump
}

#[test]
fn clients_are_read_in_each_spelling() {
    let camel = r#"{"clients": [{"id": "web", "clientSecret": "s", "grants": ["password", "refresh_token"],
        "redirectUris": ["https://a/cb"], "accessTokenLifetime": 60, "refreshTokenLifetime": 120, "scope": ["read"]}]}"#;
    let snake = r#"{"clients": [{"_id": {"$oid": "5f"}, "client_id": "web", "client_secret": "s",
        "grants": "password refresh_token", "redirect_uris": "https://a/cb", "access_token_lifetime": 60,
        "refresh_token_lifetime": 120, "scope": "read", "__v": 0, "user": null}]}"#;
    let (camel, snake) = (check(camel, &[], &[]), check(snake, &[], &[]));
    assert_eq!(camel.clients, snake.clients);
    let client = &camel.clients[0];
    assert_eq!(client.id, "web");
    let registration = &client.registration;
    assert_eq!(registration.grants, ["password", "refresh_token"]);
    assert_eq!((registration.access_tokens_for_seconds, registration.refresh_for_seconds), (Some(60), Some(120)));
    assert!(
        registration.secrets[0]
            .hash
            .starts_with("sha256:043a718774c572bd8a25adbeb1bfcd5c0256ae11cecf9f9c3f925d0e52beaf89")
    );
}

#[test]
fn the_scope_beside_the_clients_is_for_those_that_have_none() {
    let text = r#"{"scope": "read write", "clients": [
        {"id": "a", "secret": "s", "grants": ["client_credentials"]},
        {"id": "b", "secret": "s", "grants": ["client_credentials"], "scope": "read"}]}"#;
    let dump = check(text, &[], &[]);
    assert_eq!(dump.clients[0].registration.scopes, ["read", "write"]);
    assert_eq!(dump.clients[1].registration.scopes, ["read"]);
}

#[test]
fn users_are_read_in_each_spelling() {
    let text = r#"{"users": [
        {"id": 7, "username": "alice", "password": "$2b$10$x", "email": "a@example.com", "firstName": "Alice", "roles": "admin"},
        {"_id": {"$oid": "5f"}, "email": "bob@example.com", "password": "in clear", "age": 7},
        {"id": "c", "username": "carol"},
        {"id": "d", "username": "dave", "password": "5f4dcc3b5aa765d61d8327deb882cf99"}]}"#;
    let dump = check(text, &[], &["user `bob@example.com`: `age` is not taken"]);
    let [alice, bob, carol, dave] = dump.users.as_slice() else { panic!() };
    assert_eq!((alice.user.id.as_str(), alice.user.roles.as_slice()), ("7", &["admin".to_owned()][..]));
    assert_eq!(alice.user.profile["given_name"], "Alice");
    assert_eq!((bob.user.id.as_str(), bob.user.name.as_str()), ("5f", "bob@example.com"));
    assert!(matches!(alice.password, Password::Hash(_)) && matches!(bob.password, Password::Clear(_)));
    assert!(matches!(carol.password, Password::None));
    // A bare MD5 is no password, and will be refused as a hash.
    assert!(matches!(dave.password, Password::Hash(_)));
}

#[test]
fn all_problems_are_told_with_their_place() {
    let text = r#"{"tokens": [1, 2], "spare": 1, "clients": [
        {"secret": "s"},
        {"id": "a", "secret": "$2b$10$abc", "grants": ["client_credentials", "urn:x"], "accessTokenLifetime": "1h"}],
        "users": [{"id": "1"}, {"username": "alice"}]}"#;
    check(
        text,
        &[
            "client 1: it needs an `id`",
            "client `a`: its secret is kept as a hash that is not taken for clients: give it a new one",
            "client `a`: `accessTokenLifetime` is a number of seconds above 0",
            "client `a`: the grant `urn:x` does not exist here: take it out of `grants`",
            "client `a`: no `scope` says what it may ask for; a `scope` beside `clients` is for all that have none",
            "user 1: a `username` or an `email` is needed",
            "user `alice`: an `id` is needed; it becomes the `sub` of the user's tokens",
        ],
        &[
            "2 of `tokens` not taken: tokens stay with the service that issued them; clients get new ones",
            "`spare` is not known and was not taken",
        ],
    );
}

#[test]
fn what_is_no_dump_is_refused() {
    for text in ["", "[]", "{\"clients\": 1}", "{\"users\": [1]}"] {
        assert!(Dump::read(text).is_err(), "{text}");
    }
}

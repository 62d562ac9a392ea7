use serde_json::{Value, json};

use super::*;
use crate::token::issuer::ClaimPaths;
use crate::token::stage::{self, NOW};

const ISSUER: &str = "https://as.test";

fn settings() -> IssuerSettings {
    IssuerSettings::new("corp", Some(ISSUER), &["https://api.test", "api"])
}

fn at(secs: u64) -> Time {
    Time::from_secs(secs)
}

fn read_with(settings: &IssuerSettings, origin: Origin, changes: &Value) -> Result<Claims, TokenFault> {
    let Value::Object(all) = stage::claims(ISSUER, changes) else { panic!("claims are an object") };
    read(settings, origin, all, Digest::of(b"token"), (at(NOW), at(NOW + 300)))
}

fn check(changes: Value, expected: Result<(), &str>) {
    match (read_with(&settings(), Origin::Signed, &changes), expected) {
        (Ok(_), Ok(())) => {}
        (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{changes}: {fault}"),
        (found, _) => panic!("{changes}: {found:?}"),
    }
}

#[test]
fn good_claims_become_facts() {
    let changes = json!({"scope": "write read write", "roles": ["b", "a", "b"], "azp": "other", "x": {"y": 1}});
    let claims = read_with(&settings(), Origin::Signed, &changes).unwrap();
    assert_eq!((&*claims.issuer, claims.subject.as_deref()), ("corp", Some("alice")));
    assert_eq!((claims.client.as_deref(), claims.id.as_deref()), (Some("web"), Some("1")));
    assert!(claims.scopes.iter().map(|it| &**it).eq(["read", "write"]));
    assert!(claims.roles.iter().map(|it| &**it).eq(["a", "b"]));
    assert_eq!((claims.expires, claims.fresh_until), (at(NOW + 610), at(NOW + 300)));
    assert_eq!(claims.all["x"]["y"], 1);
    let by_azp = read_with(&settings(), Origin::Signed, &json!({"client_id": null, "azp": "spa"})).unwrap();
    assert_eq!(by_azp.client.as_deref(), Some("spa"));
}

#[test]
fn a_token_ends_at_exp_and_leeway() {
    check(json!({"exp": NOW - 9}), Ok(()));
    check(json!({"exp": NOW - 10}), Err("expired 10 seconds ago"));
    check(json!({"exp": NOW as f64 + 0.5}), Ok(()));
    check(json!({"exp": 0}), Err("expired"));
    check(json!({"exp": 1.5}), Err("expired"));
    check(json!({"exp": null}), Err("`exp` is missing"));
    for exp in [json!("1999999999"), json!([NOW + 60]), json!(-1), json!(1e30), json!(true), json!({}), json!(u64::MAX)]
    {
        check(json!({ "exp": exp }), Err("`exp` is not a time"));
    }
    check(json!({"exp": 18_446_744_073_709_551_616.0}), Err("`exp` is not a time"));
    let soon = read_with(&settings(), Origin::Signed, &json!({"exp": NOW + 2})).unwrap();
    assert_eq!(soon.fresh_until, at(NOW + 12), "never past its own end");
}

#[test]
fn exp_that_is_null_is_no_exp() {
    let all = json!({"iss": ISSUER, "aud": "api", "exp": null}).as_object().unwrap().clone();
    let fault = read(&settings(), Origin::Signed, all, Digest::of(b""), (at(NOW), at(NOW))).unwrap_err();
    assert_eq!(fault, TokenFault::Malformed("`exp` is not a time"));
}

#[test]
fn a_token_from_the_future_is_not_valid_yet() {
    check(json!({"nbf": NOW + 10}), Ok(()));
    check(json!({"nbf": NOW + 11}), Err("for another 11 seconds"));
    check(json!({"iat": NOW + 3600}), Err("for another 3600 seconds"));
    check(json!({"nbf": NOW - 5, "iat": NOW + 10}), Ok(()));
    check(json!({"iat": null}), Ok(()));
    for value in [json!("9999999999"), json!(-1), json!([]), json!(false)] {
        check(json!({ "nbf": value }), Err("`nbf` is not a time"));
        check(json!({ "iat": value }), Err("`iat` is not a time"));
    }
}

#[test]
fn the_audience_is_one_of_ours_exactly() {
    check(json!({"aud": "api"}), Ok(()));
    check(json!({"aud": ["x", "https://api.test"]}), Ok(()));
    for aud in [json!("https://api.test/"), json!("HTTPS://API.TEST"), json!("x"), json!([]), json!(["x"]), json!("")] {
        check(json!({ "aud": aud }), Err("needed `https://api.test api`"));
    }
    check(json!({"aud": null}), Err("needed"));
    for aud in [json!(1), json!({"api": 1}), json!(true), json!(["x", 1, "https://api.test"]), json!([["api"]])] {
        check(json!({ "aud": aud }), Err("`aud`"));
    }
}

fn check_scopes(path: Option<&str>, changes: Value, expected: Result<&[&str], ()>) {
    let mut settings = settings();
    settings.claims.scopes = path.map(|path| ClaimPath::parse(path).unwrap());
    let found = read_with(&settings, Origin::Signed, &changes);
    match (&found, expected) {
        (Ok(claims), Ok(scopes)) => {
            assert!(claims.scopes.iter().map(|it| &**it).eq(scopes.iter().copied()), "{changes}");
        }
        (Err(TokenFault::Malformed(_)), Err(())) => {}
        (_, _) => panic!("{path:?} {changes}: {found:?}"),
    }
}

#[test]
fn scopes_are_one_string_unless_the_file_says_where_they_stand() {
    check_scopes(None, json!({"scope": "read"}), Ok(&["read"]));
    check_scopes(None, json!({"scope": ""}), Ok(&[]));
    check_scopes(None, json!({"scope": null}), Ok(&[]));
    check_scopes(None, json!({"scope": "READ"}), Ok(&["READ"]));
    check_scopes(None, json!({"scope": "read,admin"}), Ok(&["read,admin"]));
    check_scopes(None, json!({"scope": null, "scp": "read"}), Ok(&[]));
    for scope in
        [json!(["read"]), json!("read\tadmin"), json!("read\nadmin"), json!("a\"b"), json!("caf\u{e9}"), json!(5)]
    {
        check_scopes(None, json!({ "scope": scope }), Err(()));
    }
    check_scopes(Some("scp"), json!({"scp": ["write", "read"]}), Ok(&["read", "write"]));
    check_scopes(Some("scp"), json!({"scp": "write read"}), Ok(&["read", "write"]));
    check_scopes(Some("a.b"), json!({"a": {"b": ["read"]}}), Ok(&["read"]));
    for list in [json!(["read", 5]), json!(["read admin"]), json!([""]), json!({"read": true})] {
        check_scopes(Some("scp"), json!({ "scp": list }), Err(()));
    }
}

fn check_roles(path: Option<&str>, changes: Value, expected: Result<&[&str], ()>) {
    let mut settings = settings();
    settings.claims.roles = path.map(|path| ClaimPath::parse(path).unwrap());
    let found = read_with(&settings, Origin::Signed, &changes);
    match (&found, expected) {
        (Ok(claims), Ok(roles)) => assert!(claims.roles.iter().map(|it| &**it).eq(roles.iter().copied()), "{changes}"),
        (Err(TokenFault::Malformed(_)), Err(())) => {}
        (_, _) => panic!("{path:?} {changes}: {found:?}"),
    }
}

#[test]
fn roles_stand_where_the_file_says() {
    let keycloak = json!({"realm_access": {"roles": ["clerk", "boss"]}});
    check_roles(Some("realm_access.roles"), keycloak, Ok(&["boss", "clerk"]));
    check_roles(Some("https://corp.example/roles"), json!({"https://corp.example/roles": ["clerk"]}), Ok(&["clerk"]));
    check_roles(Some("role"), json!({"role": "clerk"}), Ok(&["clerk"]));
    check_roles(Some("a.b.c"), json!({"a": {"b": 5}}), Ok(&[]));
    check_roles(Some("role"), json!({"role": [1]}), Err(()));
    check_roles(Some("role"), json!({"role": {"clerk": true}}), Err(()));
    check_roles(Some("role"), json!({"role": "a\u{0}b"}), Err(()));
    check_roles(None, json!({"roles": ["clerk"]}), Ok(&["clerk"]));
    check_roles(None, json!({"roles": {"clerk": true}}), Ok(&[]));
}

#[test]
fn names_are_short_and_without_control_characters() {
    for name in ["sub", "client_id", "jti"] {
        for value in
            [json!("a\u{0}"), json!("a\nb"), json!("\u{7f}"), json!("x".repeat(513)), json!(""), json!(5), json!([])]
        {
            check(json!({ name: value }), Err("not a short string"));
        }
        check(json!({ name: "x".repeat(512) }), Ok(()));
    }
    let mut settings = settings();
    settings.claims = ClaimPaths {
        subject: ClaimPath::parse("oid").unwrap(),
        client: Some(ClaimPath::parse("appid").unwrap()),
        ..settings.claims
    };
    let claims = read_with(&settings, Origin::Signed, &json!({"oid": "o-1", "appid": "a-1"})).unwrap();
    assert_eq!((claims.subject.as_deref(), claims.client.as_deref()), (Some("o-1"), Some("a-1")));
}

#[test]
fn a_bound_token_needs_its_proof() {
    check(json!({"cnf": {"jkt": "x"}}), Err("without proof"));
    check(json!({"cnf": {}}), Err("without proof"));
}

#[test]
fn introspection_may_leave_out_exp_and_aud() {
    let read = |changes: Value| read_with(&settings(), Origin::Introspected, &changes);
    let claims = read(json!({"exp": null, "aud": null})).unwrap();
    assert_eq!(claims.fresh_until, at(NOW + 300));
    assert!(claims.expires >= claims.fresh_until);
    assert_eq!(read(json!({"exp": NOW + 20})).unwrap().fresh_until, at(NOW + 20), "never past the token's own end");
    assert!(matches!(read(json!({"exp": NOW - 10})), Err(TokenFault::Expired(_))));
    assert!(matches!(read(json!({"aud": "x"})), Err(TokenFault::AudienceMismatch { .. })));
    assert!(matches!(read(json!({"nbf": NOW + 60})), Err(TokenFault::NotYetValid(_))));
}

#[test]
fn a_path_has_no_empty_names() {
    for text in ["", ".", "a.", ".a", "a..b", "a\nb"] {
        assert!(ClaimPath::parse(text).is_err(), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_number_makes_the_clock_panic(float in proptest::num::f64::ANY, whole in proptest::num::u64::ANY, below in proptest::num::i64::ANY) {
        for value in [json!(float), json!(whole), json!(below)] {
            for name in ["exp", "nbf", "iat"] {
                let _ = read_with(&settings(), Origin::Signed, &json!({ name: value }));
            }
        }
    }
}

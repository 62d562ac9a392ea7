mod opaque;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use serde_json::json;

use super::*;
use crate::ground::Secret;
use crate::token::issuer::IntrospectionSettings;
use crate::token::jwt::{Algorithm, KeySet, Signer};
use crate::token::stage::{self, NOW, Reply, Server, World, forge, key_set, signer, world};

const A: &str = "https://a.test";
const B: &str = "https://b.test";

fn issuer(name: &str, url: &str, keys: &[&Signer]) -> IssuerSettings {
    let mut settings = IssuerSettings::new(name, Some(url), &["https://api.test"]);
    settings.keys = Some(KeySource::Document(key_set(keys).into()));
    settings
}

fn opaque(name: &str, url: Option<&str>, server: &Server, path: &str) -> IssuerSettings {
    let mut settings = IssuerSettings::new(name, url, &["https://api.test"]);
    settings.keys = None;
    let introspection = IntrospectionSettings::new(&format!("{}{path}", server.url), "gateway", Secret::new("s"));
    settings.introspection = Some(introspection);
    settings
}

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| (*name).into()).collect()
}

fn good(signer: &Signer, url: &str) -> String {
    signer.sign("at+jwt", &stage::claims(url, &json!({}))).unwrap()
}

async fn verify(verifier: &Verifier, token: &str) -> Result<(Arc<Claims>, TokenUse), TokenFault> {
    verifier.verify(token, None, Time::from_secs(NOW)).await
}

async fn check(verifier: &Verifier, token: &str, expected: &str) {
    match verify(verifier, token).await {
        Ok(_) => assert_eq!("", expected, "{token}"),
        Err(fault) => assert!(!expected.is_empty() && fault.to_string().contains(expected), "{expected}: {fault}"),
    }
}

#[tokio::test]
async fn a_good_token_is_verified_once_and_then_remembered() {
    let key = signer(Algorithm::Es256);
    let verifier = Verifier::open(vec![issuer("a", A, &[&key])], None, &world().context);
    let token = good(&key, A);
    let (claims, first) = verify(&verifier, &token).await.unwrap();
    assert_eq!((&*claims.issuer, claims.subject.as_deref(), first), ("a", Some("alice"), TokenUse::Verified));
    assert_eq!(verify(&verifier, &token).await.unwrap().1, TokenUse::Shared);
    let late = verifier.verify(&token, None, Time::from_secs(NOW + 610)).await;
    assert_eq!(late.unwrap_err(), TokenFault::Expired(610 - 600));
}

#[tokio::test]
async fn each_issuer_vouches_for_its_own_tokens_alone() {
    let (a, b) = (signer(Algorithm::Es256), signer(Algorithm::Es256));
    let verifier = Verifier::open(vec![issuer("a", A, &[&a]), issuer("b", B, &[&b])], None, &world().context);
    check(&verifier, &good(&a, A), "").await;
    check(&verifier, &good(&b, B), "").await;
    check(&verifier, &good(&a, B), "does not publish a key").await;
    let kid_of_b = json!({"alg": "ES256", "kid": &**b.kid()}).to_string();
    check(&verifier, &forge(&a, &kid_of_b, &stage::claims(B, &json!({})).to_string()), "signature").await;
    for iss in [json!("https://a.test/"), json!("HTTPS://A.TEST"), json!("x"), json!(null)] {
        let token = a.sign("at+jwt", &stage::claims(A, &json!({ "iss": iss }))).unwrap();
        check(&verifier, &token, "not one of those configured").await;
    }
    for iss in [json!(5), json!([A]), json!([A, B])] {
        let token = a.sign("at+jwt", &stage::claims(A, &json!({ "iss": iss }))).unwrap();
        check(&verifier, &token, "`iss` is not a string").await;
    }
}

#[tokio::test]
async fn a_route_takes_the_issuers_it_names_before_and_after_the_cache_is_warm() {
    let (a, b) = (signer(Algorithm::Es256), signer(Algorithm::Es256));
    let verifier = Verifier::open(vec![issuer("a", A, &[&a]), issuer("b", B, &[&b])], None, &world().context);
    let (token, now) = (good(&a, A), Time::from_secs(NOW));
    let (only_a, only_b) = (names(&["a"]), names(&["b"]));
    for _ in 0..2 {
        assert_eq!(verifier.verify(&token, Some(&only_b), now).await.unwrap_err(), TokenFault::IssuerUnknown);
        assert!(verifier.verify(&token, Some(&only_a), now).await.is_ok());
        assert_eq!(verifier.verify(&token, Some(&[]), now).await.unwrap_err(), TokenFault::IssuerUnknown);
    }
}

#[tokio::test]
async fn the_algorithm_is_on_the_list_and_fits_the_key() {
    let (ec, rsa) = (signer(Algorithm::Es256), signer(Algorithm::Rs256));
    let mut settings = issuer("a", A, &[&ec, &rsa]);
    settings.algorithms = vec![Algorithm::Es256, Algorithm::Ps256];
    let verifier = Verifier::open(vec![settings], None, &world().context);
    check(&verifier, &good(&ec, A), "").await;
    check(&verifier, &good(&rsa, A), "`RS256` is not accepted").await;
    let payload = stage::claims(A, &json!({})).to_string();
    let ps256 = json!({"alg": "PS256", "kid": &**rsa.kid()}).to_string();
    check(&verifier, &forge(&rsa, &ps256, &payload), "`PS256` is not accepted").await;
    for alg in ["none", "None", "", "HS256"] {
        let header = json!({"alg": alg, "kid": &**ec.kid()}).to_string();
        let forged = forge(&ec, &header, &payload);
        check(&verifier, &forged, "is not accepted").await;
        check(&verifier, &format!("{}.", forged.rsplit_once('.').unwrap().0), "is not accepted").await;
    }
}

#[tokio::test]
async fn only_access_tokens_are_accepted() {
    let key = signer(Algorithm::Es256);
    let settings = vec![issuer("authority", A, &[&key]), issuer("b", B, &[&key])];
    let verifier = Verifier::open(settings, None, &world().context);
    for (url, typ, expected) in [
        (A, "at+jwt", ""),
        (A, "application/at+jwt", ""),
        (A, "AT+JWT", ""),
        (A, "JWT", "another kind"),
        (A, "id+jwt", "another kind"),
        (B, "at+jwt", ""),
        (B, "JWT", ""),
        (B, "dpop+jwt", "another kind"),
        (B, "logout+jwt", "another kind"),
        (B, "token-introspection+jwt", "another kind"),
    ] {
        check(&verifier, &key.sign(typ, &stage::claims(url, &json!({}))).unwrap(), expected).await;
    }
    let untyped = json!({"alg": "ES256", "kid": &**key.kid()}).to_string();
    check(&verifier, &forge(&key, &untyped, &stage::claims(A, &json!({})).to_string()), "it names none").await;
    check(&verifier, &forge(&key, &untyped, &stage::claims(B, &json!({})).to_string()), "").await;
    for mark in [json!({"at_hash": "x"}), json!({"events": {}}), json!({"token_use": "id"}), json!({"typ": "Refresh"})]
    {
        check(&verifier, &key.sign("JWT", &stage::claims(B, &mark)).unwrap(), "another kind").await;
    }
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_malformed() {
    let key = signer(Algorithm::Es256);
    let verifier = Verifier::open(vec![issuer("a", A, &[&key])], None, &world().context);
    let header = json!({"alg": "ES256", "kid": &**key.kid()}).to_string();
    let twice = format!(r#"{{"iss":"{A}","sub":"a","sub":"b"}}"#);
    let deep = format!(r#"{{"iss":"{A}","x":{}{}}}"#, "[".repeat(4000), "]".repeat(4000));
    for token in [
        "opaque".to_owned(),
        "a.b.c".to_owned(),
        "a.b.c.d.e".to_owned(),
        ".".repeat(16_384),
        "x".repeat(20_000),
        forge(&key, &header, &twice),
        forge(&key, &header, &deep),
        forge(&key, &header, "[]"),
        forge(&key, &header, &good(&key, A)),
    ] {
        check(&verifier, &token, "malformed").await;
    }
    assert_eq!(verifier.remembered(), 0);
}

#[tokio::test]
async fn a_reload_keeps_what_has_not_changed() {
    let key = signer(Algorithm::Es256);
    let World { context, .. } = world();
    let server = Server::start().await;
    server.set("/jwks", Reply::json(key_set(&[&key])));
    let mut settings = issuer("a", A, &[&key]);
    settings.keys = Some(KeySource::Url(format!("{}/jwks", server.url)));
    let first = Verifier::open(vec![settings.clone()], None, &context);
    let token = good(&key, A);
    verify(&first, &token).await.unwrap();

    let same = Verifier::open(vec![settings.clone()], Some(&first), &context);
    assert_eq!(verify(&same, &token).await.unwrap().1, TokenUse::Shared);
    assert_eq!(same.generation(), first.generation());

    let mut changed = settings.clone();
    changed.audience = vec!["https://other.test".to_owned()];
    let other = Verifier::open(vec![changed], Some(&same), &context);
    assert_ne!(other.generation(), 0, "workers forget what they knew");
    let found = std::pin::pin!(verify(&other, &token)).now_or_never().expect("the keys are there: nothing waits");
    assert!(matches!(found, Err(TokenFault::AudienceMismatch { .. })), "{found:?}");
    assert_eq!(server.count("/jwks"), 1, "and have not been fetched again");

    server.hold(true);
    settings.stale_for = Duration::from_secs(60);
    let staler = Verifier::open(vec![settings], Some(&other), &context);
    let found = std::pin::pin!(verify(&staler, &token)).now_or_never().expect("the old keys serve meanwhile");
    assert_eq!(found.unwrap().1, TokenUse::Verified);

    let none = Verifier::open(Vec::new(), Some(&other), &context);
    assert!(verify(&none, &token).await.is_err());
}

#[tokio::test]
async fn a_key_that_has_gone_takes_its_tokens_with_it() {
    let (old, new) = (signer(Algorithm::Es256), signer(Algorithm::Es256));
    let set = |keys: &[&Signer]| KeySet::read(&key_set(keys)).unwrap().keys;
    let keys = Arc::new(ArcSwap::from_pointee(set(&[&old])));
    let mut settings = issuer("authority", A, &[&old]);
    settings.keys = Some(KeySource::Local(Arc::clone(&keys)));
    let verifier = Verifier::open(vec![settings], None, &world().context);
    let token = good(&old, A);
    let generation = verifier.generation();
    check(&verifier, &token, "").await;
    keys.store(Arc::new(set(&[&new])));
    check(&verifier, &token, "does not publish a key").await;
    check(&verifier, &good(&new, A), "").await;
    assert_ne!(verifier.generation(), generation);
}

#[tokio::test]
async fn one_issuer_may_serve_two_audiences() {
    let key = signer(Algorithm::Es256);
    let mut second = issuer("second", A, &[&key]);
    second.audience = vec!["https://second.test".to_owned()];
    let verifier = Verifier::open(vec![issuer("first", A, &[&key]), second], None, &world().context);
    let token = key.sign("at+jwt", &stage::claims(A, &json!({"aud": "https://second.test"}))).unwrap();
    assert_eq!(&*verify(&verifier, &token).await.unwrap().0.issuer, "second");
    assert_eq!(&*verify(&verifier, &good(&key, A)).await.unwrap().0.issuer, "first");
    let found = verifier.verify(&token, Some(&names(&["first"])), Time::from_secs(NOW)).await.unwrap_err();
    assert!(matches!(found, TokenFault::AudienceMismatch { .. }), "{found:?}");
}

#[tokio::test]
async fn an_authority_without_keys_is_unavailable() {
    let key = signer(Algorithm::Es256);
    let mut settings = issuer("authority", A, &[&key]);
    settings.keys = Some(KeySource::Local(Arc::new(ArcSwap::from_pointee(KeySet::default()))));
    let verifier = Verifier::open(vec![settings], None, &world().context);
    check(&verifier, &good(&key, A), "no usable key set").await;
    assert!(!verifier.status()[0].usable);
}

/// A data worker's runtime has no timers and no sockets here: whoever would need them would panic.
#[test]
fn a_worker_waits_for_the_control_plane_and_does_nothing_itself() {
    let control = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let key = signer(Algorithm::Es256);
    let (context, server) = control.block_on(async { (world().context, Server::start().await) });
    server.set("/jwks", Reply::json(key_set(&[&key])));
    server.set("/introspect", Reply::json(json!({"active": true})));
    let mut remote = issuer("a", A, &[&key]);
    remote.keys = Some(KeySource::Url(format!("{}/jwks", server.url)));
    let verifier = Verifier::open(vec![remote, opaque("b", None, &server, "/introspect")], None, &context);
    let worker = tokio::runtime::Builder::new_current_thread().build().unwrap();
    worker.block_on(async {
        check(&verifier, &good(&key, A), "").await;
        check(&verifier, "opaque", "").await;
    });
    fn is_send<T: Send>(_: &T) {}
    is_send(&verifier.verify("t", None, Time::default()));
    control.shutdown_background();
    worker.block_on(check(&verifier, "another", "cannot be asked"));
}

#[tokio::test]
async fn opaque_tokens_are_asked_about_where_the_route_says() {
    let key = signer(Algorithm::Es256);
    let server = Server::start().await;
    server.set("/one", Reply::json(json!({"active": false})));
    server.set("/two", Reply::json(json!({"active": true, "sub": "bob", "exp": NOW + 60})));
    let settings =
        vec![issuer("a", A, &[&key]), opaque("one", None, &server, "/one"), opaque("two", None, &server, "/two")];
    let verifier = Verifier::open(settings, None, &world().context);
    let now = Time::from_secs(NOW);
    let ask = async |token: &str, accepted: &[&str]| verifier.verify(token, Some(&names(accepted)), now).await;
    assert_eq!(&*ask("t", &["a", "one", "two"]).await.unwrap().0.issuer, "two");
    assert_eq!(ask("t", &["two"]).await.unwrap().1, TokenUse::Shared);
    assert_eq!(ask("t", &["one"]).await.unwrap_err(), TokenFault::Inactive);
    assert_eq!(ask("t", &["a"]).await.unwrap_err(), TokenFault::IssuerUnknown);
    server.set("/one", Reply::status(500));
    server.set("/two", Reply::json(json!({"active": false})));
    let found = ask("u", &["one", "two"]).await.unwrap_err();
    assert!(matches!(found, TokenFault::IntrospectionUnavailable { .. }), "{found:?}");
}

#[tokio::test]
async fn signed_tokens_of_others_go_only_to_those_who_may_have_made_them() {
    let (key, stranger) = (signer(Algorithm::Es256), signer(Algorithm::Es256));
    let server = Server::start().await;
    server.set("/anyone", Reply::json(json!({"active": true})));
    server.set("/b", Reply::json(json!({"active": true})));
    let b = opaque("b", Some(B), &server, "/b");
    let verifier = Verifier::open(vec![issuer("a", A, &[&key]), b.clone()], None, &world().context);
    check(&verifier, &good(&stranger, "https://c.test"), "not one of those configured").await;
    check(&verifier, &good(&stranger, A), "does not publish a key").await;
    assert_eq!(server.count("/b"), 0, "b is shown no token of anybody else");
    check(&verifier, &good(&stranger, B), "").await;
    let anyone = opaque("anyone", None, &server, "/anyone");
    let verifier = Verifier::open(vec![b, anyone], None, &world().context);
    assert_eq!(&*verify(&verifier, &good(&stranger, "https://c.test")).await.unwrap().0.issuer, "anyone");
}

#[tokio::test]
async fn no_address_in_a_token_is_ever_called() {
    let key = signer(Algorithm::Es256);
    let server = Server::start().await;
    let verifier = Verifier::open(vec![issuer("a", A, &[&key])], None, &world().context);
    for name in ["jku", "x5u"] {
        let header = json!({"alg": "ES256", "kid": &**key.kid(), name: format!("{}/keys", server.url)}).to_string();
        check(&verifier, &forge(&key, &header, &stage::claims(A, &json!({})).to_string()), "its own key").await;
    }
    let header = json!({"alg": "ES256", "jwk": key.public_jwk()}).to_string();
    check(&verifier, &forge(&key, &header, &stage::claims(A, &json!({})).to_string()), "its own key").await;
    assert!(server.asked.lock().is_empty());
}

#[tokio::test]
async fn the_state_of_each_issuer_is_told() {
    let key = signer(Algorithm::Es256);
    let World { context, clock, .. } = world();
    let server = Server::start().await;
    let down = {
        let mut settings = issuer("down", B, &[&key]);
        settings.keys = Some(KeySource::Url(format!("{}/jwks", server.url)));
        settings
    };
    let settings = vec![issuer("file", A, &[&key]), down, opaque("opaque", None, &server, "/introspect")];
    let verifier = Verifier::open(settings, None, &context);
    verifier.warm().await;
    clock.advance(Duration::from_secs(7));
    let status = verifier.status();
    let told: Vec<_> = status.iter().map(|it| (&*it.name, it.kind, it.usable)).collect();
    assert_eq!(
        told,
        [
            ("file", IssuerKind::File, true),
            ("down", IssuerKind::Remote, false),
            ("opaque", IssuerKind::Introspection, true)
        ]
    );
    assert_eq!(status[0].age, None, "nobody fetches a file again, so its keys grow no older");
    let keys = status[1].keys.clone().unwrap();
    assert_eq!((keys.count, keys.fetches, keys.failures), (0, 0, 1));
    assert!(keys.last_error.unwrap().contains("answered 404"));
    check(&verifier, &good(&key, B), "no usable key set").await;
    check(&verifier, &good(&key, A), "").await;
}

#[tokio::test]
async fn keys_that_are_fetched_have_the_age_of_the_last_fetch() {
    let key = signer(Algorithm::Es256);
    let World { context, clock, .. } = world();
    let server = Server::start().await;
    server.set("/jwks", Reply::json(key_set(&[&key])));
    let mut remote = issuer("remote", A, &[&key]);
    remote.keys = Some(KeySource::Url(format!("{}/jwks", server.url)));
    let verifier = Verifier::open(vec![remote], None, &context);
    verifier.warm().await;
    clock.advance(Duration::from_secs(7));
    assert_eq!(verifier.status()[0].age, Some(Duration::from_secs(7)));
}

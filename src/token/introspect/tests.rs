use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use super::*;
use crate::dial::client::Bounds;
use crate::ground::Secret;
use crate::token::stage::{NOW, Reply, Server, World, world, world_with};

const PATH: &str = "/introspect";

struct Stage {
    world: World,
    server: Arc<Server>,
    shared: Arc<Shared>,
    url: Option<&'static str>,
    auth: ClientAuth,
    waiting: usize,
}

impl Stage {
    async fn new() -> Self {
        Self::with(world()).await
    }

    async fn with(world: World) -> Self {
        let (server, auth) = (Server::start().await, ClientAuth::Basic);
        Self { world, server, shared: Arc::default(), url: None, auth, waiting: 64 }
    }

    fn open(&self) -> Arc<Introspection> {
        let mut settings =
            IntrospectionSettings::new(&format!("{}{PATH}", self.server.url), "gate way", Secret::new("s:e&c"));
        (settings.auth, settings.waiting) = (self.auth, self.waiting);
        let mut issuer = IssuerSettings::new("partner", self.url, &["https://api.test"]);
        (issuer.keys, issuer.introspection) = (None, Some(settings.clone()));
        Introspection::open(&issuer, &settings, 1, &self.shared, &self.world.context)
    }

    fn answer(&self, body: impl ToString) {
        self.server.set(PATH, Reply::json(body));
    }

    async fn ask(&self, introspection: &Arc<Introspection>, token: &str) -> Result<Arc<Claims>, TokenFault> {
        self.ask_from(None, introspection, token).await
    }

    async fn ask_from(
        &self,
        network: Option<u128>,
        introspection: &Arc<Introspection>,
        token: &str,
    ) -> Result<Arc<Claims>, TokenFault> {
        let digest = Digest::of(token.as_bytes());
        let now = self.world.context.clock.now();
        introspection.ask(&Question { token, digest, accepted: None, network, now }).await
    }

    fn remembered(&self, token: &str) -> bool {
        let now = self.world.context.clock.now();
        self.shared.lookup(&Digest::of(token.as_bytes()), now, |_| true).is_some()
    }

    fn calls(&self) -> usize {
        self.server.count(PATH)
    }
}

fn is_unavailable(found: &Result<Arc<Claims>, TokenFault>) -> bool {
    matches!(found, Err(TokenFault::IntrospectionUnavailable { .. }))
}

#[tokio::test]
async fn the_question_has_the_form_of_rfc_7662() {
    let mut stage = Stage::new().await;
    stage.answer(json!({"active": true, "sub": "alice", "scope": "read", "exp": NOW + 600}));
    let claims = stage.ask(&stage.open(), "opaque+/=").await.unwrap();
    assert_eq!((claims.subject.as_deref(), &*claims.issuer), (Some("alice"), "partner"));
    assert!(claims.has_scope("read"));
    stage.auth = ClientAuth::Post;
    stage.ask(&stage.open(), "another").await.unwrap();
    let asked = stage.server.asked.lock();
    assert_eq!(asked[0].body, "token=opaque%2B%2F%3D&token_type_hint=access_token");
    assert_eq!(asked[0].headers["authorization"], format!("Basic {}", base64("gate+way:s%3Ae%26c")).as_str());
    assert_eq!(asked[0].headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(asked[0].headers["accept"], "application/json");
    assert_eq!(asked[1].body, "token=another&token_type_hint=access_token&client_id=gate+way&client_secret=s%3Ae%26c");
    assert!(!asked[1].headers.contains_key("authorization"));
}

fn base64(text: &str) -> String {
    base64_simd::STANDARD.encode_to_string(text)
}

#[tokio::test]
async fn many_who_wait_for_one_token_ask_once() {
    let stage = Stage::new().await;
    stage.answer(json!({"active": true, "exp": NOW + 600}));
    stage.server.hold(true);
    let introspection = stage.open();
    let release = async {
        stage.server.arrived(1).await;
        stage.server.hold(false);
    };
    let (found, ()) = join(join_all((0..200).map(|_| stage.ask(&introspection, "t"))), release).await;
    assert!(found.iter().all(Result::is_ok), "{found:?}");
    assert_eq!(stage.calls(), 1);
    assert!(stage.remembered("t"));
}

#[tokio::test]
async fn a_good_answer_is_believed_for_its_time_and_no_longer() {
    for (answer, until) in [
        (json!({"active": true}), 30),
        (json!({"active": true, "exp": NOW + 600}), 30),
        (json!({"active": true, "exp": NOW + 2}), 2),
    ] {
        let stage = Stage::new().await;
        stage.answer(&answer);
        stage.ask(&stage.open(), "t").await.unwrap();
        stage.world.clock.advance(Duration::from_secs(until - 1));
        assert!(stage.remembered("t"), "{answer}");
        stage.world.clock.advance(Duration::from_secs(1));
        assert!(!stage.remembered("t"), "{answer}");
    }
}

#[tokio::test]
async fn an_inactive_token_is_remembered_for_a_short_time() {
    let stage = Stage::new().await;
    stage.answer(json!({"active": false}));
    let introspection = stage.open();
    for _ in 0..10 {
        assert_eq!(stage.ask(&introspection, "t").await.unwrap_err(), TokenFault::Inactive);
    }
    assert_eq!(stage.calls(), 1);
    stage.answer(json!({"active": true}));
    stage.world.clock.advance(Duration::from_secs(5));
    assert!(stage.ask(&introspection, "t").await.is_ok());
}

#[tokio::test]
async fn an_active_token_that_is_not_for_us_is_remembered_like_an_inactive_one() {
    for answer in [
        json!({"active": true, "aud": "https://other.test"}),
        json!({"active": true, "token_type": "refresh_token"}),
        json!({"active": true, "cnf": {"jkt": "x"}}),
        json!({"active": true, "exp": NOW - 60}),
    ] {
        let stage = Stage::new().await;
        stage.answer(&answer);
        let introspection = stage.open();
        let first = stage.ask(&introspection, "t").await.unwrap_err();
        assert_ne!(first, TokenFault::Inactive);
        for _ in 0..5 {
            assert_eq!(stage.ask(&introspection, "t").await.unwrap_err(), first, "the same reason again");
        }
        assert_eq!(stage.calls(), 1, "{answer}");
        stage.answer(json!({"active": true}));
        stage.world.clock.advance(Duration::from_secs(5));
        assert!(stage.ask(&introspection, "t").await.is_ok());
    }
}

#[tokio::test]
async fn a_token_that_is_soon_good_is_not_refused_for_longer() {
    let stage = Stage::new().await;
    stage.answer(json!({"active": true, "nbf": NOW + 12}));
    let introspection = stage.open();
    assert_eq!(stage.ask(&introspection, "t").await.unwrap_err(), TokenFault::NotYetValid(12));
    stage.world.clock.advance(Duration::from_secs(2));
    assert!(stage.ask(&introspection, "t").await.is_ok(), "10 s of leeway");
}

#[tokio::test]
async fn an_issuer_that_is_busy_is_not_taken_for_one_that_is_down() {
    let stage = Stage::new().await;
    stage.server.set(PATH, Reply::status(429));
    let introspection = stage.open();
    for number in 0..7 {
        assert!(is_unavailable(&stage.ask(&introspection, &format!("t{number}")).await));
    }
    assert_eq!(stage.calls(), 7);
    assert!(introspection.status().usable);
    stage.answer(json!({"active": true}));
    assert!(stage.ask(&introspection, "a").await.is_ok());
}

#[tokio::test]
async fn a_busy_issuer_says_how_long_it_is_left_alone() {
    for (seconds, pause) in [("2", 2), ("3600", 5)] {
        let stage = Stage::new().await;
        let mut busy = Reply::status(429);
        busy.headers.push(("retry-after", seconds.to_owned()));
        stage.server.set(PATH, busy);
        let introspection = stage.open();
        assert!(is_unavailable(&stage.ask(&introspection, "a").await));
        stage.answer(json!({"active": true}));
        stage.world.clock.advance(Duration::from_secs(pause - 1));
        assert!(is_unavailable(&stage.ask(&introspection, "b").await));
        assert_eq!(stage.calls(), 1);
        stage.world.clock.advance(Duration::from_secs(1));
        assert!(stage.ask(&introspection, "b").await.is_ok());
    }
}

#[tokio::test]
async fn what_is_no_answer_is_never_remembered() {
    let stage = Stage::with(world_with(Bounds { time: Duration::from_secs(5), size: 4096 })).await;
    for (reply, part) in [
        (Reply::status(500), "answered 500"),
        (Reply::status(401), "client id and secret"),
        (Reply::status(302), "answered 302"),
        (Reply::json("<html>Sign in</html>"), "not JSON"),
        (Reply::json(r#"{"active":"true"}"#), "`active`"),
        (Reply::json(r#"{"active":1}"#), "`active`"),
        (Reply::json(r#"{"active":null}"#), "`active`"),
        (Reply::json("{}"), "`active`"),
        (Reply::json("[true]"), "not a JSON object"),
        (Reply::json(r#"{"active":false,"active":true}"#), "two members"),
        (Reply::json(format!(r#"{{"active":true,"x":"{}"}}"#, "x".repeat(5000))), "longer than 4KiB"),
    ] {
        let introspection = stage.open();
        stage.server.set(PATH, reply);
        let found = stage.ask(&introspection, "t").await;
        assert!(is_unavailable(&found), "{part}: {found:?}");
        let text = found.unwrap_err().to_string();
        assert!(text.contains(part) && !text.contains("s:e"), "{text}");
        stage.answer(json!({"active": true, "exp": NOW + 600}));
        assert!(!stage.remembered("t"));
        assert!(stage.ask(&introspection, "t").await.is_ok(), "{part}: and the next answer counts");
        stage.shared.lookup(&Digest::of(b"t"), stage.world.context.clock.now(), |_| false);
    }
}

#[tokio::test]
async fn an_issuer_that_hangs_is_not_waited_for() {
    let stage = Stage::with(world_with(Bounds { time: Duration::from_millis(100), size: 4096 })).await;
    stage.server.hold(true);
    let found = stage.ask(&stage.open(), "t").await;
    assert!(is_unavailable(&found), "{found:?}");
}

#[tokio::test]
async fn an_issuer_that_is_down_is_asked_once_a_second_and_comes_back() {
    let stage = Stage::new().await;
    stage.server.set(PATH, Reply::status(503));
    let introspection = stage.open();
    for number in 0..50 {
        assert!(is_unavailable(&stage.ask(&introspection, &format!("t{number}")).await));
    }
    assert_eq!(stage.calls(), 5);
    assert!(!introspection.status().usable);
    stage.world.clock.advance(Duration::from_secs(1));
    stage.answer(json!({"active": true}));
    assert!(stage.ask(&introspection, "a").await.is_ok());
    assert!(stage.ask(&introspection, "b").await.is_ok());
    assert!(introspection.status().usable);
}

#[tokio::test]
async fn no_more_questions_wait_than_there_are_places() {
    let mut stage = Stage::new().await;
    stage.waiting = 3;
    stage.answer(json!({"active": true}));
    stage.server.hold(true);
    let introspection = stage.open();
    let tokens: Vec<_> = (0..10).map(|number| number.to_string()).collect();
    let release = async {
        stage.server.arrived(3).await;
        stage.server.hold(false);
    };
    let asks = join_all(tokens.iter().map(|token| stage.ask(&introspection, token)));
    let (found, ()) = join(asks, release).await;
    assert_eq!(found.iter().filter(|it| it.is_ok()).count(), 3);
    assert_eq!(found.iter().filter(|it| is_unavailable(it)).count(), 7);
    assert_eq!(stage.calls(), 3);
    assert!(stage.ask(&introspection, "later").await.is_ok());
}

#[tokio::test]
async fn a_stranger_with_invented_tokens_leaves_places_for_everybody_else() {
    let mut stage = Stage::new().await;
    stage.waiting = 8;
    stage.answer(json!({"active": true}));
    stage.server.hold(true);
    let introspection = stage.open();
    let tokens: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    let stranger = join_all(tokens.iter().map(|token| stage.ask_from(Some(1), &introspection, token)));
    let other = async {
        stage.server.arrived(8).await;
        let asked = stage.ask_from(Some(2), &introspection, "real");
        let release = async {
            stage.server.arrived(9).await;
            stage.server.hold(false);
        };
        join(asked, release).await.0
    };
    let (of_stranger, of_other) = join(stranger, other).await;
    assert_eq!(of_stranger.iter().filter(|it| it.is_ok()).count(), 8);
    assert!(of_stranger.iter().filter(|it| it.is_err()).all(is_unavailable));
    assert!(of_other.is_ok(), "{of_other:?}");
}

async fn check(url: Option<&'static str>, answer: Value, expected: Result<(), &str>) {
    let mut stage = Stage::new().await;
    stage.url = url;
    stage.answer(&answer);
    match (stage.ask(&stage.open(), "t").await, expected) {
        (Ok(_), Ok(())) => assert!(stage.remembered("t")),
        (Err(fault), Err(part)) => {
            assert!(fault.to_string().contains(part), "{answer}: {fault}");
            assert!(!stage.remembered("t"));
        }
        (found, _) => panic!("{answer}: {found:?}"),
    }
}

#[tokio::test]
async fn an_active_token_is_still_judged() {
    let id = Some("https://id.example");
    let active = |changes: Value| {
        let mut answer = json!({"active": true});
        answer.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        answer
    };
    check(None, active(json!({"iss": "https://other.example"})), Ok(())).await;
    check(id, active(json!({})), Ok(())).await;
    check(id, active(json!({"iss": "https://id.example"})), Ok(())).await;
    check(id, active(json!({"iss": "https://id.example/"})), Err("issuer is not one")).await;
    check(id, active(json!({"iss": 5})), Err("issuer is not one")).await;
    check(None, active(json!({"aud": ["https://api.test"]})), Ok(())).await;
    check(None, active(json!({"aud": "https://other.test"})), Err("audience")).await;
    check(None, active(json!({"exp": NOW - 60})), Err("expired")).await;
    check(None, active(json!({"nbf": NOW + 60})), Err("not valid for another")).await;
    check(None, active(json!({"exp": "soon"})), Err("`exp`")).await;
    check(None, active(json!({"token_type": "bearer"})), Ok(())).await;
    check(None, active(json!({"token_type": "DPoP"})), Err("proof")).await;
    check(None, active(json!({"token_type": "refresh_token"})), Err("another kind")).await;
    check(None, active(json!({"token_type": 5})), Err("another kind")).await;
    check(None, active(json!({"token_use": "refresh_token"})), Err("another kind")).await;
    check(None, active(json!({"typ": "Refresh"})), Err("another kind")).await;
    check(None, active(json!({"typ": "Bearer"})), Ok(())).await;
    check(None, active(json!({"cnf": {"jkt": "x"}})), Err("proof")).await;
    check(None, active(json!({"sub": "a\u{0}"})), Err("subject")).await;
}

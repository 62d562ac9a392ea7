//! How an upstream learns who calls, and what a caller learns from echo and fixed answers.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use tokio::join;

use super::house::{House, OK, Peer, get, run};
use crate::forward::echo;
use crate::forward::fixed::FixedAnswer;
use crate::forward::identity::IdentitySigner;
use crate::forward::upstream::IdentityMode;
use crate::gate::caller::tests::{claims, known};
use crate::gate::{Caller, Identity, Refusal};
use crate::ground::{Fields, Time};

struct Signer(bool);

impl IdentitySigner for Signer {
    fn sign(&self, identity: &Identity, audience: &str, now: Time) -> Option<HeaderValue> {
        let subject = identity.claims.subject.as_deref()?;
        let token = HeaderValue::try_from(format!("{subject}.{audience}.{}", now.secs())).ok();
        token.filter(|_| self.0)
    }
}

fn house(peer: &Peer, mode: IdentityMode, caller: Caller, signer: Option<Signer>) -> House {
    let house = House::with(&[peer.address], |settings| settings.identity = mode);
    House { caller, signer: signer.map(|signer| Arc::new(signer) as _), ..house }
}

fn alice() -> Caller {
    known(claims("alice", "web", &["read"], &["clerk"]))
}

/// The lines about who calls that a server is sent.
async fn told(mode: IdentityMode, caller: Caller) -> Vec<String> {
    let peer = Peer::listen().await;
    let house = house(&peer, mode, caller, Some(Signer(true)));
    let mut request = get("/");
    for (name, value) in [("x-auth-token", "forged"), ("x-auth-subject", "root"), ("x_auth_roles", "admin")] {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    let play = async {
        let mut wire = peer.accept().await;
        let head = wire.head().await;
        wire.say(OK).await;
        (head, wire)
    };
    let (sent, (head, _wire)) = join!(house.send(request), play);
    sent.unwrap();
    head.lines().filter(|line| line.replace('_', "-").starts_with("x-auth")).map(str::to_owned).collect()
}

#[test]
fn an_upstream_is_told_who_calls_in_the_way_it_wants() {
    run(async || {
        let lines = ["subject: alice", "client: web", "scope: read", "roles: clerk", "issuer: corp"]
            .map(|it| format!("x-auth-{it}"));
        assert_eq!(told(IdentityMode::Headers, alice()).await, lines);
        assert_eq!(told(IdentityMode::Signed, alice()).await, ["x-auth-token: alice.backend.1700000000"]);
        assert!(told(IdentityMode::None, alice()).await.is_empty());
        for mode in [IdentityMode::Headers, IdentityMode::Signed, IdentityMode::None] {
            assert!(told(mode, Caller::Anonymous).await.is_empty(), "{mode:?}");
        }
    });
}

#[test]
fn a_request_whose_caller_cannot_be_vouched_for_is_not_sent() {
    run(async || {
        let peer = Peer::listen().await;
        for signer in [None, Some(Signer(false))] {
            let refusal = house(&peer, IdentityMode::Signed, alice(), signer).send(get("/")).await.err().unwrap();
            assert!(matches!(refusal, Refusal::Internal(_)), "{refusal:?}");
        }
        assert!(!peer.is_called().await);
    });
}

#[test]
fn echo_shows_what_an_upstream_would_get_and_no_credential() {
    run(async || {
        let mut headers = http::HeaderMap::new();
        for (name, value) in [
            ("accept", "text/html"),
            ("accept", "text/plain"),
            ("authorization", "Bearer secret-token"),
            ("cookie", "sid=secret-cookie"),
            ("x-user", "root"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let house = House { caller: alice(), ..House::before(&[]) };
        let answer = house
            .told(true, |facts| echo::answer(&http::Method::GET, "/a?b=c", Fields::from(&headers), facts).unwrap());
        let answer = answer.typed();
        assert_eq!(answer.headers()["content-type"], "application/json");
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        let document: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let shown = |name: &str| document["headers"][name].as_str();
        assert_eq!((document["method"].as_str(), document["target"].as_str()), (Some("GET"), Some("/a?b=c")));
        assert_eq!(shown("accept"), Some("text/html, text/plain"));
        assert_eq!(shown("x-auth-subject"), Some("alice"));
        assert_eq!(shown("x-forwarded-for"), Some("192.0.2.1"));
        assert_eq!((shown("authorization"), shown("cookie")), (Some("…"), Some("…")));
        assert_eq!((shown("x-user"), shown("x-hop"), shown("connection")), (None, None, None));
        assert!(!String::from_utf8_lossy(&text).contains("secret"));
    });
}

#[test]
fn a_fixed_answer_is_what_the_file_says() {
    run(async || {
        let line = (HeaderName::from_static("x-own"), HeaderValue::from_static("1"));
        let fixed = FixedAnswer::new(StatusCode::OK, vec![line], "hello".into()).unwrap();
        for _ in 0..2 {
            let response = fixed.reply().typed();
            assert_eq!((response.status(), &response.headers()["x-own"]), (StatusCode::OK, &"1".parse().unwrap()));
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
        }
    });
    for (status, body, part) in [(100, "", "not the end"), (204, "x", "has no body"), (304, "x", "has no body")] {
        let message = FixedAnswer::new(StatusCode::from_u16(status).unwrap(), Vec::new(), body.into()).unwrap_err();
        assert!(message.contains(part), "{message}");
    }
}

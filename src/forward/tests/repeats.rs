//! What is sent a second time, and what never is.

use http::Method;
use hyper::client::conn::http1;
use tokio::join;

use super::house::{House, IDLE_TIMEOUT, OK, Peer, get, request, run, run_with};
use crate::forward::Engine;
use crate::forward::connection::Connection;
use crate::gate::Refusal;
use crate::ground::Body;

#[test]
fn a_request_of_which_nothing_was_sent_goes_over_another_connection_with_its_body() {
    // Whether the end of the kept connection was noticed before the request came; if not, it is tried in vain.
    for (noticed, retries) in [(true, 0), (false, 1)] {
        run_with(&[Engine::Compat], async || {
            let peer = Peer::listen().await;
            let house = House::before(&[peer.address]);
            let (near, far) = tokio::io::duplex(1024);
            let connection = Connection::compat(near, &http1::Builder::new()).await.unwrap();
            while !connection.is_ready() {
                tokio::task::yield_now().await;
            }
            house.pools.give_back(&house.upstream.servers[0], connection, 1, IDLE_TIMEOUT);
            drop(far);
            if noticed {
                tokio::task::yield_now().await;
            }

            let play = async {
                let mut wire = peer.accept().await;
                assert!(wire.head().await.starts_with("POST /once HTTP/1.1\r\n"));
                assert_eq!(wire.take(4).await, b"body");
                wire.say(OK).await;
                wire
            };
            let (answer, _wire) = join!(house.send(request(Method::POST, "/once", Body::full("body"))), play);
            assert_eq!(answer.unwrap().retries, retries);
        });
    }
}

#[test]
fn a_safe_request_without_a_body_is_repeated_once_when_a_kept_connection_dies_under_it() {
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        run(async || {
            let peer = Peer::listen().await;
            let house = House::before(&[peer.address]);
            let mut wire = house.kept(&peer).await;
            let play = async {
                let first = wire.head().await;
                drop(wire);
                let mut wire = peer.accept().await;
                assert_eq!(wire.head().await, first);
                wire.say(OK).await;
                wire
            };
            let (answer, _wire) = join!(house.send(request(method.clone(), "/again", Body::Empty)), play);
            assert_eq!(answer.unwrap().retries, 1, "{method}");
        });
    }
}

#[test]
fn a_request_that_may_have_been_acted_on_is_not_repeated() {
    for (method, body) in [
        (Method::POST, "body"),
        (Method::POST, ""),
        (Method::PUT, "body"),
        (Method::PATCH, "body"),
        (Method::DELETE, ""),
        (Method::GET, "body"),
    ] {
        run(async || {
            let peer = Peer::listen().await;
            let house = House::before(&[peer.address]);
            let mut wire = house.kept(&peer).await;
            let play = async {
                wire.head().await;
                wire.take(body.len()).await;
                drop(wire);
            };
            let (sent, ()) = join!(house.send(request(method.clone(), "/once", Body::full(body))), play);
            let refusal = sent.err().unwrap();
            assert!(matches!(refusal, Refusal::UpstreamUnreachable { .. }), "{method}: {refusal:?}");
            assert!(!peer.is_called().await, "{method}");
            assert_eq!(house.in_flight(), [0]);
        });
    }
}

#[test]
fn a_repeated_request_is_not_repeated_again() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let mut wire = house.kept(&peer).await;
        let play = async {
            wire.head().await;
            drop(wire);
            peer.accept().await.head().await;
        };
        let (sent, ()) = join!(house.send(get("/")), play);
        assert!(matches!(sent, Err(Refusal::UpstreamUnreachable { .. })));
        assert!(!peer.is_called().await);
    });
}

#[test]
fn a_new_connection_that_closes_without_an_answer_makes_the_upstream_unreachable() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let play = async { drop(peer.answer("").await) };
        let (sent, ()) = join!(house.send(get("/")), play);
        let refusal = sent.err().unwrap();
        assert!(matches!(refusal, Refusal::UpstreamUnreachable { .. }), "{refusal:?}");
        assert!(!peer.is_called().await);
        assert_eq!((house.pools.count(), house.in_flight()), (0, vec![0]));
    });
}

#[test]
fn an_answer_that_has_begun_is_never_asked_for_again() {
    for (kept, begun) in [(false, "H"), (true, "H"), (true, "HTTP/1.1 200 OK\r\ncontent-le")] {
        run(async || {
            let peer = Peer::listen().await;
            let house = House::before(&[peer.address]);
            let wire = if kept { Some(house.kept(&peer).await) } else { None };
            let play = async {
                let mut wire = match wire {
                    Some(wire) => wire,
                    None => peer.accept().await,
                };
                wire.head().await;
                wire.say(begun).await;
            };
            let (sent, ()) = join!(house.send(get("/")), play);
            let refusal = sent.err().unwrap();
            assert!(matches!(refusal, Refusal::UpstreamInvalid { .. }), "{refusal:?}");
            assert!(!peer.is_called().await);
            assert_eq!((house.pools.count(), house.in_flight()), (0, vec![0]));
        });
    }
}

#[test]
fn a_server_that_refuses_after_a_kept_connection_died_is_unreachable() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let mut wire = house.kept(&peer).await;
        let play = async {
            wire.head().await;
            drop(peer);
            drop(wire);
        };
        let (sent, ()) = join!(house.send(get("/")), play);
        assert!(matches!(sent, Err(Refusal::UpstreamUnreachable { .. })));
        assert_eq!(house.upstream.shunned(), (1, 1));
    });
}

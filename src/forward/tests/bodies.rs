//! A request's body on its way.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use http_body::Frame;
use tokio::join;

use super::house::{House, OK, Peer, feed, get, piece, read, request, run};
use crate::gate::Refusal;
use crate::ground::{Body, BodyFault};

#[test]
fn a_body_of_unknown_length_is_sent_in_chunks_whatever_the_method() {
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::GET, Method::HEAD]
    {
        run(async || {
            let peer = Peer::listen().await;
            let house = House::before(&[peer.address]);
            let (feeder, body) = feed();
            feeder.give("body");
            drop(feeder);
            let play = async {
                let mut wire = peer.accept().await;
                let head = wire.head().await;
                assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
                assert_eq!(wire.until("0\r\n\r\n").await, "4\r\nbody\r\n0\r\n\r\n");
                wire.say("HTTP/1.1 204 No Content\r\n\r\n").await;
                wire
            };
            let (sent, _wire) = join!(house.send(request(method.clone(), "/", body)), play);
            assert_eq!(sent.unwrap().bytes_in.unwrap().get(), 4);
            assert_eq!(house.pools.count(), 1);
        });
    }
}

#[test]
fn a_body_of_known_length_is_sent_with_it_and_no_body_without_chunks() {
    for (method, body, length) in [
        (Method::POST, "body", Some("4")),
        (Method::GET, "body", Some("4")),
        (Method::GET, "", None),
        (Method::DELETE, "", None),
    ] {
        run(async || {
            let peer = Peer::listen().await;
            let house = House::before(&[peer.address]);
            let play = async {
                let mut wire = peer.accept().await;
                let head = wire.head().await;
                let found = head.split_once("\r\ncontent-length: ").and_then(|(_, rest)| rest.split("\r\n").next());
                assert_eq!(found, length, "{head}");
                assert!(!head.contains("transfer-encoding"), "{head}");
                assert_eq!(wire.take(body.len()).await, body.as_bytes());
                wire.say(OK).await;
                wire
            };
            let (sent, _wire) = join!(house.send(request(method.clone(), "/", Body::full(body))), play);
            assert_eq!(read(sent.unwrap()).await, "ok");
            assert_eq!(house.pools.count(), 1);
        });
    }
}

#[test]
fn a_body_of_unknown_length_that_grows_too_large_is_refused_and_its_connection_closed() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House { max_body: Some(8), ..House::before(&[peer.address]) };
        let (feeder, body) = feed();
        let play = async {
            let mut wire = peer.accept().await;
            wire.head().await;
            feeder.give("12345678");
            wire.until("12345678\r\n").await;
            feeder.give("9");
            // The end of a chunked body must not come: the server would take what it has for the whole.
            assert_eq!(wire.rest().await, b"");
        };
        let (sent, ()) = join!(house.send(request(Method::POST, "/", body)), play);
        let refusal = sent.err().unwrap();
        assert!(matches!(refusal, Refusal::BodyTooLarge { limit: 8 }), "{refusal:?}");
        assert_eq!((house.pools.count(), house.in_flight()), (0, vec![0]));
    });
}

#[test]
fn a_body_as_large_as_is_allowed_passes() {
    for max_body in [Some(8), None] {
        run(async || {
            let peer = Peer::listen().await;
            let house = House { max_body, ..House::before(&[peer.address]) };
            let (feeder, body) = feed();
            feeder.give("1234");
            feeder.give("5678");
            drop(feeder);
            let play = async {
                let mut wire = peer.accept().await;
                wire.head().await;
                wire.until("0\r\n\r\n").await;
                wire.say(OK).await;
                wire
            };
            let (sent, _wire) = join!(house.send(request(Method::POST, "/", body)), play);
            assert_eq!(sent.unwrap().bytes_in.unwrap().get(), 8);
        });
    }
}

#[test]
fn a_body_that_stalls_at_the_client_is_the_clients_fault() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let (feeder, body) = feed();
        let play = async {
            let mut wire = peer.accept().await;
            wire.head().await;
            feeder.fail(BodyFault::Stalled);
            assert_eq!(wire.rest().await, b"");
        };
        let (sent, ()) = join!(house.send(request(Method::POST, "/", body)), play);
        let refusal = sent.err().unwrap();
        assert!(matches!(refusal, Refusal::Malformed { close: true, .. }), "{refusal:?}");
        assert_eq!(house.upstream.shunned(), (0, 1));
    });
}

#[test]
fn trailers_of_a_request_are_dropped_and_its_connection_is_kept() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let (feeder, body) = feed();
        feeder.give("body");
        feeder
            .trailers(HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), HeaderValue::from_static("1"))]));
        let mut request = request(Method::POST, "/", body);
        request.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
        let play = async {
            let mut wire = peer.accept().await;
            let head = wire.head().await;
            assert!(!head.contains("trailer"), "{head}");
            assert_eq!(wire.until("0\r\n\r\n").await, "4\r\nbody\r\n0\r\n\r\n");
            wire.say(OK).await;
            wire
        };
        let (sent, mut wire) = join!(house.send(request), play);
        read(sent.unwrap()).await;
        house.again(&mut wire, get("/next")).await;
    });
}

#[test]
fn pieces_stream_through_both_ways_without_waiting_for_the_next() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let (feeder, body) = feed();
        let play = async {
            let mut wire = peer.accept().await;
            wire.head().await;
            for text in ["one", "two", "three"] {
                feeder.give(text);
                wire.until(&format!("{text}\r\n")).await;
            }
            drop(feeder);
            wire.until("0\r\n\r\n").await;
            wire.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            wire
        };
        let (sent, mut wire) = join!(house.send(request(Method::POST, "/", body)), play);
        let mut response = sent.unwrap().reply.typed();
        for text in ["one", "two", "three"] {
            wire.say(format!("{:x}\r\n{text}\r\n", text.len())).await;
            assert_eq!(piece(&mut response).await.unwrap().unwrap(), text);
        }
        wire.say("0\r\n\r\n").await;
        assert!(piece(&mut response).await.is_none());
        assert_eq!(house.pools.count(), 1);
    });
}

#[test]
fn eight_megabytes_pass_both_ways_unchanged() {
    const SIZE: usize = 8 * 1024 * 1024;
    let bytes: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let play = async {
            let mut wire = peer.accept().await;
            wire.head().await;
            let body = wire.take(SIZE).await;
            wire.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n")).await;
            wire.say(body).await;
            wire
        };
        let ask = async {
            let answer = house.send(request(Method::POST, "/", Body::full(bytes.clone()))).await.unwrap();
            assert_eq!(answer.bytes_in.as_ref().unwrap().get(), SIZE as u64);
            http_body_util::BodyExt::collect(answer.reply.body).await.unwrap().to_bytes()
        };
        let (received, mut wire) = join!(ask, play);
        assert!(received == bytes, "the bytes came back changed");
        house.again(&mut wire, get("/next")).await;
    });
}

/// A body that never ends, and how many bytes of it have been asked for.
struct Endless(Rc<Cell<usize>>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        self.0.set(self.0.get() + PIECE.len());
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(PIECE)))))
    }
}

const PIECE: &[u8] = &[7; 64 * 1024];
/// What the system's own buffers may hold, and a little.
const BOUND: usize = 32 * 1024 * 1024;

#[test]
fn a_server_that_does_not_read_holds_up_the_client() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let asked = Rc::new(Cell::new(0));
        let body = Body::boxed(Endless(Rc::clone(&asked)));
        let play = async {
            let wire = peer.accept().await;
            let mut before = usize::MAX;
            while asked.get() != before {
                before = asked.get();
                for _ in 0..200 {
                    tokio::task::yield_now().await;
                }
                assert!(before < BOUND, "{before} bytes were taken that nobody wanted");
            }
            wire
        };
        tokio::select! {
            _ = house.send(request(Method::POST, "/", body)) => unreachable!(),
            _wire = play => {}
        }
        assert!(asked.get() >= PIECE.len());
        assert_eq!(house.in_flight(), [0]);
    });
}

#[test]
fn a_client_that_does_not_read_holds_up_the_server() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let begin = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n";
        let (answer, mut wire) = house.first(&peer, get("/"), begin).await;
        let said = Cell::new(0);
        let talk = async {
            loop {
                wire.say(PIECE).await;
                said.set(said.get() + PIECE.len());
            }
        };
        let watch = async {
            let mut before = usize::MAX;
            while said.get() != before {
                before = said.get();
                for _ in 0..200 {
                    tokio::task::yield_now().await;
                }
                assert!(before < BOUND, "{before} bytes were taken that nobody wanted");
            }
        };
        tokio::select! {
            () = talk => unreachable!(),
            () = watch => {}
        }
        drop(answer);
        assert_eq!(house.in_flight(), [0]);
    });
}

#[test]
fn an_answer_before_the_end_of_a_large_request_reaches_the_client_though_the_server_closes() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let body = Body::boxed(Endless(Rc::default()));
        let play = async {
            let mut wire = peer.accept().await;
            wire.head().await;
            wire.take(1024 * 1024).await;
            wire.say("HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno").await;
            wire.say_no_more().await;
            wire
        };
        let (sent, _wire) = join!(house.send(request(Method::POST, "/", body)), play);
        let answer = sent.unwrap();
        assert_eq!(answer.reply.status, 413);
        assert_eq!(read(answer).await, "no");
        assert_eq!((house.pools.count(), house.in_flight()), (0, vec![0]));
    });
}

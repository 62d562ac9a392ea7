//! What an upstream may say, and what becomes of it.

use http::Method;
use http_body_util::BodyExt;
use tokio::join;

use super::house::{Answer, House, IDLE_TIMEOUT, OK, Peer, feed, get, piece, read, request, run, run_with};
use crate::forward::Engine;
use crate::gate::Refusal;
use crate::ground::wheel::TICK;
use crate::ground::{Body, BodyFault};

/// A server that answers a `method` request with `raw` and then, unless it `stays`, closes.
fn answered(method: Method, raw: &str, stays: bool, judge: impl AsyncFn(House, Result<Answer, Refusal>)) {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let play = async {
            let wire = peer.answer(raw).await;
            stays.then_some(wire)
        };
        let (sent, _wire) = join!(house.send(request(method.clone(), "/", Body::Empty)), play);
        judge(house, sent).await;
    });
}

#[test]
fn an_answer_ends_where_its_framing_says() {
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\ncontent-length: 2\r\n\r\nok", "x".repeat(32 * 1024));
    let many = format!("HTTP/1.1 200 OK\r\n{}content-length: 2\r\n\r\nok", "x-many: 1\r\n".repeat(99));
    let hints = format!("{}{OK}", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(50));
    for (method, raw, status, body, kept) in [
        (Method::GET, &*many, 200, "ok", 1),
        (Method::GET, &hints, 200, "ok", 1),
        (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, "ok", 1),
        (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, "", 1),
        (Method::POST, "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n", 201, "", 1),
        (
            Method::GET,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\no1\r\n1\r\n!\r\n0\r\n\r\n",
            200,
            "o1!",
            1,
        ),
        (Method::GET, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 200, "", 1),
        (Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n", 200, "", 1),
        (Method::HEAD, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", 200, "", 1),
        (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n", 204, "", 1),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\netag: \"1\"\r\n\r\n", 304, "", 1),
        (Method::GET, "HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\nno", 500, "no", 1),
        (
            Method::GET,
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            200,
            "ok",
            1,
        ),
        (Method::POST, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, "ok", 1),
        (Method::GET, &long, 200, "ok", 1),
        (Method::GET, "HTTP/1.1 200 OK\r\n\r\nto the end", 200, "to the end", 0),
        (Method::GET, "HTTP/1.0 200 OK\r\n\r\nto the end", 200, "to the end", 0),
    ] {
        answered(method, raw, kept > 0, async |house, sent| {
            let answer = sent.unwrap();
            assert_eq!(answer.reply.status, status, "{raw}");
            assert_eq!(read(answer).await, body, "{raw}");
            assert_eq!((house.pools.count(), house.in_flight()), (kept, vec![0]), "{raw}");
        });
    }
}

#[test]
fn an_answer_that_cannot_be_read_is_invalid() {
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(256 * 1024));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x-many: 1\r\n".repeat(101));
    for raw in [
        "garbage\r\n\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "\0\0\x12\x04\0\0\0\0\0",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 099 Low\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: 1\0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        &long,
        &many,
    ] {
        answered(Method::GET, raw, true, async |house, sent| {
            let refusal = sent.err().unwrap_or_else(|| panic!("{raw:?}"));
            assert!(matches!(refusal, Refusal::UpstreamInvalid { .. }), "{refusal:?} for {raw:?}");
            assert_eq!((house.pools.count(), house.in_flight()), (0, vec![0]));
        });
    }
}

#[test]
fn nobody_switches_protocols_without_having_been_asked() {
    let raw = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let mut asking = get("/");
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "k"),
            ("sec-websocket-version", "13"),
        ] {
            asking.headers_mut().insert(name, value.parse().unwrap());
        }
        // The second one asks where the route does not allow it, so that the upstream never hears of it.
        for request in [get("/"), asking] {
            let play = async {
                let mut wire = peer.accept().await;
                let head = wire.head().await;
                wire.say(raw).await;
                (head, wire)
            };
            let (sent, (head, wire)) = join!(house.send(request), play);
            assert!(!head.contains("\r\nupgrade:") && !head.contains("\r\nconnection:"), "{head}");
            let refusal = sent.err().unwrap();
            assert!(matches!(refusal, Refusal::UpstreamInvalid { .. }), "{refusal:?}");
            assert_eq!(wire.rest().await, b"");
            assert_eq!((house.pools.count(), house.in_flight()), (0, vec![0]));
        }
    });
}

#[test]
fn what_belongs_to_the_connection_behind_us_stays_there() {
    let raw = "HTTP/1.1 200 OK\r\nconnection: keep-alive, x-hop\r\nkeep-alive: timeout=5\r\nx-hop: 1\r\n\
               proxy-authenticate: Basic\r\nproxy-connection: keep-alive\r\nte: trailers\r\ntrailer: x-sum\r\n\
               upgrade: h2c\r\ntransfer-encoding: chunked\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-own: 1\r\n\
               www-authenticate: Bearer\r\n\r\n0\r\n\r\n";
    answered(Method::GET, raw, true, async |_, sent| {
        let headers = sent.unwrap().reply.typed().headers().clone();
        let mut left: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        left.sort_unstable();
        let expected = [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("www-authenticate", "Bearer"), ("x-own", "1")];
        assert_eq!(left, expected);
    });
}

#[test]
fn an_answer_whose_length_has_two_readings_is_invalid() {
    for lines in [
        "content-length: 3\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 3",
        "content-length: 2\r\ncontent-length: 2",
        "content-length: 2, 2",
        "content-length: 02",
        "content-length: 18446744073709551616",
        "content-length: 99999999999999999999",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: identity",
        "transfer-encoding: , chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
    ] {
        let raw = format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        answered(Method::GET, &raw, true, async |house, sent| {
            let refusal = sent.err().unwrap_or_else(|| panic!("{lines}"));
            assert!(matches!(refusal, Refusal::UpstreamInvalid { .. }), "{refusal:?} for {lines}");
            assert_eq!((house.pools.count(), house.in_flight()), (0, vec![0]));
        });
    }
}

#[test]
fn trailers_of_an_answer_are_dropped_and_its_connection_is_kept() {
    let raw = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n";
    answered(Method::GET, raw, true, async |house, sent| {
        let collected = sent.unwrap().reply.typed().into_body().collect().await.unwrap();
        assert!(collected.trailers().is_none());
        assert_eq!(collected.to_bytes(), "ok");
        assert_eq!(house.pools.count(), 1);
    });
}

#[test]
fn what_comes_with_the_head_goes_on_in_one_piece_with_what_is_here_behind_it() {
    for length in [8 * 1024, 40_000, 64 * 1024] {
        let raw = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{}", "x".repeat(length));
        run_with(&[Engine::Strict], async || {
            let peer = Peer::listen().await;
            let house = House::before(&[peer.address]);
            let (answer, _wire) = house.first(&peer, get("/"), &raw).await;
            let mut response = answer.reply.typed();
            let first = piece(&mut response).await.unwrap().unwrap();
            let rest = response.body_mut().collect().await.unwrap().to_bytes();
            assert_eq!(first.len() + rest.len(), length);
            assert!(first.len() > 8 * 1024 - 100, "{} of {length}", first.len());
            // What more than one packet holds may not be here yet.
            assert!(length > 40_000 || rest.is_empty(), "{} of {length} are left", rest.len());
        });
    }
}

#[test]
fn a_large_answer_that_breaks_off_gives_what_came_of_it_and_then_a_fault() {
    for (framing, came) in [("content-length: 50000", 20_000), ("content-length: 50000", 49_999)] {
        let raw = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{}", "x".repeat(came));
        answered(Method::GET, &raw, false, async |house, sent| {
            let mut response = sent.unwrap().reply.typed();
            let mut taken = 0;
            let fault = loop {
                match piece(&mut response).await {
                    Some(Ok(piece)) => taken += piece.len(),
                    other => break other,
                }
            };
            assert_eq!(taken, came);
            assert!(matches!(fault, Some(Err(BodyFault::Broken(_) | BodyFault::BrokeOff(_)))), "{fault:?}");
            assert_eq!((house.pools.count(), house.in_flight()), (0, vec![0]));
        });
    }
}

/// It would pass for whole if the fault were lost: nothing but the connection says where it ends.
#[test]
fn an_answer_that_ends_with_its_connection_is_not_whole_when_that_is_reset() {
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    // As much as is read at once with a head: the next one to read meets the reset.
    let raw = format!("{head}{}", "x".repeat(8 * 1024 - head.len()));
    run_with(&[Engine::Strict], async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let (answer, wire) = house.first(&peer, get("/"), &raw).await;
        let stream = wire.into_stream();
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(stream);
        let mut response = answer.reply.typed();
        assert_eq!(piece(&mut response).await.unwrap().unwrap().len(), raw.len() - head.len());
        let fault = piece(&mut response).await;
        assert!(matches!(fault, Some(Err(BodyFault::BrokeOff(_)))), "{fault:?}");
    });
}

#[test]
fn an_answer_in_which_nothing_moves_for_too_long_breaks_off() {
    for framing in ["content-length: 1000", "transfer-encoding: chunked", "x-until: close"] {
        run(async || {
            let peer = Peer::listen().await;
            let house = House::before(&[peer.address]);
            let raw = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n");
            let (answer, mut wire) = house.first(&peer, get("/"), &raw).await;
            let mut response = answer.reply.typed();
            // Each piece begins the time anew, and what is here already is late for nobody.
            for _ in 0..3 {
                let asked = async {
                    let piece = piece(&mut response).await.unwrap().unwrap();
                    assert_eq!(piece, "ok");
                };
                let late = async {
                    tokio::task::yield_now().await;
                    house.pass(IDLE_TIMEOUT);
                    tokio::task::yield_now().await;
                    let chunked = framing.ends_with("chunked");
                    wire.say(if chunked { "2\r\nok\r\n" } else { "ok" }).await;
                };
                join!(asked, late);
                house.pass(2 * IDLE_TIMEOUT);
            }
            let silent = async {
                tokio::task::yield_now().await;
                house.pass(IDLE_TIMEOUT + 2 * TICK);
            };
            let (fault, ()) = join!(piece(&mut response), silent);
            assert!(matches!(fault, Some(Err(BodyFault::Stalled))), "{fault:?} for {framing}");
            assert_eq!((house.pools.count(), house.in_flight(), house.wheel.pending()), (0, vec![0], 0));
            assert_eq!(wire.rest().await, b"");
        });
    }
}

#[test]
fn an_answer_waits_for_a_request_whose_body_still_moves() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let (feeder, body) = feed();
        feeder.give("begin");
        let begun = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
        let (answer, mut wire) = house.first(&peer, request(Method::POST, "/", body), begun).await;
        let mut response = answer.reply.typed();
        let moving = async {
            wire.until("begin\r\n").await;
            for _ in 0..3 {
                feeder.give("piece");
                wire.until("piece\r\n").await;
                house.pass(IDLE_TIMEOUT + 2 * TICK);
            }
            wire.say("ok").await;
        };
        let (piece, ()) = join!(piece(&mut response), moving);
        assert_eq!(piece.unwrap().unwrap(), "ok");
    });
}

#[test]
fn an_answer_that_breaks_off_ends_with_a_fault_and_not_as_if_it_were_whole() {
    for raw in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nnot a length\r\n",
    ] {
        answered(Method::GET, raw, false, async |house, sent| {
            let mut response = sent.unwrap().reply.typed();
            assert_eq!(piece(&mut response).await.unwrap().unwrap(), "ok", "{raw}");
            let fault = piece(&mut response).await;
            assert!(matches!(fault, Some(Err(BodyFault::Broken(_) | BodyFault::BrokeOff(_)))), "{fault:?} for {raw}");
            assert_eq!((house.pools.count(), house.in_flight()), (0, vec![0]), "{raw}");
        });
    }
}

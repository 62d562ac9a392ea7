//! Which connection carries a request, and which is kept.

use std::cell::Cell;
use std::time::Duration;

use http::Method;
use hyper::client::conn::http1;
use tokio::join;

use super::house::{
    Closed, House, IDLE_TIMEOUT, OK, Peer, RESPONSE_TIMEOUT, STREAMED, feed, get, piece, read, request, run, run_with,
};
use crate::forward::Engine;
use crate::forward::connection::Connection;
use crate::gate::Refusal;
use crate::ground::Body;
use crate::ground::wheel::TICK;

#[test]
fn requests_one_after_the_other_use_one_connection() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let mut wire = house.kept(&peer).await;
        for _ in 0..3 {
            house.again(&mut wire, get("/next")).await;
        }
        house.again(&mut wire, request(Method::POST, "/next", Body::full("four"))).await;
        wire.take(4).await;
        assert_eq!(house.pools.count(), 1);
        assert!(!peer.is_called().await);
        assert_eq!(house.in_flight(), [0]);
    });
}

#[test]
fn requests_at_the_same_time_use_two_connections_and_no_more_than_keepalive_are_kept() {
    for (keepalive, kept) in [(8, 2), (2, 2), (1, 1), (0, 0)] {
        run(async || {
            let peer = Peer::listen().await;
            let house = House::with(&[peer.address], |settings| settings.keepalive = keepalive);
            let play = async { (peer.answer(STREAMED).await, peer.answer(STREAMED).await) };
            let (one, two, _wires) = join!(house.send(get("/")), house.send(get("/")), play);
            assert_eq!(house.in_flight(), [2]);
            read(one.unwrap()).await;
            read(two.unwrap()).await;
            assert_eq!(house.pools.count(), kept);
            assert_eq!(house.in_flight(), [0]);
        });
    }
}

#[test]
fn a_connection_that_was_closed_while_idle_is_replaced_for_any_method() {
    for method in [Method::GET, Method::POST, Method::DELETE] {
        run(async || {
            let peer = Peer::listen().await;
            let house = House::before(&[peer.address]);
            drop(house.kept(&peer).await);
            house.until_none_is_kept().await;
            let (answer, _wire) = house.first(&peer, request(method.clone(), "/", Body::full("body")), OK).await;
            assert_eq!(answer.retries, 0);
        });
    }
}

#[test]
fn a_server_that_never_reads_what_it_has_answered_is_left_after_a_while() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let (feeder, body) = feed();
        feeder.give("begin");
        let (answer, wire) = house.first(&peer, request(Method::POST, "/", body), OK).await;
        read(answer).await;
        assert_eq!(house.in_flight(), [0]);
        tokio::task::yield_now().await;
        // The client never ends its body, the server never closes.
        house.pass(Duration::from_secs(10) + 2 * TICK);
        assert_eq!(wire.rest().await, b"5\r\nbegin\r\n");
        drop(feeder);
    });
}

#[test]
fn a_server_that_takes_nothing_more_of_what_it_has_answered_is_left_at_once() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let (feeder, body) = feed();
        feeder.give("begin");
        let (answer, wire) = house.first(&peer, request(Method::POST, "/", body), OK).await;
        read(answer).await;
        wire.reset();
        feeder.give("more");
        // No time passes: what hangs here fails.
        feeder.until_nobody_reads().await;
    });
}

#[test]
fn a_kept_connection_holds_no_buffer_of_the_answer_that_it_has_carried() {
    let large = "x".repeat(40_000);
    for raw in [
        STREAMED.to_owned(),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 40000\r\n\r\n{large}"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n", large.len()),
    ] {
        run_with(&[Engine::Strict], async || {
            let peer = Peer::listen().await;
            let house = House::before(&[peer.address]);
            let (answer, _wire) = house.first(&peer, get("/"), &raw).await;
            read(answer).await;
            assert_eq!(house.pools.count(), 1);
            house.pools.sweep(crate::ground::Clock::instant(&*house.clock));
            assert!(house.pools.room() <= 2048, "{} after {}", house.pools.room(), raw.len());
        });
    }
}

#[test]
fn a_connection_that_is_not_ready_yet_is_not_thrown_away() {
    run_with(&[Engine::Compat], async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let mut wire = house.kept(&peer).await;
        // One over which nothing has been driven yet: its task runs only when this one waits.
        let (near, _far) = tokio::io::duplex(1024);
        let busy = Connection::compat(near, &http1::Builder::new()).await.unwrap();
        assert!(!busy.is_ready());
        house.pools.give_back(&house.upstream.servers[0], busy, 8, IDLE_TIMEOUT);
        house.again(&mut wire, get("/")).await;
        assert_eq!(house.pools.count(), 2);
    });
}

#[test]
fn no_answer_in_time_is_a_timeout_and_closes_the_connection() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let play = async {
            let mut wire = peer.accept().await;
            wire.head().await;
            house.pass(RESPONSE_TIMEOUT + 2 * TICK);
            wire
        };
        let (sent, wire) = join!(house.send(get("/")), play);
        match sent.err().unwrap() {
            Refusal::UpstreamTimeout { upstream, after } => {
                assert_eq!((&*upstream, after), ("backend", RESPONSE_TIMEOUT));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(wire.rest().await, b"");
        assert_eq!((house.pools.count(), house.in_flight()), (0, vec![0]));
    });
}

#[test]
fn an_answer_at_the_last_moment_is_in_time_and_its_time_is_told() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let play = async {
            let mut wire = peer.accept().await;
            wire.head().await;
            house.pass(RESPONSE_TIMEOUT);
            tokio::task::yield_now().await;
            wire.say(OK).await;
            wire
        };
        let (sent, _wire) = join!(house.send(get("/")), play);
        assert_eq!(sent.unwrap().time, RESPONSE_TIMEOUT);
    });
}

#[test]
fn a_body_that_moves_keeps_the_timeout_away_until_it_stops() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let (feeder, body) = feed();
        let stopped = Cell::new(false);
        let play = async {
            let mut wire = peer.accept().await;
            wire.head().await;
            for _ in 0..3 {
                feeder.give("piece");
                assert_eq!(wire.until("piece\r\n").await, "5\r\npiece\r\n");
                house.pass(RESPONSE_TIMEOUT + 2 * TICK);
            }
            feeder.give("last");
            wire.until("last\r\n").await;
            // From here on time passes and nothing else.
            stopped.set(true);
            loop {
                house.pass(RESPONSE_TIMEOUT + 2 * TICK);
                tokio::task::yield_now().await;
            }
        };
        let sent = tokio::select! {
            sent = house.send(request(Method::POST, "/", body)) => sent,
            () = play => unreachable!(),
        };
        assert!(matches!(sent, Err(Refusal::UpstreamTimeout { .. })));
        assert!(stopped.get(), "it was refused while its body moved");
    });
}

#[test]
fn a_connection_answered_before_its_request_ended_is_not_used_again() {
    for answer in [OK, "HTTP/1.1 413 Too Much\r\ncontent-length: 0\r\n\r\n"] {
        run(async || {
            let peer = Peer::listen().await;
            let house = House::before(&[peer.address]);
            let (feeder, body) = feed();
            feeder.give("begin");
            let (answer, wire) = house.first(&peer, request(Method::POST, "/", body), answer).await;
            read(answer).await;
            assert_eq!(house.pools.count(), 0);
            drop(feeder);
            wire.rest().await;
            assert_eq!(house.in_flight(), [0]);
        });
    }
}

#[test]
fn a_connection_whose_server_says_close_is_not_used_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ] {
        run(async || {
            let peer = Peer::listen().await;
            let house = House::before(&[peer.address]);
            let (first, wire) = house.first(&peer, get("/"), answer).await;
            read(first).await;
            // The gateway closes without waiting for the server to do so, and asks on a new connection.
            let (_second, _other) = house.first(&peer, request(Method::POST, "/", Body::full("body")), OK).await;
            assert_eq!(wire.rest().await, b"");
        });
    }
}

#[test]
fn bytes_after_the_end_of_an_answer_are_never_the_next_one() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let (first, wire) =
            house.first(&peer, get("/"), &format!("{OK}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")).await;
        assert_eq!(read(first).await, "ok");
        let (second, _other) = house.first(&peer, get("/"), OK).await;
        assert_eq!(read(second).await, "ok");
        assert_eq!(wire.rest().await, b"");
    });
}

#[test]
fn an_answer_nobody_reads_on_closes_its_connection() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let begun = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun";
        let (answer, wire) = house.first(&peer, get("/"), begun).await;
        let mut answer = answer.reply.typed();
        assert_eq!(piece(&mut answer).await.unwrap().unwrap(), "begun");
        assert_eq!(house.in_flight(), [1]);
        drop(answer);
        assert_eq!((house.pools.count(), house.in_flight()), (0, vec![0]));
        assert_eq!(wire.rest().await, b"");
    });
}

#[test]
fn a_connection_that_was_idle_for_too_long_is_closed() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let wire = house.kept(&peer).await;
        for (passed, kept) in [(IDLE_TIMEOUT - Duration::from_secs(1), 1), (Duration::from_secs(1), 0)] {
            house.pass(passed);
            house.pools.sweep(crate::ground::Clock::instant(&*house.clock));
            assert_eq!(house.pools.count(), kept);
        }
        assert_eq!(wire.rest().await, b"");
    });
}

#[test]
fn a_connection_is_kept_for_as_long_as_the_route_says_that_used_it_last() {
    run(async || {
        let peer = Peer::listen().await;
        let mut house = House::before(&[peer.address]);
        let (patient, _one) = house.first(&peer, get("/"), STREAMED).await;
        house.timeouts.idle = Duration::from_secs(5);
        let (hasty, _other) = house.first(&peer, get("/"), STREAMED).await;
        read(hasty).await;
        read(patient).await;
        for (passed, kept) in [(4, 2), (1, 1), (54, 1), (1, 0)] {
            house.pass(Duration::from_secs(passed));
            house.pools.sweep(crate::ground::Clock::instant(&*house.clock));
            assert_eq!(house.pools.count(), kept);
        }
    });
}

#[test]
fn a_kept_connection_is_used_though_new_ones_would_be_refused() {
    run(async || {
        let (peer, closed) = (Peer::listen().await, Closed::new());
        let house = House::before(&[peer.address, closed.address]);
        let mut wire = house.kept(&peer).await;
        drop(peer);
        for _ in 0..3 {
            house.again(&mut wire, get("/")).await;
        }
    });
}

//! Which server is asked, and what happens when it cannot be.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::join;

use super::house::{Closed, House, OK, Peer, get, read, request, run};
use crate::forward::balance::Balance;
use crate::forward::upstream::{HostMode, Upstream};
use crate::gate::Refusal;
use crate::ground::{Body, Clock};

/// The places of the servers in the next `count` orders.
fn orders(house: &House, count: usize) -> Vec<Vec<usize>> {
    let place = |text: &str| house.upstream.servers.iter().position(|server| &*server.text == text).unwrap();
    (0..count).map(|_| house.upstream.order(|| now(house)).iter().map(|server| place(&server.text)).collect()).collect()
}

fn now(house: &House) -> u64 {
    house.pools.now_millis()
}

#[test]
fn round_robin_alternates() {
    run(async || {
        let (one, two) = (Peer::listen().await, Peer::listen().await);
        let house = House::before(&[one.address, two.address]);
        for _ in 0..2 {
            for peer in [&one, &two] {
                let (sent, wire) =
                    join!(house.send(get("/")), peer.answer("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"));
                let answer = sent.unwrap();
                assert_eq!(*answer.server, format!("http://{}", peer.address));
                assert_eq!((read(answer).await.as_str(), wire.rest().await.len()), ("ok", 0));
            }
        }
    });
}

#[test]
fn every_server_is_tried_in_turn() {
    let [a, b, c] = [Closed::new(), Closed::new(), Closed::new()].map(|closed| closed.address);
    let house = House::before(&[a, b, c]);
    assert_eq!(orders(&house, 4), [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
}

#[test]
fn least_request_prefers_the_server_that_answers_the_fewest() {
    run(async || {
        let (one, two) = (Peer::listen().await, Peer::listen().await);
        let house = House::with(&[one.address, two.address], |settings| settings.balance = Balance::LeastRequest);
        let (busy, _wire) = house.first(&one, get("/"), "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n").await;
        assert_eq!(house.in_flight(), [1, 0]);
        let mut wire = {
            let (answer, wire) = house.first(&two, get("/"), OK).await;
            read(answer).await;
            wire
        };
        for _ in 0..3 {
            house.again(&mut wire, get("/")).await;
        }
        drop(busy);
        assert_eq!(house.in_flight(), [0, 0]);
        let first: Vec<_> = orders(&house, 4).iter().map(|order| order[0]).collect();
        assert!(first.contains(&0) && first.contains(&1), "{first:?}");
    });
}

/// Sorting by figures that change meanwhile may panic.
#[test]
fn servers_are_put_in_order_while_others_count() {
    let addresses: Vec<_> = (1..=200_u16).map(|port| (std::net::Ipv4Addr::LOCALHOST, port).into()).collect();
    let house = House::with(&addresses, |settings| settings.balance = Balance::LeastRequest);
    let (servers, done) = (house.upstream.servers.clone(), std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0.. {
                for (place, server) in servers.iter().enumerate() {
                    server.in_flight.store((place * 7 + turn * 13) % 31, Relaxed);
                }
                if done.load(Relaxed) {
                    return;
                }
            }
        });
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..2_000).all(|_| house.upstream.order(|| 0).len() == addresses.len())
        }));
        done.store(true, Relaxed);
        assert!(found.unwrap());
    });
}

#[test]
fn the_next_server_answers_when_one_refuses_and_gets_the_body() {
    run(async || {
        let (closed, peer) = (Closed::new(), Peer::listen().await);
        let house = House::before(&[closed.address, peer.address]);
        let play = async {
            let mut wire = peer.accept().await;
            wire.head().await;
            assert_eq!(wire.take(4).await, b"body");
            wire.say(OK).await;
            wire
        };
        let (sent, _wire) = join!(house.send(request(http::Method::POST, "/", Body::full("body"))), play);
        let answer = sent.unwrap();
        assert_eq!((answer.retries, &*answer.server), (1, &*format!("http://{}", peer.address)));
        assert_eq!(house.upstream.shunned(), (1, 2));
        assert_eq!(house.upstream.servers[0].figures().connect_failures, 1);
    });
}

#[test]
fn a_server_that_refused_is_tried_last_for_a_while() {
    for balance in [Balance::RoundRobin, Balance::LeastRequest] {
        run(async || {
            let (closed, peer) = (Closed::new(), Peer::listen().await);
            let house = House::with(&[closed.address, peer.address], |settings| settings.balance = balance);
            let (_answer, _wire) = house.first(&peer, get("/"), OK).await;
            house.pass(Duration::from_millis(4_999));
            assert_eq!(orders(&house, 2), [[1, 0], [1, 0]]);
            house.pass(Duration::from_millis(1));
            let tried: Vec<_> = orders(&house, 2).iter().map(|order| order.len()).collect();
            assert_eq!(tried, [2, 2]);
            assert!(!house.upstream.servers[0].is_shunned(now(&house)));
        });
    }
}

#[test]
fn a_shunned_server_is_tried_when_no_other_is_left_and_forgiven_when_it_answers() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        house.upstream.servers[0].shunned_until.store(u64::MAX, Relaxed);
        assert_eq!(house.upstream.shunned(), (1, 1));
        let (_answer, _wire) = house.first(&peer, get("/"), OK).await;
        assert_eq!(house.upstream.shunned(), (0, 1));
    });
}

#[test]
fn a_server_that_answers_over_a_kept_connection_is_forgiven_when_its_time_is_over() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let mut wire = house.kept(&peer).await;
        // A connection that was wanted beside the kept one has failed.
        let until = now(&house) + 5000;
        house.upstream.servers[0].shunned_until.store(until, Relaxed);
        house.again(&mut wire, get("/")).await;
        assert_eq!(house.upstream.shunned(), (1, 1));
        house.pass(Duration::from_secs(5));
        house.again(&mut wire, get("/")).await;
        assert_eq!(house.upstream.shunned(), (0, 1));
    });
}

#[test]
fn an_upstream_whose_servers_all_refuse_is_unreachable() {
    run(async || {
        let (one, two) = (Closed::new(), Closed::new());
        let house = House::before(&[one.address, two.address]);
        match house.send(get("/")).await.err().unwrap() {
            Refusal::UpstreamUnreachable { upstream, cause } => {
                assert_eq!(&*upstream, "backend");
                assert!(
                    cause.starts_with(&format!("http://{}: it does not accept connections", two.address)),
                    "{cause}"
                );
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(house.upstream.shunned(), (2, 2));
        assert_eq!(house.in_flight(), [0, 0]);
    });
}

#[test]
fn hundreds_of_servers_may_refuse() {
    run(async || {
        let closed = Closed::new();
        let house = House::before(&vec![closed.address; 300]);
        assert!(matches!(house.send(get("/")).await, Err(Refusal::UpstreamUnreachable { .. })));
    });
}

#[test]
fn a_server_hears_its_own_name_when_it_is_to() {
    for (mode, own) in [(HostMode::Original, false), (HostMode::Server, true)] {
        run(async || {
            // Also after another server had been tried first.
            let (closed, peer) = (Closed::new(), Peer::listen().await);
            let house = House::with(&[closed.address, peer.address], |settings| settings.host = mode);
            let play = async {
                let mut wire = peer.accept().await;
                let head = wire.head().await;
                wire.say(OK).await;
                (head, wire)
            };
            let (sent, (head, _wire)) = join!(house.send(get("/a%20b?c=d")), play);
            sent.unwrap();
            assert!(head.starts_with("GET /a%20b?c=d HTTP/1.1\r\n"), "{head}");
            let host = if own { peer.address.to_string() } else { "api.test:8443".into() };
            assert!(head.contains(&format!("\r\nhost: {host}\r\n")), "{head}");
            assert_eq!(head.matches("\r\nvia: ").count(), 1, "{head}");
        });
    }
}

#[test]
fn a_server_that_stays_over_a_reload_keeps_its_state_and_its_connections() {
    run(async || {
        let (peer, closed) = (Peer::listen().await, Closed::new());
        let mut house = House::before(&[peer.address]);
        let mut wire = house.kept(&peer).await;
        let mut settings = house.upstream.settings.clone();
        settings.servers.extend(House::before(&[closed.address]).upstream.settings.servers.clone());
        house.upstream = Upstream::new(settings, Some(&house.upstream)).into();
        house.again(&mut wire, get("/")).await;
        // A reload without it closes what was kept.
        house.upstream = House::before(&[closed.address]).upstream;
        house.pools.sweep(house.clock.instant());
        house.pass(super::house::IDLE_TIMEOUT);
        house.pools.sweep(house.clock.instant());
        assert_eq!(wire.rest().await, b"");
    });
}

//! Many requests at once against a server that drops connections as it likes (a fixed seed per run: a failure names it).

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use futures_util::future::join_all;
use http::Method;

use super::house::{House, Peer, Wire, read, request, run};
use crate::gate::Refusal;
use crate::ground::Body;

/// How often the server has acted on each request.
type Ledger = Rc<RefCell<HashMap<String, usize>>>;

#[derive(Clone, Copy, Debug)]
enum Drops {
    /// After an answer, without having said so.
    Idle,
    /// After a request, which it has then acted on, and before any answer; never on a connection's first request.
    Reused,
}

/// Serves one connection. Each request names itself in its target, and its answer repeats that name.
async fn serve(mut wire: Wire, drops: Drops, ledger: Ledger, mut chance: fastrand::Rng) {
    for turn in 0.. {
        let Some(head) = wire.next_head().await else { return };
        let name = head.split(' ').nth(1).unwrap().to_owned();
        if head.contains("\r\ncontent-length: 4\r\n") {
            wire.take(4).await;
        }
        *ledger.borrow_mut().entry(name.clone()).or_default() += 1;
        match drops {
            Drops::Reused if turn > 0 && chance.u8(..) < 32 => return,
            Drops::Idle | Drops::Reused => {}
        }
        wire.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len())).await;
        match drops {
            Drops::Idle if chance.u8(..) < 64 => return,
            Drops::Idle | Drops::Reused => {}
        }
    }
}

fn check(drops: Drops, seed: u64) {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let ledger = Ledger::default();
        let (mut chance, kept) = (fastrand::Rng::with_seed(seed), Rc::clone(&ledger));
        let accepting = tokio::task::spawn_local(async move {
            loop {
                let wire = peer.accept().await;
                tokio::task::spawn_local(serve(wire, drops, Rc::clone(&kept), chance.fork()));
            }
        });
        let (house, ledger) = (&house, &ledger);
        let client = async |client: usize| {
            for turn in 0..100 {
                let post = (client + turn).is_multiple_of(3);
                let (method, body) = if post { (Method::POST, Body::full("body")) } else { (Method::GET, Body::Empty) };
                let name = format!("/{client}/{turn}");
                let place = format!("{method} {name}, {drops:?}, seed {seed}");
                match house.send(request(method, &name, body)).await {
                    Ok(answer) => assert_eq!(read(answer).await, name, "{place}"),
                    Err(Refusal::UpstreamUnreachable { .. }) if post => {}
                    Err(refusal) => panic!("{place}: {refusal:?}"),
                }
                let acted = ledger.borrow().get(&name).copied().unwrap_or_default();
                assert!(acted <= if post { 1 } else { 2 }, "{place}: {acted} times");
            }
        };
        join_all((0..8).map(client)).await;
        assert_eq!(house.in_flight(), [0]);
        accepting.abort();
    });
}

#[test]
fn nobody_gets_the_answer_of_another_and_nothing_unsafe_is_done_twice() {
    for seed in 0..8 {
        for drops in [Drops::Idle, Drops::Reused] {
            check(drops, seed);
        }
    }
}

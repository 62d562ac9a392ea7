//! What the record says of the way to an upstream that gives no answer.

use http::Method;

use super::house::{Closed, House, Peer, RESPONSE_TIMEOUT, feed, get, request, run};
use crate::gate::Refusal;
use crate::ground::Body;
use crate::ground::wheel::TICK;
use crate::observe::record::tests::record;

#[test]
fn a_server_that_does_not_answer_in_time_is_named_with_what_it_was_sent() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let mut record = record();
        let play = async {
            let mut wire = peer.accept().await;
            wire.head().await;
            assert_eq!(wire.take(4).await, b"body");
            // A span in which its body moved is followed by another.
            loop {
                house.pass(RESPONSE_TIMEOUT + 2 * TICK);
                tokio::task::yield_now().await;
            }
        };
        let sent = tokio::select! {
            sent = house.send_with(request(Method::POST, "/", Body::full("body")), &mut record) => sent,
            () = play => unreachable!(),
        };
        assert!(matches!(sent.err().unwrap(), Refusal::UpstreamTimeout { .. }));
        assert_eq!(record.server.as_deref(), Some(&*format!("http://{}", peer.address)));
        assert_eq!((record.retries, record.received(), record.upstream_time), (0, 4, None));
    });
}

#[test]
fn a_second_try_is_counted_though_it_does_not_help() {
    run(async || {
        let (one, two) = (Closed::new(), Closed::new());
        // Nothing is sent again where there is no other server.
        for (servers, retries) in [(vec![one.address], 0), (vec![one.address, two.address], 1)] {
            let house = House::before(&servers);
            let mut record = record();
            let refusal = house.send_with(get("/"), &mut record).await.err().unwrap();
            assert!(matches!(refusal, Refusal::UpstreamUnreachable { .. }));
            let last = servers.last().unwrap();
            assert_eq!(record.server.as_deref(), Some(&*format!("http://{last}")));
            assert_eq!(record.retries, retries);
        }
    });
}

#[test]
fn a_client_that_leaves_leaves_the_server_and_what_it_was_sent_in_the_record() {
    run(async || {
        let peer = Peer::listen().await;
        let house = House::before(&[peer.address]);
        let mut record = record();
        let (feeder, body) = feed();
        feeder.give("body");
        let play = async {
            let mut wire = peer.accept().await;
            wire.until("body\r\n").await;
            wire
        };
        tokio::select! {
            _ = house.send_with(request(Method::POST, "/", body), &mut record) => unreachable!(),
            _wire = play => {}
        }
        assert_eq!(record.server.as_deref(), Some(&*format!("http://{}", peer.address)));
        assert_eq!((record.received(), record.upstream_time), (4, None));
    });
}

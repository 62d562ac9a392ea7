//! WebSocket through a worker: the client's side is a connection that hyper serves, the server's side is a socket.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::join;

use super::house::{House, OK, Peer, run, run_with};
use crate::forward::Engine;
use crate::forward::upgrade::Standing;
use crate::ground::Body;
use crate::ground::wheel::TICK;

const ASK: &str = "GET /ws HTTP/1.1\r\nhost: api.test\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                     sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const TUNNEL_IDLE: Duration = Duration::from_secs(600);

/// A client's connection to a worker before `peer`, at which WebSocket may pass.
fn door(peer: &Peer) -> (Rc<House>, DuplexStream) {
    let house = Rc::new(House { websocket: true, ..House::before(&[peer.address]) });
    let (near, far) = tokio::io::duplex(64 * 1024);
    let within = Rc::clone(&house);
    let service = service_fn(move |request: Request<Incoming>| {
        let house = Rc::clone(&within);
        async move {
            let refused = |status: u16| Response::builder().status(status).body(Body::Empty).unwrap();
            let sent = house.send(request.map(Body::Incoming)).await;
            let answer = sent.map_or_else(|refusal| refused(refusal.reason().status()), |answer| answer.reply.typed());
            Ok::<_, Infallible>(answer)
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    let serving = builder.auto_date_header(false).serve_connection(TokioIo::new(far), service).with_upgrades();
    tokio::task::spawn_local(async move { drop(serving.await) });
    (house, near)
}

/// The head of the next answer.
async fn head(client: &mut DuplexStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(client.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

#[test]
fn bytes_pass_both_ways_at_once_until_both_sides_have_ended() {
    const SIZE: usize = 1024 * 1024;
    run(async || {
        let peer = Peer::listen().await;
        let (house, mut client) = door(&peer);
        client.write_all(ASK.as_bytes()).await.unwrap();
        let mut wire = peer.answer(AGREE).await;
        let agreed = head(&mut client).await;
        assert!(agreed.contains("\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{agreed}");
        assert!(agreed.contains("\r\nconnection: upgrade\r\n") && !agreed.contains("content-length"), "{agreed}");
        assert_eq!(house.in_flight(), [1]);
        let (mut from_server, mut to_server) = tokio::io::split(client);
        let mut received = vec![0; SIZE];
        let serve = async {
            assert!(wire.take(SIZE).await == vec![b'a'; SIZE]);
            wire.say(vec![b'b'; SIZE]).await;
        };
        let (sent, read, ()) = join!(to_server.write_all(&[b'a'; SIZE]), from_server.read_exact(&mut received), serve);
        sent.and(read.map(drop)).unwrap();
        assert!(received == vec![b'b'; SIZE]);
        drop((from_server, to_server));
        assert_eq!(wire.rest().await, b"");
        while house.in_flight() != [0] {
            tokio::task::yield_now().await;
        }
        assert_eq!(house.pools.count(), 0);
    });
}

#[test]
fn no_byte_passes_before_the_server_has_agreed() {
    run(async || {
        let peer = Peer::listen().await;
        let (_house, mut client) = door(&peer);
        client.write_all(format!("{ASK}early").as_bytes()).await.unwrap();
        let mut wire = peer.accept().await;
        let asked = wire.head().await;
        assert!(
            asked.contains("\r\nconnection: upgrade\r\n") && asked.contains("\r\nupgrade: websocket\r\n"),
            "{asked}"
        );
        assert!(asked.contains("\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), "{asked}");
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(wire.has_nothing());
        wire.say(format!("{AGREE}first")).await;
        assert!(head(&mut client).await.starts_with("HTTP/1.1 101 "));
        assert_eq!(wire.take(5).await, b"early");
        let mut first = [0; 5];
        client.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"first");
    });
}

#[test]
fn what_follows_a_handshake_that_failed_is_the_next_request() {
    for refusing in [OK, "HTTP/1.1 426 Upgrade Required\r\nsec-websocket-version: 13\r\ncontent-length: 2\r\n\r\nno"] {
        // The connection that was asked to switch is hyper's.
        run_with(&[Engine::Compat], async || {
            let peer = Peer::listen().await;
            let (house, mut client) = door(&peer);
            let next = "GET /next HTTP/1.1\r\nhost: api.test\r\n\r\n";
            let odd = ASK.replace("version: 13", "version: 1777");
            client.write_all(format!("{odd}{next}").as_bytes()).await.unwrap();
            let mut wire = peer.answer(refusing).await;
            let status = &refusing[..12];
            let answered = head(&mut client).await;
            assert!(answered.starts_with(status) && !answered.contains("upgrade:"), "{answered}");
            client.read_exact(&mut [0; 2]).await.unwrap();
            // A whole request of its own, on the connection that is as good as before.
            let asked = wire.head().await;
            assert!(asked.starts_with("GET /next HTTP/1.1\r\n") && asked.contains("\r\nx-request-id: "), "{asked}");
            assert!(!asked.contains("upgrade"), "{asked}");
            wire.say(OK).await;
            assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
            assert_eq!(house.upstream.settings.servers.len(), 1);
        });
    }
}

#[test]
fn an_agreement_to_something_else_is_invalid() {
    for agree in [
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nupgrade: h2c\r\n\r\n",
    ] {
        run(async || {
            let peer = Peer::listen().await;
            let (house, mut client) = door(&peer);
            client.write_all(ASK.as_bytes()).await.unwrap();
            let wire = peer.answer(agree).await;
            let answered = head(&mut client).await;
            assert!(answered.starts_with("HTTP/1.1 502 "), "{agree}: {answered}");
            assert_eq!(wire.rest().await, b"");
            assert_eq!((house.pools.count(), house.in_flight()), (0, vec![0]));
        });
    }
}

#[test]
fn a_handshake_that_is_none_reaches_nobody() {
    for (from, to) in [
        ("GET /ws HTTP/1.1", "POST /ws HTTP/1.1"),
        ("GET /ws HTTP/1.1", "GET /ws HTTP/1.0"),
        ("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        ("sec-websocket-version: 13\r\n", ""),
    ] {
        run(async || {
            let peer = Peer::listen().await;
            let (_house, mut client) = door(&peer);
            client.write_all(ASK.replace(from, to).as_bytes()).await.unwrap();
            let answered = head(&mut client).await;
            assert!(answered.contains(" 400 "), "{to}: {answered}");
            assert!(!peer.is_called().await);
        });
    }
}

#[test]
fn every_other_upgrade_is_taken_off() {
    for lines in [
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
        "connection: upgrade\r\nupgrade: foo\r\n",
        "upgrade: websocket\r\n",
        "connection: upgrade\r\n",
    ] {
        run(async || {
            let peer = Peer::listen().await;
            let (_house, mut client) = door(&peer);
            client.write_all(format!("GET /ws HTTP/1.1\r\nhost: api.test\r\n{lines}\r\n").as_bytes()).await.unwrap();
            let mut wire = peer.accept().await;
            let asked = wire.head().await;
            for word in ["upgrade", "connection", "h2c", "http2"] {
                assert!(!asked.contains(word), "{asked}");
            }
            wire.say(OK).await;
            assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        });
    }
}

#[test]
fn a_tunnel_in_which_nothing_moves_is_closed() {
    run(async || {
        let peer = Peer::listen().await;
        let (house, mut client) = door(&peer);
        client.write_all(ASK.as_bytes()).await.unwrap();
        let mut wire = peer.answer(AGREE).await;
        head(&mut client).await;
        // As long as something moves, it stays.
        for _ in 0..3 {
            client.write_all(b"beat").await.unwrap();
            assert_eq!(wire.take(4).await, b"beat");
            house.pass(TUNNEL_IDLE + 2 * TICK);
            wire.say("answer").await;
            client.read_exact(&mut [0; 6]).await.unwrap();
        }
        let ending = async {
            let rest = wire.rest().await;
            assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
            rest
        };
        let waiting = async {
            loop {
                house.pass(TUNNEL_IDLE + 2 * TICK);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            rest = ending => assert_eq!(rest, b""),
            () = waiting => unreachable!(),
        }
        assert_eq!(house.in_flight(), [0]);
    });
}

#[test]
fn an_end_on_one_side_lets_the_other_finish() {
    run(async || {
        let peer = Peer::listen().await;
        let (house, mut client) = door(&peer);
        client.write_all(ASK.as_bytes()).await.unwrap();
        let mut wire = peer.answer(AGREE).await;
        head(&mut client).await;
        client.shutdown().await.unwrap();
        assert_eq!(wire.last_words().await, b"");
        wire.say("last words").await;
        drop(wire);
        let mut last = Vec::new();
        client.read_to_end(&mut last).await.unwrap();
        assert_eq!(last, b"last words");
        while house.in_flight() != [0] {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_tunnel_ends_when_its_lease_does() {
    check_end(|| Standing::Ended);
    check_end(|| Standing::Asked(Box::pin(std::future::ready(false))));
}

/// From when on its lease says so, a tunnel ends.
fn check_end(says: fn() -> Standing) {
    run(async || {
        let peer = Peer::listen().await;
        let (house, mut client) = door(&peer);
        client.write_all(ASK.as_bytes()).await.unwrap();
        let mut wire = peer.answer(AGREE).await;
        head(&mut client).await;
        client.write_all(b"beat").await.unwrap();
        assert_eq!(wire.take(4).await, b"beat");
        house.lease.set(says);
        let ending = async {
            let rest = wire.rest().await;
            assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
            rest
        };
        let mut passed = Duration::ZERO;
        let waiting = async {
            while passed < Duration::from_secs(10) {
                house.pass(TICK);
                passed += TICK;
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            rest = ending => assert_eq!(rest, b""),
            () = waiting => panic!("the tunnel stands"),
        }
        assert_eq!(house.in_flight(), [0]);
    });
}

#[test]
fn bytes_go_on_while_it_is_asked_whether_a_tunnel_may_stand() {
    run(async || {
        let peer = Peer::listen().await;
        let (house, mut client) = door(&peer);
        house.lease.set(|| Standing::Asked(Box::pin(std::future::pending())));
        client.write_all(ASK.as_bytes()).await.unwrap();
        let mut wire = peer.answer(AGREE).await;
        head(&mut client).await;
        client.write_all(b"beat").await.unwrap();
        assert_eq!(wire.take(4).await, b"beat");
        drop(client);
        assert_eq!(wire.rest().await, b"");
    });
}

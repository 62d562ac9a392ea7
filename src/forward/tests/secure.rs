//! Upstreams behind TLS.

use std::sync::Arc;

use http::Method;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::join;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::house::{House, OK, Peer, get, read, request, run};
use crate::dial::tls::{ClientTls, server_name};
use crate::forward::upstream::{Server, Upstream, UpstreamSettings};
use crate::gate::Refusal;
use crate::ground::Body;

/// A server's certificate for `name`.
fn certificate(name: &str) -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(vec![name.to_owned()]).unwrap()
}

fn acceptor(certified: &CertifiedKey<KeyPair>) -> TlsAcceptor {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Settings for the same servers over TLS, which trust `ca` and expect `name`.
fn over_tls(settings: &UpstreamSettings, ca: &str, name: &str) -> UpstreamSettings {
    let mut settings = settings.clone();
    for server in &mut settings.servers {
        server.text = server.text.replace("http://", "https://").into();
        server.target.tls = Some((ClientTls::new(Some(ca.as_bytes())).unwrap(), server_name(name).unwrap()));
    }
    settings
}

/// A house before one server over TLS, which trusts `certified` and expects `name`.
fn before(peer: &Peer, certified: &CertifiedKey<KeyPair>, name: &str) -> House {
    let house = House::before(&[peer.address]);
    let settings = over_tls(&house.upstream.settings, &certified.cert.pem(), name);
    House { upstream: Arc::new(Upstream::new(settings, None)), ..house }
}

/// Accepts, reads a request's head and answers it.
async fn answer(peer: &Peer, acceptor: &TlsAcceptor) -> Option<TlsStream<TcpStream>> {
    let mut stream = acceptor.accept(peer.accept().await.into_stream()).await.ok()?;
    again(&mut stream).await;
    Some(stream)
}

async fn again(stream: &mut TlsStream<TcpStream>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(OK.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

#[test]
fn a_server_with_a_certificate_that_is_trusted_is_asked_by_http_1() {
    run(async || {
        let (peer, certified) = (Peer::listen().await, certificate("orders.internal"));
        let house = before(&peer, &certified, "orders.internal");
        let acceptor = acceptor(&certified);
        let (sent, stream) = join!(house.send(get("/")), answer(&peer, &acceptor));
        assert_eq!(read(sent.unwrap()).await, "ok");
        let mut stream = stream.unwrap();
        let (_, tls) = stream.get_ref();
        assert_eq!(tls.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(tls.server_name(), Some("orders.internal"));
        let (sent, ()) = join!(house.send(get("/next")), again(&mut stream));
        assert_eq!(read(sent.unwrap()).await, "ok");
        assert!(!peer.is_called().await);
    });
}

/// What the system does not take at once waits within TLS, where nobody sees it.
#[test]
fn a_body_goes_to_its_end_over_tls_however_slowly_it_is_read() {
    // One of these ends where the system takes nothing more and TLS still does.
    for length in (1..=160).map(|part| part * 40_000) {
        run(async || {
            let (peer, certified) = (Peer::listen().await, certificate("orders.internal"));
            let house = before(&peer, &certified, "orders.internal");
            let acceptor = acceptor(&certified);
            let play = async {
                let mut stream = acceptor.accept(peer.accept().await.into_stream()).await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                // Until the client can send no more.
                for _ in 0..200 {
                    tokio::task::yield_now().await;
                }
                let (mut left, mut piece) = (length, vec![0; 16 * 1024]);
                while left > 0 {
                    left -= stream.read(&mut piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                stream.write_all(OK.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                stream
            };
            let body = Body::full(vec![b'x'; length]);
            let (sent, _stream) = join!(house.send(request(Method::POST, "/", body)), play);
            assert_eq!(read(sent.unwrap()).await, "ok");
            assert_eq!(house.pools.count(), 1);
        });
    }
}

#[test]
fn a_server_that_cannot_prove_who_it_is_is_sent_nothing() {
    let (good, other) = (certificate("orders.internal"), certificate("orders.internal"));
    for (trusted, expected) in [(&other, "orders.internal"), (&good, "bills.internal"), (&good, "127.0.0.1")] {
        run(async || {
            let peer = Peer::listen().await;
            let house = before(&peer, trusted, expected);
            let acceptor = acceptor(&good);
            let (sent, stream) = join!(house.send(get("/")), answer(&peer, &acceptor));
            assert!(stream.is_none());
            match sent.err().unwrap() {
                Refusal::UpstreamUnreachable { cause, .. } => assert!(cause.contains("TLS failed"), "{cause}"),
                other => panic!("{other:?}"),
            }
            assert_eq!(house.upstream.shunned(), (1, 1));
        });
    }
}

#[test]
fn a_server_over_tls_stays_over_a_reload_as_long_as_it_is_trusted_alike() {
    let (one, other) = (certificate("orders.internal"), certificate("orders.internal"));
    let settings = House::before(&["127.0.0.1:1".parse().unwrap()]).upstream.settings.clone();
    let old = Upstream::new(over_tls(&settings, &one.cert.pem(), "orders.internal"), None);
    let kept = |ca: &str, name: &str| {
        let new = Upstream::new(over_tls(&settings, ca, name), Some(&old));
        let servers: [&Arc<Server>; 2] = [&old.servers[0], &new.servers[0]];
        Arc::ptr_eq(servers[0], servers[1])
    };
    assert!(kept(&one.cert.pem(), "orders.internal"));
    assert!(!kept(&one.cert.pem(), "bills.internal"));
    assert!(!kept(&other.cert.pem(), "orders.internal"));
    assert!(!Arc::ptr_eq(&old.servers[0], &Upstream::new(settings, Some(&old)).servers[0]));
}

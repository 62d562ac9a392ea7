use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::*;

/// A server that answers each connection with `answer`, byte for byte, and then says no more.
async fn server(answer: &'static str, tls: Option<TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream: Box<dyn Duplex> = match &tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => Box::new(stream),
                    Err(_) => continue,
                },
                None => Box::new(stream),
            };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.flush().await;
            open.push(stream);
        }
    });
    address
}

fn client(time: u64, size: usize) -> Client {
    Client::with_roots(RootCertStore::empty(), Bounds { time: Duration::from_millis(time), size }).unwrap()
}

async fn check(answer: &'static str, expected: Result<(u16, &str), ClientFault>) {
    let address = server(answer, None).await;
    let found = client(300, 10).get(&format!("http://{address}/")).await;
    match (found, expected) {
        (Ok(found), Ok((status, body))) => assert_eq!((found.status.as_u16(), &*found.body), (status, body.as_bytes())),
        (Err(fault), Err(wanted)) => {
            assert_eq!(std::mem::discriminant(&fault), std::mem::discriminant(&wanted), "{answer}: {fault}");
        }
        (found, _) => panic!("{answer}: {found:?}"),
    }
}

#[tokio::test]
async fn an_answer_is_whole_and_small_or_no_answer() {
    let slow = || Err(ClientFault::TooSlow(Duration::ZERO));
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Ok((200, "{}"))).await;
    check("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", Ok((200, "0123456789"))).await;
    check("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890", Err(ClientFault::TooLarge(0))).await;
    check("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n01234567890", Err(ClientFault::TooLarge(0))).await;
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n",
        Err(ClientFault::TooLarge(0)),
    )
    .await;
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n012", slow()).await;
    check("HTTP/1.1 200 OK\r\n", slow()).await;
    check("", slow()).await;
    check("SSH-2.0-OpenSSH\r\n\r\n", Err(ClientFault::Broken(String::new()))).await;
}

#[tokio::test]
async fn redirects_are_handed_back_and_not_followed() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    check(answer, Ok((302, ""))).await;
}

#[tokio::test]
async fn what_cannot_be_reached_is_said_so() {
    // Bound, so that nobody else listens there, and not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = format!("http://{}/", socket.local_addr().unwrap());
    let fault = client(1000, 10).get(&address).await.unwrap_err();
    assert!(matches!(fault, ClientFault::Unreachable(_)), "{fault}");
    for address in ["ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1", "", "http://"] {
        let fault = client(1000, 10).get(address).await.unwrap_err();
        assert!(matches!(fault, ClientFault::Address(_)), "{address}: {fault}");
    }
}

#[tokio::test]
async fn tls_needs_a_trusted_certificate_for_the_very_name() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    let port = server(answer, Some(TlsAcceptor::from(Arc::new(config)))).await.port();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let trusting = Client::with_roots(roots, Bounds::default()).unwrap();
    assert_eq!(trusting.get(&format!("https://localhost:{port}/")).await.unwrap().status, StatusCode::OK);
    let fault = trusting.get(&format!("https://127.0.0.1:{port}/")).await.unwrap_err();
    assert!(matches!(fault, ClientFault::Unreachable(_)), "{fault}");
    let fault = client(1000, 10).get(&format!("https://localhost:{port}/")).await.unwrap_err();
    assert!(fault.to_string().contains("UnknownIssuer"), "{fault}");
}

#[test]
fn the_roots_of_the_machine_can_be_loaded() {
    assert!(Client::with_system_roots(Bounds::default()).is_ok());
}

use std::net::SocketAddr;

use rustls::{ClientConfig, RootCertStore, version};
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::*;
use crate::listen::tcp;

struct Made {
    chain: String,
    key: String,
}

fn make(names: &[&str]) -> Made {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    Made { chain: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

fn tls(made: &[&Made]) -> Result<ServerTls, String> {
    let pems: Vec<_> =
        made.iter().map(|m| CertificatePem { chain: m.chain.as_bytes(), key: m.key.as_bytes() }).collect();
    ServerTls::new(&pems)
}

#[test]
fn the_server_name_chooses_the_certificate_and_the_first_serves_the_rest() {
    let (first, second) = (make(&["a.test"]), make(&["b.test", "*.c.test"]));
    let tls = tls(&[&first, &second]).unwrap();
    for (left, right, same) in [
        (Some("a.test"), "a.test", true),
        (Some("a.test"), "b.test", false),
        (Some("b.test"), "x.c.test", true),
        (Some("B.TEST"), "b.test", true),
        (None, "a.test", true),
        (Some("unknown.test"), "a.test", true),
        (Some("x.y.c.test"), "b.test", false),
    ] {
        assert_eq!(tls.same_certificate(left, right), same, "{left:?} {right}");
    }
}

#[test]
fn a_certificate_that_cannot_serve_is_told_apart() {
    let (one, other) = (make(&["a.test"]), make(&["b.test"]));
    let mixed = Made { chain: one.chain.clone(), key: other.key };
    let none = Made { chain: String::new(), key: one.key.clone() };
    let no_key = Made { chain: one.chain.clone(), key: "nonsense".to_owned() };
    for (made, part) in [(&mixed, "does not belong"), (&none, "no `BEGIN CERTIFICATE`"), (&no_key, "key is not PEM")] {
        let message = tls(&[made]).err().unwrap();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_failed_renewal_changes_nothing() {
    let one = make(&["a.test"]);
    let tls = tls(&[&one]).unwrap();
    assert!(tls.renew(&[CertificatePem { chain: b"", key: b"" }]).is_err());
    assert!(tls.same_certificate(Some("a.test"), "a.test"));
}

/// What both ends saw of one handshake.
struct Shaken {
    server: Tls,
    /// DER.
    certificate: Vec<u8>,
    resumed: bool,
}

/// A client that trusts all of `made`, and offers these versions and protocols.
fn client(made: &[&Made], versions: &[&'static rustls::SupportedProtocolVersion], alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for made in made {
        roots.add(CertificateDer::from_pem_slice(made.chain.as_bytes()).unwrap()).unwrap();
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

async fn shake(tls: &ServerTls, client: &Arc<ClientConfig>, name: &str) -> io::Result<Shaken> {
    let listener = tcp::bind(SocketAddr::from(([127, 0, 0, 1], 0)), 1).unwrap().remove(0);
    let address = listener.local_addr().unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let server = async {
        let (mut stream, agreed) = tls.handshake(listener.accept().await?.0).await?;
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"!").await?;
        tokio::io::AsyncWriteExt::shutdown(&mut stream).await?;
        io::Result::Ok(agreed)
    };
    let connector = TlsConnector::from(Arc::clone(client));
    let client = async {
        let mut stream = connector.connect(name, TcpStream::connect(address).await?).await?;
        // Tickets of TLS 1.3 come with the first bytes after the handshake.
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut Vec::new()).await?;
        let (_, session) = stream.get_ref();
        let resumed = session.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        io::Result::Ok((session.peer_certificates().unwrap()[0].to_vec(), resumed))
    };
    let (server, client) = tokio::join!(server, client);
    let (certificate, resumed) = client?;
    Ok(Shaken { server: server?, certificate, resumed })
}

fn der(made: &Made) -> Vec<u8> {
    CertificateDer::from_pem_slice(made.chain.as_bytes()).unwrap().to_vec()
}

const BOTH: &[&rustls::SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

#[tokio::test]
async fn a_handshake_says_what_was_agreed() {
    let made = make(&["a.test"]);
    let tls = tls(&[&made]).unwrap();
    let both: &[&[u8]] = &[b"http/1.1", b"h2"];
    for (versions, alpn, http2, version) in [
        (BOTH, both, true, "TLSv1.3"),
        (&[&version::TLS12][..], both, true, "TLSv1.2"),
        (BOTH, &[b"http/1.1".as_slice()], false, "TLSv1.3"),
        (BOTH, &[], false, "TLSv1.3"),
    ] {
        let shaken = shake(&tls, &client(&[&made], versions, alpn), "A.test").await.unwrap();
        assert_eq!((shaken.server.http2, shaken.server.version), (http2, version));
        assert_eq!(shaken.server.server_name.as_deref(), Some("a.test"));
    }
    let other = shake(&tls, &client(&[&made], BOTH, &[b"gopher"]), "a.test").await;
    assert!(other.is_err(), "a client that wants neither protocol is not served");
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_of_the_name_it_asks_for() {
    let (first, second) = (make(&["a.test", "127.0.0.1"]), make(&["b.test", "*.c.test"]));
    let tls = tls(&[&first, &second]).unwrap();
    let client = client(&[&first, &second], BOTH, &[]);
    for (name, shown) in [("a.test", &first), ("b.test", &second), ("x.c.test", &second), ("127.0.0.1", &first)] {
        assert_eq!(shake(&tls, &client, name).await.unwrap().certificate, der(shown), "{name}");
    }
    let unknown = shake(&tls, &client, "other.test").await;
    assert!(unknown.is_err_and(|fault| fault.to_string().contains("not valid for name")));
}

#[tokio::test]
async fn sessions_are_resumed_by_ticket_and_new_ones_get_the_renewed_certificate() {
    let (old, new) = (make(&["a.test"]), make(&["a.test"]));
    let tls = tls(&[&old]).unwrap();
    for versions in [&[&version::TLS13][..], &[&version::TLS12][..]] {
        let client = client(&[&old], versions, &[]);
        assert!(!shake(&tls, &client, "a.test").await.unwrap().resumed);
        assert!(shake(&tls, &client, "a.test").await.unwrap().resumed, "{versions:?}");
    }
    tls.renew(&[CertificatePem { chain: new.chain.as_bytes(), key: new.key.as_bytes() }]).unwrap();
    let client = client(&[&old, &new], BOTH, &[]);
    assert_eq!(shake(&tls, &client, "a.test").await.unwrap().certificate, der(&new));
}

#[tokio::test]
async fn bytes_that_are_not_tls_end_the_handshake() {
    let made = make(&["a.test"]);
    let tls = tls(&[&made]).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut client, b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    assert!(tls.handshake(stream).await.is_err());
}

//! Connections that have had one answer and are kept open, in clear and over TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// `head` is a request without its last empty line.
pub fn clear(port: u16, head: &str) -> TcpStream {
    let mut stream = connected(port);
    asked(&mut stream, head);
    stream
}

/// The same over TLS 1.3.
pub fn encrypted(port: u16, head: &str, config: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from("localhost").expect("a name");
    let session = ClientConnection::new(config.clone(), name).expect("settings that fit");
    let mut stream = StreamOwned::new(session, connected(port));
    asked(&mut stream, head);
    stream
}

/// Trusts the one certificate in that file, and resumes nothing: each connection is a full handshake.
pub fn trusting(certificate: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).expect("a certificate")).expect("one that can be trusted");
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

fn connected(port: u16) -> TcpStream {
    let start = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => return stream,
            Err(_) if start.elapsed() < Duration::from_secs(10) => {}
            Err(fault) => panic!("{fault}"),
        }
    }
}

fn asked(stream: &mut (impl Read + Write), head: &str) {
    write!(stream, "{head}\r\n\r\n").expect("it reads");
    let mut piece = [0_u8; 4096];
    let read = stream.read(&mut piece).expect("it answers");
    assert!(piece[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&piece[..read]));
}

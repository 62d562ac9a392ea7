//! The server's side of TLS: versions, certificates by server name, renewal without a restart.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::peer::Tls;

/// A certificate chain and its key, both PEM.
pub struct CertificatePem<'a> {
    pub chain: &'a [u8],
    pub key: &'a [u8],
}

/// TLS of one listener.
pub struct ServerTls {
    acceptor: TlsAcceptor,
    certificates: Arc<Certificates>,
}

impl ServerTls {
    /// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN. The first certificate serves clients that name no server or an
    /// unknown one. The error says what is wrong with which certificate.
    pub fn new(pems: &[CertificatePem<'_>]) -> Result<Self, String> {
        let certificates = Arc::new(Certificates { current: ArcSwap::from_pointee(read(pems)?) });
        let resolver = Arc::clone(&certificates);
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|fault| fault.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(|fault| fault.to_string())?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificates })
    }

    /// New handshakes get these; connections that are open keep theirs. On an error nothing has changed.
    pub fn renew(&self, pems: &[CertificatePem<'_>]) -> Result<(), String> {
        self.certificates.current.store(Arc::new(read(pems)?));
        Ok(())
    }

    /// Whether a client that shook hands for `first` was shown the certificate that `second` has: then it may ask for
    /// both on one connection (RFC 9110 section 7.4).
    pub fn same_certificate(&self, first: Option<&str>, second: &str) -> bool {
        let set = self.certificates.current.load();
        Arc::ptr_eq(set.choose(first), set.choose(Some(second)))
    }

    /// The stream after the handshake, and what was agreed.
    pub async fn handshake(&self, stream: TcpStream) -> io::Result<(TlsStream<TcpStream>, Tls)> {
        let stream = self.acceptor.accept(stream).await?;
        let (_, session) = stream.get_ref();
        let tls = Tls {
            server_name: session.server_name().map(str::to_ascii_lowercase),
            http2: session.alpn_protocol() == Some(b"h2"),
            version: match session.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "TLSv1.2",
            },
        };
        Ok((stream, tls))
    }
}

#[derive(Debug)]
struct Certificates {
    current: ArcSwap<Set>,
}

/// Certificates by the names they are for, and the one for everybody else.
#[derive(Debug)]
struct Set {
    default: Arc<CertifiedKey>,
    by_name: HashMap<String, Arc<CertifiedKey>>,
}

impl Set {
    fn choose(&self, server_name: Option<&str>) -> &Arc<CertifiedKey> {
        let Some(name) = server_name else { return &self.default };
        let name = name.to_ascii_lowercase();
        let wildcard = || name.split_once('.').and_then(|(_, parent)| self.by_name.get(&format!("*.{parent}")));
        self.by_name.get(&name).or_else(wildcard).unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(self.current.load().choose(hello.server_name())))
    }
}

fn read(pems: &[CertificatePem<'_>]) -> Result<Set, String> {
    let provider = aws_lc_rs::default_provider();
    let mut keys = Vec::new();
    for (index, pem) in pems.iter().enumerate() {
        let which = |what: String| if pems.len() == 1 { what } else { format!("certificate {}: {what}", index + 1) };
        keys.push(certified(pem, &provider).map_err(which)?);
    }
    let mut by_name = HashMap::new();
    for key in &keys {
        for name in names(key) {
            by_name.entry(name).or_insert_with(|| Arc::clone(key));
        }
    }
    let default = keys.into_iter().next().ok_or("no certificate is given")?;
    Ok(Set { default, by_name })
}

fn certified(pem: &CertificatePem<'_>, provider: &rustls::crypto::CryptoProvider) -> Result<Arc<CertifiedKey>, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.chain)
        .collect::<Result<_, _>>()
        .map_err(|fault| format!("the certificate is not PEM: {fault}"))?;
    if chain.is_empty() {
        return Err("the certificate file holds no `BEGIN CERTIFICATE` block".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(pem.key).map_err(|fault| format!("the key is not PEM: {fault}"))?;
    let key = CertifiedKey::from_der(chain, key, provider).map_err(|fault| match fault {
        rustls::Error::InconsistentKeys(_) => "the key does not belong to the certificate".to_owned(),
        other => format!("the certificate or its key cannot be used: {other}"),
    })?;
    Ok(Arc::new(key))
}

/// The DNS names a certificate is for, `*.` included, lower case.
fn names(key: &CertifiedKey) -> Vec<String> {
    let Some(end) = key.cert.first() else { return Vec::new() };
    let Ok(end) = webpki::EndEntityCert::try_from(end) else { return Vec::new() };
    end.valid_dns_names().map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests;

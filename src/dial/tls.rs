//! Client-side TLS: whom we trust, and by which name we know a server.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;

use crate::ground::Digest;

/// How servers prove who they are.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    /// Of the authorities' certificates: two of these that trust the same are the same, also over a reload.
    trusted: Digest,
}

impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        self.trusted == other.trusted
    }
}

impl Eq for ClientTls {}

impl ClientTls {
    /// Trusts the authorities of the system, or those in `ca` (PEM) alone. TLS 1.2 and 1.3. HTTP/1.1 by ALPN.
    pub fn new(ca: Option<&[u8]>) -> Result<Self, String> {
        let mut certificates = match ca {
            Some(pem) => given(pem)?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        let mut roots = RootCertStore::empty();
        match ca {
            Some(_) => {
                for certificate in &certificates {
                    let added = roots.add(certificate.clone());
                    added.map_err(|fault| format!("an authority cannot be used: {fault}"))?;
                }
            }
            None => drop(roots.add_parsable_certificates(certificates.iter().cloned())),
        }
        if roots.is_empty() {
            return Err(nothing_trusted(ca.is_some()));
        }
        certificates.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
        let trusted =
            Digest::of(&certificates.iter().flat_map(|certificate| certificate.to_vec()).collect::<Vec<u8>>());
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|fault| fault.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), trusted })
    }

    pub fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.config))
    }
}

/// A name that a certificate can be for: a DNS name or an address.
pub fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']').to_owned();
    ServerName::try_from(bare).map_err(|_| format!("`{text}` cannot be the name of a TLS server"))
}

fn given(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>();
    certificates.map_err(|fault| format!("the authorities are not PEM: {fault}"))
}

fn nothing_trusted(given: bool) -> String {
    let text = if given {
        "the file holds no `BEGIN CERTIFICATE` block"
    } else {
        "the system has no certificate authorities: install `ca-certificates`, or name a `ca` file"
    };
    text.to_owned()
}

#[cfg(test)]
mod tests;

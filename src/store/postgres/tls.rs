//! TLS to the database: the server is always verified, by chain and by name.

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Whom to trust, and who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostgresTls {
    /// PEM of the authorities that sign servers; `None`: those of the system.
    pub ca: Option<Vec<u8>>,
    /// PEM of our certificate with its chain, and of its key; `None`: we show none.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// Makes TLS connections. `None`: there will be none, and whom to trust does not matter.
pub(super) fn connector(tls: Option<&PostgresTls>) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|fault| fault.to_string())?;
    let Some(tls) = tls else {
        let nobody = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        return Ok(MakeRustlsConnect::new(nobody));
    };
    let trusting = builder.with_root_certificates(roots(tls.ca.as_deref())?);
    let config = match &tls.identity {
        None => trusting.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = certificates(chain).map_err(|fault| format!("the certificate {fault}"))?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|fault| format!("the key is not PEM: {fault}"))?;
            let config = trusting.with_client_auth_cert(chain, key);
            config.map_err(|fault| format!("certificate and key cannot be used: {fault}"))?
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

fn roots(ca: Option<&[u8]>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in certificates(pem).map_err(|fault| format!("the authority {fault}"))? {
                roots.add(certificate).map_err(|fault| format!("the authority cannot be used: {fault}"))?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    if roots.is_empty() {
        let text = "the system has no certificate authorities: install `ca-certificates`, or name a `ca` file";
        return Err(text.to_owned());
    }
    Ok(roots)
}

/// At least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("file holds no `BEGIN CERTIFICATE` block".to_owned()),
        Ok(certificates) => Ok(certificates),
        Err(fault) => Err(format!("is not PEM: {fault}")),
    }
}

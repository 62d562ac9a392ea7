//! Files that the configuration names: read once, here.

use std::path::PathBuf;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::Check;
use crate::config::place::At;
use crate::config::plan::NamedFile;
use crate::config::problem::Problem;

impl Check<'_> {
    pub(super) fn path(&self, at: &At<String>) -> PathBuf {
        self.base.join(&at.value)
    }

    /// Reads a file. `None`: it cannot be read, and the problem is noted. `Some(None)`: files are not looked at.
    pub(super) fn read(&mut self, at: &At<String>, what: &str) -> Option<Option<Vec<u8>>> {
        let path = self.path(at);
        match self.source.read(&path) {
            Ok(None) => {
                self.skipped = true;
                Some(None)
            }
            Ok(contents) => Some(contents),
            Err(cause) => {
                let help = "a path that does not begin with `/` counts from the folder of this configuration; \
                            `portcullis check --no-files` checks without the files";
                let cause = format!("{what} cannot be read from `{}`: {cause}", path.display());
                self.add(Problem::at(at.place, cause).help(help).unreadable());
                None
            }
        }
    }

    /// Reads a PEM file that must hold at least one certificate.
    pub(super) fn certificates(&mut self, at: &At<String>, what: &str) -> Option<NamedFile> {
        let path = self.path(at);
        let Some(contents) = self.read(at, what)? else {
            return Some(NamedFile { path, contents: Vec::new() });
        };
        if let Err(cause) = chain(&contents) {
            let cause = format!("`{}` holds no certificate that can be read: {cause}", at.value);
            let help = "it must be a PEM file: text with `-----BEGIN CERTIFICATE-----` in it";
            self.add(Problem::at(at.place, cause).help(help));
            return None;
        }
        Some(NamedFile { path, contents })
    }
}

/// All certificates of a PEM file, at least one.
pub(super) fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err("there is none in it".to_owned()),
        Ok(chain) => Ok(chain),
        Err(_) => Err("it is damaged".to_owned()),
    }
}

/// The first private key of a PEM file.
pub(super) fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if pem.windows(17).any(|part| part == b"ENCRYPTED PRIVATE") {
        return Err("it is protected by a passphrase".to_owned());
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|fault| match fault {
        rustls_pki_types::pem::Error::NoItemsFound => "there is none in it".to_owned(),
        _ => "it is damaged".to_owned(),
    })
}

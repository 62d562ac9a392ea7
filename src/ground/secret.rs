//! A text that must never be printed.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::Digest;

/// A password, client secret or key text. `Debug` prints dots; memory is wiped when it goes.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The clear text, for the one place that has to use it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Compares in time that depends on neither text: both are hashed first, so that not even the length shows.
    pub fn is(&self, presented: &[u8]) -> bool {
        let known = Digest::of(self.expose().as_bytes());
        Digest::of(presented).as_bytes().ct_eq(known.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.expose().as_bytes())
    }
}

impl Eq for Secret {}

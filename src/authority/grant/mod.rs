//! The ways to a token. Each grant is one file with one function of the same shape: a request of this grant, its
//! authenticated client and the authority go in, a token or an `OAuthError` comes out.

pub(super) mod client_credentials;

/// A grant that this authority has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// RFC 6749 section 4.4: the client acts for itself.
    ClientCredentials,
}

impl Grant {
    /// All of them, as metadata lists them.
    pub const ALL: &[Self] = &[Self::ClientCredentials];

    /// As `grant_type` and gateway.yaml say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
        }
    }

    /// The grant of this name, letter by letter.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|grant| grant.name() == name)
    }
}

//! The ways to a token. Each grant is one file with one function of the same shape: a request of this grant, its
//! authenticated client and the authority go in, a token or an `OAuthError` comes out.

pub(super) mod authorization_code;
pub(super) mod client_credentials;
pub(super) mod family;
pub(super) mod legacy;
pub(super) mod refresh;

/// A grant that this authority has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// RFC 6749 section 4.1, with RFC 7636.
    AuthorizationCode,
    /// RFC 6749 section 6.
    RefreshToken,
    /// RFC 6749 section 4.4: the client acts for itself.
    ClientCredentials,
    /// RFC 6749 section 4.3: the client sees the user's password. For clients that cannot be changed yet.
    Password,
    /// RFC 6749 section 4.2: tokens in a redirect. For clients that cannot be changed yet; never at the token endpoint.
    Implicit,
}

impl Grant {
    /// All of them, as metadata lists them.
    pub const ALL: &[Self] =
        &[Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::Password, Self::Implicit];

    /// As `grant_type` and gateway.yaml say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::Implicit => "implicit",
        }
    }

    /// Whether it is there only for clients that cannot be changed yet.
    pub const fn is_legacy(self) -> bool {
        match self {
            Self::Password | Self::Implicit => true,
            Self::AuthorizationCode | Self::RefreshToken | Self::ClientCredentials => false,
        }
    }

    /// Whether `grant_type` may name it; the implicit grant happens in the browser alone.
    pub(super) const fn is_at_token_endpoint(self) -> bool {
        match self {
            Self::AuthorizationCode | Self::RefreshToken | Self::ClientCredentials | Self::Password => true,
            Self::Implicit => false,
        }
    }

    /// The grant of this name, letter by letter.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|grant| grant.name() == name)
    }
}

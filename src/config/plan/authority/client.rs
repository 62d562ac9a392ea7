//! A client of the hosted authorization server, as meant.

use std::time::Duration;

use super::{AccessTokens, SigningAlgorithm, TokenChoice};
use crate::config::plan::KeySource;
use crate::ground::Secret;

pub use crate::config::document::authority::client::{AssertionAudience, Grant};

/// A client; what its grants do not need is empty.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    /// For people.
    pub name: String,
    pub authentication: Authentication,
    /// At least one, each once.
    pub grants: Vec<Grant>,
    /// As written, for comparing letter by letter: `https`, loopback `http`, or a private scheme with a dot.
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    /// Origins that may read the token endpoint: `https://app.example.com`.
    pub origins: Vec<String>,
    /// Each is one of the authority's or a built-in one.
    pub scopes: Vec<String>,
    /// Whom its tokens are for when a request names nobody.
    pub resource: Audience,
    /// Whom else a request may name.
    pub resources: Vec<Audience>,
    /// What the client itself says about access tokens; it is in each `Audience` already.
    pub access_tokens: TokenChoice,
    /// `None`: it does not get any.
    pub refresh: Option<Refresh>,
    pub id_token_algorithm: SigningAlgorithm,
    /// Nobody is asked for consent.
    pub trusted: bool,
    /// `false` for every public client.
    pub may_omit_pkce: bool,
}

/// Whom a client's tokens can be for, and how they are made then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// The `uri` of one of the authority's resources.
    pub resource: String,
    /// Client over resource over authority.
    pub tokens: AccessTokens,
}

/// How a client proves who it is.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// Not at all: a public client.
    None,
    /// By a secret.
    Secret {
        /// One or both.
        methods: Vec<SecretMethod>,
        /// One or two, of which any is good. Empty only if files were not looked at.
        secrets: Vec<ClientSecret>,
    },
    /// By a signature (`private_key_jwt`).
    PrivateKey { keys: KeySource, audience: AssertionAudience },
}

/// How a client shows its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretMethod {
    /// In the `Authorization` header.
    Basic,
    /// In the form.
    Post,
}

/// What a client's secret is compared with. `Debug` says the kind alone.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientSecret {
    Clear(Secret),
    /// PHC text; slow on purpose, for secrets that people chose.
    Argon2(String),
    /// Of a generated secret.
    Sha256([u8; 32]),
}

/// How the refresh tokens of a client live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// At most `lifetime`.
    pub idle: Duration,
    pub lifetime: Duration,
    /// Each use gives a new one; `true` for every public client.
    pub rotates: bool,
}

/// What an authorization request may ask for (`response_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseType {
    Code,
    Token,
    IdTokenToken,
}

impl Client {
    /// It cannot prove who it is.
    pub fn is_public(&self) -> bool {
        matches!(self.authentication, Authentication::None)
    }

    pub fn may_use(&self, grant: Grant) -> bool {
        self.grants.contains(&grant)
    }

    /// `code` by the grant `authorization_code`; by `implicit` `token`, and with the scope `openid` `id_token token`.
    /// An ID token alone is not given by redirect.
    pub fn response_types(&self) -> Vec<ResponseType> {
        response_types(&self.grants, &self.scopes)
    }
}

/// What clients with these grants and scopes may ask for.
pub(in crate::config) fn response_types(grants: &[Grant], scopes: &[String]) -> Vec<ResponseType> {
    let mut types = Vec::new();
    if grants.contains(&Grant::AuthorizationCode) {
        types.push(ResponseType::Code);
    }
    if grants.contains(&Grant::Implicit) {
        types.push(ResponseType::Token);
        if scopes.iter().any(|scope| scope == "openid") {
            types.push(ResponseType::IdTokenToken);
        }
    }
    types
}

impl ResponseType {
    /// As requests say it; the order of its parts does not matter there.
    pub fn word(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Token => "token",
            Self::IdTokenToken => "id_token token",
        }
    }
}

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Clear(_) => "Clear(…)",
            Self::Argon2(_) => "Argon2(…)",
            Self::Sha256(_) => "Sha256(…)",
        })
    }
}

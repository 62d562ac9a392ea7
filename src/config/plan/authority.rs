//! The hosted authorization server of a plan: every default put in, every name resolved.

use std::path::PathBuf;
use std::time::Duration;

use super::NamedFile;
use crate::ground::Secret;

mod client;

pub(in crate::config) use client::response_types;
pub use client::{
    AssertionAudience, Audience, Authentication, Client, ClientSecret, Grant, Refresh, ResponseType, SecretMethod,
};

pub use crate::config::document::authority::{SigningAlgorithm, TokenFormat};
pub use crate::config::document::leaf::Colour;

/// Scopes that every authority knows; they need a person (OpenID Connect Core sections 3.1.2.1, 5.4 and 11).
pub const BUILT_IN_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

#[derive(Clone, Debug)]
pub struct Authority {
    /// Byte for byte as written; an origin, or an origin with a path that does not end in `/`.
    pub issuer: String,
    /// Whom tokens are for when nobody says otherwise.
    pub resource: Resource,
    /// Other audiences, in the order of the file; no two are the same, and none is `resource`.
    pub resources: Vec<Resource>,
    /// What the authority itself says about access tokens; for clients that are not in the file.
    pub access_tokens: TokenChoice,
    /// How access tokens are signed.
    pub algorithm: SigningAlgorithm,
    pub refresh_tokens: RefreshTokens,
    /// How long a code may be redeemed; 1 second to 10 minutes.
    pub codes_for: Duration,
    pub sessions: Sessions,
    pub keys: SigningKeys,
    /// How long known revocations count while the store cannot be read; at least a second.
    pub revocations_stale_for: Duration,
    pub passwords: Passwords,
    /// In the order of the file, without the built-in ones.
    pub scopes: Vec<Scope>,
    pub roles: Vec<Role>,
    /// No two have the same name in lower case, or the same subject.
    pub users: Vec<User>,
    /// No two have the same id.
    pub clients: Vec<Client>,
    pub pages: Pages,
    pub audit: Audit,
}

/// Whom a token can be for (RFC 8707).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// As written; an absolute URI without a fragment.
    pub uri: String,
    /// The scopes that mean something there; `None`: all. The built-in ones do everywhere.
    pub scopes: Option<Vec<String>>,
    /// What it says about access tokens; for clients that are not in the file.
    pub access_tokens: TokenChoice,
}

/// What is said about access tokens at one place. A client's word counts before the resource's, and that before the
/// authority's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenChoice {
    pub format: Option<TokenFormat>,
    /// 1 second to 24 hours.
    pub lifetime: Option<Duration>,
}

impl TokenChoice {
    /// What is left open here is as `below` says.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self { format: self.format.or(below.format), lifetime: self.lifetime.or(below.lifetime) }
    }

    /// What is left open now is the usual: signed tokens for 10 minutes, opaque ones for an hour.
    pub fn settled(self) -> AccessTokens {
        let format = self.format.unwrap_or(TokenFormat::Jwt);
        let usual = match format {
            TokenFormat::Jwt => Duration::from_secs(10 * 60),
            TokenFormat::Opaque => Duration::from_secs(60 * 60),
        };
        AccessTokens { format, lifetime: self.lifetime.unwrap_or(usual) }
    }
}

/// How access tokens are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessTokens {
    pub format: TokenFormat,
    pub lifetime: Duration,
}

/// How refresh tokens live, where a client does not say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshTokens {
    /// Over when not used for so long; at most `lifetime`.
    pub idle: Duration,
    /// Over in any case.
    pub lifetime: Duration,
    /// How long the one before is answered again; at most 10 minutes, may be zero.
    pub grace: Duration,
}

/// How long people stay signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// Over when not used for so long; at most `lifetime`.
    pub idle: Duration,
    /// Over in any case.
    pub lifetime: Duration,
}

#[derive(Clone, Debug)]
pub struct SigningKeys {
    /// How long a key signs; at least a day.
    pub rotate: Duration,
    /// What encrypts private keys in the store, at least 22 characters. `None`: nothing does, or files were not looked at.
    pub encryption: Option<Secret>,
}

/// What a password must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passwords {
    /// Fewest characters where it is all there is; 8 to 128.
    pub min: u32,
    /// Fewest characters beside a second factor; 8 to `min`.
    pub min_with_second_factor: u32,
    pub blocked: Option<Lines>,
}

/// A file of lines.
#[derive(Clone, PartialEq, Eq)]
pub struct Lines {
    pub path: PathBuf,
    /// The whole text; empty if files were not looked at.
    pub text: String,
}

impl Lines {
    /// Each line without the spaces around it; empty ones are left out.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.text.lines().map(str::trim).filter(|line| !line.is_empty())
    }
}

/// Such files are long.
impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lines({}, {} bytes)", self.path.display(), self.text.len())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub name: String,
    /// For people.
    pub description: String,
}

/// A scope that some role gives is for those who have such a role; a scope that no role gives is for every user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub name: String,
    /// Each is one of the authority's or a built-in one.
    pub scopes: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct User {
    /// As written; without spaces around it.
    pub name: String,
    pub email: Option<String>,
    pub email_verified: bool,
    /// The `sub` that the file demands, at most 255 printable ASCII characters; no client has it as its id.
    pub subject: Option<String>,
    /// Claims of the scope `profile`, in the order of the file.
    pub profile: Vec<(String, String)>,
    /// `None`: cannot sign in by password, or files were not looked at.
    pub password: Option<Password>,
    /// Each is one of the authority's.
    pub roles: Vec<String>,
}

/// What a user's password is compared with. `Debug` says the kind alone.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    Clear(Secret),
    /// Of Argon2id, bcrypt, scrypt or PBKDF2.
    Hash(String),
}

/// How the pages look. `None` and empty: as they are built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    pub title: Option<String>,
    pub logo: Option<Logo>,
    pub colour: Option<Colour>,
    /// Name and text, in the order of the file.
    pub texts: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    /// At most 256 KiB, of the kind that `kind` says.
    pub file: NamedFile,
    pub kind: LogoKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoKind {
    Svg,
    Png,
    Webp,
    Jpeg,
}

impl LogoKind {
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Svg => "image/svg+xml",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Jpeg => "image/jpeg",
        }
    }
}

/// Where the log of who did what goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Ready to be opened.
    pub file: PathBuf,
    /// At least a day.
    pub keep: Duration,
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Clear(_) => "Clear(…)",
            Self::Hash(_) => "Hash(…)",
        })
    }
}

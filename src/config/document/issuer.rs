//! `issuers`: whose tokens are accepted besides the authority's own.

use std::time::Duration;

use super::read::{FromText, Must, Named, OneOrMany};
use super::secret::Secret;
use crate::config::place::At;
use crate::config::suggest;

section! {
    /// An issuer whose tokens are accepted.
    Issuer ("an issuer") {
        /// Its address, exactly as it stands in the `iss` of its tokens, for example `https://login.example.com`.
        url: Option<At<String>>,
        /// Who the tokens must be for: this API's name at the issuer; one or a list, of which one must fit.
        audience: Option<OneOrMany<At<String>>>,
        /// Where its keys are. Default: found through the issuer's metadata.
        keys: Option<Keys>,
        /// Where facts live in its tokens.
        claims: Option<Claims>,
        /// Values of the header `typ` that are accepted. Default: `at+jwt`, `JWT`, or none at all.
        types: Option<OneOrMany<At<String>>>,
        /// Signature algorithms that are accepted. Default: `RS256` to `RS512`, `PS256` to `PS512`, `ES256`, `ES384`,
        /// `EdDSA`, as far as they fit the key.
        algorithms: Option<OneOrMany<At<Algorithm>>>,
        /// How long the last good keys are kept while the issuer cannot be reached; at least `refetch_every`.
        /// Default: `12h`.
        stale_for: Option<At<Duration>>,
        /// The least time between two fetches for unknown keys. Default: `30s`.
        refetch_every: Option<At<Duration>>,
        /// How far clocks may differ, at most `60s`. Default: `10s`.
        leeway: Option<At<Duration>>,
        /// Ask the issuer about each token (RFC 7662), for tokens that say nothing by themselves.
        introspection: Option<Introspection>,
        /// Findings of `portcullis check` about it that are as they should be, by their name, with the reason.
        acknowledge: Option<Named<At<String>>>,
    }
    instead [
        issuer: "the key is `url`",
        jwks_uri: "write `keys: {url: ...}`",
        jwks: "write `keys: {url: ...}` or `keys: {file: ...}`"
    ]
}

section! {
    /// Where the public keys of an issuer or a client are; one of the two.
    Keys ("`keys`") {
        /// Address of the key set (JWKS).
        url: Option<At<String>>,
        /// File with the key set (JWKS), relative to the configuration.
        file: Option<At<String>>,
    }
}

section! {
    /// Where facts live in an issuer's tokens. Each is a path with dots, or a list of its parts.
    Claims ("the `claims` of an issuer") {
        /// Scopes, as a list or separated by spaces. Default: `scope`, separated by spaces.
        scopes: Option<OneOrMany<At<String>>>,
        /// Roles. Default: `roles`. Example: `realm_access.roles`.
        roles: Option<OneOrMany<At<String>>>,
        /// Who the token is about. Default: `sub`.
        subject: Option<OneOrMany<At<String>>>,
        /// Which client asked for it. Default: `client_id`, or `azp` where it is missing.
        client: Option<OneOrMany<At<String>>>,
    }
}

section! {
    /// Asking the issuer about each token (RFC 7662).
    Introspection ("`introspection`") {
        /// Address of the introspection endpoint.
        url: Must<At<String>>,
        /// The gateway's own `client_id` at the issuer.
        client_id: Must<At<String>>,
        /// The gateway's own secret at the issuer, by reference: `{env: NAME}` or `{file: path}`.
        client_secret: Must<Secret>,
        /// How the gateway shows it: `basic` or `post`. Default: `basic`.
        auth: Option<At<SecretAuth>>,
        /// How long answers are remembered, never past the token's own end.
        cache: Option<IntrospectionCache>,
        /// Longest wait for an answer. Default: `5s`.
        timeout: Option<At<Duration>>,
    }
}

section! {
    /// How long answers about tokens are remembered.
    IntrospectionCache ("the `cache` of an introspection") {
        /// Good answers. Default: `60s`.
        r#for: Option<At<Duration>>,
        /// Answers that the token is not active. Default: `5s`.
        failures_for: Option<At<Duration>>,
    }
}

words! {
    /// How the gateway shows its secret to an issuer.
    SecretAuth ("a way to show a secret") { Basic = "basic", Post = "post" }
}

/// A signature algorithm that tokens may use. Only asymmetric ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// Every one of them with its name in tokens.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Rs256, "RS256"),
        (Self::Rs384, "RS384"),
        (Self::Rs512, "RS512"),
        (Self::Ps256, "PS256"),
        (Self::Ps384, "PS384"),
        (Self::Ps512, "PS512"),
        (Self::Es256, "ES256"),
        (Self::Es384, "ES384"),
        (Self::EdDsa, "EdDSA"),
    ];
}

impl FromText for Algorithm {
    const WANTED: &'static str = "a signature algorithm";

    fn from_text(text: &str) -> Result<Self, String> {
        if let Some((algorithm, _)) = Self::ALL.iter().find(|(_, name)| *name == text) {
            return Ok(*algorithm);
        }
        let names = || Self::ALL.iter().map(|(_, name)| *name);
        if matches!(text, "HS256" | "HS384" | "HS512") {
            return Err(format!(
                "`{text}` signs with a shared secret, so whoever can check a token can also make one; use an asymmetric \
                 algorithm: {}",
                suggest::list(names())
            ));
        }
        if text.eq_ignore_ascii_case("none") {
            return Err(format!("`{text}` means no signature, so anyone could make a token; remove it"));
        }
        Err(suggest::not_a_word(text, "a signature algorithm", &names().collect::<Vec<_>>()))
    }

    fn schema() -> schemars::Schema {
        schemars::json_schema!({ "enum": Self::ALL.map(|(_, name)| name) })
    }
}

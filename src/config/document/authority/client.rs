//! `authority.clients`: programs that may ask for tokens.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{OwnAccessTokens, SigningAlgorithm};
use crate::config::document::issuer::Keys;
use crate::config::document::read::{Must, Named, OneOrMany, Read};
use crate::config::document::secret::Secret;
use crate::config::node::Node;
use crate::config::place::At;
use crate::config::problem::Problems;

section! {
    /// A program that may ask for tokens. Without `secret` and `keys` it is a public client: one that cannot prove who it is,
    /// such as a web page or an app.
    Client ("a client") {
        /// Its `client_id`. It must not begin with `usr_`, as the ids of users do.
        id: Must<At<String>>,
        /// What people see when they are asked for consent. Default: the id.
        name: Option<At<String>>,
        /// Its secret, by reference or as a hash, for example `{env: NAME}`; two of them in a list while one is replaced.
        /// Default: none, a public client.
        secret: Option<OneOrMany<Secret>>,
        /// How it shows who it is: `basic` (the secret in a header), `post` (the secret in the form), both in a list, `none`
        /// (a public client), or `private_key_jwt` (signed with one of its `keys`). Default: `[basic, post]` with a secret,
        /// `none` without.
        auth: Option<OneOrMany<At<ClientAuth>>>,
        /// Its public keys, for `auth: private_key_jwt`.
        keys: Option<Keys>,
        /// The `aud` that it signs with `private_key_jwt`: `issuer`, or `endpoint` for older programs that write the address
        /// of the token endpoint. Default: `issuer`.
        assertion_audience: Option<At<AssertionAudience>>,
        /// How it gets tokens: `authorization_code` (a person signs in), `refresh_token` (again without that person),
        /// `client_credentials` (for itself), and of old `password` and `implicit`, which need a switch each.
        grants: Must<Grants>,
        /// Where browsers are sent back to after signing in, compared letter by letter: `https`, or for apps `http` to the
        /// loopback (`http://127.0.0.1/callback`, any port) or a scheme of their own with a dot
        /// (`com.example.app:/callback`).
        redirect_uris: Option<Vec<At<String>>>,
        /// Where browsers may be sent back to after signing out.
        post_logout_redirect_uris: Option<Vec<At<String>>>,
        /// Origins of its web pages. They may read the answers of the token endpoint, and its callback may send a browser on
        /// to them: Chromium breaks off a sign-in whose callback redirects to an origin that is named neither here nor by
        /// the redirect URI. Default: those of its `https` redirect URIs when it is a public client, otherwise none.
        origins: Option<Vec<At<String>>>,
        /// Scopes that it may have, of those under `authority.scopes` and the built-in ones. A request that names none gets
        /// all of the former.
        scopes: Option<Vec<At<String>>>,
        /// Audience of its tokens when a request names none. Default: that of the authority.
        resource: Option<At<String>>,
        /// Other audiences that its requests may name, of those under `authority.resources`.
        resources: Option<Vec<At<String>>>,
        /// How its access tokens are made, where that differs from what the authority and the resource say.
        access_tokens: Option<OwnAccessTokens>,
        /// How its refresh tokens behave, where that differs from what the authority says.
        refresh_tokens: Option<ClientRefreshTokens>,
        /// How its ID tokens are signed. Default: `RS256`, which every client knows.
        id_token_algorithm: Option<At<SigningAlgorithm>>,
        /// It is your own: people are not asked for consent. Default: `false`.
        trusted: Option<At<bool>>,
        /// Let it go without PKCE; for a client with a secret that cannot do it and sends a `nonce`. A stolen code can then
        /// be redeemed by whoever has it. Default: `false`.
        danger_allow_missing_pkce: Option<At<bool>>,
        /// Needed beside the grant `password`: the client sees the passwords of its users. Default: `false`.
        danger_allow_password_grant: Option<At<bool>>,
        /// Needed beside the grant `implicit`: tokens stand in addresses, where logs and histories keep them. Default:
        /// `false`.
        danger_allow_implicit_grant: Option<At<bool>>,
        /// Findings of `portcullis check` about it that are as they should be, by their name, with the reason.
        acknowledge: Option<Named<At<String>>>,
    }
    instead [
        client_id: "the key is `id`",
        client_secret: "the key is `secret`, with a reference: `{env: NAME}` or `{file: path}`",
        redirect_uri: "the key is `redirect_uris`, a list",
        callback: "the key is `redirect_uris`, a list",
        post_logout_redirect_uri: "the key is `post_logout_redirect_uris`, a list",
        grant_types: "the key is `grants`",
        response_types: "they follow from the `grants`: `code` for `authorization_code`",
        token_endpoint_auth_method: "the key is `auth`: `basic`, `post`, `none` or `private_key_jwt`",
        jwks: "the key is `keys`: `{url: ...}` or `{file: ...}`",
        jwks_uri: "the key is `keys`: `{url: ...}`",
        audience: "the key is `resource`",
        cors: "the key is `origins`, a list",
        public: "a client without `secret` and `keys` is public by itself"
    ]
}

section! {
    /// How the refresh tokens of one client behave.
    ClientRefreshTokens ("the `refresh_tokens` of a client") {
        /// Over when not used for so long. Default: that of the authority, at most `for`.
        idle: Option<At<Duration>>,
        /// Over in any case. Default: that of the authority, or `24h` for a public client with an `https` redirect URI.
        r#for: Option<At<Duration>>,
        /// Each use gives a new one and ends the old one. Default: `true` for public clients, which cannot turn it off,
        /// otherwise `false`.
        rotate: Option<At<bool>>,
    }
    instead [
        grace: "it is one for all clients: it stands under the `refresh_tokens` of the authority"
    ]
}

words! {
    /// How a client shows who it is.
    ClientAuth ("a way for a client to show who it is") {
        Basic = "basic", Post = "post", None = "none", PrivateKeyJwt = "private_key_jwt",
    }
}

words! {
    /// What the `aud` of a client's assertion says.
    AssertionAudience ("an audience of assertions") { Issuer = "issuer", Endpoint = "endpoint" }
}

/// The grants of a client, as far as they could be read.
#[derive(Clone, Debug)]
pub struct Grants {
    pub items: Vec<At<Grant>>,
    /// All of them could be read, so that what is missing here is missing in the file.
    pub complete: bool,
}

impl Read for Grants {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let before = problems.len();
        let items = Vec::read(node, problems).unwrap_or_default();
        Some(Self { items, complete: problems.len() == before })
    }
}

impl JsonSchema for Grants {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "grants".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<At<Grant>>::json_schema(generator)
    }
}

words! {
    /// How a client gets tokens.
    Grant ("a grant") {
        AuthorizationCode = "authorization_code", RefreshToken = "refresh_token",
        ClientCredentials = "client_credentials", Password = "password", Implicit = "implicit",
    }
}

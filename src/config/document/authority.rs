//! `authority`: the authorization server hosted here.

use std::time::Duration;

use super::read::{Must, Named, OneOrMany};
use super::secret::Secret;
use crate::config::place::At;

section! {
    /// The authorization server hosted here.
    Authority ("`authority`") {
        /// Its own address as clients see it, for example `https://api.example.com`; all endpoints follow from it.
        issuer: Must<At<String>>,
        /// Audience of tokens when a client names none (RFC 8707). Default: the issuer.
        resource: Option<At<String>>,
        /// How access tokens are made.
        access_tokens: Option<AccessTokens>,
        /// Scopes that clients may ask for, with a text for people. Example: `{orders:read: See your orders}`.
        scopes: Option<Named<At<String>>>,
        /// Programs that may ask for tokens.
        clients: Option<Vec<Client>>,
    }
    later [resources, refresh_tokens, codes, sessions, keys, passwords, roles, users, pages]
}

section! {
    /// How access tokens are made.
    AccessTokens ("`access_tokens`") {
        /// Form of the token. Default: `jwt`, by RFC 9068.
        format: Option<At<TokenFormat>>,
        /// How long a token is good. Default: `10m`.
        r#for: Option<At<Duration>>,
        /// How tokens are signed. Default: `ES256`.
        algorithm: Option<At<SigningAlgorithm>>,
    }
}

section! {
    /// A program that may ask for tokens.
    Client ("a client") {
        /// Its `client_id`.
        id: Must<At<String>>,
        /// What people see. Default: the id.
        name: Option<At<String>>,
        /// Its secret, by reference or as a hash, for example `{env: NAME}`; two of them in a list while one is replaced.
        secret: Option<OneOrMany<Secret>>,
        /// How it shows the secret: `basic` (a header), `post` (in the form), or both in a list. Default: both.
        auth: Option<OneOrMany<At<ClientAuth>>>,
        /// How it gets tokens, for example `[client_credentials]`.
        grants: Must<Vec<At<Grant>>>,
        /// Scopes that it may have, of those under `authority.scopes`. A request that names none gets all of them.
        scopes: Option<Vec<At<String>>>,
        /// Audience of its tokens when it names none. Default: that of the authority.
        resource: Option<At<String>>,
        /// How its access tokens are made, where that differs from the authority's.
        access_tokens: Option<ClientTokens>,
    }
    later [
        redirect_uris, post_logout_redirect_uris, keys, trusted, danger_allow_password_grant, danger_allow_implicit_grant,
    ]
    instead [
        client_id: "the key is `id`",
        client_secret: "the key is `secret`, with a reference: `{env: NAME}` or `{file: path}`"
    ]
}

section! {
    /// How a client's access tokens are made.
    ClientTokens ("the `access_tokens` of a client") {
        /// Form of the token. Default: that of the authority.
        format: Option<At<TokenFormat>>,
        /// How long a token is good. Default: that of the authority.
        r#for: Option<At<Duration>>,
    }
}

words! {
    /// Form of an access token.
    TokenFormat ("a form of token") { Jwt = "jwt" }
    later ["opaque"]
}

words! {
    /// How the authority signs.
    SigningAlgorithm ("a signature algorithm of the authority") { Es256 = "ES256" }
    later ["RS256", "EdDSA", "PS256", "ES384"]
}

words! {
    /// How a client shows who it is.
    ClientAuth ("a way for a client to show its secret") { Basic = "basic", Post = "post" }
    later ["none", "private_key_jwt"]
}

words! {
    /// How a client gets tokens.
    Grant ("a grant") { ClientCredentials = "client_credentials" }
    later ["authorization_code", "refresh_token", "password", "implicit"]
}

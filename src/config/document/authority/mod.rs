//! `authority`: the authorization server hosted here.

pub mod client;
pub mod user;

use std::time::Duration;

use super::leaf::Colour;
use super::read::{Must, Named};
use super::secret::Secret;
use crate::config::place::At;

section! {
    /// The authorization server hosted here. Each key but `issuer` has a default that is the safe choice.
    Authority ("`authority`") {
        /// Its own address as clients see it, for example `https://api.example.com`; all endpoints follow from it.
        issuer: Must<At<String>>,
        /// Audience of tokens when nobody names one (RFC 8707). Default: the issuer.
        resource: Option<At<String>>,
        /// Other audiences that clients may ask tokens for, by their addresses, with what is different there. Example:
        /// `{https://billing.example.com: {scopes: [billing:read]}}`.
        resources: Option<Named<Resource>>,
        /// How access tokens are made, where neither the client nor the resource says otherwise.
        access_tokens: Option<AccessTokens>,
        /// How long refresh tokens are good, where the client does not say otherwise.
        refresh_tokens: Option<RefreshTokens>,
        /// Authorization codes.
        codes: Option<Codes>,
        /// How long people stay signed in.
        sessions: Option<Sessions>,
        /// The keys that tokens are signed with.
        keys: Option<SigningKeys>,
        /// What holds while the store cannot be read.
        revocations: Option<Revocations>,
        /// What a password must be.
        passwords: Option<Passwords>,
        /// Scopes that clients may ask for, with a text for people. Example: `{orders:read: See your orders}`. Built in are
        /// `openid`, `profile`, `email` and `offline_access`.
        scopes: Option<Named<At<String>>>,
        /// Roles of users, by names of your choice. Example: `{clerk: {scopes: [orders:write]}}`.
        roles: Option<Named<Role>>,
        /// People who may sign in, besides those made by a command.
        users: Option<Vec<user::User>>,
        /// Programs that may ask for tokens, besides those made by a command.
        clients: Option<Vec<client::Client>>,
        /// How the pages for signing in look.
        pages: Option<Pages>,
        /// The log of who did what.
        audit: Option<Audit>,
        /// Findings of `portcullis check` about it that are as they should be, by their name, with the reason.
        acknowledge: Option<Named<At<String>>>,
    }
    instead [
        url: "the key is `issuer`",
        audience: "the key is `resource`",
        groups: "the key is `roles`",
        tokens: "the keys are `access_tokens` and `refresh_tokens`"
    ]
}

section! {
    /// What the gateway knows of tokens that were taken back before their time.
    Revocations ("`revocations`") {
        /// How long it goes on with what it knows while the store cannot be read. After that the authority's tokens are refused
        /// (503 `store_unavailable`) until it can be: nobody knows which of them are revoked. Default: `1h`.
        stale_for: Must<At<Duration>>,
    }
}

section! {
    /// How access tokens are made.
    AccessTokens ("`access_tokens`") {
        /// `jwt` (RFC 9068) can be checked by whoever has the public keys; `opaque` says nothing by itself and can be taken
        /// back at once. Default: `jwt`.
        format: Option<At<TokenFormat>>,
        /// How long a token is good, at most `24h`. Default: `10m` for `jwt`, `60m` for `opaque`.
        r#for: Option<At<Duration>>,
        /// How tokens are signed. Default: `ES256`.
        algorithm: Option<At<SigningAlgorithm>>,
    }
}

section! {
    /// How the access tokens of one client or of one resource are made. A client's word counts before that of the resource,
    /// and the resource's before that of the authority.
    OwnAccessTokens ("the `access_tokens` of a client or a resource") {
        /// Form of the token: `jwt` or `opaque`. Default: that of the authority.
        format: Option<At<TokenFormat>>,
        /// How long a token is good, at most `24h`. Default: that of the authority, or else `10m` for `jwt`, `60m` for
        /// `opaque`.
        r#for: Option<At<Duration>>,
    }
    instead [
        algorithm: "the algorithm stands under the `access_tokens` of the authority: there is one for all tokens"
    ]
}

section! {
    /// How long refresh tokens are good.
    RefreshTokens ("`refresh_tokens`") {
        /// Over when not used for so long. Default: `30d`.
        idle: Option<At<Duration>>,
        /// Over in any case. Default: `90d`.
        r#for: Option<At<Duration>>,
        /// How long the one before is answered again, for clients that lost the answer; at most `10m`. Default: `30s`.
        grace: Option<At<Duration>>,
    }
    instead [
        rotate: "whether refresh tokens rotate stands on a client; those of public clients always do"
    ]
}

section! {
    /// Authorization codes.
    Codes ("`codes`") {
        /// How long a code may be redeemed, at most `10m`. Default: `60s`.
        r#for: Option<At<Duration>>,
    }
}

section! {
    /// How long people stay signed in.
    Sessions ("`sessions`") {
        /// Over when not used for so long. Default: `12h`.
        idle: Option<At<Duration>>,
        /// Over in any case. Default: `7d`.
        r#for: Option<At<Duration>>,
    }
}

section! {
    /// The keys that tokens are signed with. They are made, published and replaced by themselves.
    SigningKeys ("the `keys` of the authority") {
        /// How long a key signs before the next one does, at least `1d`. Default: `90d`.
        rotate: Option<At<Duration>>,
        /// Encrypts the private keys in the store; a secret of at least 128 random bits, by reference: `{env: NAME}` or
        /// `{file: path}`. Default: they lie in the store as they are.
        encryption: Option<Secret>,
    }
}

section! {
    /// What a password must be. No rules on capitals and digits: length and the list of known ones are what counts.
    Passwords ("`passwords`") {
        /// Fewest characters where the password is all there is. Default: `15`.
        min: Option<At<u32>>,
        /// Fewest characters where a second factor is asked for too. Default: `8`.
        min_with_second_factor: Option<At<u32>>,
        /// File with passwords that are refused because everybody knows them, one a line.
        blocked: Option<At<String>>,
    }
}

section! {
    /// An audience besides the usual one. The usual one may stand here too, to say what holds for it.
    Resource ("a resource") {
        /// The scopes that mean something there. Default: all.
        scopes: Option<Vec<At<String>>>,
        /// How access tokens for it are made, where that differs from what the authority says.
        access_tokens: Option<OwnAccessTokens>,
    }
}

section! {
    /// A role of users. A scope that some role gives is for those who have such a role; a scope that no role gives is for
    /// every user.
    Role ("a role") {
        /// The scopes that it gives. Default: none; the role alone is what routes ask for.
        scopes: Option<Vec<At<String>>>,
    }
    instead [
        users: "the roles of a user stand on the user: `roles: [NAME]`"
    ]
}

section! {
    /// How the pages for signing in look.
    Pages ("`pages`") {
        /// Name of what people sign in to. Default: the host of the issuer.
        title: Option<At<String>>,
        /// Picture above it: a file ending in `.svg`, `.png`, `.webp`, `.jpg` or `.jpeg`, of at most `256KiB`.
        logo: Option<At<String>>,
        /// Colour of buttons and links, for example `"#205080"`; quotes are needed because `#` begins a comment.
        colour: Option<At<Colour>>,
        /// YAML file with other words for the pages, `name: text` on each line.
        texts: Option<At<String>>,
    }
    instead [
        color: "the key is `colour`"
    ]
}

section! {
    /// The log of who did what: signing in, consent, tokens, changes. Each line is chained to the one before.
    Audit ("`audit`") {
        /// File that is written to. Default: beside the store, `portcullis.audit.jsonl` for `portcullis.db`.
        file: Option<At<String>>,
        /// How long it is kept, at least `1d`. Default: `400d`.
        keep: Option<At<Duration>>,
    }
}

words! {
    /// Form of an access token.
    TokenFormat ("a form of token") { Jwt = "jwt", Opaque = "opaque" }
}

words! {
    /// How the authority signs.
    SigningAlgorithm ("a signature algorithm of the authority") {
        Es256 = "ES256", Rs256 = "RS256", Ps256 = "PS256", Es384 = "ES384", EdDsa = "EdDSA",
    }
}

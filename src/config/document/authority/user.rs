//! `authority.users`: people who may sign in.

use crate::config::document::read::{Must, Named};
use crate::config::document::secret::Secret;
use crate::config::place::At;

section! {
    /// A person who may sign in. Taken out of the file, a user loses sessions, grants and refresh tokens at the reload.
    User ("a user") {
        /// What they sign in with; capitals make no difference.
        name: Must<At<String>>,
        /// E-mail address, for the scope `email`.
        email: Option<At<String>>,
        /// The address is known to be theirs. Default: `false`.
        email_verified: Option<At<bool>>,
        /// The `sub` of their tokens, for users who come from another server. Never give one to another person. Whoever has
        /// one stays the same under another `name`, with second factor and sessions. Default: made by chance, beginning with
        /// `usr_`.
        subject: Option<At<String>>,
        /// Claims for the scope `profile`. Example: `{given_name: Alice, locale: en-GB}`.
        profile: Option<Named<At<String>>>,
        /// Password, as a hash (`{hash: ...}` of Argon2id, bcrypt, scrypt or PBKDF2) or by reference to the clear text
        /// (`{env: NAME}`, `{file: path}`). One that a user chose later stays until this one changes. Default: none, signing
        /// in by password is not possible.
        password: Option<Secret>,
        /// Names of their roles, of those under `authority.roles`.
        roles: Option<Vec<At<String>>>,
    }
    instead [
        username: "the key is `name`",
        id: "the key is `subject` for a fixed `sub`, and `name` for what they sign in with",
        sub: "the key is `subject`",
        hash: "the key is `password`: `{hash: ...}`",
        role: "the key is `roles`, a list",
        scopes: "scopes come to users through `roles`",
        claims: "the key is `profile`",
        groups: "the key is `roles`"
    ]
}

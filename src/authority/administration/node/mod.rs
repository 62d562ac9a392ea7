//! Clients and users of a service that was built on node-oauth2-server (express-oauth-server, koa-oauth-server).
//!
//! Such a service keeps them where its model's functions find them, in any form; what is read here is a JSON text of those
//! records under the names that the model's documentation uses, in camel case or with underscores.

mod record;

use std::collections::HashSet;

use serde_json::{Map, Value};

use self::record::{Record, digits};
use super::transfer::{Change, Export, ExportedClient, ExportedUser};
use super::{Administration, Refused, wish};
use crate::authority::grant::Grant;
use crate::authority::password::{self, PasswordHash};
use crate::authority::registration::{KeptSecret, Registration};
use crate::ground::{Digest, Secret};
use crate::store::{Origin, User};

/// Tables whose rows are not taken, with the reason.
const LEFT: [(&str, &str); 6] = [
    ("tokens", TOKENS),
    ("accessTokens", TOKENS),
    ("refreshTokens", TOKENS),
    ("access_tokens", TOKENS),
    ("refresh_tokens", TOKENS),
    ("authorizationCodes", "codes live for minutes"),
];
const TOKENS: &str = "tokens stay with the service that issued them; clients get new ones";

/// What a text holds.
struct Dump {
    clients: Vec<ExportedClient>,
    users: Vec<Person>,
    notes: Vec<String>,
    problems: Vec<String>,
}

/// A user, with the password as the service kept it.
struct Person {
    user: ExportedUser,
    password: Password,
}

enum Password {
    None,
    Hash(String),
    Clear(Secret),
}

/// What came of it.
pub struct Brought {
    pub changes: Vec<Change>,
    /// What was not taken, and why.
    pub notes: Vec<String>,
}

impl Administration {
    /// Brings the clients and users of a text in, or says what that would change; all of them or none. Who is here already
    /// keeps the password: it may have been changed since.
    pub async fn import_from_node(&self, text: &str, dry_run: bool) -> Result<Brought, Refused> {
        let dump = Dump::read(text).map_err(wish)?;
        let Dump { mut clients, users, mut notes, mut problems } = dump;
        let now = self.clock.now().millis();
        for secret in clients.iter_mut().flat_map(|client| &mut client.registration.secrets) {
            secret.made = now;
        }
        self.keep_known_secrets(&mut clients).await?;
        let mut ids: HashSet<String> = self.store.clients().await?.into_iter().map(|row| row.id).collect();
        ids.extend(self.settings.clients.keys().map(ToString::to_string));
        ids.extend(clients.iter().map(|client| client.id.clone()));
        let mut taken = Vec::new();
        for Person { mut user, password } in users {
            if ids.contains(&user.id) {
                problems.push(format!(
                    "user `{}`: the id `{}` is a client's too, and in a token nobody could tell them apart: give the \
                     user another id",
                    user.name, user.id
                ));
            }
            let known = self.store.user_named(user.name.clone()).await?;
            match self.password_of(&user, password, known, &mut notes).await {
                Ok(password) => user.password = password,
                Err(problem) => problems.push(problem),
            }
            taken.push(user);
        }
        if !problems.is_empty() {
            problems.push("nothing was brought in".into());
            return Err(wish(problems.join("\n")));
        }
        let export = Export { version: 1, clients, users: taken };
        Ok(Brought { changes: self.import(&export, dry_run).await?, notes })
    }

    /// A secret that is kept already was made when it was kept; otherwise each import would change its client.
    async fn keep_known_secrets(&self, clients: &mut [ExportedClient]) -> Result<(), Refused> {
        for row in self.store.clients().await? {
            let Some(client) = clients.iter_mut().find(|client| client.id == row.id) else { continue };
            let Ok(kept) = Registration::read(&row.registration) else { continue };
            for secret in &mut client.registration.secrets {
                if let Some(own) = kept.secrets.iter().find(|own| own.hash == secret.hash) {
                    secret.clone_from(own);
                }
            }
        }
        Ok(())
    }

    async fn password_of(
        &self,
        user: &ExportedUser,
        password: Password,
        known: Option<User>,
        notes: &mut Vec<String>,
    ) -> Result<Option<String>, String> {
        if let Some(known) = known.filter(|known| known.origin == Origin::Command && known.id == user.id) {
            return Ok(known.password);
        }
        match password {
            Password::None => {
                notes.push(format!("user `{}` has no password and cannot log in before one is set", user.name));
                Ok(None)
            }
            Password::Hash(hash) => match PasswordHash::new(&hash) {
                Ok(_) => Ok(Some(hash)),
                Err(cause) => Err(format!("user `{}`: {cause}", user.name)),
            },
            Password::Clear(clear) => {
                notes.push(format!("the password of user `{}` was kept in clear: it is hashed now", user.name));
                let random = std::sync::Arc::clone(&self.random);
                let hashing = tokio::task::spawn_blocking(move || password::hash(&clear, &*random));
                hashing.await.map_err(|cause| cause.to_string())?.map(Some)
            }
        }
    }
}

impl Dump {
    /// The error says why the text is no dump at all; what is wrong inside stands in `problems`.
    fn read(text: &str) -> Result<Self, String> {
        let mut whole: Map<String, Value> = serde_json::from_str(text)
            .map_err(|cause| format!("the text is not a JSON object with `clients` and `users`: {cause}"))?;
        let mut dump = Self { clients: Vec::new(), users: Vec::new(), notes: Vec::new(), problems: Vec::new() };
        let usual = Record::new("the text", &mut whole, &mut dump.problems).words(&["scope", "scopes"]);
        for (name, why) in LEFT {
            if let Some(Value::Array(rows)) = whole.remove(name) {
                dump.notes.push(format!("{} of `{name}` not taken: {why}", rows.len()));
            }
        }
        for (place, mut fields) in rows(&mut whole, "clients")?.into_iter().enumerate() {
            dump.client(place, &mut fields, &usual);
        }
        for (place, mut fields) in rows(&mut whole, "users")?.into_iter().enumerate() {
            dump.user(place, &mut fields);
        }
        for name in whole.keys() {
            dump.notes.push(format!("`{name}` is not known and was not taken"));
        }
        Ok(dump)
    }

    fn client(&mut self, place: usize, fields: &mut Map<String, Value>, usual: &[String]) {
        let id = Record::new("", fields, &mut self.problems).text(&["clientId", "client_id", "id", "_id"]);
        let Some(id) = id else {
            return self.problems.push(format!("client {}: it needs an `id`", place + 1));
        };
        let who = format!("client `{id}`");
        let mut record = Record::new(&who, fields, &mut self.problems);
        let secret = record.text(&["clientSecret", "client_secret", "secret"]);
        let mut scopes = record.words(&["scope", "scopes", "validScopes", "allowedScopes", "allowed_scopes"]);
        if scopes.is_empty() {
            scopes = usual.to_vec();
        }
        let registration = Registration {
            name: record.text(&["name", "title", "clientName", "client_name"]),
            secrets: secret.and_then(|secret| record.secret(&secret)).into_iter().collect(),
            redirect_uris: record.list(&["redirectUris", "redirect_uris", "redirectUri", "redirect_uri"]),
            grants: record.words(&["grants", "grantTypes", "grant_types"]),
            access_tokens_for_seconds: record.number(&["accessTokenLifetime", "access_token_lifetime"]),
            refresh_for_seconds: record.number(&["refreshTokenLifetime", "refresh_token_lifetime"]),
            scopes,
            ..Registration::default()
        };
        record.check_grants(&registration);
        record.rest(&["id", "_id", "__v", "userId", "user_id", "user", "createdAt", "updatedAt"], &mut self.notes);
        self.clients.push(ExportedClient { id, disabled: false, registration });
    }

    fn user(&mut self, place: usize, fields: &mut Map<String, Value>) {
        let mut record = Record::new("", fields, &mut self.problems);
        let name = record.text(&["username", "userName", "user_name", "login"]);
        let email = record.text(&["email", "mail"]);
        let Some(name) = name.or_else(|| email.clone()) else {
            return self.problems.push(format!("user {}: a `username` or an `email` is needed", place + 1));
        };
        let who = format!("user `{name}`");
        let mut record = Record::new(&who, fields, &mut self.problems);
        let Some(id) = record.text(&["id", "_id", "userId", "user_id"]) else {
            return self.problems.push(format!("{who}: an `id` is needed; it becomes the `sub` of the user's tokens"));
        };
        let password = record.text(&["password", "passwordHash", "password_hash", "hashedPassword", "hash"]);
        let mut profile = Map::new();
        for (claim, names) in [
            ("name", &["name", "fullName", "full_name", "displayName"] as &[_]),
            ("given_name", &["firstName", "first_name", "given_name"]),
            ("family_name", &["lastName", "last_name", "family_name"]),
            ("locale", &["locale"]),
        ] {
            if let Some(value) = record.text(names) {
                profile.insert(claim.into(), value.into());
            }
        }
        let user = ExportedUser {
            id,
            name,
            email,
            email_verified: record.flag(&["emailVerified", "email_verified"]).unwrap_or(false),
            profile,
            password: None,
            roles: record.words(&["roles", "role"]),
            disabled: record.flag(&["disabled"]).unwrap_or(false),
            second_factor: None,
            recovery: Vec::new(),
        };
        record.rest(&["__v", "createdAt", "updatedAt"], &mut self.notes);
        self.users.push(Person { user, password: Password::of(password) });
    }
}

impl Password {
    /// What begins like a hash is one: a wrong guess would make the hash the password.
    fn of(text: Option<String>) -> Self {
        match text {
            None => Self::None,
            Some(text) if text.is_empty() => Self::None,
            Some(text) if text.starts_with('$') || text.starts_with("pbkdf2_") || is_digest(&text) => Self::Hash(text),
            Some(text) => Self::Clear(Secret::new(text)),
        }
    }
}

/// A bare digest, as of MD5 or SHA-256, which no password looks like.
fn is_digest(text: &str) -> bool {
    [32, 40, 64, 128].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn rows(whole: &mut Map<String, Value>, name: &str) -> Result<Vec<Map<String, Value>>, String> {
    let Some(value) = whole.remove(name) else { return Ok(Vec::new()) };
    serde_json::from_value(value).map_err(|_| format!("`{name}` is a list of objects"))
}

impl Record<'_> {
    /// What is kept of a clear secret.
    fn secret(&mut self, clear: &str) -> Option<KeptSecret> {
        if clear.is_empty() {
            return None;
        }
        let hash = if clear.starts_with("$argon2id$") {
            clear.to_owned()
        } else if clear.starts_with("$2") || clear.starts_with("$scrypt$") {
            self.problem("its secret is kept as a hash that is not taken for clients: give it a new one");
            return None;
        } else {
            format!("sha256:{}", digits(Digest::of(clear.as_bytes()).as_bytes()))
        };
        Some(KeptSecret { hash, ..KeptSecret::default() })
    }

    fn check_grants(&mut self, registration: &Registration) {
        if registration.grants.is_empty() {
            self.problem("its `grants` are missing, so it could do nothing");
        }
        for grant in registration.grants.iter().filter(|grant| Grant::named(grant).is_none()) {
            self.problem(&format!("the grant `{grant}` does not exist here: take it out of `grants`"));
        }
        if registration.scopes.is_empty() {
            self.problem("no `scope` says what it may ask for; a `scope` beside `clients` is for all that have none");
        }
    }
}

#[cfg(test)]
mod tests;

//! Taking clients and users elsewhere: a deterministic text without clear secrets, and what bringing it in changes.

mod factors;

use std::collections::HashSet;
use std::fmt;

use base64_simd::STANDARD;
use serde::{Deserialize, Serialize};

use super::{Administration, Refused, wish};
use crate::authority::password::PasswordHash;
use crate::authority::registration::Registration;
use crate::authority::sealing::is_sealed;
use crate::ground::Digest;
use crate::store::people::folded;
use crate::store::{KeptClient, Origin, SecondFactor, Spare, User};

/// In a token nobody could tell the two apart (RFC 9068 section 5).
pub(super) const IS_A_USER: &str = "a user has this id, and in a token nobody could tell them apart: give it another";

/// What `export` writes: clients and users that commands made, sorted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    pub version: u32,
    #[serde(default)]
    pub clients: Vec<ExportedClient>,
    #[serde(default)]
    pub users: Vec<ExportedUser>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportedClient {
    pub id: String,
    #[serde(default)]
    pub disabled: bool,
    pub registration: Registration,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportedUser {
    /// `sub`: stays what it was, for all who know the user by it.
    pub id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default)]
    pub email_verified: bool,
    /// A JSON object.
    #[serde(default)]
    pub profile: serde_json::Map<String, serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    #[serde(default)]
    pub roles: Vec<String>,
    #[serde(default)]
    pub disabled: bool,
    /// As it is sealed in the store, in base64; left out where nothing seals it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<String>,
    /// Digests of recovery codes, hexadecimal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovery: Vec<String>,
}

/// What an import does, one thing each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    ClientAdded(String),
    ClientChanged(String),
    UserAdded(String),
    /// The user and what is other.
    UserChanged(String, Vec<&'static str>),
    /// What is the same already.
    Unchanged(usize),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientAdded(id) => write!(f, "+ client {id}"),
            Self::ClientChanged(id) => write!(f, "~ client {id}"),
            Self::UserAdded(name) => write!(f, "+ user {name}"),
            Self::UserChanged(name, what) => write!(f, "~ user {name}: {}", what.join(", ")),
            Self::Unchanged(count) => write!(f, "= {count} unchanged"),
        }
    }
}

impl Administration {
    /// Everything that commands made. The second value says what had to be left out.
    pub async fn export(&self) -> Result<(Export, Vec<String>), Refused> {
        let mut left_out = Vec::new();
        let mut clients = Vec::new();
        for row in self.store.clients().await? {
            let registration = Registration::read(&row.registration).map_err(wish)?;
            clients.push(ExportedClient { id: row.id, disabled: row.disabled, registration });
        }
        let mut users: Vec<ExportedUser> = Vec::new();
        for user in self.store.users().await?.into_iter().filter(|user| user.origin == Origin::Command) {
            users.push(exported(user, &mut left_out));
        }
        clients.sort_by(|one, other| one.id.cmp(&other.id));
        users.sort_by(|one, other| one.name.cmp(&other.name));
        Ok((Export { version: 1, clients, users }, left_out))
    }

    /// Brings an export in, or says what that would change. Checks all of it before the first change.
    pub async fn import(&self, export: &Export, dry_run: bool) -> Result<Vec<Change>, Refused> {
        if export.version != 1 {
            return Err(wish(format!("the export has version {}; this program reads version 1", export.version)));
        }
        self.check(export).await?;
        let (mut changes, mut unchanged) = (Vec::new(), 0);
        for client in &export.clients {
            match self.import_client(client, dry_run).await? {
                Some(change) => changes.push(change),
                None => unchanged += 1,
            }
        }
        for user in &export.users {
            match self.import_user(user, dry_run).await? {
                Some(change) => changes.push(change),
                None => unchanged += 1,
            }
        }
        if !dry_run && !changes.is_empty() {
            let detail: Vec<String> = changes.iter().map(ToString::to_string).collect();
            self.tell("admin.import", "", detail.join("; ")).await?;
        }
        changes.push(Change::Unchanged(unchanged));
        Ok(changes)
    }

    /// Everything that is wrong with an export, before anything of it is done.
    async fn check(&self, export: &Export) -> Result<(), Refused> {
        let mut problems: Vec<String> = repeated(export).collect();
        for client in &export.clients {
            let found = if self.settings.clients.contains_key(client.id.as_str()) {
                Err(wish("stands in the file already"))
            } else if self.store.user(client.id.clone()).await?.is_some() {
                Err(wish(IS_A_USER))
            } else {
                self.checked(&client.id, &client.registration).map(drop)
            };
            problems.extend(found.err().map(|cause| format!("client `{}`: {cause}", client.id)));
        }
        for user in &export.users {
            match self.import_user(user, true).await {
                Ok(_) => {}
                Err(Refused::Wish(cause)) => problems.push(format!("user `{}`: {cause}", user.name)),
                Err(fault) => return Err(fault),
            }
        }
        problems.extend(factors::unopened(&self.sealer, &export.users));
        if problems.is_empty() { Ok(()) } else { Err(wish(problems.join("\n"))) }
    }

    fn readable(&self, user: &ExportedUser) -> Result<User, Refused> {
        self.known_roles(&user.roles)?;
        if let Some(hash) = &user.password {
            PasswordHash::new(hash)?;
        }
        let factor = user
            .second_factor
            .as_ref()
            .map(|text| STANDARD.decode_to_vec(text).map_err(|_| wish("its second factor cannot be read")));
        let now = self.clock.now();
        let mut roles = user.roles.clone();
        roles.sort_unstable();
        Ok(User {
            id: user.id.clone(),
            name: user.name.clone(),
            email: user.email.clone(),
            email_verified: user.email_verified,
            profile: serde_json::Value::Object(user.profile.clone()).to_string(),
            password: user.password.clone(),
            roles,
            disabled: user.disabled,
            origin: Origin::Command,
            made: now,
            second_factor: factor.transpose()?.map(|secret| SecondFactor { secret, made: now, last_step: None }),
            recovery: user.recovery.iter().map(|text| digest(text)).collect::<Result<_, _>>()?,
        })
    }

    async fn import_client(&self, client: &ExportedClient, dry_run: bool) -> Result<Option<Change>, Refused> {
        let text = client.registration.write()?;
        let before = self.store.clients().await?.into_iter().find(|row| row.id == client.id);
        let now = self.clock.now();
        let change = match &before {
            Some(row)
                if row.disabled == client.disabled && Registration::read(&row.registration)? == client.registration =>
            {
                return Ok(None);
            }
            Some(_) => Change::ClientChanged(client.id.clone()),
            None => Change::ClientAdded(client.id.clone()),
        };
        if dry_run {
            return Ok(Some(change));
        }
        match before {
            Some(row) => drop(self.store.change_client(client.id.clone(), row.registration, text).await?),
            None => {
                let row = KeptClient { id: client.id.clone(), registration: text, made: now, disabled: false };
                self.store.add_client(row).await?;
            }
        }
        self.store.disable_client(client.id.clone(), client.disabled, now, self.tokens_end(now)).await?;
        Ok(Some(change))
    }

    async fn import_user(&self, user: &ExportedUser, dry_run: bool) -> Result<Option<Change>, Refused> {
        let new = self.readable(user)?;
        let Some(old) = self.store.user_named(user.name.clone()).await? else {
            if self.store.user(new.id.clone()).await?.is_some() {
                return Err(wish("the id belongs to somebody else"));
            }
            if self.store.is_retired(new.id.clone()).await? {
                return Err(wish(
                    "the id was that of a user who has been removed, and is never given again: leave the user out, or \
                     give another id",
                ));
            }
            if !dry_run && !self.store.add_user(new).await? {
                return Err(wish(format!("user `{}`: the id belongs, or belonged, to somebody else", user.name)));
            }
            return Ok(Some(Change::UserAdded(user.name.clone())));
        };
        if old.origin == Origin::File || old.id != new.id {
            return Err(wish("there is another user of this name already"));
        }
        let what = differences(&old, &new);
        if what.is_empty() {
            return Ok(None);
        }
        if !dry_run {
            self.change_user(&old, new).await?;
        }
        Ok(Some(Change::UserChanged(user.name.clone(), what)))
    }

    async fn change_user(&self, old: &User, new: User) -> Result<(), Refused> {
        let (id, now) = (old.id.clone(), self.clock.now());
        let end = self.tokens_end(now);
        self.store.set_profile(id.clone(), new.email.clone(), new.email_verified, new.profile.clone()).await?;
        if let (Some(hash), true) = (&new.password, new.password != old.password) {
            self.store.set_password(id.clone(), hash.clone(), Spare::None, now, end).await?;
        }
        if new.roles != old.roles {
            self.store.set_roles(id.clone(), new.roles, now, end).await?;
        }
        if new.disabled != old.disabled {
            self.store.disable_user(id.clone(), new.disabled, now, end).await?;
        }
        if secret(&new.second_factor) != secret(&old.second_factor) && new.second_factor.is_some() {
            self.store.set_second_factor(id, new.second_factor, new.recovery, Spare::None, now, end).await?;
        }
        Ok(())
    }
}

/// Whoever stands in an export twice.
fn repeated(export: &Export) -> impl Iterator<Item = String> {
    let mut seen = HashSet::new();
    let ids = export.clients.iter().map(|client| ("client", client.id.clone()));
    let users = export.users.iter().flat_map(|user| [("user", folded(&user.name)), ("user id", user.id.clone())]);
    let all: Vec<_> = ids.chain(users).collect();
    all.into_iter()
        .filter(move |one| !seen.insert(one.clone()))
        .map(|(kind, id)| format!("{kind} `{id}` is there twice"))
}

fn exported(user: User, left_out: &mut Vec<String>) -> ExportedUser {
    // In clear it leaves the store in no form.
    let sealed = user.second_factor.as_ref().filter(|factor| is_sealed(&factor.secret));
    if user.second_factor.is_some() && sealed.is_none() {
        left_out.push(format!("the second factor of user `{}`, which no `keys.encryption` seals", user.name));
    }
    ExportedUser {
        second_factor: sealed.map(|factor| STANDARD.encode_to_string(&factor.secret)),
        recovery: user.recovery.iter().map(hexadecimal).collect(),
        profile: serde_json::from_str(&user.profile).unwrap_or_default(),
        id: user.id,
        name: user.name,
        email: user.email,
        email_verified: user.email_verified,
        password: user.password,
        roles: user.roles,
        disabled: user.disabled,
    }
}

fn differences(old: &User, new: &User) -> Vec<&'static str> {
    let pairs = [
        ("email", old.email != new.email || old.email_verified != new.email_verified),
        ("profile", old.profile != new.profile),
        ("password", old.password != new.password && new.password.is_some()),
        ("roles", old.roles != new.roles),
        ("disabled", old.disabled != new.disabled),
        ("second factor", secret(&old.second_factor) != secret(&new.second_factor) && new.second_factor.is_some()),
    ];
    pairs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

fn secret(factor: &Option<SecondFactor>) -> Option<&[u8]> {
    factor.as_ref().map(|factor| factor.secret.as_slice())
}

fn hexadecimal(digest: &Digest) -> String {
    digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(text: &str) -> Result<Digest, Refused> {
    let byte = |place: usize| u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok();
    let mut bytes = [0_u8; 32];
    let wrong = || wish("a recovery code's digest is 64 hexadecimal digits");
    if text.len() != 64 {
        return Err(wrong());
    }
    for (place, to) in bytes.iter_mut().enumerate() {
        *to = byte(place).ok_or_else(wrong)?;
    }
    Ok(Digest::from_bytes(bytes))
}

//! Users by command.

use std::sync::Arc;

use super::{Administration, Refused, wish};
use crate::authority::USER_ID;
use crate::authority::password::{self, PasswordHash, Unfit};
use crate::ground::{Secret, Time};
use crate::store::people::folded;
use crate::store::{Origin, Spare, User};

/// A user to be.
#[derive(Default)]
pub struct NewUser {
    pub name: String,
    pub email: Option<String>,
    pub roles: Vec<String>,
    /// In clear; `None`: cannot log in by password.
    pub password: Option<Secret>,
    /// A hash instead.
    pub hash: Option<String>,
}

/// A user in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserLine {
    pub id: String,
    pub name: String,
    pub email: Option<String>,
    pub roles: Vec<String>,
    pub disabled: bool,
    pub from_file: bool,
    pub has_password: bool,
    pub has_second_factor: bool,
    pub made: Time,
}

impl Administration {
    /// Gives the id of the new user.
    pub async fn add_user(&self, new: NewUser) -> Result<String, Refused> {
        let name = new.name.trim();
        if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
            return Err(wish("a user's name is 1 to 256 bytes without control characters"));
        }
        self.known_roles(&new.roles)?;
        let password = match (new.password, new.hash) {
            (Some(password), None) => {
                self.fit(&password, name, new.email.as_deref(), false)?;
                Some(self.hashed(password).await?)
            }
            (None, Some(hash)) => PasswordHash::new(&hash).map(|_| Some(hash))?,
            (None, None) => None,
            (Some(_), Some(_)) => return Err(wish("a user has a password or a hash of one, and not both")),
        };
        let mut roles = new.roles;
        roles.sort_unstable();
        roles.dedup();
        let user = User {
            id: format!("{USER_ID}{}", self.random.token(16)),
            name: name.to_owned(),
            email: new.email,
            email_verified: false,
            profile: "{}".into(),
            password,
            roles,
            disabled: false,
            origin: Origin::Command,
            made: self.clock.now(),
            second_factor: None,
            recovery: Vec::new(),
        };
        let id = user.id.clone();
        if !self.store.add_user(user).await? {
            return Err(wish(format!("there is a user `{name}` already")));
        }
        self.tell("admin.user", &id, "added").await?;
        Ok(id)
    }

    pub async fn users(&self) -> Result<Vec<UserLine>, Refused> {
        Ok(self.store.users().await?.into_iter().map(line).collect())
    }

    /// Signs the user out everywhere.
    pub async fn set_password(&self, name: &str, password: Secret) -> Result<(), Refused> {
        let user = self.named(name).await?;
        self.fit(&password, &user.name, user.email.as_deref(), user.second_factor.is_some())?;
        let hash = self.hashed(password).await?;
        let now = self.clock.now();
        self.store.set_password(user.id.clone(), hash, Spare::None, now, self.tokens_end(now)).await?;
        self.tell("admin.user", &user.id, "has a new password").await
    }

    pub async fn set_roles(&self, name: &str, roles: Vec<String>) -> Result<(), Refused> {
        let user = self.named(name).await?;
        if user.origin == Origin::File {
            return Err(wish(format!("user `{name}` stands in the file: change the roles there")));
        }
        self.known_roles(&roles)?;
        let now = self.clock.now();
        let detail = format!("roles: {} -> {}", user.roles.join(" "), roles.join(" "));
        self.store.set_roles(user.id.clone(), roles, now, self.tokens_end(now)).await?;
        self.tell("admin.user", &user.id, detail).await
    }

    /// Disabling ends sessions and grants.
    pub async fn disable_user(&self, name: &str, disabled: bool) -> Result<(), Refused> {
        let user = self.named(name).await?;
        let now = self.clock.now();
        self.store.disable_user(user.id.clone(), disabled, now, self.tokens_end(now)).await?;
        self.tell("admin.user", &user.id, if disabled { "disabled" } else { "enabled" }).await
    }

    pub async fn remove_user(&self, name: &str) -> Result<(), Refused> {
        let user = self.named(name).await?;
        if user.origin == Origin::File {
            return Err(wish(format!("user `{name}` stands in the file: take the entry out there")));
        }
        let now = self.clock.now();
        self.store.remove_user(user.id.clone(), now, self.tokens_end(now)).await?;
        self.tell("admin.user", &user.id, "removed").await
    }

    /// Takes the second factor away: for who has lost both device and recovery codes.
    pub async fn remove_second_factor(&self, name: &str) -> Result<(), Refused> {
        let user = self.named(name).await?;
        if user.second_factor.is_none() {
            return Err(wish(format!("user `{name}` has no second factor")));
        }
        let (id, now) = (user.id.clone(), self.clock.now());
        self.store.set_second_factor(id, None, Vec::new(), Spare::None, now, self.tokens_end(now)).await?;
        self.tell("admin.user", &user.id, "second factor removed").await
    }

    pub(super) async fn named(&self, name: &str) -> Result<User, Refused> {
        let user = self.store.user_named(name.to_owned()).await?;
        user.ok_or_else(|| wish(format!("there is no user `{}`; `user list` shows all", folded(name))))
    }

    pub(super) fn known_roles(&self, roles: &[String]) -> Result<(), Refused> {
        let known = |role: &&String| !self.settings.roles.iter().any(|own| own.name == **role);
        match roles.iter().find(known) {
            None => Ok(()),
            Some(role) => Err(wish(format!("there is no role `{role}`: define it under `authority.roles`"))),
        }
    }

    fn fit(&self, password: &Secret, name: &str, email: Option<&str>, second_factor: bool) -> Result<(), Refused> {
        let about = [name, email.unwrap_or_default()];
        self.password_rules.check(password.expose(), second_factor, &about).map_err(|unfit| {
            wish(match unfit {
                Unfit::TooShort(least) => format!("the password needs at least {least} characters"),
                Unfit::TooLong => "the password is too long".into(),
                Unfit::Common => "the password is too easy to guess".to_owned(),
            })
        })
    }

    async fn hashed(&self, password: Secret) -> Result<String, Refused> {
        let random = Arc::clone(&self.random);
        let hashing = tokio::task::spawn_blocking(move || password::hash(&password, &*random));
        Ok(hashing.await.map_err(|cause| wish(cause.to_string()))??)
    }
}

fn line(user: User) -> UserLine {
    UserLine {
        id: user.id,
        name: user.name,
        email: user.email,
        roles: user.roles,
        disabled: user.disabled,
        from_file: user.origin == Origin::File,
        has_password: user.password.is_some(),
        has_second_factor: user.second_factor.is_some(),
        made: user.made,
    }
}

//! Clients by command.

use std::sync::Arc;
use std::time::Duration;

use super::transfer::IS_A_USER;
use super::{Administration, Refused, wish};
use crate::authority::client::Client;
use crate::authority::registration::{KeptSecret, Registration};
use crate::ground::{Digest, Time};
use crate::store::KeptClient;

/// What generated client secrets begin with: scanners for lost secrets know it.
const SECRET_PREFIX: &str = "pc_cs_";

/// A client in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLine {
    pub id: String,
    pub name: String,
    /// It stands in the file.
    pub from_file: bool,
    pub disabled: bool,
    pub grants: Vec<&'static str>,
    pub scopes: Vec<String>,
    pub secrets: Vec<SecretLine>,
    /// Why its registration cannot be used.
    pub fault: Option<String>,
}

/// A secret in a list: never the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretLine {
    pub name: String,
    pub ends: Option<Time>,
    pub used: Option<Time>,
}

impl Administration {
    /// Keeps a new client. Gives its secret, which is shown once and kept as a hash alone; `None` for one that proves itself
    /// otherwise or not at all.
    pub async fn add_client(
        &self,
        id: &str,
        mut registration: Registration,
        has_secret: bool,
    ) -> Result<Option<String>, Refused> {
        if self.settings.clients.contains_key(id) {
            return Err(wish(format!("the file has a client `{id}` already")));
        }
        if self.store.user(id.to_owned()).await?.is_some() {
            return Err(wish(IS_A_USER));
        }
        let secret = has_secret.then(|| self.new_secret());
        registration.secrets = secret.iter().map(|secret| self.kept(secret)).collect();
        self.checked(id, &registration)?;
        let row = KeptClient {
            id: id.to_owned(),
            registration: registration.write()?,
            made: self.clock.now(),
            disabled: false,
        };
        if !self.store.add_client(row).await? {
            return Err(wish(format!("there is a client `{id}` already; `client rotate` gives it a new secret")));
        }
        self.tell("admin.client", id, "added").await?;
        Ok(secret)
    }

    /// Gives a client a new secret; those it has are good for `overlap` more. Never more than two are.
    pub async fn rotate_client(&self, id: &str, overlap: Duration) -> Result<String, Refused> {
        let row = self.kept_client(id).await?;
        let mut registration = Registration::read(&row.registration)?;
        if registration.secrets.is_empty() {
            return Err(wish(format!("client `{id}` has no secret that could be replaced")));
        }
        let now = self.clock.now();
        let (until, secret) = (now.plus(overlap).millis(), self.new_secret());
        registration.secrets.retain(|old| old.ends.is_none_or(|ends| ends > now.millis()));
        // The newest of the old ones stays beside the new one.
        registration.secrets.sort_by_key(|old| old.made);
        let old = registration.secrets.pop().map(|mut old| {
            old.ends = Some(old.ends.map_or(until, |ends| ends.min(until)));
            old
        });
        registration.secrets = old.into_iter().filter(|_| !overlap.is_zero()).chain([self.kept(&secret)]).collect();
        self.checked(id, &registration)?;
        if !self.store.change_client(id.to_owned(), row.registration, registration.write()?).await? {
            return Err(wish(format!("client `{id}` was changed by somebody else at the same moment; try again")));
        }
        self.tell("admin.client", id, "has a new secret").await?;
        Ok(secret)
    }

    /// Disabling ends everything that the client holds.
    pub async fn disable_client(&self, id: &str, disabled: bool) -> Result<(), Refused> {
        self.kept_client(id).await?;
        let now = self.clock.now();
        self.store.disable_client(id.to_owned(), disabled, now, self.tokens_end(now)).await?;
        self.tell("admin.client", id, if disabled { "disabled" } else { "enabled" }).await
    }

    pub async fn remove_client(&self, id: &str) -> Result<(), Refused> {
        self.kept_client(id).await?;
        let now = self.clock.now();
        self.store.remove_client(id.to_owned(), now, self.tokens_end(now)).await?;
        self.tell("admin.client", id, "removed").await
    }

    /// All clients, those of the file among them, by id.
    pub async fn clients(&self) -> Result<Vec<ClientLine>, Refused> {
        let uses = self.store.secret_uses().await?;
        let used = |client: &str, secret: &str| {
            uses.iter().find(|one| one.client == client && one.secret == secret).map(|one| one.used)
        };
        let secrets = |client: &Client| {
            let line = |secret: &crate::authority::ClientSecret| SecretLine {
                name: secret.name().to_string(),
                ends: secret.ends(),
                used: used(client.id(), secret.name()),
            };
            client.secrets().iter().map(line).collect()
        };
        let mut lines: Vec<ClientLine> = self
            .settings
            .clients
            .values()
            .map(|client| ClientLine { secrets: secrets(client), ..line(client, true, false) })
            .collect();
        for row in self.store.clients().await? {
            let read = Registration::read(&row.registration).and_then(|registration| registration.client(&row.id));
            lines.push(match read {
                Ok(client) => {
                    let faults = self.settings.faults_of(&client);
                    ClientLine {
                        secrets: secrets(&client),
                        fault: faults.first().map(ToString::to_string),
                        ..line(&client, false, row.disabled)
                    }
                }
                Err(fault) => ClientLine { fault: Some(fault), ..unreadable(&row) },
            });
        }
        lines.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(lines)
    }

    /// A registration that could serve as a client beside these settings.
    pub(super) fn checked(&self, id: &str, registration: &Registration) -> Result<Arc<Client>, Refused> {
        let client = registration.client(id)?;
        match self.settings.faults_of(&client).first() {
            None => Ok(Arc::new(client)),
            Some(fault) => Err(wish(fault.to_string())),
        }
    }

    async fn kept_client(&self, id: &str) -> Result<KeptClient, Refused> {
        let found = self.store.clients().await?.into_iter().find(|row| row.id == id);
        found.ok_or_else(|| {
            wish(if self.settings.clients.contains_key(id) {
                format!("client `{id}` stands in the file: change it there")
            } else {
                format!("there is no client `{id}`; `client list` shows all")
            })
        })
    }

    fn new_secret(&self) -> String {
        format!("{SECRET_PREFIX}{}", self.random.token(32))
    }

    fn kept(&self, secret: &str) -> KeptSecret {
        let digits: String =
            Digest::of(secret.as_bytes()).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        KeptSecret { hash: format!("sha256:{digits}"), made: self.clock.now().millis(), ends: None }
    }
}

fn line(client: &Client, from_file: bool, disabled: bool) -> ClientLine {
    ClientLine {
        id: client.id().to_string(),
        name: client.name().to_owned(),
        from_file,
        disabled,
        grants: client.parts().grants.iter().map(|grant| grant.name()).collect(),
        scopes: client.scopes().iter().map(ToString::to_string).collect(),
        secrets: Vec::new(),
        fault: None,
    }
}

fn unreadable(row: &KeptClient) -> ClientLine {
    ClientLine {
        id: row.id.clone(),
        name: String::new(),
        from_file: false,
        disabled: row.disabled,
        grants: Vec::new(),
        scopes: Vec::new(),
        secrets: Vec::new(),
        fault: None,
    }
}

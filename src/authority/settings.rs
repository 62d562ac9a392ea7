//! What the authority is told: checked once, then it cannot be wrong.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use super::issuer::{Issuer, Resource};
use super::scope::ScopeName;

/// How long an access token lives when nothing else is said.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// What the settings are made of; `Settings::new` checks that it fits together.
pub struct Parts {
    pub issuer: Issuer,
    /// Audience of tokens when neither request nor client names one; the issuer when `None`.
    pub resource: Option<Resource>,
    /// Lifetime of access tokens.
    pub access_tokens_for: Duration,
    /// API scopes with what a person should read about them, in the order of the file.
    pub scopes: Vec<(ScopeName, String)>,
    pub clients: Vec<Client>,
}

/// Everything the authority is configured with.
pub struct Settings {
    pub(super) issuer: Issuer,
    pub(super) resource: Resource,
    pub(super) access_tokens_for: Duration,
    pub(super) scopes: Vec<(ScopeName, String)>,
    pub(super) clients: HashMap<Arc<str>, Arc<Client>>,
    pub(super) slow: Option<Slow>,
}

/// Set when some client has an Argon2id secret. From then on every failed attempt costs as many hashes as the dearest
/// client's, or the time would tell which clients exist.
pub(super) struct Slow {
    /// One of the hashes, run in place of those that a client lacks.
    pub decoy: Arc<str>,
    pub per_attempt: usize,
}

/// Why settings do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsFault {
    #[error("there are two clients `{client}`")]
    ClientTwice { client: Arc<str> },
    #[error("there are two scopes `{scope}`")]
    ScopeTwice { scope: ScopeName },
    #[error("client `{client}` may ask for scope `{scope}`, which the authority does not list under `scopes`")]
    ScopeUnknown { client: Arc<str>, scope: ScopeName },
    #[error("access tokens live between 1s and 24h")]
    Lifetime { client: Option<Arc<str>> },
}

impl Settings {
    /// Gives all faults at once.
    pub fn new(parts: Parts) -> Result<Self, Vec<SettingsFault>> {
        let Parts { issuer, resource, access_tokens_for, scopes, clients: registered } = parts;
        let mut faults = Vec::new();
        for (place, (scope, _)) in scopes.iter().enumerate() {
            if scopes.iter().take(place).any(|(earlier, _)| earlier == scope) {
                faults.push(SettingsFault::ScopeTwice { scope: scope.clone() });
            }
        }
        if !is_sensible(access_tokens_for) {
            faults.push(SettingsFault::Lifetime { client: None });
        }
        let mut clients = HashMap::new();
        for client in registered {
            faults.extend(faults_of(&client, &scopes));
            let id = Arc::clone(client.id());
            if clients.insert(Arc::clone(&id), Arc::new(client)).is_some() {
                faults.push(SettingsFault::ClientTwice { client: id });
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let resource = resource.unwrap_or_else(|| Resource::from(&issuer));
        let slow = Slow::among(&clients);
        Ok(Self { issuer, resource, access_tokens_for, scopes, clients, slow })
    }

    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Audience of tokens when neither request nor client names one.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// What the operator should hear at start, in whole sentences.
    pub fn warnings(&self) -> Vec<String> {
        let mut clients: Vec<_> = self.clients.values().collect();
        clients.sort_by(|one, other| one.id().cmp(other.id()));
        self.issuer.warning().into_iter().chain(clients.into_iter().flat_map(|client| client.warnings())).collect()
    }
}

impl Slow {
    fn among(clients: &HashMap<Arc<str>, Arc<Client>>) -> Option<Self> {
        let per_attempt = clients.values().map(|client| client.slow_hashes().count()).max()?;
        let decoy = clients.values().flat_map(|client| client.slow_hashes()).min()?;
        Some(Self { decoy: Arc::clone(decoy), per_attempt })
    }
}

fn faults_of(client: &Client, scopes: &[(ScopeName, String)]) -> Vec<SettingsFault> {
    let mut faults: Vec<_> = client
        .scopes()
        .iter()
        .filter(|scope| !scope.is_built_in() && !scopes.iter().any(|(known, _)| known == *scope))
        .map(|scope| SettingsFault::ScopeUnknown { client: Arc::clone(client.id()), scope: scope.clone() })
        .collect();
    if client.access_tokens_for().is_some_and(|span| !is_sensible(span)) {
        faults.push(SettingsFault::Lifetime { client: Some(Arc::clone(client.id())) });
    }
    faults
}

fn is_sensible(lifetime: Duration) -> bool {
    (Duration::from_secs(1)..=Duration::from_secs(24 * 3600)).contains(&lifetime)
}

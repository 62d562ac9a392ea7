//! What the authority is told: checked once, then it cannot be wrong.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::client::{Client, RefreshTerms, TokenFormat};
use super::issuer::{Issuer, Resource};
use super::scope::{Role, ScopeName};
use crate::store::FileUser;
use crate::token::jwt::Algorithm;

/// How long a signed access token lives when nothing else is said.
pub const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// How long an opaque one does.
pub const OPAQUE_TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What the settings are made of; `Settings::new` checks that it fits together.
pub struct Parts {
    pub issuer: Issuer,
    /// Audience of tokens when neither request nor client names one; the issuer when `None`.
    pub resource: Option<Resource>,
    /// Further audiences, with what is different there.
    pub resources: Vec<ResourceParts>,
    pub access_tokens: AccessTokens,
    pub refresh_tokens: RefreshTokens,
    /// How long a code may be redeemed.
    pub codes_for: Duration,
    pub sessions: Sessions,
    /// How long a signing key signs.
    pub rotate_keys: Duration,
    /// API scopes with what a person should read about them, in the order of the file.
    pub scopes: Vec<(ScopeName, String)>,
    pub roles: Vec<Role>,
    pub users: Vec<FileUser>,
    pub clients: Vec<Client>,
}

impl Parts {
    /// Every default, nobody in it.
    pub fn of(issuer: Issuer) -> Self {
        Self {
            issuer,
            resource: None,
            resources: Vec::new(),
            access_tokens: AccessTokens::default(),
            refresh_tokens: RefreshTokens::default(),
            codes_for: Duration::from_secs(60),
            sessions: Sessions { idle: 12 * HOUR, lasts: 7 * DAY },
            rotate_keys: 90 * DAY,
            scopes: Vec::new(),
            roles: Vec::new(),
            users: Vec::new(),
            clients: Vec::new(),
        }
    }
}

/// An audience besides the usual one (RFC 8707).
#[derive(Clone)]
pub struct ResourceParts {
    pub resource: Resource,
    /// The API scopes that mean something there; `None`: all.
    pub scopes: Option<Vec<ScopeName>>,
    pub format: Option<TokenFormat>,
    pub access_tokens_for: Option<Duration>,
}

/// How access tokens are made.
#[derive(Clone, Copy, Debug)]
pub struct AccessTokens {
    pub format: TokenFormat,
    /// `None`: what is right for the form.
    pub lasts: Option<Duration>,
    pub algorithm: Algorithm,
}

impl Default for AccessTokens {
    fn default() -> Self {
        Self { format: TokenFormat::Jwt, lasts: None, algorithm: Algorithm::Es256 }
    }
}

/// How refresh tokens live, where a client does not say otherwise.
#[derive(Clone, Copy, Debug)]
pub struct RefreshTokens {
    /// Over when not used for so long.
    pub idle: Duration,
    /// Over in any case.
    pub lasts: Duration,
    /// How long the one before is answered again.
    pub grace: Duration,
}

impl Default for RefreshTokens {
    fn default() -> Self {
        Self { idle: 30 * DAY, lasts: 90 * DAY, grace: Duration::from_secs(30) }
    }
}

/// How long people stay signed in.
#[derive(Clone, Copy, Debug)]
pub struct Sessions {
    pub idle: Duration,
    pub lasts: Duration,
}

/// Everything the authority is configured with.
pub struct Settings {
    pub(super) issuer: Issuer,
    /// What is meant when nobody says otherwise.
    pub(super) usual: ResourceParts,
    pub(super) resources: Vec<ResourceParts>,
    pub(super) access_tokens: AccessTokens,
    pub(super) refresh_tokens: RefreshTokens,
    pub(super) codes_for: Duration,
    pub(super) sessions: Sessions,
    pub(super) rotate_keys: Duration,
    pub(super) scopes: Vec<(ScopeName, String)>,
    pub(super) roles: Vec<Role>,
    pub(super) users: Vec<FileUser>,
    pub(super) clients: HashMap<Arc<str>, Arc<Client>>,
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
    #[error("client `{client}` may name resource `{resource}`, which the authority does not list under `resources`")]
    ResourceUnknown { client: Arc<str>, resource: String },
    #[error("access tokens live between 1s and 24h")]
    Lifetime { client: Option<Arc<str>> },
}

impl Settings {
    /// Gives all faults at once.
    pub fn new(parts: Parts) -> Result<Self, Vec<SettingsFault>> {
        let mut faults = Vec::new();
        for (place, (scope, _)) in parts.scopes.iter().enumerate() {
            if parts.scopes.iter().take(place).any(|(earlier, _)| earlier == scope) {
                faults.push(SettingsFault::ScopeTwice { scope: scope.clone() });
            }
        }
        if parts.access_tokens.lasts.is_some_and(|span| !is_sensible(span)) {
            faults.push(SettingsFault::Lifetime { client: None });
        }
        let usual = parts.resource.unwrap_or_else(|| Resource::from(&parts.issuer));
        let own = parts.resources.iter().find(|own| own.resource.is(&usual)).cloned();
        let usual =
            own.unwrap_or(ResourceParts { resource: usual, scopes: None, format: None, access_tokens_for: None });
        let others = parts.resources.into_iter().filter(|other| !other.resource.is(&usual.resource)).collect();
        let mut settings = Self {
            issuer: parts.issuer,
            usual,
            resources: others,
            access_tokens: parts.access_tokens,
            refresh_tokens: parts.refresh_tokens,
            codes_for: parts.codes_for,
            sessions: parts.sessions,
            rotate_keys: parts.rotate_keys,
            scopes: parts.scopes,
            roles: parts.roles,
            users: parts.users,
            clients: HashMap::new(),
        };
        for client in parts.clients {
            faults.extend(settings.faults_of(&client));
            let id = Arc::clone(client.id());
            if settings.clients.insert(Arc::clone(&id), Arc::new(client)).is_some() {
                faults.push(SettingsFault::ClientTwice { client: id });
            }
        }
        if faults.is_empty() { Ok(settings) } else { Err(faults) }
    }

    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// What access tokens are signed with.
    pub fn algorithm(&self) -> Algorithm {
        self.access_tokens.algorithm
    }

    /// Audience of tokens when neither request nor client names one.
    pub fn resource(&self) -> &Resource {
        &self.usual.resource
    }

    /// What the operator should hear at start, in whole sentences.
    pub fn warnings(&self) -> Vec<String> {
        let mut clients: Vec<_> = self.clients.values().collect();
        clients.sort_by(|one, other| one.id().cmp(other.id()));
        self.issuer.warning().into_iter().chain(clients.into_iter().flat_map(|client| client.warnings())).collect()
    }

    /// What is wrong with a client beside these settings.
    pub(super) fn faults_of(&self, client: &Client) -> Vec<SettingsFault> {
        let id = || Arc::clone(client.id());
        let unknown = |scope: &&ScopeName| !scope.is_built_in() && !self.knows_scope(scope.as_str());
        let mut faults: Vec<_> = client
            .scopes()
            .iter()
            .filter(unknown)
            .map(|scope| SettingsFault::ScopeUnknown { client: id(), scope: scope.clone() })
            .collect();
        faults.extend(
            client
                .parts()
                .resources
                .iter()
                .filter(|named| self.resource_parts(named).is_none())
                .map(|named| SettingsFault::ResourceUnknown { client: id(), resource: named.as_str().to_owned() }),
        );
        if client.parts().access_tokens_for.is_some_and(|span| !is_sensible(span)) {
            faults.push(SettingsFault::Lifetime { client: Some(id()) });
        }
        faults
    }

    pub(super) fn knows_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|(known, _)| known.as_str() == scope)
    }

    pub(super) fn resource_parts(&self, resource: &Resource) -> Option<&ResourceParts> {
        std::iter::once(&self.usual).chain(&self.resources).find(|known| known.resource.is(resource))
    }

    /// The form of a client's token for a resource, and how long it lives: client over resource over file.
    pub(super) fn token_terms(&self, client: &Client, resource: &Resource) -> (TokenFormat, Duration) {
        let at = self.resource_parts(resource);
        let own = client.parts();
        let format = own.format.or(at.and_then(|at| at.format)).unwrap_or(self.access_tokens.format);
        let lasts = own.access_tokens_for.or(at.and_then(|at| at.access_tokens_for)).or(self.access_tokens.lasts);
        let usual = match format {
            TokenFormat::Jwt => ACCESS_TOKEN_LIFETIME,
            TokenFormat::Opaque => OPAQUE_TOKEN_LIFETIME,
        };
        (format, lasts.unwrap_or(usual))
    }

    /// The longest that any access token can live.
    pub(super) fn longest_token(&self) -> Duration {
        let clients = self.clients.values().filter_map(|client| client.parts().access_tokens_for);
        let resources = std::iter::once(&self.usual).chain(&self.resources).filter_map(|at| at.access_tokens_for);
        // A client made by a command may say up to a day, and is not looked up here.
        clients.chain(resources).chain(self.access_tokens.lasts).fold(OPAQUE_TOKEN_LIFETIME, Duration::max).max(DAY)
    }

    pub(super) fn refresh_terms(&self) -> RefreshTerms {
        RefreshTerms { idle: self.refresh_tokens.idle, lasts: self.refresh_tokens.lasts, rotates: true }
    }
}

fn is_sensible(lifetime: Duration) -> bool {
    (Duration::from_secs(1)..=DAY).contains(&lifetime)
}

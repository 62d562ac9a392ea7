//! The authorization server: people and clients in, tokens out. OAuth 2.0 as version 2.1 has it, and OpenID Connect.
//!
//! In: a request to one of its endpoints, with its body. Out: a whole answer. Runs on the control plane and may wait there.
//! Keeps no secret of a client or user in clear and prints none. Does not know `gate`: the gateway trusts its tokens the way
//! it trusts anyone's, through `token`.

mod account;
pub mod administration;
mod assertion;
mod audit;
mod authenticate;
mod authorize;
mod carried;
pub mod client;
mod consent;
mod credentials;
mod crossing;
pub mod endpoint;
pub mod error;
pub mod form;
pub mod grant;
mod hashing;
mod id_token;
mod introspect;
pub mod issuer;
mod jwks;
mod login;
mod login_throttle;
mod logout;
mod metadata;
mod mint;
mod own_token;
pub mod page;
mod pages;
pub mod password;
mod pkce;
mod prove;
pub mod recovery;
pub mod redirect;
mod refresh_token;
pub mod registration;
mod registry;
mod remembered;
mod reply;
mod resource;
mod revoke;
mod rotation;
pub mod scope;
pub mod sealing;
pub mod secret;
pub mod settings;
mod signing;
#[cfg(test)]
mod tests;
mod throttle;
mod token;
pub mod totp;
pub mod upkeep;
mod userinfo;
mod visit;

pub use client::{AuthMethod, Client, ClientParts};
pub use endpoint::{Endpoint, Incoming};
pub use error::OAuthError;
pub use grant::Grant;
pub use issuer::{Issuer, Resource};
pub use rotation::{RingFault, published};
pub use scope::ScopeName;
pub use secret::ClientSecret;
pub use settings::{Parts, Settings, SettingsFault};

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use self::assertion::KeysOfClients;
use self::authenticate::Desk;
use self::hashing::Hashing;
use self::login_throttle::LoginThrottle;
use self::page::{Brand, Pages};
use self::password::PasswordRules;
use self::registry::Registry;
use self::remembered::Remembered;
use self::rotation::{Ring, Wanted};
use self::sealing::Sealer;
use self::throttle::{Throttle, Together};
use crate::ground::{SharedClock, SharedRandom, Time};
use crate::observe::Audit;
use crate::store::{SharedCounters, SharedStore};
use crate::token::jwt::{KeySet, Signer};
use crate::token::verifier::Context;

/// What the ids of users begin with; no client's id does.
pub const USER_ID: &str = "usr_";

/// How far clocks may be apart.
const LEEWAY: Duration = Duration::from_secs(60);

/// An authorization server, ready to answer.
pub struct Authority {
    settings: Settings,
    ring: Arc<Ring>,
    store: SharedStore,
    desk: Arc<Desk>,
    logins: Arc<LoginThrottle>,
    sealer: Arc<Sealer>,
    clock: SharedClock,
    random: SharedRandom,
    context: Context,
    registry: ArcSwap<Registry>,
    keys_of_clients: Arc<KeysOfClients>,
    pages: Pages,
    password_rules: PasswordRules,
    audit: Option<Audit>,
    told: Arc<audit::Told>,
    /// Told when something was revoked, so that the gateway hears of it at once.
    revoked: Arc<dyn Fn() + Send + Sync>,
    /// What is counted together with other gateways; `None`: this one is alone.
    counters: Option<SharedCounters>,
    marks: Marks,
}

/// What is not in the settings and is needed beside them.
pub struct Equipment {
    pub sealer: Sealer,
    pub brand: Brand,
    pub password_rules: PasswordRules,
    /// Where everything that is done is told; `None` for tests alone.
    pub audit: Option<Audit>,
    /// Called when something was revoked.
    pub revoked: Arc<dyn Fn() + Send + Sync>,
    /// What is counted together with other gateways; `None`: this one is alone.
    pub counters: Option<SharedCounters>,
    pub marks: Marks,
}

/// Who remembers what is good once (the `jti` of assertions).
#[derive(Clone, Default)]
pub enum Marks {
    /// The store: it is the fleet's, or this gateway is alone.
    #[default]
    Store,
    /// The store, which is this gateway's own, and what gateways share beside it.
    StoreAnd(SharedCounters),
}

impl Default for Equipment {
    fn default() -> Self {
        Self {
            sealer: Sealer::clear(),
            brand: Brand::default(),
            password_rules: PasswordRules::default(),
            audit: None,
            revoked: Arc::new(|| {}),
            counters: None,
            marks: Marks::Store,
        }
    }
}

/// Why the authority cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    #[error(transparent)]
    Ring(#[from] RingFault),
    #[error(transparent)]
    Store(#[from] crate::store::StoreFault),
    #[error(transparent)]
    Audit(#[from] OAuthError),
}

impl Authority {
    /// Loads the keys from the store, or makes them at the first start. Users and clients of the file are there after
    /// `reconcile`, which is for when nothing else can fail any more.
    pub async fn open(settings: Settings, equipment: Equipment, context: &Context) -> Result<Self, OpenFault> {
        let (clock, random) = (Arc::clone(&context.clock), Arc::clone(&context.random));
        let sealer = Arc::new(equipment.sealer);
        let registry = Registry::read(&settings, &context.store).await?;
        let ring = Ring::open(context, Arc::clone(&sealer), wanted(&settings, &registry)).await?;
        let throttle = Throttle::new(clock.instant());
        let together = Together::new(clock.instant(), equipment.counters.clone());
        let desk = Arc::new(Desk::new(throttle, together, Hashing::new(), Remembered::new(&*random)));
        let authority = Self {
            pages: Pages::new(settings.issuer.path(), equipment.brand),
            password_rules: equipment.password_rules,
            settings,
            ring: Arc::new(ring),
            store: Arc::clone(&context.store),
            desk,
            logins: Arc::default(),
            sealer,
            clock,
            random,
            context: context.clone(),
            registry: ArcSwap::from_pointee(registry),
            keys_of_clients: Arc::default(),
            audit: equipment.audit,
            told: Arc::default(),
            revoked: equipment.revoked,
            counters: equipment.counters,
            marks: equipment.marks,
        };
        authority.seal_second_factors().await;
        Ok(authority)
    }

    /// The same authority under new settings: keys and failed attempts carry over. Nobody loses anything by it before
    /// `reconcile`, as after `open`.
    pub async fn with_settings(&self, settings: Settings, equipment: Equipment) -> Result<Self, OpenFault> {
        let registry = Registry::read(&settings, &self.store).await?;
        self.ring.want(wanted(&settings, &registry)).await?;
        let next = Self {
            pages: Pages::new(settings.issuer.path(), equipment.brand),
            password_rules: equipment.password_rules,
            registry: ArcSwap::from_pointee(registry),
            settings,
            ring: Arc::clone(&self.ring),
            store: Arc::clone(&self.store),
            desk: Arc::clone(&self.desk),
            logins: Arc::clone(&self.logins),
            // Another key for what is kept needs a restart.
            sealer: Arc::clone(&self.sealer),
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
            context: self.context.clone(),
            keys_of_clients: Arc::clone(&self.keys_of_clients),
            // The file that is open stays open; another name needs a restart.
            audit: self.audit.clone().or(equipment.audit),
            told: Arc::clone(&self.told),
            revoked: equipment.revoked,
            counters: equipment.counters,
            marks: equipment.marks,
        };
        Ok(next)
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The published keys, swapped whenever they change, for whoever verifies our tokens in this process.
    pub fn key_set(&self) -> &Arc<ArcSwap<KeySet>> {
        self.ring.key_set()
    }

    /// What signs our access tokens, for whoever else speaks in the authority's name (signed identity to upstreams).
    pub fn signer(&self) -> Result<Arc<Signer>, OAuthError> {
        self.ring.signer(self.settings.access_tokens.algorithm)
    }

    /// The moment after which no access token of now can live any more.
    fn tokens_end(&self, now: Time) -> Time {
        now.plus(self.settings.longest_token()).plus(LEEWAY)
    }

    fn revocations_changed(&self) {
        (self.revoked)();
    }
}

/// The keys that are needed. RS256 is there for every client that people log in to (OpenID Connect Core section 15.1).
fn wanted(settings: &Settings, registry: &Registry) -> Wanted {
    let mut algorithms = vec![settings.access_tokens.algorithm];
    for algorithm in registry.id_token_algorithms() {
        if !algorithms.contains(&algorithm) {
            algorithms.push(algorithm);
        }
    }
    Wanted { algorithms, rotate: settings.rotate_keys, tokens_last: settings.longest_token() }
}

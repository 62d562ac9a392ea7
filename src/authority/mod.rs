//! The authorization server: clients in, tokens out. Its rooms are laid for all of OAuth 2.0 and OpenID Connect; what is
//! there today is the `client_credentials` grant, the public keys and the metadata.
//!
//! In: a request to one of its endpoints, with its body. Out: a whole answer. Runs on the control plane and may wait there.
//! Keeps no secret of a client in clear and prints none. Does not know `gate`: the gateway trusts its tokens the way it
//! trusts anyone's, through `token`.

mod authenticate;
pub mod client;
mod credentials;
pub mod endpoint;
pub mod error;
mod form;
pub mod grant;
mod hashing;
pub mod issuer;
mod jwks;
mod metadata;
mod mint;
mod remembered;
mod reply;
mod resource;
mod rotation;
pub mod scope;
pub mod secret;
pub mod settings;
#[cfg(test)]
mod tests;
mod throttle;
mod token;

pub use client::{AuthMethod, Client, ClientParts};
pub use endpoint::{Endpoint, Incoming};
pub use error::OAuthError;
pub use grant::Grant;
pub use issuer::{Issuer, Resource};
pub use rotation::RingFault;
pub use scope::ScopeName;
pub use secret::ClientSecret;
pub use settings::{Parts, Settings, SettingsFault};

use std::sync::Arc;

use tokio::runtime::Handle;

use self::authenticate::Desk;
use self::hashing::Hashing;
use self::remembered::Remembered;
use self::reply::PublicDocument;
use self::rotation::Ring;
use self::throttle::Throttle;
use crate::ground::{SharedClock, SharedRandom};
use crate::store::SharedStore;
use crate::token::jwt::sign::Signer;

/// An authorization server, ready to answer.
pub struct Authority {
    settings: Settings,
    ring: Arc<Ring>,
    desk: Arc<Desk>,
    clock: SharedClock,
    random: SharedRandom,
    jwks: PublicDocument,
    metadata: PublicDocument,
}

impl Authority {
    /// Loads the signing key from the store, or makes it at the first start. `control` runs the slow hashes.
    pub async fn open(
        settings: Settings,
        store: &SharedStore,
        clock: SharedClock,
        random: SharedRandom,
        control: Handle,
    ) -> Result<Self, RingFault> {
        let ring = Arc::new(Ring::open(store, &*clock).await?);
        let (throttle, remembered) = (Throttle::new(clock.instant()), Remembered::new(&*random));
        let desk = Arc::new(Desk::new(throttle, Hashing::new(control), remembered));
        Ok(Self::assembled(settings, ring, desk, clock, random))
    }

    /// The same authority under new settings: key and failed attempts carry over, and nothing can fail.
    #[must_use]
    pub fn with_settings(&self, settings: Settings) -> Self {
        let (ring, desk) = (Arc::clone(&self.ring), Arc::clone(&self.desk));
        Self::assembled(settings, ring, desk, Arc::clone(&self.clock), Arc::clone(&self.random))
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The JWK set as it is published, for whoever verifies our tokens in this process.
    pub fn key_set_document(&self) -> String {
        String::from_utf8_lossy(self.jwks.body()).into_owned()
    }

    /// What signs our tokens, for whoever else speaks in the authority's name (signed identity to upstreams).
    pub fn signer(&self) -> Arc<Signer> {
        Arc::clone(self.ring.signer())
    }

    fn assembled(
        settings: Settings,
        ring: Arc<Ring>,
        desk: Arc<Desk>,
        clock: SharedClock,
        random: SharedRandom,
    ) -> Self {
        let jwks = jwks::document(ring.published());
        let metadata = metadata::document(&settings);
        Self { settings, ring, desk, clock, random, jwks, metadata }
    }
}

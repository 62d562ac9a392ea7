//! Which clients are there: those of the file, and those that commands made.

use std::collections::HashMap;
use std::sync::Arc;

use super::client::Client;
use super::grant::Grant;
use super::reply::PublicDocument;
use super::settings::Settings;
use super::{metadata, registration};
use crate::store::{KeptClient, SharedStore, StoreFault};
use crate::token::jwt::Algorithm;

/// All clients at one moment.
pub(super) struct Registry {
    clients: HashMap<Arc<str>, Arc<Client>>,
    slow: Option<Slow>,
    /// What they are told of this authority, which says what some client may do.
    metadata: PublicDocument,
    /// Which state of the kept clients this is.
    version: u64,
}

/// Set when some client has an Argon2id secret. From then on every failed attempt costs as many hashes as the dearest
/// client's, or the time would tell which clients exist.
pub(super) struct Slow {
    /// One of the hashes, run in place of those that a client lacks.
    pub decoy: Arc<str>,
    pub per_attempt: usize,
}

impl Registry {
    /// What the file and the store say now. The version is read first: what changes in between is read once more.
    pub(super) async fn read(settings: &Settings, store: &SharedStore) -> Result<Self, StoreFault> {
        let version = store.versions().await?.clients;
        Ok(Self::new(settings, &store.clients().await?, version))
    }

    /// The file's clients and the enabled ones among `kept`. Where both name one, the file's counts. One whose registration
    /// does not fit the settings any more is left out, and the log says why.
    fn new(settings: &Settings, kept: &[KeptClient], version: u64) -> Self {
        let mut clients = settings.clients.clone();
        for row in kept.iter().filter(|row| !row.disabled && !settings.clients.contains_key(&*row.id)) {
            match registration::client(row, settings) {
                Ok(client) => drop(clients.insert(Arc::clone(client.id()), Arc::new(client))),
                Err(cause) => tracing::error!(client.id = row.id, "a kept client cannot be used: {cause}"),
            }
        }
        let (slow, metadata) = (Slow::among(&clients), metadata::document(settings, &clients));
        Self { clients, slow, metadata, version }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Clients that are not in `next` any more.
    pub(super) fn gone_from(&self, next: &Self) -> Vec<String> {
        self.clients.keys().filter(|id| !next.clients.contains_key(*id)).map(ToString::to_string).collect()
    }

    pub(super) fn client(&self, id: &str) -> Option<&Arc<Client>> {
        self.clients.get(id)
    }

    /// What ID tokens are signed with, RS256 among them; nothing when there is no client that people log in to.
    pub(super) fn id_token_algorithms(&self) -> Vec<Algorithm> {
        let logs_in =
            |client: &&Arc<Client>| !client.parts().grants.iter().all(|grant| *grant == Grant::ClientCredentials);
        let asked = self.clients.values().filter(logs_in).map(|client| client.parts().id_token_algorithm);
        let mut algorithms: Vec<Algorithm> = asked.collect();
        if !algorithms.is_empty() {
            algorithms.push(Algorithm::Rs256);
        }
        algorithms
    }

    /// Whether some client may use this grant.
    pub(super) fn uses(&self, grant: Grant) -> bool {
        self.clients.values().any(|client| client.may_use(grant))
    }

    pub(super) fn metadata(&self) -> &PublicDocument {
        &self.metadata
    }

    pub(super) fn slow(&self) -> Option<&Slow> {
        self.slow.as_ref()
    }

    /// Whether scripts served from `origin` may read what the endpoints for clients answer (G-10).
    pub(super) fn has_origin(&self, origin: &str) -> bool {
        self.clients.values().any(|client| client.origins().any(|own| own == origin))
    }
}

impl Slow {
    fn among(clients: &HashMap<Arc<str>, Arc<Client>>) -> Option<Self> {
        let per_attempt = clients.values().map(|client| client.slow_hashes().count()).max()?;
        let decoy = clients.values().flat_map(|client| client.slow_hashes()).min()?;
        Some(Self { decoy: Arc::clone(decoy), per_attempt })
    }
}

//! What has to be done now and then: keys that rotate, clients that commands changed, rows that are over.

use std::sync::Arc;
use std::time::Duration;

use super::prove::totp_context;
use super::registry::Registry;
use super::sealing::SEALED;
use super::{Authority, OpenFault, audit};
use crate::store::StoreFault;

/// How often other processes' changes are looked for.
pub const LOOK: Duration = Duration::from_secs(1);

/// Rows of each kind that go at once, so that no login waits for it.
const SWEEP: usize = 500;

/// What was seen at the last look.
#[derive(Default)]
pub struct Upkeep {
    /// The version of the signing keys.
    keys: Option<u64>,
    looks: u64,
}

impl Upkeep {
    /// One round. A store that fails is told about, and the next round tries again.
    pub async fn round(&mut self, authority: &Authority) {
        let done = match self.look(authority).await {
            Ok(()) => self.tidy(authority).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = done {
            tracing::warn!("upkeep of the authority: {fault}");
        }
        self.looks += 1;
    }

    /// Between two rounds: another process has said that it changed something.
    pub async fn hear(&mut self, authority: &Authority) {
        if let Err(fault) = self.look(authority).await {
            tracing::warn!("what another process has changed cannot be read: {fault}");
        }
    }

    async fn look(&mut self, authority: &Authority) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let now = authority.store.versions().await?;
        // Each authority knows what it has read: after a reload it is another one.
        if authority.registry.load().version() != now.clients {
            authority.read_clients().await?;
        }
        if self.keys != Some(now.keys) || authority.ring.is_due() {
            authority.ring.refresh().await?;
        }
        // Only now: what could not be taken over is tried again.
        self.keys = Some(now.keys);
        Ok(())
    }

    async fn tidy(&self, authority: &Authority) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.looks.is_multiple_of(60) {
            for key in authority.ring.rotate_by_schedule().await? {
                authority.tell(audit::keys_made(&key)).await?;
            }
        }
        if self.looks.is_multiple_of(10) {
            let uses = authority.desk.take_uses();
            if !uses.is_empty() {
                authority.store.secrets_used(uses).await?;
            }
            while authority.store.sweep(authority.clock.now(), SWEEP).await? >= SWEEP {}
        }
        Ok(())
    }
}

impl Authority {
    /// Takes over what commands have done to clients.
    async fn read_clients(&self) -> Result<(), OpenFault> {
        let registry = Registry::read(&self.settings, &self.store).await?;
        self.ring.want(super::wanted(&self.settings, &registry)).await?;
        let before = self.registry.swap(Arc::new(registry));
        self.end_clients_of(&before).await;
        Ok(())
    }

    /// Ends what clients hold that `old` knew and this authority does not. Whoever took them out has revoked that already;
    /// but up to now this gateway gave them more. For when nobody asks `old` any more.
    pub async fn succeed(&self, old: &Self) {
        let before = old.registry.load_full();
        self.end_clients_of(&before).await;
    }

    async fn end_clients_of(&self, before: &Registry) {
        let gone = before.gone_from(&self.registry.load());
        let now = self.clock.now();
        for id in &gone {
            if let Err(fault) = self.store.end_client(id.clone(), now, self.tokens_end(now)).await {
                tracing::error!(client.id = id, "what a client got of late is not revoked: {fault}");
            }
        }
        if !gone.is_empty() {
            self.revocations_changed();
        }
    }

    /// Seals the second factors that were kept clear before there was a key for it. What cannot be sealed now is good as it
    /// is, and the next start tries again.
    pub(super) async fn seal_second_factors(&self) {
        if self.sealer.seals()
            && let Err(fault) = self.seal_clear_ones().await
        {
            tracing::warn!("second factors that may be kept in clear could not be sealed: {fault}");
        }
    }

    async fn seal_clear_ones(&self) -> Result<(), StoreFault> {
        let mut sealed = 0;
        loop {
            let before = sealed;
            for (user, kept) in self.store.second_factors_besides(SEALED, SWEEP).await? {
                let context = totp_context(&user);
                let anew =
                    self.sealer.open(&context, &kept).and_then(|opened| self.sealer.seal(&context, &opened.clear));
                match anew {
                    Ok(anew) => {
                        self.store.reseal_second_factor(user, kept, anew).await?;
                        sealed += 1;
                    }
                    // The same is said when the user needs it.
                    Err(cause) => tracing::error!("the second factor of user `{user}` cannot be read: {cause}"),
                }
            }
            if sealed == before {
                break;
            }
        }
        if sealed > 0 {
            tracing::info!(sealed, "second factors that were kept in clear are sealed now");
        }
        Ok(())
    }

    /// Brings users and clients of the file into the store; who is not in it any more loses everything.
    pub async fn reconcile(&self) -> Result<(), OpenFault> {
        let now = self.clock.now();
        let end = self.tokens_end(now);
        let clients = self.settings.clients.keys().map(ToString::to_string).collect();
        let gone = self.store.reconcile_clients(clients, now, end).await?;
        for gone in &gone {
            tracing::info!(client.id = gone, "a client left the file: what it held is revoked");
        }
        let report = self.store.reconcile_users(self.settings.users.clone(), now, end).await?;
        for name in &report.conflicts {
            tracing::error!("user `{name}` of the file is not taken: the name or the id belongs to another user");
        }
        let (added, changed, removed) = (report.added.len(), report.changed.len(), report.removed.len());
        let renamed = report.renamed.len();
        if added + changed + renamed + removed + gone.len() > 0 {
            tracing::info!(added, changed, renamed, removed, "users of the file were brought in");
            self.tell(audit::file_read(&report, &gone)).await?;
        }
        self.revocations_changed();
        Ok(())
    }
}

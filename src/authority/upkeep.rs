//! What has to be done now and then: keys that rotate, clients that commands changed, rows that are over.

use std::sync::Arc;
use std::time::Duration;

use super::prove::totp_context;
use super::registry::Registry;
use super::sealing::SEALED;
use super::{Authority, OpenFault, audit};
use crate::store::{StoreFault, Versions};

/// How often other processes' changes are looked for.
pub const LOOK: Duration = Duration::from_secs(1);

/// Rows of each kind that go at once, so that no login waits for it.
const SWEEP: usize = 500;

/// What was seen at the last look.
#[derive(Default)]
pub struct Upkeep {
    seen: Option<Versions>,
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
        let before = self.seen;
        if before.is_none_or(|before| before.clients != now.clients) {
            authority.read_clients().await?;
        }
        if before.is_none_or(|before| before.keys != now.keys) || authority.ring.is_due() {
            authority.ring.refresh().await?;
        }
        // Only now: what could not be taken over is tried again.
        self.seen = Some(now);
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
        let registry = Registry::new(&self.settings, &self.store.clients().await?);
        self.ring.want(super::wanted(&self.settings, &registry)).await?;
        self.registry.store(Arc::new(registry));
        Ok(())
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
    pub(super) async fn reconcile(&self) -> Result<(), OpenFault> {
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
        if added + changed + removed + gone.len() > 0 {
            tracing::info!(added, changed, removed, "users of the file were brought in");
            self.tell(audit::file_read(&report, &gone)).await?;
        }
        self.revocations_changed();
        Ok(())
    }
}

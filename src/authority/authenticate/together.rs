//! What stands before a secret is looked at where several gateways count guesses together.

use super::{Credentials, Desk, Known, OAuthError, Payer, Registry, has_digest};

impl Desk {
    /// The client that the secret belongs to, if the fleet lets it be looked at. A pair in good standing costs no network
    /// unless its secret is wrong.
    pub(super) async fn proven_together<'a>(
        &self,
        registry: &'a Registry,
        credentials: &Credentials,
        payer: &Payer<'_>,
    ) -> Result<Option<Known<'a>>, OAuthError> {
        if self.together.is_alone() {
            return self.proven(registry, credentials, payer).await;
        }
        let Payer { pair, clock, .. } = *payer;
        let now = clock.now();
        // Who has nothing left here is not worth a question. A wrong secret is paid for below.
        payer.begin()?.give_back();
        if self.together.trusts(&pair, clock.instant()) {
            if let Some(client) = self.fit_fast(registry, credentials, now) {
                return Ok(Some(client));
            }
            self.together.doubt(&pair);
        }
        let leave = self.together.leave(pair, clock).await;
        let leave = leave.map_err(|retry_after| OAuthError::TooManyFailures { retry_after })?;
        let proven = self.proven(registry, credentials, payer).await;
        match &proven {
            Ok(Some(_)) => leave.right().await,
            Ok(None) => leave.wrong().await,
            Err(OAuthError::TooManyFailures { .. }) => leave.unused().await,
            // No thread was free for a slow hash; a digest may have been compared before.
            Err(_) if credentials.claims().any(|claim| has_digest(registry, claim)) => leave.wrong().await,
            Err(_) => leave.unused().await,
        }
        proven
    }
}

//! Is the client who it says it is?

mod together;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use super::client::{AuthMethod, Client};
use super::credentials::{Claim, Credentials};
use super::error::{ClientRefusal, OAuthError};
use super::hashing::{Hashing, Turn};
use super::registry::{Registry, Slow};
use super::remembered::Remembered;
use super::secret::{ClientSecret, LONGEST, matches_argon2, matches_digest};
use super::throttle::{Attempt, Pair, Throttle, Together};
use crate::ground::{Clock, Digest, Time};
use crate::store::SecretUse;

/// What authentication needs. Outlives reloads, so that a reload is no fresh start for whoever guesses.
pub(super) struct Desk {
    /// When each secret was last right, as far as the store does not know it yet.
    uses: Mutex<Uses>,
    throttle: Throttle,
    together: Together,
    hashing: Hashing,
    remembered: Remembered,
}

/// By client and the name of the secret.
type Uses = HashMap<(Arc<str>, Arc<str>), Time>;

/// A client as the registry knows it.
type Known<'a> = &'a Arc<Client>;

/// Who pays for the attempts, and when.
struct Payer<'a> {
    throttle: &'a Throttle,
    pair: Pair,
    clock: &'a dyn Clock,
}

impl Payer<'_> {
    fn begin(&self) -> Result<Attempt, OAuthError> {
        let attempt = self.throttle.begin(self.pair, self.clock.instant());
        attempt.map_err(|retry_after| OAuthError::TooManyFailures { retry_after })
    }

    /// Whether a slow hash is at work for this pair.
    fn others_wait(&self) -> bool {
        self.throttle.hashing(self.pair).try_lock().is_err()
    }

    /// Waits until no other slow hash is at work for this pair.
    async fn alone(&self) -> OwnedMutexGuard<()> {
        self.throttle.hashing(self.pair).lock_owned().await
    }
}

impl Desk {
    pub(super) fn new(throttle: Throttle, together: Together, hashing: Hashing, remembered: Remembered) -> Self {
        Self { uses: Mutex::default(), throttle, together, hashing, remembered }
    }

    /// What is to be told to the store of the use of secrets; it is forgotten here.
    pub(super) fn take_uses(&self) -> Vec<SecretUse> {
        let uses = std::mem::take(&mut *self.uses.lock());
        let told = |((client, secret), used): ((Arc<str>, Arc<str>), Time)| SecretUse {
            client: client.to_string(),
            secret: secret.to_string(),
            used,
        };
        uses.into_iter().map(told).collect()
    }

    /// Where slow hashes run.
    pub(super) fn hashing(&self) -> &Hashing {
        &self.hashing
    }

    /// The client, authenticated by the method it is registered with. Unknown client, wrong secret and wrong method walk
    /// the same path and get the same answer; only the log knows which it was.
    pub(super) async fn client<'a>(
        &self,
        registry: &'a Registry,
        credentials: &Credentials,
        source: IpAddr,
        clock: &dyn Clock,
    ) -> Result<Known<'a>, OAuthError> {
        let method = credentials.method;
        let refused = |why| OAuthError::Client { why, challenge: method == AuthMethod::Basic };
        let known = registry.client(credentials.claim.id.as_str());
        if method == AuthMethod::None {
            // Nothing was presented that could be guessed: neither a budget nor a hash is needed.
            let public = known.filter(|client| client.authenticates_by(AuthMethod::None));
            return public.ok_or_else(|| refused(ClientRefusal::SecretMissing));
        }
        let payer = Payer { throttle: &self.throttle, pair: Pair::new(&credentials.claim.id, source), clock };
        let client = self.proven_together(registry, credentials, &payer).await?;
        let unproven = if known.is_some() { ClientRefusal::SecretWrong } else { ClientRefusal::Unknown };
        let client = client.ok_or_else(|| refused(unproven))?;
        self.note_use(client, credentials, clock.now());
        if !client.authenticates_by(method) {
            return Err(refused(ClientRefusal::MethodNotRegistered));
        }
        Ok(client)
    }

    /// Notes which of its secrets was right. A slow one is known by its client having no other.
    fn note_use(&self, client: &Arc<Client>, credentials: &Credentials, now: Time) {
        let secret = match client.secrets() {
            [only] => Some(only),
            several => {
                let presented = Digest::of(credentials.claim.secret.expose().as_bytes());
                let is_it =
                    |own: &&ClientSecret| bool::from(matches_digest(std::slice::from_ref(*own), &presented, now));
                several.iter().find(is_it).or(several.last())
            }
        };
        if let Some(secret) = secret {
            self.uses.lock().insert((Arc::clone(client.id()), Arc::clone(secret.name())), now);
        }
    }

    /// The client that the secret belongs to: fast checks first, then, where some client needs it, the slow one. Each check
    /// has been paid for by an attempt before it runs.
    async fn proven<'a>(
        &self,
        registry: &'a Registry,
        credentials: &Credentials,
        payer: &Payer<'_>,
    ) -> Result<Option<Known<'a>>, OAuthError> {
        let Some(slow) = registry.slow() else {
            let attempt = payer.begin()?;
            let client = self.fit_fast(registry, credentials, payer.clock.now());
            return Ok(attempt.settle(client));
        };
        let now = payer.clock.now();
        let attempt = match payer.begin() {
            Ok(attempt) => match self.fit_fast(registry, credentials, now) {
                None if credentials.claims().any(|claim| has_digest(registry, claim)) => Some(attempt),
                // While it waits it holds no budget if nothing has been tried yet: many right ones may wait at once.
                client => {
                    attempt.give_back();
                    if client.is_some() {
                        return Ok(client);
                    }
                    None
                }
            },
            // Those that wait hold the budget, and give it back if they are right.
            Err(_) if payer.others_wait() => None,
            Err(spent) => return Err(spent),
        };
        let admitted = self.hashing.admit()?;
        // Until the attempt is settled, so that there is one.
        let _alone = payer.alone().await;
        let attempt = attempt.map_or_else(|| payer.begin(), Ok)?;
        // Another request may have proven the same secret in the meantime.
        let client = match self.fit_fast(registry, credentials, now) {
            Some(client) => Some(client),
            None => self.fits_slowly(registry, credentials, slow, (admitted.turn().await?, now)).await?,
        };
        Ok(attempt.settle(client))
    }

    /// The client that one of the claims fits without a slow hash.
    fn fit_fast<'a>(&self, registry: &'a Registry, credentials: &Credentials, now: Time) -> Option<Known<'a>> {
        credentials.claims().find_map(|claim| self.fits_fast(registry, claim, now))
    }

    /// The client of the claim when one of its secrets has the right digest, or was found right by a slow hash of late.
    /// Does the same work for a client that is not there.
    fn fits_fast<'a>(&self, registry: &'a Registry, claim: &Claim, now: Time) -> Option<Known<'a>> {
        let presented = Digest::of(claim.secret.expose().as_bytes());
        let client = registry.client(claim.id.as_str());
        let fits = match client {
            Some(client) => matches_digest(client.secrets(), &presented, now),
            None => matches_digest(&[ClientSecret::decoy()], &presented, now),
        };
        let client = client.filter(|_| is_sane(claim))?;
        let remembered = || client.good_slow_hashes(now).any(|hash| self.remembered.has(hash, &claim.secret));
        (bool::from(fits) || remembered()).then_some(client)
    }

    /// The same by Argon2id: the client's hashes, and decoys up to what the dearest client costs.
    async fn fits_slowly<'a>(
        &self,
        registry: &'a Registry,
        credentials: &Credentials,
        slow: &Slow,
        (turn, now): (Turn, Time),
    ) -> Result<Option<Known<'a>>, OAuthError> {
        let mut owners = Vec::new();
        let mut work = Vec::new();
        for claim in credentials.claims().filter(|claim| is_sane(claim)) {
            let client = registry.client(claim.id.as_str());
            let hashes = |client: Known<'a>| client.good_slow_hashes(now).map(move |hash| (Some(client), hash));
            let own = client.into_iter().flat_map(hashes);
            for (owner, hash) in own.chain(std::iter::repeat((None, &slow.decoy))).take(slow.per_attempt) {
                owners.push((owner, hash, &claim.secret));
                work.push((Arc::clone(hash), claim.secret.clone()));
            }
        }
        let run = move || work.iter().map(|(hash, secret)| matches_argon2(hash, secret.expose().as_bytes())).collect();
        let fits: Vec<bool> = turn.run(run).await?;
        let right = owners
            .into_iter()
            .zip(fits)
            .find_map(|((owner, hash, secret), fits)| owner.filter(|_| fits).map(|client| (client, hash, secret)));
        Ok(right.map(|(client, hash, secret)| {
            self.remembered.keep(hash, secret);
            client
        }))
    }
}

/// Whether a digest of a client has been compared with this claim.
fn has_digest(registry: &Registry, claim: &Claim) -> bool {
    let client = registry.client(claim.id.as_str());
    client.is_some_and(|client| client.secrets().len() > client.slow_hashes().count())
}

/// Nobody has an empty secret, or one so long that hashing it would be the attack.
fn is_sane(claim: &Claim) -> bool {
    (1..=LONGEST).contains(&claim.secret.expose().len())
}

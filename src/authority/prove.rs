//! Is the user who they say they are? One path for every name, so that neither the answer nor its time tells who exists.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Authority;
use super::error::OAuthError;
use super::login_throttle::Attempting;
use super::password::{self, PasswordHash, Verdict};
use super::{audit, recovery, totp};
use crate::ground::{Digest, Secret};
use crate::store::User;
use crate::store::people::folded;

/// A longer password is wrong without being looked at.
const LONGEST: usize = 1024;

/// How a login ended.
pub(super) enum Proof {
    Right(Box<User>),
    /// Unknown, disabled, without a password, or wrong: nobody is told which.
    Wrong,
    Wait(Duration),
}

/// Where somebody tries to log in.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub source: IpAddr,
    /// The mark of a browser that the account knows.
    pub device: Option<[u8; 32]>,
}

impl Authority {
    /// The user of a name, as far as a browser's marks may be looked up for it. Tells nobody anything by itself.
    pub(super) async fn user_named(&self, name: &str) -> Result<Option<User>, OAuthError> {
        if name.len() > LONGEST {
            return Ok(None);
        }
        Ok(self.store.user_named(name.to_owned()).await?)
    }

    /// Checks a password. Every attempt is paid for before it is looked at, and a right one is paid back.
    pub(super) async fn prove_password(
        &self,
        name: &str,
        user: Option<User>,
        password: &Secret,
        place: Place,
    ) -> Result<Proof, OAuthError> {
        let attempting =
            Attempting { account: Digest::of(folded(name).as_bytes()), source: place.source, device: place.device };
        let attempt = match self.logins.begin(&attempting, self.clock.instant(), self.counters.as_ref()).await {
            Ok(attempt) => attempt,
            Err(wait) => {
                self.tell(audit::throttled(name, place.source)).await?;
                return Ok(Proof::Wait(wait));
            }
        };
        let hash = user.as_ref().filter(|user| !user.disabled).and_then(|user| user.password.clone());
        let kept = hash.as_deref().and_then(|text| PasswordHash::new(text).ok());
        let is_sane = (1..=LONGEST).contains(&password.expose().len());
        let hash_to_try = kept.filter(|_| is_sane).map(Arc::new);
        let (presented, random) = (password.clone(), Arc::clone(&self.random));
        let turn = self.desk.hashing().turn().await?;
        let work = move || {
            let verdict = password::verify_or_decoy(hash_to_try.as_deref(), &presented);
            // A hash made with other costs is replaced while the password is at hand.
            let better = matches!(verdict, Verdict::RightButOld).then(|| password::hash(&presented, &*random));
            (verdict, better)
        };
        let (verdict, better) = turn.run(work).await?;
        let user = match (verdict, user) {
            (Verdict::Right | Verdict::RightButOld, Some(user)) => user,
            (Verdict::Wrong | Verdict::Right | Verdict::RightButOld, _) => {
                attempt.wrong();
                return Ok(Proof::Wrong);
            }
        };
        attempt.right().await;
        if let (Some(Ok(better)), Some(old)) = (better, hash) {
            self.store.rehash_password(user.id.clone(), old, better).await?;
        }
        Ok(Proof::Right(Box::new(user)))
    }

    /// Checks a second factor: a code of the app, or a recovery code. Each is good once.
    pub(super) async fn prove_second_factor(&self, user: &User, code: &str) -> Result<Proof, OAuthError> {
        let account = Digest::of(user.id.as_bytes());
        let attempt = match self.logins.begin_code(account, self.clock.instant(), self.counters.as_ref()).await {
            Ok(attempt) => attempt,
            Err(wait) => return Ok(Proof::Wait(wait)),
        };
        if self.is_second_factor(user, code).await? {
            attempt.right().await;
            return Ok(Proof::Right(Box::new(user.clone())));
        }
        attempt.wrong();
        Ok(Proof::Wrong)
    }

    async fn is_second_factor(&self, user: &User, code: &str) -> Result<bool, OAuthError> {
        let Some(factor) = &user.second_factor else { return Ok(false) };
        let secret = self.sealer.open(&totp_context(&user.id), &factor.secret);
        let secret =
            secret.map_err(|cause| OAuthError::Internal(format!("a second factor cannot be read: {cause}")))?;
        if let Some(step) = totp::check(&secret.clear, code, self.clock.now(), factor.last_step) {
            return Ok(self.store.use_step(user.id.clone(), step).await?);
        }
        match recovery::digest(code) {
            Some(digest) if user.recovery.contains(&digest) => {
                Ok(self.store.use_recovery(user.id.clone(), digest).await?)
            }
            Some(_) | None => Ok(false),
        }
    }
}

/// What the secret of a user's second factor is sealed for.
pub(super) fn totp_context(user: &str) -> String {
    format!("totp:{user}")
}

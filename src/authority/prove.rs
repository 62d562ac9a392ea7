//! Is the user who they say they are? One path for every name, so that neither the answer nor its time tells who exists.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Authority;
use super::error::OAuthError;
use super::hashing::{Admitted, Turn};
use super::login_throttle::{Attempting, LoginAttempt};
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

    /// Checks a password. Every attempt is paid for before it is looked at, and paid back when it was right or nobody could
    /// tell. The user that it gives has the hash that was proven last.
    pub(super) async fn prove_password(
        &self,
        name: &str,
        user: Option<User>,
        password: &Secret,
        place: Place,
    ) -> Result<Proof, OAuthError> {
        // A place in the queue first: whoever gets none has not tried anything.
        let admitted = self.desk.hashing().admit()?;
        let attempting =
            Attempting { account: Digest::of(folded(name).as_bytes()), source: place.source, device: place.device };
        let mut attempt = match self.logins.begin(&attempting, &self.clock, self.counters.as_ref()).await {
            Ok(attempt) => attempt,
            Err(wait) => {
                self.tell(audit::throttled(name, place.source)).await?;
                return Ok(Proof::Wait(wait));
            }
        };
        match self.proven(user, password, admitted, &mut attempt).await {
            Ok(Some(user)) => {
                attempt.right().await;
                Ok(Proof::Right(Box::new(user)))
            }
            Ok(None) => {
                attempt.wrong();
                Ok(Proof::Wrong)
            }
            Err(error) => {
                attempt.right().await;
                Err(error)
            }
        }
    }

    /// The user, if the password is theirs. A hash made with other costs is replaced while the password is at hand.
    async fn proven(
        &self,
        user: Option<User>,
        password: &Secret,
        admitted: Admitted<'_>,
        attempt: &mut LoginAttempt,
    ) -> Result<Option<User>, OAuthError> {
        let turn = admitted.turn().await?;
        attempt.is_looked_at();
        let (mut user, better) = match self.hashed(user, password, turn).await? {
            (Verdict::Right | Verdict::RightButOld, Some(user), better) => (user, better),
            (Verdict::Wrong | Verdict::Right | Verdict::RightButOld, _, _) => return Ok(None),
        };
        let Some(Ok(better)) = better else { return Ok(Some(user)) };
        let Some(old) = user.password.clone() else { return Ok(None) };
        if self.store.rehash_password(user.id.clone(), old, better.clone()).await? {
            user.password = Some(better);
            return Ok(Some(user));
        }
        // Another login was faster, or the password is another one now: what is kept now decides.
        let user = self.store.user(user.id).await?;
        let turn = self.desk.hashing().turn().await?;
        match self.hashed(user, password, turn).await? {
            (Verdict::Right | Verdict::RightButOld, user, _) => Ok(user),
            (Verdict::Wrong, _, _) => Ok(None),
        }
    }

    /// Holds the password against the user's hash, or against a decoy, and gives a better hash where theirs is old.
    async fn hashed(
        &self,
        user: Option<User>,
        password: &Secret,
        turn: Turn,
    ) -> Result<(Verdict, Option<User>, Option<Result<String, String>>), OAuthError> {
        let hash = user.as_ref().filter(|user| !user.disabled).and_then(|user| user.password.as_deref());
        let is_sane = (1..=LONGEST).contains(&password.expose().len());
        let hash = hash.and_then(|text| PasswordHash::new(text).ok()).filter(|_| is_sane);
        let (presented, random) = (password.clone(), Arc::clone(&self.random));
        let work = move || {
            let verdict = password::verify_or_decoy(hash.as_ref(), &presented);
            let better = matches!(verdict, Verdict::RightButOld).then(|| password::hash(&presented, &*random));
            (verdict, better)
        };
        let (verdict, better) = turn.run(work).await?;
        Ok((verdict, user, better))
    }

    /// Checks a second factor: a code of the app, or a recovery code. Each is good once.
    pub(super) async fn prove_second_factor(&self, user: &User, code: &str) -> Result<Proof, OAuthError> {
        let account = Digest::of(user.id.as_bytes());
        let mut attempt = match self.logins.begin_code(account, &self.clock, self.counters.as_ref()).await {
            Ok(attempt) => attempt,
            Err(wait) => return Ok(Proof::Wait(wait)),
        };
        attempt.is_looked_at();
        match self.is_second_factor(user, code).await {
            Ok(true) => {
                attempt.right().await;
                Ok(Proof::Right(Box::new(user.clone())))
            }
            Ok(false) => {
                attempt.wrong();
                Ok(Proof::Wrong)
            }
            Err(error) => {
                attempt.right().await;
                Err(error)
            }
        }
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

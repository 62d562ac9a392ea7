//! Whether the token that something long was begun with is still good: a tunnel stands as long as a request of the same
//! token would pass.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{Claims, Verifier};
use crate::ground::{Secret, SharedClock, Time};

/// How long a token that its issuer must be asked about is still believed when nobody answers.
const UNANSWERED: Duration = Duration::from_secs(300);

/// The hold that a verified token gives.
pub struct Hold {
    /// What was learned last; moved on by each answer of the issuer.
    known: Mutex<Arc<Claims>>,
    /// Of an issuer that has to be asked again; `None` where we know by ourselves.
    token: Option<Secret>,
    verifier: Arc<Verifier>,
    clock: SharedClock,
}

/// What can be said at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    Yes,
    No,
    /// The issuer has to be asked again: its last answer has been believed for as long as it may.
    Unsure,
}

impl Hold {
    /// `token` is the text of which `claims` were learned.
    pub fn new(claims: Arc<Claims>, token: Option<&str>, verifier: Arc<Verifier>, clock: SharedClock) -> Self {
        let token = token.filter(|_| verifier.asks(&claims.issuer)).map(Secret::new);
        Self { known: Mutex::new(claims), token, verifier, clock }
    }

    /// Without waiting.
    pub fn look(&self) -> Holding {
        let (now, known) = (self.clock.now(), self.known.lock());
        if self.token.is_some() && now >= known.fresh_until && !has_ended(&known, now) {
            return Holding::Unsure;
        }
        let is_good = now < known.expires && self.verifier.standing(&known, now).is_ok();
        if is_good { Holding::Yes } else { Holding::No }
    }

    /// Asks the issuer again. Whoever cannot be asked is trusted for a while, and not for ever.
    pub async fn ask(&self) -> bool {
        let (now, known) = (self.clock.now(), Arc::clone(&self.known.lock()));
        let Some(token) = &self.token else { return self.look() == Holding::Yes };
        let accepted = [Arc::clone(&known.issuer)];
        match self.verifier.verify(token.expose(), Some(&accepted), now).await {
            Ok((claims, _)) => {
                *self.known.lock() = claims;
                true
            }
            Err(fault) => fault.is_doubt() && now < known.fresh_until.plus(UNANSWERED),
        }
    }
}

/// By its own `exp`. Without one, `expires` only says how long the last answer counts.
fn has_ended(claims: &Claims, now: Time) -> bool {
    claims.all.contains_key("exp") && now >= claims.expires
}

#[cfg(test)]
mod tests;

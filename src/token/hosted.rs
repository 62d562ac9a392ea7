//! What the verifier knows beyond others about tokens of the authority that is hosted here.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::TokenFault;
use super::revoked::{Revocable, Revocations};
use crate::ground::{Digest, Time};
use crate::store::{GrantId, SharedStore};

/// What opaque access tokens of the authority begin with.
pub const OPAQUE: &str = "pc_at_";
/// Characters behind it: 32 bytes in base64url.
const LENGTH: usize = 43;
/// How long a found token is answered from a cache.
pub const FOUND_FOR: Duration = Duration::from_secs(60);
/// How long one that is not there is not looked for again.
const MISSING_FOR: Duration = Duration::from_secs(2);
/// Invented tokens remembered; the bound of memory, about 1 MB.
const MISSING: u64 = 10_000;

/// The way to the hosted authority's store. Made once per process.
pub struct Hosted {
    store: SharedStore,
    pub revocations: Arc<Revocations>,
    sightings: mpsc::Sender<Sighting>,
    missing: Cache<Digest, ()>,
}

/// A grant whose access token of this generation has been seen: its refresh token has arrived too.
pub type Sighting = (GrantId, u32);

impl Hosted {
    /// `sightings` takes what is seen; when it is full, that is dropped.
    pub fn new(store: SharedStore, revocations: Arc<Revocations>, sightings: mpsc::Sender<Sighting>) -> Self {
        let missing = Cache::builder().max_capacity(MISSING).time_to_live(MISSING_FOR).build();
        Self { store, revocations, sightings, missing }
    }

    /// The claims of an opaque token; `None` for one that is not ours or not good any more. What cannot be one never gets to
    /// the store.
    pub(super) async fn claims(
        &self,
        token: &str,
        digest: Digest,
        now: Time,
    ) -> Result<Option<Map<String, Value>>, TokenFault> {
        let text = token.strip_prefix(OPAQUE).unwrap_or_default();
        let is_one =
            text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_one || self.missing.contains_key(&digest) {
            return Ok(None);
        }
        let kept = self.store.token(digest, now).await;
        let kept = kept.map_err(|fault| TokenFault::StoreUnavailable(fault.to_string().into()))?;
        let Some(kept) = kept else {
            self.missing.insert(digest, ());
            return Ok(None);
        };
        match serde_json::from_str(&kept.claims) {
            Ok(Value::Object(claims)) => Ok(Some(claims)),
            Ok(_) | Err(_) => Err(TokenFault::StoreUnavailable("the claims of a kept token cannot be read".into())),
        }
    }

    /// Notes the first sight of a token in this process.
    pub(super) fn saw(&self, token: &Revocable) {
        if let Some((grant, generation, _)) = token.grant {
            // Losing one costs a client that lost an answer nothing: it only keeps its way back for longer.
            let _ = self.sightings.try_send((grant, generation));
        }
    }
}

/// What a token of the authority can be revoked by. A token without `jti` was not made here.
pub(super) fn revocable(claims: &Map<String, Value>) -> Option<Revocable> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let grant = match text("grant") {
        Some(grant) => Some(parsed(grant)?),
        None => None,
    };
    Some(Revocable {
        id: text("jti")?.into(),
        grant,
        client: text("client_id").unwrap_or_default().into(),
        issued: Time::from_secs(claims.get("iat").and_then(Value::as_u64)?),
    })
}

/// `<grant id>.<generation>.<epoch>`.
pub fn parsed(text: &str) -> Option<(GrantId, u32, u32)> {
    let mut parts = text.split('.');
    let id = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(parts.next()?).ok()?;
    let (generation, epoch) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((GrantId(id.try_into().ok()?), generation, epoch))
}

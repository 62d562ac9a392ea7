//! A client's statement about itself, signed with its own key (`private_key_jwt`, RFC 7523 section 3, OpenID Connect Core
//! section 9).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::client::{AssertionAudience, AuthMethod, Client};
use super::credentials::Credentials;
use super::endpoint::TOKEN;
use super::error::{ClientRefusal, OAuthError};
use super::{Authority, Marks};
use crate::ground::{Digest, Time};
use crate::token::TokenFault;
use crate::token::issuer::KeySource;
use crate::token::jwt::{Compact, Header};
use crate::token::keyset::ClientKeys;
use crate::token::verifier::Context;

/// How far ahead `exp` may lie, and how far our clocks may be apart.
const LONGEST: Duration = Duration::from_secs(300);
const LEEWAY: Duration = Duration::from_secs(10);

/// `typ` of an assertion; absent and `JWT` are what clients send today.
const KINDS: [&str; 2] = ["client-authentication+jwt", "jwt"];

/// Public keys of clients, fetched when they are first needed.
#[derive(Default)]
pub(super) struct KeysOfClients {
    keys: Mutex<HashMap<Arc<str>, Known>>,
}

/// Where the keys of a client come from, and what came.
type Known = (KeySource, Arc<ClientKeys>);

impl KeysOfClients {
    /// The keys of a client; another place in its registration means other keys.
    fn of(&self, client: &Client, source: &KeySource, context: &Context) -> Arc<ClientKeys> {
        let mut keys = self.keys.lock();
        if let Some((_, known)) = keys.get(client.id()).filter(|(place, _)| place == source) {
            return Arc::clone(known);
        }
        let opened = Arc::new(ClientKeys::open(client.id(), source.clone(), context));
        keys.insert(Arc::clone(client.id()), (source.clone(), Arc::clone(&opened)));
        opened
    }
}

/// The client that an assertion says it is from: its `sub`, unverified.
pub(super) fn client_id(assertion: &str) -> Option<String> {
    let claims = Compact::split(assertion)?.claims().ok()?;
    claims.get("sub")?.as_str().map(str::to_owned)
}

impl Authority {
    /// The client that made the assertion. Its `jti` is used up once everything else is good.
    pub(super) async fn client_by_assertion(&self, credentials: &Credentials) -> Result<Arc<Client>, OAuthError> {
        let refused = |why| OAuthError::Client { why, challenge: false };
        let fault = |why| refused(ClientRefusal::Assertion(why));
        let registry = self.registry.load();
        let client = registry.client(&credentials.claim.id).ok_or_else(|| refused(ClientRefusal::Unknown))?;
        let source = client.parts().keys.as_ref().filter(|_| client.authenticates_by(AuthMethod::PrivateKeyJwt));
        let source = source.ok_or_else(|| refused(ClientRefusal::MethodNotRegistered))?;

        let compact = Compact::split(credentials.claim.secret.expose()).ok_or_else(|| fault("it cannot be read"))?;
        let header = compact.header().map_err(|_| fault("its header is refused"))?;
        check_kind(&header).map_err(fault)?;
        let claims = compact.claims().map_err(|_| fault("its claims cannot be read"))?;
        let now = self.clock.now();
        let keys = self.keys_of_clients.of(client, source, &self.context);
        keys.check(&compact, &header, now).await.map_err(|cause| match cause {
            TokenFault::KeysUnavailable { .. } => OAuthError::Store("the keys of a client cannot be fetched".into()),
            _ => fault("its signature is not by a key of the client"),
        })?;
        self.check_audience(client, &claims).map_err(fault)?;
        let (id, until) = check_claims(&claims, client, now).map_err(fault)?;
        if !self.is_first_use(id, now, until).await? {
            return Err(fault("its jti was used before"));
        }
        Ok(Arc::clone(client))
    }

    /// Whether no gateway has seen this `jti`. Whoever has to remember it and does not answer closes: it may have been used.
    async fn is_first_use(&self, id: Digest, now: Time, until: Time) -> Result<bool, OAuthError> {
        match &self.marks {
            Marks::Store => {}
            Marks::StoreAnd(counters) => {
                if !counters.mark(id, until.since(now)).await? {
                    return Ok(false);
                }
            }
        }
        Ok(self.store.use_assertion(id, until).await?)
    }

    /// One string, and ours: an assertion made for somebody else must not open anything here.
    fn check_audience(&self, client: &Client, claims: &Map<String, Value>) -> Result<(), &'static str> {
        let issuer = self.settings.issuer.as_str();
        let endpoint = self.settings.issuer.join(TOKEN);
        let names_us = |audience: &str| match client.parts().assertion_audience {
            AssertionAudience::Issuer => audience == issuer,
            AssertionAudience::Endpoint => audience == issuer || audience == endpoint,
        };
        match (claims.get("aud"), client.parts().assertion_audience) {
            (Some(Value::String(audience)), _) if names_us(audience) => Ok(()),
            (Some(Value::Array(list)), AssertionAudience::Endpoint)
                if list.iter().all(|one| one.as_str().is_some_and(names_us)) && !list.is_empty() =>
            {
                Ok(())
            }
            _ => Err("its aud is not the issuer as a single string"),
        }
    }
}

fn check_kind(header: &Header) -> Result<(), &'static str> {
    match header.typ.as_deref() {
        None => Ok(()),
        Some(typ) if KINDS.contains(&typ) => Ok(()),
        Some(_) => Err("its typ is that of another kind of token"),
    }
}

/// Everything but the audience; gives what its `jti` is remembered by, and how long.
fn check_claims(claims: &Map<String, Value>, client: &Client, now: Time) -> Result<(Digest, Time), &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(client.id()) || text("sub") != Some(client.id()) {
        return Err("its iss and sub are not the client");
    }
    let moment = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            value.as_f64().filter(|secs| secs.is_finite() && *secs >= 0.0 && *secs < 1e12).map(Some).ok_or(())
        }
    };
    let at = |name: &str| moment(name).map(|secs| secs.map(|secs| Time::from_millis((secs * 1000.0) as u64)));
    let Ok(Some(expires)) = at("exp") else { return Err("it has no exp") };
    if now >= expires.plus(LEEWAY) {
        return Err("it is over");
    }
    if expires > now.plus(LONGEST).plus(LEEWAY) {
        return Err("its exp is more than five minutes away");
    }
    for name in ["iat", "nbf"] {
        match at(name) {
            Ok(begins) if begins.is_none_or(|begins| begins <= now.plus(LEEWAY)) => {}
            _ => return Err("it is from the future"),
        }
    }
    let id = text("jti").filter(|id| !id.is_empty() && id.len() <= 512).ok_or("it has no jti")?;
    let mark = Digest::of([client.id().as_bytes(), &[0], id.as_bytes()].concat().as_slice());
    Ok((mark, expires.plus(LEEWAY)))
}

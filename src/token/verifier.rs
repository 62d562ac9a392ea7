//! Which issuer, which kind of token, which check.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};

use super::cache::{Entry, Shared};
use super::introspect::Introspection;
pub use super::introspect::IntrospectionStatus;
use super::issuer::{IssuerSettings, KeySource};
use super::jwt::claims::{self, Origin};
use super::jwt::header::printable;
use super::jwt::{Compact, Header};
pub use super::keyset::KeyStatus;
use super::keyset::{KeySettings, Keys};
use super::{Claims, Hosted, TokenFault, bearer, hosted};
use crate::dial::client::Client;
use crate::ground::{Digest, SharedClock, SharedRandom, Time, address};
use crate::observe::record::TokenUse;
use crate::store::SharedStore;

/// All issuers of one configuration, with their key sets and caches.
pub struct Verifier {
    issuers: Vec<Arc<Issuer>>,
    shared: Arc<Shared>,
    /// Turned whenever something verified before may not hold any more.
    generation: Arc<AtomicU64>,
    /// The next issuer's id.
    ids: Arc<AtomicU64>,
    clock: SharedClock,
    /// The authority that is hosted here, if one of the issuers is.
    hosted: Option<Arc<Hosted>>,
}

/// The world as the verifier needs it. `control` is the control plane: fetches and questions run there.
#[derive(Clone)]
pub struct Context {
    pub clock: SharedClock,
    pub store: SharedStore,
    pub control: tokio::runtime::Handle,
    pub http: Client,
    pub random: SharedRandom,
}

/// How one issuer is doing; for readiness and metrics.
#[derive(Clone, Debug)]
pub struct IssuerStatus {
    pub name: Arc<str>,
    pub kind: IssuerKind,
    /// `None` for an issuer that is only asked by introspection.
    pub keys: Option<KeyStatus>,
    pub introspection: Option<IntrospectionStatus>,
    /// Tokens of it can be verified now.
    pub usable: bool,
    /// Since the keys were fetched; `None` where nobody fetches them.
    pub age: Option<Duration>,
}

/// How the tokens of an issuer are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerKind {
    /// The hosted authority's own keys.
    Local,
    /// A key set file.
    File,
    /// Fetched keys.
    Remote,
    Introspection,
}

/// One issuer with what has been learned about it. Kept over a reload as long as its settings are the same.
struct Issuer {
    settings: IssuerSettings,
    /// Tells these settings from others of the same name.
    id: u64,
    keys: Option<Arc<Keys>>,
    introspection: Option<Arc<Introspection>>,
}

/// How long a verified signed token is answered from a cache before its signature is looked at again.
const SIGNED_FOR: Duration = Duration::from_secs(300);
/// How long the start may wait for first key sets.
const WARM: Duration = Duration::from_secs(2);

impl Verifier {
    /// Opens all issuers. Those of `previous` with equal settings go on with their keys, caches and background; an issuer whose
    /// keys come from the same place keeps them. Issuers that fail `IssuerSettings::check` are not to be handed in. Starts the
    /// first fetches and does not wait for them.
    pub fn open(settings: Vec<IssuerSettings>, previous: Option<&Verifier>, context: &Context) -> Self {
        let mut verifier = Self {
            issuers: Vec::with_capacity(settings.len()),
            shared: previous.map_or_else(Arc::default, |it| Arc::clone(&it.shared)),
            generation: previous.map_or_else(Arc::default, |it| Arc::clone(&it.generation)),
            ids: previous.map_or_else(Arc::default, |it| Arc::clone(&it.ids)),
            clock: Arc::clone(&context.clock),
            hosted: settings.iter().find_map(|settings| settings.hosted.as_ref()).map(|here| Arc::clone(&here.0)),
        };
        let old = previous.map_or(&[][..], |it| &it.issuers);
        for settings in settings {
            let same = old.iter().find(|issuer| issuer.settings == settings);
            let issuer = same.map_or_else(|| verifier.open_issuer(settings, old, context), Arc::clone);
            verifier.issuers.push(issuer);
        }
        let is_kept = |issuer: &Arc<Issuer>| verifier.issuers.iter().any(|new| Arc::ptr_eq(new, issuer));
        if !old.iter().all(is_kept) {
            verifier.generation.fetch_add(1, Ordering::AcqRel);
        }
        verifier
    }

    fn open_issuer(&self, settings: IssuerSettings, old: &[Arc<Issuer>], context: &Context) -> Arc<Issuer> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let keys = key_settings(&settings).map(|wanted| {
            let mut known = old.iter().filter_map(|issuer| issuer.keys.as_ref());
            let namesake = known.clone().find(|keys| keys.settings.name == wanted.name).map(|keys| &**keys);
            let same = known.find(|keys| keys.settings == wanted).map(Arc::clone);
            same.unwrap_or_else(|| Keys::open(wanted, context, &self.generation, namesake))
        });
        let introspection =
            settings.introspection.as_ref().map(|it| Introspection::open(&settings, it, id, &self.shared, context));
        Arc::new(Issuer { settings, id, keys, introspection })
    }

    /// Waits until every issuer has keys or has failed once, and never longer than two seconds. Runs on the control plane.
    pub async fn warm(&self) {
        let all = async {
            for keys in self.issuers.iter().filter_map(|issuer| issuer.keys.as_ref()) {
                keys.first_news().await;
            }
        };
        let _ = tokio::time::timeout(WARM, all).await;
    }

    /// A number that changes when what was verified before may not hold any more: a worker's own table is emptied then. Read it
    /// before verifying what is to be remembered under it.
    pub fn generation(&self) -> u64 {
        let local = |issuer: &Arc<Issuer>| match &issuer.settings.keys {
            Some(KeySource::Local(keys)) => keys.load().fingerprint(),
            Some(KeySource::Discovery | KeySource::Url(_) | KeySource::Document(_)) | None => 0,
        };
        self.issuers.iter().map(local).fold(self.generation.load(Ordering::Acquire), u64::wrapping_add)
    }

    /// Verifies `token`, from the shared cache where it can, for a caller at an address. `accepted` names the issuers that
    /// the route takes; `None` is all of them. Waits only for a key that is not known yet or for an introspection.
    pub async fn verify_for(
        &self,
        caller: Option<IpAddr>,
        token: &str,
        accepted: Option<&[Arc<str>]>,
        now: Time,
    ) -> Result<(Arc<Claims>, TokenUse), TokenFault> {
        if token.len() > bearer::LONGEST {
            return Err(TokenFault::Malformed("the token is longer than 16 KiB"));
        }
        let digest = Digest::of(token.as_bytes());
        let known = self.shared.lookup(&digest, now, |entry| self.holds(entry));
        if let Some(claims) = known.filter(|it| accepted.is_none_or(|names| names.contains(&it.issuer))) {
            return self.standing(&claims, now).map(|()| (claims, TokenUse::Shared));
        }
        let question = Question { token, digest, accepted, network: caller.map(address::network), now };
        let claims = match Compact::split(token) {
            Some(compact) => self.verify_signed(&question, &compact).await?,
            None if token.starts_with(hosted::OPAQUE) => self.look_up(&question).await?,
            None => self.introspect(&question, None).await?,
        };
        self.standing(&claims, now)?;
        if let (Some(hosted), Some(revocable)) = (&self.hosted, &claims.revocable) {
            hosted.saw(revocable);
        }
        Ok((claims, TokenUse::Verified))
    }

    /// The same of a token that nobody presents by the network.
    pub async fn verify(
        &self,
        token: &str,
        accepted: Option<&[Arc<str>]>,
        now: Time,
    ) -> Result<(Arc<Claims>, TokenUse), TokenFault> {
        self.verify_for(None, token, accepted, now).await
    }

    /// Whether a token that was verified before has been revoked since, or nobody knows. To be asked whenever claims come out
    /// of a cache.
    pub fn standing(&self, claims: &Claims, now: Time) -> Result<(), TokenFault> {
        let (Some(revocable), Some(hosted)) = (&claims.revocable, &self.hosted) else { return Ok(()) };
        if hosted.revocations.refuse(revocable) {
            return Err(TokenFault::Revoked);
        }
        match hosted.revocations.doubt(now) {
            None => Ok(()),
            Some(age) => {
                let cause = format!("what has been revoked could not be read for {} s", age.as_secs());
                Err(TokenFault::StoreUnavailable(cause.into()))
            }
        }
    }

    /// Whether what is known of this issuer's tokens is what it says when it is asked.
    pub(super) fn asks(&self, name: &str) -> bool {
        self.issuers.iter().any(|issuer| &*issuer.settings.name == name && issuer.introspection.is_some())
    }

    /// An opaque token of the form that ours have. The own store is asked first, whatever the route takes: what is found there
    /// is ours and is shown to nobody. Others may run the same program, so that what is not found may be one of theirs.
    async fn look_up(&self, question: &Question<'_>) -> Result<Arc<Claims>, TokenFault> {
        let own = self.issuers.iter().find(|issuer| issuer.settings.hosted.is_some());
        let (Some(issuer), Some(hosted)) = (own, &self.hosted) else {
            return self.introspect(question, None).await;
        };
        let Some(all) = hosted.claims(question.token, question.digest, question.now).await? else {
            return match self.introspect(question, None).await {
                Err(cause) if question.accepts(issuer) => Err(TokenFault::Inactive.or_graver(cause)),
                answer => answer,
            };
        };
        if !question.accepts(issuer) {
            return Err(TokenFault::IssuerUnknown);
        }
        let until = question.now.plus(hosted::FOUND_FOR);
        let claims = claims::read(&issuer.settings, Origin::Signed, all, question.digest, (question.now, until))?;
        let claims = Arc::new(claims);
        self.shared.insert(Arc::clone(&claims), issuer.id, INTROSPECTED, question.token.len());
        Ok(claims)
    }

    /// How each issuer is doing.
    pub fn status(&self) -> Vec<IssuerStatus> {
        let now = self.clock.now();
        self.issuers.iter().map(|issuer| issuer.status(now)).collect()
    }

    /// How many verified tokens the workers share, roughly.
    pub fn remembered(&self) -> u64 {
        self.shared.len()
    }

    /// Whether the issuer and the keys that an entry rests on are still the same.
    fn holds(&self, entry: &Entry) -> bool {
        let issuer = self.issuers.iter().find(|issuer| issuer.id == entry.issuer);
        issuer.is_some_and(|issuer| match &issuer.keys {
            Some(keys) if entry.epoch != INTROSPECTED => keys.epoch() == entry.epoch,
            Some(_) | None => entry.epoch == INTROSPECTED,
        })
    }

    async fn verify_signed(&self, question: &Question<'_>, compact: &Compact<'_>) -> Result<Arc<Claims>, TokenFault> {
        let all = compact.claims()?;
        let named = match all.get("iss") {
            None => None,
            Some(Value::String(name)) => Some(name.as_str()),
            Some(_) => return Err(TokenFault::Malformed("`iss` is not a string")),
        };
        if !self.issuers.iter().any(|issuer| issuer.signs_as(named)) {
            return self.introspect(question, Some(named)).await;
        }
        // One issuer may stand in the file twice, for two audiences.
        let mut fault = TokenFault::IssuerUnknown;
        for issuer in self.issuers.iter().filter(|it| it.signs_as(named) && question.accepts(it)) {
            match self.verify_with(issuer, question, compact, all.clone()).await {
                Ok(claims) => return Ok(claims),
                Err(cause) => fault = cause,
            }
        }
        Err(fault)
    }

    async fn verify_with(
        &self,
        issuer: &Issuer,
        question: &Question<'_>,
        compact: &Compact<'_>,
        all: Map<String, Value>,
    ) -> Result<Arc<Claims>, TokenFault> {
        let Some(keys) = &issuer.keys else { return Err(TokenFault::IssuerUnknown) };
        let header = compact.header()?;
        check_kind(&issuer.settings, &header, &all)?;
        if !issuer.settings.algorithms.contains(&header.algorithm) {
            return Err(TokenFault::AlgorithmRefused(header.algorithm.name().into()));
        }
        let epoch = keys.check(compact, &header, question.now).await?;
        let until = question.now.plus(SIGNED_FOR).min(keys.good_until());
        let mut claims = claims::read(&issuer.settings, Origin::Signed, all, question.digest, (question.now, until))?;
        claims.key = header.kid;
        let claims = Arc::new(claims);
        self.shared.insert(Arc::clone(&claims), issuer.id, epoch, question.token.len());
        Ok(claims)
    }

    /// Asks the accepted issuers that can be asked, one after the other, until one knows the token. `named` is the `iss` of a
    /// token that has the form of a signed one.
    async fn introspect(
        &self,
        question: &Question<'_>,
        named: Option<Option<&str>>,
    ) -> Result<Arc<Claims>, TokenFault> {
        let can_ask = self.issuers.iter().any(|issuer| issuer.introspection.is_some());
        let mut fault = match named {
            None if !can_ask => TokenFault::Malformed("it is not a signed token"),
            None | Some(_) => TokenFault::IssuerUnknown,
        };
        for issuer in self.issuers.iter().filter(|issuer| question.accepts(issuer)) {
            let Some(introspection) = issuer.introspection.as_ref().filter(|it| it.is_for(named.flatten())) else {
                continue;
            };
            match introspection.ask(question).await {
                Ok(claims) => return Ok(claims),
                Err(cause) => fault = fault.or_graver(cause),
            }
        }
        Err(fault)
    }
}

/// What is put into the shared cache as epoch of an answer of introspection.
pub(super) const INTROSPECTED: u64 = u64::MAX;

pub(super) struct Question<'a> {
    pub(super) token: &'a str,
    pub(super) digest: Digest,
    pub(super) accepted: Option<&'a [Arc<str>]>,
    /// Of the caller, as far as there is one.
    pub(super) network: Option<u128>,
    pub(super) now: Time,
}

impl Question<'_> {
    fn accepts(&self, issuer: &Issuer) -> bool {
        self.accepted.is_none_or(|names| names.contains(&issuer.settings.name))
    }
}

impl Issuer {
    fn signs_as(&self, named: Option<&str>) -> bool {
        self.keys.is_some() && named.is_some() && self.settings.url.as_deref() == named
    }

    fn status(&self, now: Time) -> IssuerStatus {
        let keys = self.keys.as_ref().map(|keys| keys.status(now));
        let introspection = self.introspection.as_ref().map(|it| it.status());
        let kind = match &self.settings.keys {
            Some(KeySource::Local(_)) => IssuerKind::Local,
            Some(KeySource::Document(_)) => IssuerKind::File,
            Some(KeySource::Discovery | KeySource::Url(_)) => IssuerKind::Remote,
            None => IssuerKind::Introspection,
        };
        // Keys of a file are never fetched again: an age that only grows would raise an alarm over nothing.
        let fetched = keys.as_ref().and_then(|it| it.fetched).filter(|_| kind == IssuerKind::Remote);
        IssuerStatus {
            name: Arc::clone(&self.settings.name),
            kind,
            usable: keys.as_ref().is_none_or(|it| it.usable) && introspection.as_ref().is_none_or(|it| it.usable),
            age: fetched.map(|fetched| now.since(fetched)),
            keys,
            introspection,
        }
    }
}

fn key_settings(settings: &IssuerSettings) -> Option<KeySettings> {
    Some(KeySettings {
        name: Arc::clone(&settings.name),
        url: settings.url.clone()?,
        source: settings.keys.clone()?,
        stale_for: settings.stale_for,
        refresh_every: settings.refresh_every,
        refetch_every: settings.refetch_every,
    })
}

/// Whether it is an access token (RFC 9068 section 4). Without `at+jwt` in the header, claims that only other kinds of tokens
/// have end it: ID tokens, logout and other event tokens, refresh tokens.
fn check_kind(settings: &IssuerSettings, header: &Header, all: &Map<String, Value>) -> Result<(), TokenFault> {
    let typ = header.typ.as_deref();
    if !settings.types.accepts(typ) {
        return Err(TokenFault::TypeRefused(typ.map_or_else(|| "it names none".into(), printable)));
    }
    if typ == Some("at+jwt") {
        return Ok(());
    }
    if let Some(mark) = ["at_hash", "c_hash", "s_hash", "events"].into_iter().find(|mark| all.contains_key(*mark)) {
        return Err(TokenFault::TypeRefused(format!("it has the claim {mark}").into()));
    }
    for name in ["token_use", "typ"] {
        let kind = all.get(name).and_then(Value::as_str).unwrap_or_default();
        if ["id", "refresh", "offline", "logout"].iter().any(|word| kind.eq_ignore_ascii_case(word)) {
            return Err(TokenFault::TypeRefused(printable(kind)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

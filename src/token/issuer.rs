//! What one issuer is trusted for: its name, its keys, and where its claims stand.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};

use super::hosted::Hosted;
use super::jwt::header::media_type;
use super::jwt::{Algorithm, KeySet};
use crate::ground::Secret;

/// One issuer as configured. Equal settings mean that keys and caches of a running issuer may be kept over a reload.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuerSettings {
    /// Its name in the file; `authority` for the hosted one.
    pub name: Arc<str>,
    /// The exact text of `iss`. Without it the issuer signs no tokens for us.
    pub url: Option<String>,
    /// What `aud` must contain one of.
    pub audience: Vec<String>,
    /// Where its keys come from; `None` when tokens are only asked about by introspection.
    pub keys: Option<KeySource>,
    pub algorithms: Vec<Algorithm>,
    pub types: TypeRule,
    pub claims: ClaimPaths,
    /// How far clocks may be apart. Default 10 s.
    pub leeway: Duration,
    /// How long the last good keys are used after the last success. Default 12 h.
    pub stale_for: Duration,
    /// How often keys are fetched, and at least twice within `stale_for`. Default 5 min.
    pub refresh_every: Duration,
    /// How often at most unknown key ids make us fetch. Default 30 s.
    pub refetch_every: Duration,
    pub introspection: Option<IntrospectionSettings>,
    /// Set for the hosted authority alone.
    pub hosted: Option<HostedHere>,
}

/// The hosted authority of this process.
#[derive(Clone)]
pub struct HostedHere(pub Arc<Hosted>);

impl PartialEq for HostedHere {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for HostedHere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HostedHere")
    }
}

/// Where the keys of an issuer come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// The issuer's metadata says where (OpenID Connect Discovery section 4, RFC 8414 section 3).
    Discovery,
    /// The address of its key set.
    Url(String),
    /// The text of a key set file.
    Document(Arc<str>),
    /// The hosted authority's own; swapped by it.
    Local(Arc<ArcSwap<KeySet>>),
}

/// How and where opaque tokens are asked about (RFC 7662).
#[derive(Clone, Debug, PartialEq)]
pub struct IntrospectionSettings {
    pub url: String,
    pub client_id: String,
    pub client_secret: Secret,
    pub auth: ClientAuth,
    /// How long a good answer is believed, never past the token's own end. Default 30 s.
    pub cache_for: Duration,
    /// How long `active: false` is believed. Default 5 s.
    pub failures_for: Duration,
    /// How long one question may take. Default 5 s.
    pub timeout: Duration,
    /// How many questions may be on their way for one network of callers, half as many again being kept for others; more
    /// are refused at once. Default 64.
    pub waiting: usize,
}

/// How we show who we are (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    #[default]
    Basic,
    Post,
}

/// Which values of the header `typ` an issuer's access tokens may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeRule {
    names: Vec<String>,
    untyped: bool,
}

/// Where claims stand in the tokens of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPaths {
    /// `None`: `scope`, as a string alone.
    pub scopes: Option<ClaimPath>,
    /// `None`: `roles`.
    pub roles: Option<ClaimPath>,
    pub subject: ClaimPath,
    /// `None`: `client_id`, else `azp`.
    pub client: Option<ClaimPath>,
}

/// The place of a claim: `realm_access.roles`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath {
    /// From the outermost claim inwards.
    steps: Vec<String>,
    /// All of a path that was written with dots: a claim that has them in its name is found first.
    whole: Option<String>,
}

impl IssuerSettings {
    /// An issuer of the file with every default: all algorithms, keys by discovery when there is a `url`.
    pub fn new(name: &str, url: Option<&str>, audience: &[&str]) -> Self {
        Self {
            name: name.into(),
            url: url.map(str::to_owned),
            audience: audience.iter().map(|it| (*it).to_owned()).collect(),
            keys: url.map(|_| KeySource::Discovery),
            algorithms: Algorithm::ALL.to_vec(),
            types: if name == "authority" { TypeRule::access_token_only() } else { TypeRule::foreign() },
            claims: ClaimPaths::default(),
            leeway: Duration::from_secs(10),
            stale_for: Duration::from_secs(12 * 3600),
            refresh_every: Duration::from_secs(300),
            refetch_every: Duration::from_secs(30),
            introspection: None,
            hosted: None,
        }
    }

    /// What is wrong with these settings, in words for whoever wrote them. `Verifier::open` takes only what passes.
    pub fn check(&self) -> Result<(), String> {
        if self.audience.is_empty() || self.audience.iter().any(String::is_empty) {
            return Err("an issuer needs an audience".to_owned());
        }
        if self.keys.is_none() && self.introspection.is_none() {
            return Err("an issuer needs keys or introspection".to_owned());
        }
        if self.keys.is_some() && self.url.is_none() {
            return Err("an issuer that signs tokens needs a url, which is compared with `iss`".to_owned());
        }
        if self.keys.is_some() && self.algorithms.is_empty() {
            return Err("an issuer that signs tokens needs at least one algorithm".to_owned());
        }
        match &self.keys {
            Some(KeySource::Url(url)) => check_address(url)?,
            Some(KeySource::Discovery) => {
                let url = self.url.as_deref().unwrap_or_default();
                check_address(url)?;
                if url.contains('?') {
                    return Err("the url of an issuer has no query (RFC 8414 section 2)".to_owned());
                }
            }
            Some(KeySource::Document(text)) => {
                KeySet::read(text).map_err(|cause| format!("the key set file cannot be used: {cause}"))?;
            }
            Some(KeySource::Local(_)) | None => {}
        }
        self.introspection.as_ref().map_or(Ok(()), |introspection| check_address(&introspection.url))
    }
}

/// `https`, or `http` to this machine.
pub fn check_address(address: &str) -> Result<(), String> {
    let url = url::Url::parse(address).map_err(|fault| format!("`{address}` is not a URL: {fault}"))?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("a URL with a user, password or fragment is not accepted here".to_owned());
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        _ => Err(format!("`{address}` must be https (http only to this machine's loopback address)")),
    }
}

pub(super) fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

impl PartialEq for KeySource {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Discovery, Self::Discovery) => true,
            (Self::Url(a), Self::Url(b)) => a == b,
            (Self::Document(a), Self::Document(b)) => a == b,
            (Self::Local(a), Self::Local(b)) => Arc::ptr_eq(a, b),
            (Self::Discovery | Self::Url(_) | Self::Document(_) | Self::Local(_), _) => false,
        }
    }
}

impl IntrospectionSettings {
    pub fn new(url: &str, client_id: &str, client_secret: Secret) -> Self {
        Self {
            url: url.to_owned(),
            client_id: client_id.to_owned(),
            client_secret,
            auth: ClientAuth::Basic,
            cache_for: Duration::from_secs(30),
            failures_for: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            waiting: 64,
        }
    }
}

impl TypeRule {
    /// `at+jwt` alone (RFC 9068 section 4).
    pub fn access_token_only() -> Self {
        Self { names: vec!["at+jwt".to_owned()], untyped: false }
    }

    /// `at+jwt`, `JWT` or none: what issuers send that do not follow RFC 9068.
    pub fn foreign() -> Self {
        Self { names: vec!["at+jwt".to_owned(), "jwt".to_owned()], untyped: true }
    }

    /// These and nothing else; a token without `typ` is refused.
    pub fn only(names: &[&str]) -> Self {
        Self { names: names.iter().map(|name| media_type(name)).collect(), untyped: false }
    }

    /// `typ` in its comparable form.
    pub(super) fn accepts(&self, typ: Option<&str>) -> bool {
        typ.map_or(self.untyped, |typ| self.names.iter().any(|name| name == typ))
    }
}

impl Default for ClaimPaths {
    fn default() -> Self {
        Self {
            scopes: None,
            roles: None,
            subject: ClaimPath { steps: vec!["sub".to_owned()], whole: None },
            client: None,
        }
    }
}

impl ClaimPath {
    /// Reads a path: names between dots, none of them empty.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::of(&text.split('.').map(str::to_owned).collect::<Vec<_>>())
    }

    /// Of its steps. Where one has a dot in it they were written as a list, and stand for nothing else.
    pub fn of(steps: &[String]) -> Result<Self, String> {
        let text = steps.join(".");
        if steps.is_empty() || steps.iter().any(String::is_empty) || text.chars().any(char::is_control) {
            return Err(format!("`{text}` is not the name of a claim, or a path of names with dots between them"));
        }
        let is_list = steps.iter().any(|step| step.contains('.'));
        Ok(Self { steps: steps.to_vec(), whole: (!is_list).then_some(text) })
    }

    pub(super) fn find<'a>(&self, all: &'a Map<String, Value>) -> Option<&'a Value> {
        if let Some(value) = self.whole.as_ref().and_then(|name| all.get(name)) {
            return Some(value);
        }
        let mut steps = self.steps.iter();
        let first = all.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.get(step))
    }
}

#[cfg(test)]
mod tests;

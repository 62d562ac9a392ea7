//! Registered clients: who they are and what they may do.

use std::sync::Arc;
use std::time::Duration;

use super::grant::Grant;
use super::issuer::Resource;
use super::scope::ScopeName;
use super::secret::{ClientSecret, Kept};

/// What a client is registered with; `Client::new` checks it.
pub struct ClientParts {
    pub id: String,
    /// Up to two, so that one can be replaced without downtime. None: a public client.
    pub secrets: Vec<ClientSecret>,
    /// How it must authenticate; `None` takes the default, which is Basic or post where there is a secret.
    pub authentication: Option<AuthMethod>,
    pub grants: Vec<Grant>,
    /// What it may ask for; the API scopes among them are what it gets when it asks for nothing.
    pub scopes: Vec<ScopeName>,
    /// Audience of its tokens; `None` takes the authority's.
    pub resource: Option<Resource>,
    /// Lifetime of its access tokens; `None` takes the authority's.
    pub access_tokens_for: Option<Duration>,
}

/// How a client proves who it is (`token_endpoint_auth_method`, RFC 7591 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// `client_secret_basic`: in the `Authorization` header.
    Basic,
    /// `client_secret_post`: in the body.
    Post,
    /// Not at all: a public client only names itself.
    None,
}

/// A registered client.
#[derive(Debug)]
pub struct Client {
    id: Arc<str>,
    secrets: Vec<ClientSecret>,
    methods: &'static [AuthMethod],
    grants: Vec<Grant>,
    scopes: Vec<ScopeName>,
    resource: Option<Resource>,
    access_tokens_for: Option<Duration>,
}

impl Client {
    /// The error says what is wrong with the registration, in the words of gateway.yaml.
    pub fn new(parts: ClientParts) -> Result<Self, String> {
        let id = parts.id;
        if id.is_empty() || id.len() > 256 || !id.bytes().all(|byte| matches!(byte, 0x20..=0x7E)) {
            return Err("a client's `id` is 1 to 256 printable ASCII characters (RFC 6749 appendix A.1)".into());
        }
        if parts.secrets.len() > 2 {
            return Err("a client has at most two secrets: the one in use and its successor".into());
        }
        let methods = methods(parts.authentication, !parts.secrets.is_empty())?;
        if methods == [AuthMethod::None] && parts.grants.contains(&Grant::ClientCredentials) {
            return Err("`client_credentials` needs a `secret`: without one, anybody could be this client".into());
        }
        Ok(Self {
            id: id.into(),
            secrets: parts.secrets,
            methods,
            grants: parts.grants,
            scopes: parts.scopes,
            resource: parts.resource,
            access_tokens_for: parts.access_tokens_for,
        })
    }

    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub fn scopes(&self) -> &[ScopeName] {
        &self.scopes
    }

    pub fn resource(&self) -> Option<&Resource> {
        self.resource.as_ref()
    }

    pub fn access_tokens_for(&self) -> Option<Duration> {
        self.access_tokens_for
    }

    pub(super) fn may_use(&self, grant: Grant) -> bool {
        self.grants.contains(&grant)
    }

    pub(super) fn authenticates_by(&self, method: AuthMethod) -> bool {
        self.methods.contains(&method)
    }

    pub(super) fn secrets(&self) -> &[ClientSecret] {
        &self.secrets
    }

    /// The Argon2id hashes among its secrets.
    pub(super) fn slow_hashes(&self) -> impl Iterator<Item = &Arc<str>> {
        self.secrets.iter().filter_map(|secret| match &secret.0 {
            Kept::Digest { .. } => None,
            Kept::Argon2(hash) => Some(hash),
        })
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let id = &self.id;
        let mut warnings = Vec::new();
        if self.secrets.iter().any(ClientSecret::is_short) {
            warnings.push(format!(
                "client `{id}` has a secret of fewer than 16 characters, which can be guessed; `openssl rand -hex 32` makes a good one"
            ));
        }
        if self.may_use(Grant::ClientCredentials) && self.scopes.iter().all(ScopeName::is_built_in) {
            warnings.push(format!("client `{id}` has no API scope, so it can get no token with `client_credentials`"));
        }
        warnings
    }
}

fn methods(asked: Option<AuthMethod>, has_secret: bool) -> Result<&'static [AuthMethod], String> {
    match (asked, has_secret) {
        (None, true) => Ok(&[AuthMethod::Basic, AuthMethod::Post]),
        (Some(AuthMethod::Basic), true) => Ok(&[AuthMethod::Basic]),
        (Some(AuthMethod::Post), true) => Ok(&[AuthMethod::Post]),
        (None | Some(AuthMethod::None), false) => Ok(&[AuthMethod::None]),
        (Some(AuthMethod::Basic | AuthMethod::Post), false) => {
            Err("`auth: basic` and `auth: post` need a `secret`".into())
        }
        (Some(AuthMethod::None), true) => {
            Err("`auth: none` and a `secret` contradict each other: take one away".into())
        }
    }
}

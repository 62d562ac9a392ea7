//! Registered clients: who they are and what they may do.

use std::sync::Arc;
use std::time::Duration;

use super::grant::Grant;
use super::issuer::Resource;
use super::redirect::RedirectUri;
use super::scope::ScopeName;
use super::secret::{ClientSecret, Kept};
use crate::ground::Time;
use crate::token::issuer::KeySource;
use crate::token::jwt::Algorithm;

/// What a client is registered with; `Client::new` checks it.
#[derive(Clone)]
pub struct ClientParts {
    pub id: String,
    /// What people see; the id when `None`.
    pub name: Option<String>,
    /// Up to two, so that one can be replaced without downtime. None: a public client, or one with keys.
    pub secrets: Vec<ClientSecret>,
    /// How it must authenticate; `None` takes the default, which is Basic or post where there is a secret.
    pub authentication: Option<AuthMethod>,
    /// Its public keys, for `private_key_jwt`.
    pub keys: Option<KeySource>,
    pub assertion_audience: AssertionAudience,
    pub redirect_uris: Vec<RedirectUri>,
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// Origins whose scripts may read the token endpoint, besides those of a public client's redirect URIs.
    pub origins: Vec<String>,
    pub grants: Vec<Grant>,
    /// What it may ask for; the API scopes among them are what it gets when it asks for nothing.
    pub scopes: Vec<ScopeName>,
    /// Audience of its tokens when it names none; `None` takes the authority's.
    pub resource: Option<Resource>,
    /// Further audiences that it may name (RFC 8707).
    pub resources: Vec<Resource>,
    /// Form and lifetime of its access tokens where they differ from the authority's.
    pub format: Option<TokenFormat>,
    pub access_tokens_for: Option<Duration>,
    pub refresh: RefreshParts,
    pub id_token_algorithm: Algorithm,
    /// No consent page: it is the operator's own.
    pub trusted: bool,
    /// It may go without PKCE (a confidential client alone, and then it must send a nonce).
    pub may_omit_pkce: bool,
}

impl ClientParts {
    /// A client that may do nothing yet.
    pub fn named(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: None,
            secrets: Vec::new(),
            authentication: None,
            keys: None,
            assertion_audience: AssertionAudience::Issuer,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            origins: Vec::new(),
            grants: Vec::new(),
            scopes: Vec::new(),
            resource: None,
            resources: Vec::new(),
            format: None,
            access_tokens_for: None,
            refresh: RefreshParts::default(),
            id_token_algorithm: Algorithm::Rs256,
            trusted: false,
            may_omit_pkce: false,
        }
    }
}

/// How the refresh tokens of a client differ from the authority's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefreshParts {
    pub idle: Option<Duration>,
    pub lasts: Option<Duration>,
    pub rotates: Option<bool>,
}

/// Form of an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFormat {
    /// Signed, RFC 9068.
    Jwt,
    /// A random text, looked up in the store.
    Opaque,
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
    /// `private_key_jwt`: a statement signed with its own key (RFC 7523 section 2.2).
    PrivateKeyJwt,
}

/// What the `aud` of a client's assertion must say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The issuer, as a single string.
    #[default]
    Issuer,
    /// The token endpoint too, for clients that cannot do better.
    Endpoint,
}

/// How long refresh tokens live and whether they turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RefreshTerms {
    pub idle: Duration,
    pub lasts: Duration,
    pub rotates: bool,
}

/// A registered client.
pub struct Client {
    id: Arc<str>,
    methods: &'static [AuthMethod],
    parts: ClientParts,
}

/// Refresh tokens of public clients in browsers end after a day, and rotation never extends it (RT-06).
const BROWSER_LASTS: Duration = Duration::from_secs(24 * 3600);

impl Client {
    /// The error says what is wrong with the registration, in the words of gateway.yaml.
    pub fn new(parts: ClientParts) -> Result<Self, String> {
        let id = &parts.id;
        if id.is_empty() || id.len() > 256 || !id.bytes().all(|byte| matches!(byte, 0x20..=0x7E)) {
            return Err("a client's `id` is 1 to 256 printable ASCII characters (RFC 6749 appendix A.1)".into());
        }
        if id.starts_with(super::USER_ID) {
            return Err(format!("a client's `id` must not begin with `{}`, as those of users do", super::USER_ID));
        }
        if parts.secrets.len() > 2 {
            return Err("a client has at most two secrets: the one in use and its successor".into());
        }
        let methods = methods(parts.authentication, !parts.secrets.is_empty(), parts.keys.is_some())?;
        check_grants(&parts, methods == [AuthMethod::None])?;
        Ok(Self { id: id.as_str().into(), methods, parts })
    }

    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// What people see.
    pub(super) fn name(&self) -> &str {
        self.parts.name.as_deref().unwrap_or(&self.id)
    }

    pub fn scopes(&self) -> &[ScopeName] {
        &self.parts.scopes
    }

    pub fn resource(&self) -> Option<&Resource> {
        self.parts.resource.as_ref()
    }

    pub(super) fn parts(&self) -> &ClientParts {
        &self.parts
    }

    /// It cannot keep a secret.
    pub(super) fn is_public(&self) -> bool {
        self.methods == [AuthMethod::None]
    }

    pub(super) fn may_use(&self, grant: Grant) -> bool {
        self.parts.grants.contains(&grant)
    }

    pub(super) fn may_have(&self, scope: &str) -> bool {
        self.parts.scopes.iter().any(|own| own.as_str() == scope)
    }

    pub(super) fn authenticates_by(&self, method: AuthMethod) -> bool {
        self.methods.contains(&method)
    }

    pub(super) fn secrets(&self) -> &[ClientSecret] {
        &self.parts.secrets
    }

    /// The registered redirect URI that `presented` is.
    pub(super) fn redirect_uri(&self, presented: &str) -> Option<&RedirectUri> {
        self.parts.redirect_uris.iter().find(|own| own.is(presented))
    }

    /// The Argon2id hashes among its secrets.
    pub(super) fn slow_hashes(&self) -> impl Iterator<Item = &Arc<str>> {
        self.parts.secrets.iter().filter_map(slow_hash)
    }

    /// Those of them that are good now.
    pub(super) fn good_slow_hashes(&self, now: Time) -> impl Iterator<Item = &Arc<str>> {
        self.parts.secrets.iter().filter(move |secret| secret.is_good_at(now)).filter_map(slow_hash)
    }

    /// How its refresh tokens behave (RT-01, RT-06).
    pub(super) fn refresh_terms(&self, usual: &RefreshTerms) -> RefreshTerms {
        let own = &self.parts.refresh;
        let in_browser = self.is_public() && self.parts.redirect_uris.iter().any(RedirectUri::is_web);
        let lasts = if in_browser { usual.lasts.min(BROWSER_LASTS) } else { usual.lasts };
        let lasts = own.lasts.unwrap_or(lasts);
        RefreshTerms {
            idle: own.idle.unwrap_or(usual.idle).min(lasts),
            lasts,
            rotates: own.rotates.unwrap_or(self.is_public()),
        }
    }

    /// Origins whose scripts may read what the token endpoint tells this client.
    pub(super) fn origins(&self) -> impl Iterator<Item = String> {
        let public = self.is_public();
        let redirects = self.parts.redirect_uris.iter().filter(move |_| public).filter_map(RedirectUri::origin);
        self.parts.origins.iter().cloned().chain(redirects)
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let id = &self.id;
        let mut warnings = Vec::new();
        if self.parts.secrets.iter().any(ClientSecret::is_short) {
            warnings.push(format!(
                "client `{id}` has a secret of fewer than 16 characters, which can be guessed; `openssl rand -hex 32` makes a good one"
            ));
        }
        if self.may_use(Grant::ClientCredentials) && self.parts.scopes.iter().all(ScopeName::is_built_in) {
            warnings.push(format!("client `{id}` has no API scope, so it can get no token with `client_credentials`"));
        }
        for (grant, why) in [
            (Grant::Password, "sees the passwords of its users"),
            (Grant::Implicit, "gets tokens in addresses, where logs and histories keep them"),
        ] {
            if self.may_use(grant) {
                warnings.push(format!("client `{id}` uses the grant `{}` and {why}", grant.name()));
            }
        }
        if self.parts.may_omit_pkce {
            warnings.push(format!("client `{id}` may omit PKCE: a stolen code can be redeemed"));
        }
        warnings
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("secrets", &self.parts.secrets)
            .field("grants", &self.parts.grants)
            .finish_non_exhaustive()
    }
}

fn slow_hash(secret: &ClientSecret) -> Option<&Arc<str>> {
    match &secret.kept {
        Kept::Digest { .. } => None,
        Kept::Argon2(hash) => Some(hash),
    }
}

fn check_grants(parts: &ClientParts, public: bool) -> Result<(), String> {
    let has = |grant| parts.grants.contains(&grant);
    if public && has(Grant::ClientCredentials) {
        return Err("`client_credentials` needs a `secret`: without one, anybody could be this client".into());
    }
    let redirects = has(Grant::AuthorizationCode) || has(Grant::Implicit);
    if redirects && parts.redirect_uris.is_empty() {
        return Err("a client that sends browsers to the login page needs `redirect_uris`".into());
    }
    if has(Grant::RefreshToken) && !has(Grant::AuthorizationCode) && !has(Grant::Password) {
        return Err("`refresh_token` needs a grant that gives one: `authorization_code`".into());
    }
    if public && parts.may_omit_pkce {
        return Err("`danger_allow_missing_pkce` is for clients that can keep a secret".into());
    }
    Ok(())
}

fn methods(asked: Option<AuthMethod>, secret: bool, keys: bool) -> Result<&'static [AuthMethod], String> {
    match (asked, secret, keys) {
        (Some(AuthMethod::PrivateKeyJwt) | None, false, true) => Ok(&[AuthMethod::PrivateKeyJwt]),
        (Some(AuthMethod::PrivateKeyJwt), _, false) => Err("`auth: private_key_jwt` needs the client's `keys`".into()),
        (_, true, true) => Err("a client has either a `secret` or `keys`".into()),
        (Some(AuthMethod::Basic | AuthMethod::Post | AuthMethod::None), false, true) => {
            Err("`keys` are for `auth: private_key_jwt`".into())
        }
        (None, true, false) => Ok(&[AuthMethod::Basic, AuthMethod::Post]),
        (Some(AuthMethod::Basic), true, false) => Ok(&[AuthMethod::Basic]),
        (Some(AuthMethod::Post), true, false) => Ok(&[AuthMethod::Post]),
        (None | Some(AuthMethod::None), false, false) => Ok(&[AuthMethod::None]),
        (Some(AuthMethod::Basic | AuthMethod::Post), false, false) => {
            Err("`auth: basic` and `auth: post` need a `secret`".into())
        }
        (Some(AuthMethod::None), true, false) => {
            Err("`auth: none` and a `secret` contradict each other: take one away".into())
        }
    }
}

//! What a client made by a command is registered with, as the store keeps it: one JSON document, secrets as hashes alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client::{AssertionAudience, AuthMethod, Client, ClientParts, RefreshParts, TokenFormat};
use super::grant::Grant;
use super::issuer::Resource;
use super::redirect::RedirectUri;
use super::scope::ScopeName;
use super::secret::ClientSecret;
use super::settings::Settings;
use crate::store::KeptClient;
use crate::token::issuer::{KeySource, check_address};
use crate::token::jwt::Algorithm;

/// The document. Members with their default value are left out, so that later versions can add some.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<KeptSecret>,
    /// `basic`, `post`, `none`, `private_key_jwt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// Address of the client's key set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys_url: Option<String>,
    /// The client's key set itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub assertion_to_endpoint: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    pub grants: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// `jwt` or `opaque`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_tokens_for_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_idle_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_for_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_algorithm: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub trusted: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub danger_allow_missing_pkce: bool,
}

/// A secret of a kept client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptSecret {
    /// `sha256:…` or `$argon2id$…`.
    pub hash: String,
    /// Milliseconds since 1970.
    pub made: u64,
    /// Not good any more from here on, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<u64>,
}

impl Registration {
    pub fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|cause| format!("its registration cannot be read: {cause}"))
    }

    pub fn write(&self) -> Result<String, String> {
        serde_json::to_string(self).map_err(|cause| format!("its registration cannot be written: {cause}"))
    }

    /// The client of this id. Everything is checked like a client of the file.
    pub fn client(&self, id: &str) -> Result<Client, String> {
        let mut parts = ClientParts::named(id);
        parts.name.clone_from(&self.name);
        parts.secrets = all(&self.secrets, |secret| ClientSecret::hashed(&secret.hash)?.until(secret.ends))?;
        parts.authentication = self.auth.as_deref().map(method).transpose()?;
        parts.keys = self.key_source()?;
        if self.assertion_to_endpoint {
            parts.assertion_audience = AssertionAudience::Endpoint;
        }
        parts.redirect_uris = all(&self.redirect_uris, |uri| RedirectUri::new(uri))?;
        parts.post_logout_redirect_uris = all(&self.post_logout_redirect_uris, |uri| RedirectUri::new(uri))?;
        parts.origins.clone_from(&self.origins);
        let grant = |name: &String| Grant::named(name).ok_or_else(|| format!("`{name}` is not a grant"));
        parts.grants = all(&self.grants, grant)?;
        parts.scopes = all(&self.scopes, |scope| ScopeName::new(scope))?;
        parts.resource = self.resource.as_deref().map(Resource::new).transpose()?;
        parts.resources = all(&self.resources, |resource| Resource::new(resource))?;
        parts.format = self.format.as_deref().map(format).transpose()?;
        parts.access_tokens_for = self.access_tokens_for_seconds.map(Duration::from_secs);
        parts.refresh = RefreshParts {
            idle: self.refresh_idle_seconds.map(Duration::from_secs),
            lasts: self.refresh_for_seconds.map(Duration::from_secs),
            rotates: self.rotate,
        };
        if let Some(name) = &self.id_token_algorithm {
            parts.id_token_algorithm =
                Algorithm::from_name(name).ok_or_else(|| format!("`{name}` is not a signature algorithm"))?;
        }
        parts.trusted = self.trusted;
        parts.may_omit_pkce = self.danger_allow_missing_pkce;
        Client::new(parts)
    }

    fn key_source(&self) -> Result<Option<KeySource>, String> {
        match (&self.keys_url, &self.keys) {
            (Some(_), Some(_)) => Err("a client has its keys at an address or here, and not both".into()),
            (Some(url), None) => check_address(url).map(|()| Some(KeySource::Url(url.clone()))),
            (None, Some(document)) => {
                crate::token::jwt::KeySet::read(document)?;
                Ok(Some(KeySource::Document(document.as_str().into())))
            }
            (None, None) => Ok(None),
        }
    }
}

/// The client of a row, when it fits the settings.
pub(super) fn client(row: &KeptClient, settings: &Settings) -> Result<Client, String> {
    let client = Registration::read(&row.registration)?.client(&row.id)?;
    match settings.faults_of(&client).first() {
        None => Ok(client),
        Some(fault) => Err(fault.to_string()),
    }
}

fn method(name: &str) -> Result<AuthMethod, String> {
    match name {
        "basic" => Ok(AuthMethod::Basic),
        "post" => Ok(AuthMethod::Post),
        "none" => Ok(AuthMethod::None),
        "private_key_jwt" => Ok(AuthMethod::PrivateKeyJwt),
        other => Err(format!("`{other}` is not a way to authenticate")),
    }
}

fn format(name: &str) -> Result<TokenFormat, String> {
    match name {
        "jwt" => Ok(TokenFormat::Jwt),
        "opaque" => Ok(TokenFormat::Opaque),
        other => Err(format!("`{other}` is not a form of token")),
    }
}

fn all<T, U>(items: &[T], read: impl Fn(&T) -> Result<U, String>) -> Result<Vec<U>, String> {
    items.iter().map(read).collect()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

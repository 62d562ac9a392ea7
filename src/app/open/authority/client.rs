//! A client of the plan.

use anyhow::anyhow;

use super::{algorithm, format, names};
use crate::authority::client::{AssertionAudience, RefreshParts};
use crate::authority::redirect::RedirectUri;
use crate::authority::{AuthMethod, Client, ClientParts, ClientSecret, Grant, Resource};
use crate::config::plan;
use crate::config::plan::authority::{self as planned, Authentication, SecretMethod};
use crate::token::issuer::KeySource;

pub(super) fn client(from: &planned::Client) -> anyhow::Result<Client> {
    let text = |message: String| anyhow!("client `{}`: {message}", from.id);
    let mut parts = ClientParts::named(&from.id);
    parts.name = Some(from.name.clone());
    prove(&mut parts, &from.authentication).map_err(text)?;
    parts.grants = from.grants.iter().map(|grant| self::grant(*grant)).collect();
    let uris = |uris: &[String]| uris.iter().map(|uri| RedirectUri::new(uri)).collect::<Result<Vec<_>, _>>();
    parts.redirect_uris = uris(&from.redirect_uris).map_err(text)?;
    parts.post_logout_redirect_uris = uris(&from.post_logout_redirect_uris).map_err(text)?;
    parts.origins.clone_from(&from.origins);
    parts.scopes = names(&from.scopes)?;
    parts.resource = Some(Resource::new(&from.resource.resource).map_err(text)?);
    let resources = from.resources.iter().map(|audience| Resource::new(&audience.resource));
    parts.resources = resources.collect::<Result<_, _>>().map_err(text)?;
    parts.format = from.access_tokens.format.map(format);
    parts.access_tokens_for = from.access_tokens.lifetime;
    parts.refresh = from.refresh.map_or_else(RefreshParts::default, |refresh| RefreshParts {
        idle: Some(refresh.idle),
        lasts: Some(refresh.lifetime),
        rotates: Some(refresh.rotates),
    });
    parts.id_token_algorithm = algorithm(from.id_token_algorithm);
    parts.trusted = from.trusted;
    parts.may_omit_pkce = from.may_omit_pkce;
    Client::new(parts).map_err(text)
}

fn prove(parts: &mut ClientParts, authentication: &Authentication) -> Result<(), String> {
    match authentication {
        Authentication::None => parts.authentication = Some(AuthMethod::None),
        Authentication::Secret { methods, secrets } => {
            // One method in the file pins it; both are the default.
            parts.authentication = match methods.as_slice() {
                [SecretMethod::Basic] => Some(AuthMethod::Basic),
                [SecretMethod::Post] => Some(AuthMethod::Post),
                _ => None,
            };
            parts.secrets = secrets.iter().map(secret).collect::<Result<_, _>>()?;
        }
        Authentication::PrivateKey { keys, audience } => {
            parts.authentication = Some(AuthMethod::PrivateKeyJwt);
            parts.keys = Some(match keys {
                plan::KeySource::Url(url) => KeySource::Url(url.to_string()),
                plan::KeySource::File(file) => KeySource::Document(String::from_utf8_lossy(&file.contents).into()),
            });
            parts.assertion_audience = match audience {
                planned::AssertionAudience::Issuer => AssertionAudience::Issuer,
                planned::AssertionAudience::Endpoint => AssertionAudience::Endpoint,
            };
        }
    }
    Ok(())
}

fn secret(from: &planned::ClientSecret) -> Result<ClientSecret, String> {
    match from {
        planned::ClientSecret::Clear(secret) => ClientSecret::clear(secret),
        planned::ClientSecret::Argon2(hash) => ClientSecret::hashed(hash),
        planned::ClientSecret::Sha256(digest) => {
            let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            ClientSecret::hashed(&format!("sha256:{digits}"))
        }
    }
}

fn grant(from: planned::Grant) -> Grant {
    match from {
        planned::Grant::AuthorizationCode => Grant::AuthorizationCode,
        planned::Grant::RefreshToken => Grant::RefreshToken,
        planned::Grant::ClientCredentials => Grant::ClientCredentials,
        planned::Grant::Password => Grant::Password,
        planned::Grant::Implicit => Grant::Implicit,
    }
}

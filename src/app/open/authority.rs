//! The hosted authorization server of a plan.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use http::HeaderValue;
use serde::Serialize;

use super::{Context, Opened};
use crate::authority::{
    Authority, Client, ClientParts, ClientSecret, Grant, Issuer, Parts, Resource, ScopeName, Settings,
};
use crate::config::Plan;
use crate::config::plan::authority as plan;
use crate::forward::identity::IdentitySigner;
use crate::gate::Identity;
use crate::ground::{SharedRandom, SystemRandom, Time};
use crate::token::jwt::sign::Signer;

/// Opens it, or gives the running one new settings: its key and its count of wrong guesses carry over.
pub async fn open(plan: &Plan, previous: Option<&Opened>, context: &Context) -> anyhow::Result<Option<Arc<Authority>>> {
    let Some(planned) = &plan.authority else { return Ok(None) };
    let settings = settings(planned)?;
    if let Some(running) = previous.and_then(|previous| previous.authority.as_ref()) {
        return Ok(Some(Arc::new(running.with_settings(settings))));
    }
    let (clock, random) = (Arc::clone(&context.clock), Arc::clone(&context.random));
    let opened = Authority::open(settings, &context.store, clock, random, context.control.clone()).await;
    Ok(Some(Arc::new(opened.context("the authority's signing key")?)))
}

fn settings(planned: &plan::Authority) -> anyhow::Result<Settings> {
    let text = |message: String| anyhow!(message);
    let scope =
        |scope: &plan::Scope| anyhow::Ok((ScopeName::new(&scope.name).map_err(text)?, scope.description.clone()));
    let parts = Parts {
        issuer: Issuer::new(&planned.issuer).map_err(text)?,
        resource: Some(Resource::new(&planned.resource.uri).map_err(text)?),
        access_tokens_for: planned.access_tokens.settled().lifetime,
        scopes: planned.scopes.iter().map(scope).collect::<Result<_, _>>()?,
        clients: planned.clients.iter().map(client).collect::<Result<_, _>>()?,
    };
    Settings::new(parts)
        .map_err(|faults| anyhow!(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
}

fn client(planned: &plan::Client) -> anyhow::Result<Client> {
    let text = |message: String| anyhow!("client `{}`: {message}", planned.id);
    let secret = |secret: &plan::ClientSecret| match secret {
        plan::ClientSecret::Clear(secret) => ClientSecret::clear(secret),
        plan::ClientSecret::Argon2(hash) => ClientSecret::hashed(hash),
        plan::ClientSecret::Sha256(digest) => {
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            ClientSecret::hashed(&format!("sha256:{hex}"))
        }
    };
    let (methods, secrets) = match &planned.authentication {
        plan::Authentication::Secret { methods, secrets } => (methods.as_slice(), secrets.as_slice()),
        plan::Authentication::None | plan::Authentication::PrivateKey { .. } => (&[][..], &[][..]),
    };
    // One method in the file pins it; both are the default.
    let authentication = match methods {
        [plan::SecretMethod::Basic] => Some(crate::authority::AuthMethod::Basic),
        [plan::SecretMethod::Post] => Some(crate::authority::AuthMethod::Post),
        _ => None,
    };
    let scopes: Result<_, _> = planned.scopes.iter().map(|scope| ScopeName::new(scope)).collect();
    let secrets: Result<_, _> = secrets.iter().map(secret).collect();
    let parts = ClientParts {
        id: planned.id.clone(),
        secrets: secrets.map_err(text)?,
        authentication,
        grants: planned.grants.iter().filter_map(|grant| Grant::named(grant.word())).collect(),
        scopes: scopes.map_err(text)?,
        resource: Some(Resource::new(&planned.resource.resource).map_err(text)?),
        access_tokens_for: Some(planned.resource.tokens.lifetime),
    };
    Client::new(parts).map_err(text)
}

/// How long a signed identity is good: long enough for a slow upstream, too short to be worth stealing.
const IDENTITY_LIFETIME: Duration = Duration::from_secs(60);

/// Signs identities with the authority's key.
pub fn identity_signer(authority: &Authority) -> Arc<dyn IdentitySigner> {
    Arc::new(Signed {
        signer: authority.signer(),
        issuer: authority.settings().issuer().as_str().to_owned(),
        random: Arc::new(SystemRandom),
    })
}

struct Signed {
    signer: Arc<Signer>,
    issuer: String,
    random: SharedRandom,
}

/// What `X-Auth-Token` says. Its `typ` is `identity+jwt`, so that nobody takes it for an access token.
#[derive(Serialize)]
struct Statement<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    scope: String,
    roles: Vec<&'a str>,
    /// Name of the issuer whose token was shown.
    token_issuer: &'a str,
}

impl IdentitySigner for Signed {
    fn sign(&self, identity: &Identity, audience: &str, now: Time) -> Option<HeaderValue> {
        let claims = &identity.claims;
        let statement = Statement {
            iss: &self.issuer,
            aud: audience,
            iat: now.secs(),
            exp: now.plus(IDENTITY_LIFETIME).secs(),
            jti: self.random.token(16),
            sub: claims.subject.as_deref(),
            client_id: claims.client.as_deref(),
            scope: claims.scopes.join(" "),
            roles: claims.roles.iter().map(|role| &**role).collect(),
            token_issuer: &claims.issuer,
        };
        let token = self.signer.sign("identity+jwt", &statement).ok()?;
        HeaderValue::try_from(token).ok()
    }
}

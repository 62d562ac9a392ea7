//! The hosted authorization server of a plan.

mod client;
mod identity;
mod people;

pub use identity::identity_signer;

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use arc_swap::ArcSwap;

use super::{Context, Opened};
use crate::authority::client::TokenFormat;
use crate::authority::page::{Brand, BrandParts};
use crate::authority::password::PasswordRules;
use crate::authority::scope::Role;
use crate::authority::sealing::Sealer;
use crate::authority::settings::{AccessTokens, RefreshTokens, ResourceParts, Sessions};
use crate::authority::upkeep::{LOOK, Upkeep};
use crate::authority::{Authority, Equipment, Issuer, Marks, Parts, Resource, ScopeName, Settings, published};
use crate::config::Plan;
use crate::config::plan::Store;
use crate::config::plan::authority as plan;
use crate::ground::{Random, SystemClock};
use crate::observe::Audit;
use crate::observe::audit::AuditSettings;
use crate::store::SharedStore;
use crate::token::jwt::{Algorithm, KeySet};

/// Opens it, or gives the running one new settings: its keys and its count of wrong guesses carry over.
pub async fn open(plan: &Plan, previous: Option<&Opened>, context: &Context) -> anyhow::Result<Option<Arc<Authority>>> {
    let Some(planned) = &plan.authority else { return Ok(None) };
    let settings = settings(planned, &context.store, &*context.random).await?;
    let mut equipment = equipment(planned, &plan.store, context)?;
    if let Some(running) = previous.and_then(|previous| previous.authority.as_ref()) {
        let next = running.with_settings(settings, equipment).await;
        return Ok(Some(Arc::new(next.context("the authority")?)));
    }
    equipment.audit = Some(audit(planned)?);
    let opened = Authority::open(settings, equipment, &context.for_tokens()).await;
    Ok(Some(Arc::new(opened.context("the authority")?)))
}

/// Rotates keys, forgets what is over, looks for what commands have changed; as long as the house stands.
pub async fn keep_up(house: std::sync::Weak<crate::app::house::House>) {
    let (mut ticks, mut upkeep) = (tokio::time::interval(LOOK), Upkeep::default());
    let Some(mut news) = house.upgrade().map(|house| house.context.store.news()) else { return };
    loop {
        let is_told = tokio::select! {
            _ = ticks.tick() => false,
            () = news.next() => true,
        };
        let Some(house) = house.upgrade() else { return };
        let authority = house.current.load().authority.clone();
        drop(house);
        match authority {
            Some(authority) if is_told => upkeep.hear(&authority).await,
            Some(authority) => upkeep.round(&authority).await,
            None => {}
        }
    }
}

/// What the authority is told. Looks into the store for hashes of passwords that the file gives in clear.
pub async fn settings(planned: &plan::Authority, store: &SharedStore, random: &dyn Random) -> anyhow::Result<Settings> {
    let mut parts = Parts::of(Issuer::new(&planned.issuer).map_err(text)?);
    parts.resource = Some(Resource::new(&planned.resource.uri).map_err(text)?);
    parts.resources =
        std::iter::once(&planned.resource).chain(&planned.resources).map(resource).collect::<Result<_, _>>()?;
    parts.access_tokens = AccessTokens {
        format: format(planned.access_tokens.settled().format),
        lasts: planned.access_tokens.lifetime,
        algorithm: algorithm(planned.algorithm),
    };
    parts.refresh_tokens = RefreshTokens {
        idle: planned.refresh_tokens.idle,
        lasts: planned.refresh_tokens.lifetime,
        grace: planned.refresh_tokens.grace,
    };
    parts.codes_for = planned.codes_for;
    parts.sessions = Sessions { idle: planned.sessions.idle, lasts: planned.sessions.lifetime };
    parts.rotate_keys = planned.keys.rotate;
    let scope = |scope: &plan::Scope| anyhow::Ok((name(&scope.name)?, scope.description.clone()));
    parts.scopes = planned.scopes.iter().map(scope).collect::<Result<_, _>>()?;
    let role = |role: &plan::Role| anyhow::Ok(Role { name: role.name.clone(), scopes: names(&role.scopes)? });
    parts.roles = planned.roles.iter().map(role).collect::<Result<_, _>>()?;
    parts.clients = planned.clients.iter().map(client::client).collect::<Result<_, _>>()?;
    parts.users = people::users(&planned.users, store, random).await?;
    Settings::new(parts)
        .map_err(|faults| anyhow!(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
}

fn equipment(planned: &plan::Authority, store: &Store, context: &Context) -> anyhow::Result<Equipment> {
    let revocations = Arc::clone(&context.hosted.revocations);
    let look = &planned.pages;
    let brand = BrandParts {
        title: look.title.clone(),
        colour: look.colour.map(|colour| colour.to_string()),
        logo: look.logo.as_ref().map(|logo| (logo.file.contents.to_vec(), logo.kind.media_type())),
        texts: look.texts.clone(),
    };
    let counters = context.together.as_ref().map(|together| Arc::clone(together.counters()));
    Ok(Equipment {
        sealer: sealer(planned)?,
        brand: Brand::new(brand).map_err(text)?,
        password_rules: password_rules(planned),
        audit: None,
        revoked: Arc::new(move || revocations.kick()),
        marks: match (store, &counters) {
            // What is shared already: to ask Redis as well would make client assertions depend on both.
            (Store::Postgres(_), _) | (Store::Sqlite(_), None) => Marks::Store,
            (Store::Sqlite(_), Some(counters)) => Marks::StoreAnd(Arc::clone(counters)),
        },
        counters,
    })
}

/// The keys that the authority of a store publishes, for whoever looks at tokens without running it.
pub async fn published_keys(planned: &plan::Authority, store: &SharedStore) -> anyhow::Result<Arc<ArcSwap<KeySet>>> {
    let keys = published(store, &sealer(planned)?, &SystemClock).await;
    Ok(Arc::new(ArcSwap::from_pointee(keys.context("the authority's keys")?)))
}

/// The audit log that the file names.
pub fn audit(planned: &plan::Authority) -> anyhow::Result<Audit> {
    let settings = AuditSettings::new(planned.audit.file.clone(), planned.audit.keep);
    let opened = Audit::open(settings, Arc::new(SystemClock));
    opened.with_context(|| format!("`authority.audit.file` {}", planned.audit.file.display()))
}

/// What seals private keys and second factors in the store.
pub fn sealer(planned: &plan::Authority) -> anyhow::Result<Sealer> {
    match &planned.keys.encryption {
        Some(secret) => Sealer::with(secret).map_err(text).context("`keys.encryption`"),
        None => Ok(Sealer::clear()),
    }
}

pub fn password_rules(planned: &plan::Authority) -> PasswordRules {
    let least = |characters: u32| usize::try_from(characters).unwrap_or(usize::MAX);
    let rules = &planned.passwords;
    let blocked = rules.blocked.iter().flat_map(plan::Lines::iter).map(str::to_lowercase).collect();
    PasswordRules {
        min: least(rules.min),
        min_with_second_factor: least(rules.min_with_second_factor),
        blocked: Arc::new(blocked),
    }
}

fn resource(planned: &plan::Resource) -> anyhow::Result<ResourceParts> {
    Ok(ResourceParts {
        resource: Resource::new(&planned.uri).map_err(text)?,
        scopes: planned.scopes.as_deref().map(names).transpose()?,
        format: planned.access_tokens.format.map(format),
        access_tokens_for: planned.access_tokens.lifetime,
    })
}

fn names(scopes: &[String]) -> anyhow::Result<Vec<ScopeName>> {
    scopes.iter().map(|scope| name(scope)).collect()
}

fn name(scope: &str) -> anyhow::Result<ScopeName> {
    ScopeName::new(scope).map_err(text)
}

fn format(planned: plan::TokenFormat) -> TokenFormat {
    match planned {
        plan::TokenFormat::Jwt => TokenFormat::Jwt,
        plan::TokenFormat::Opaque => TokenFormat::Opaque,
    }
}

fn algorithm(planned: plan::SigningAlgorithm) -> Algorithm {
    match planned {
        plan::SigningAlgorithm::Es256 => Algorithm::Es256,
        plan::SigningAlgorithm::Rs256 => Algorithm::Rs256,
        plan::SigningAlgorithm::Ps256 => Algorithm::Ps256,
        plan::SigningAlgorithm::Es384 => Algorithm::Es384,
        plan::SigningAlgorithm::EdDsa => Algorithm::EdDsa,
    }
}

fn text(message: String) -> anyhow::Error {
    anyhow!(message)
}

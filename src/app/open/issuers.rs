//! The issuers whose tokens a plan takes.

use std::sync::Arc;

use anyhow::anyhow;
use arc_swap::ArcSwap;

use super::{Context, Opened};
use crate::authority::Authority;
use crate::config::Plan;
use crate::config::plan::{self, AUTHORITY, Proof};
use crate::token::issuer::{
    ClaimPath, ClaimPaths, ClientAuth, HostedHere, IntrospectionSettings, IssuerSettings, KeySource, TypeRule,
};
use crate::token::jwt::{Algorithm, KeySet};
use crate::token::{Hosted, Verifier};

/// Issuers that are unchanged keep their keys and their verified tokens.
pub fn open(
    plan: &Plan,
    authority: Option<&Authority>,
    previous: Option<&Opened>,
    context: &Context,
) -> anyhow::Result<Arc<Verifier>> {
    let mut settings = Vec::new();
    if let (Some(planned), Some(running)) = (&plan.authority, authority) {
        settings.push(hosted(planned, Arc::clone(running.key_set()), &context.hosted));
    }
    settings.extend(foreign_ones(plan)?);
    let verifier = Verifier::open(settings, previous.map(|previous| &*previous.verifier), &context.for_tokens());
    Ok(Arc::new(verifier))
}

/// The issuers besides the authority.
pub fn foreign_ones(plan: &Plan) -> anyhow::Result<Vec<IssuerSettings>> {
    let told =
        |issuer: &plan::Issuer| foreign(issuer).map_err(|message| anyhow!("issuer `{}`: {message}", issuer.name));
    plan.issuers.iter().map(told).collect()
}

/// The authority, trusted like any other issuer; its keys come by hand and not over the network.
pub fn hosted(planned: &plan::Authority, keys: Arc<ArcSwap<KeySet>>, here: &Arc<Hosted>) -> IssuerSettings {
    let resources = std::iter::once(&planned.resource).chain(&planned.resources);
    let audience: Vec<&str> = resources.map(|resource| resource.uri.as_str()).collect();
    let mut settings = IssuerSettings::new(AUTHORITY, Some(&planned.issuer), &audience);
    settings.keys = Some(KeySource::Local(keys));
    // Tokens of before the algorithm was changed are good until their end.
    settings.algorithms = Algorithm::ALL.to_vec();
    settings.hosted = Some(HostedHere(Arc::clone(here)));
    settings
}

fn foreign(planned: &plan::Issuer) -> Result<IssuerSettings, String> {
    let audience: Vec<&str> = planned.audiences.iter().map(String::as_str).collect();
    let mut settings = IssuerSettings::new(&planned.name, planned.url.as_deref(), &audience);
    settings.keys = match &planned.proof {
        Proof::Discovery => Some(KeySource::Discovery),
        Proof::Keys(plan::KeySource::Url(url)) => Some(KeySource::Url(url.to_string())),
        Proof::Keys(plan::KeySource::File(file)) => {
            Some(KeySource::Document(String::from_utf8_lossy(&file.contents).into()))
        }
        Proof::Introspection(_) => None,
    };
    if let Proof::Introspection(asked) = &planned.proof {
        settings.introspection = Some(introspection(asked)?);
    }
    if !planned.algorithms.is_empty() {
        let named = |planned: &plan::Algorithm| {
            let name = plan::Algorithm::ALL.iter().find(|(algorithm, _)| algorithm == planned)?.1;
            Algorithm::from_name(name)
        };
        settings.algorithms = planned.algorithms.iter().filter_map(named).collect();
    }
    if let Some(types) = &planned.types {
        let types: Vec<&str> = types.iter().map(String::as_str).collect();
        settings.types = TypeRule::only(&types);
    }
    settings.claims = claims(&planned.claims)?;
    settings.leeway = planned.leeway;
    settings.stale_for = planned.stale_for;
    settings.refetch_every = planned.refetch_every;
    settings.check()?;
    Ok(settings)
}

fn introspection(planned: &plan::Introspection) -> Result<IntrospectionSettings, String> {
    let secret = planned.client_secret.clone().ok_or("the client secret was not read")?;
    let mut settings = IntrospectionSettings::new(planned.url.as_str(), &planned.client_id, secret);
    settings.auth = match planned.auth {
        plan::SecretAuth::Basic => ClientAuth::Basic,
        plan::SecretAuth::Post => ClientAuth::Post,
    };
    settings.cache_for = planned.cache_for;
    settings.failures_for = planned.cache_failures_for;
    settings.timeout = planned.timeout;
    Ok(settings)
}

/// Where facts stand in an issuer's tokens.
pub fn claims(planned: &plan::ClaimPaths) -> Result<ClaimPaths, String> {
    let path = |path: &Option<Vec<String>>| path.as_deref().map(ClaimPath::of).transpose();
    let usual = ClaimPaths::default();
    Ok(ClaimPaths {
        scopes: path(&planned.scopes)?,
        roles: path(&planned.roles)?,
        subject: path(&planned.subject)?.unwrap_or(usual.subject),
        client: path(&planned.client)?,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::app::rehearsal;
    use crate::config::{self, source::Memory};

    /// Roles that stand at `place` in the file are found by a route that needs one.
    fn check(place: &str) {
        let text = format!(
            "version: 1\nlisten: [{{address: \"127.0.0.1:8080\"}}]\nissuers:\n  corp: {{url: https://id.example, audience: api, \
             claims: {{roles: {place}}}}}\nroutes:\n  - {{match: GET /a, access: {{role: clerk}}, respond: echo}}\ntests:\n  \
             - {{call: GET /a, token: {{role: clerk}}, expect: allow}}\n"
        );
        let source = Memory::default().with("gateway.yaml", text);
        let plan = config::load(Path::new("gateway.yaml"), &source).map_err(|problems| problems.render(false));
        let passed = plan.map_err(anyhow::Error::msg).map(|plan| rehearsal::tests::must_pass(&plan));
        assert_eq!(passed.unwrap(), Ok(()), "{place}");
    }

    #[test]
    fn roles_are_found_where_a_text_or_a_list_says() {
        check("realm_access.roles");
        check("[realm_access, roles]");
        check("[resource_access, com.example.api, roles]");
        check("[\"https://example.com/roles\"]");
    }
}

//! Tokens by description: signed by a key of the occasion, in the name of the file's issuers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use arc_swap::ArcSwap;
use serde_json::{Map, Value, json};

use crate::app::open::issuers;
use crate::config::Plan;
use crate::config::plan::test::Described;
use crate::config::plan::{self, AUTHORITY};
use crate::ground::{SystemRandom, Time};
use crate::token::Hosted;
use crate::token::issuer::{IssuerSettings, KeySource, TypeRule};
use crate::token::jwt::sign::generate_pkcs8;
use crate::token::jwt::{Algorithm, KeySet, Signer};

/// How long described tokens live.
const LIFE: Duration = Duration::from_secs(300);

/// Makes tokens.
pub struct Mint {
    signer: Signer,
    keys: Arc<ArcSwap<KeySet>>,
    issuers: Vec<Maker>,
}

/// How one issuer's tokens look.
struct Maker {
    name: String,
    url: String,
    audience: String,
    typ: String,
    claims: plan::ClaimPaths,
}

impl Mint {
    pub fn new(plan: &Plan) -> anyhow::Result<Self> {
        let signer = Signer::from_pkcs8(Algorithm::Es256, &generate_pkcs8(Algorithm::Es256)?)?;
        let keys = json!({ "keys": [signer.public_jwk()] }).to_string();
        let keys = KeySet::read(&keys).map_err(|message| anyhow!(message))?.keys;
        let hosted = plan.authority.as_ref().map(|authority| Maker {
            name: AUTHORITY.to_owned(),
            url: authority.issuer.clone(),
            audience: authority.resource.uri.clone(),
            typ: "at+jwt".to_owned(),
            claims: plan::ClaimPaths::default(),
        });
        let foreign = plan.issuers.iter().map(|issuer| Maker {
            name: issuer.name.clone(),
            url: url(issuer),
            audience: issuer.audiences.first().cloned().unwrap_or_default(),
            typ: issuer.types.as_ref().and_then(|types| types.first()).map_or("at+jwt", String::as_str).to_owned(),
            claims: issuer.claims.clone(),
        });
        let issuers = hosted.into_iter().chain(foreign).collect();
        Ok(Self { signer, keys: Arc::new(ArcSwap::from_pointee(keys)), issuers })
    }

    /// The issuers of the file, all signing with our key.
    pub fn issuers(&self, plan: &Plan, here: &Arc<Hosted>) -> anyhow::Result<Vec<IssuerSettings>> {
        let mut settings = Vec::new();
        if let Some(planned) = &plan.authority {
            settings.push(issuers::hosted(planned, Arc::clone(&self.keys), here));
        }
        for planned in &plan.issuers {
            let audience: Vec<&str> = planned.audiences.iter().map(String::as_str).collect();
            let mut own = IssuerSettings::new(&planned.name, Some(&url(planned)), &audience);
            own.keys = Some(KeySource::Local(Arc::clone(&self.keys)));
            own.claims = issuers::claims(&planned.claims).map_err(|message| anyhow!(message))?;
            own.leeway = planned.leeway;
            if let Some(types) = &planned.types {
                own.types = TypeRule::only(&types.iter().map(String::as_str).collect::<Vec<_>>());
            }
            settings.push(own);
        }
        Ok(settings)
    }

    /// A token that says what is described.
    pub fn token(&self, described: &Described, now: Time) -> anyhow::Result<String> {
        let mut issuers = self.issuers.iter();
        let maker = match &described.issuer {
            Some(name) => issuers.find(|issuer| issuer.name == *name),
            None => issuers.next(),
        };
        let maker = maker.context("nothing in this file says whose tokens are good")?;
        let ends = match described.expired {
            Some(ago) => now.minus(ago),
            None => now.plus(LIFE),
        };
        let random: &dyn crate::ground::Random = &SystemRandom;
        let mut claims = json!({
            "iss": maker.url,
            "aud": described.audience.as_deref().unwrap_or(&maker.audience),
            "iat": now.secs().min(ends.secs()),
            "exp": ends.secs(),
            "jti": random.token(16),
        });
        let Some(all) = claims.as_object_mut() else { return Err(anyhow!("no claims")) };
        let path = |path: &Option<Vec<String>>, usual: &str| path.clone().unwrap_or_else(|| vec![usual.to_owned()]);
        put(all, &path(&maker.claims.subject, "sub"), json!(described.subject.as_deref().unwrap_or("test-subject")));
        put(all, &path(&maker.claims.client, "client_id"), json!(described.client.as_deref().unwrap_or("test-client")));
        put(all, &path(&maker.claims.scopes, "scope"), json!(described.scopes.join(" ")));
        put(all, &path(&maker.claims.roles, "roles"), json!(described.roles));
        all.extend(described.claims.clone());
        Ok(self.signer.sign(&maker.typ, &claims)?)
    }
}

/// What `iss` says; an issuer that is only asked may have no address of its own.
fn url(issuer: &plan::Issuer) -> String {
    issuer.url.clone().unwrap_or_else(|| format!("urn:portcullis:described:{}", issuer.name))
}

/// Puts `value` where `path` leads, through maps made on the way.
fn put(claims: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => drop(claims.insert(last.clone(), value)),
        [first, rest @ ..] => {
            let inner = claims.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

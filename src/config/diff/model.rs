//! What a configuration opens, without anything secret: what two of them are compared by, also over the network.

use serde::{Deserialize, Serialize};

use super::facts;
use crate::config::map;
use crate::config::plan::authority::Authority;
use crate::config::plan::{self, Plan};
use crate::ground::duration;

/// A configuration, reduced to who may do what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    pub routes: Vec<Route>,
    pub issuers: Vec<Issuer>,
    pub listeners: Vec<Listener>,
    pub clients: Vec<Client>,
    pub roles: Vec<Role>,
    pub users: Vec<User>,
    /// Audiences of the authority.
    #[serde(default)]
    pub resources: Vec<Resource>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub name: String,
    pub line: usize,
    /// `METHODS [HOST]/PATH`.
    #[serde(rename = "match")]
    pub pattern: String,
    pub access: Access,
    /// What else holds for it, as `(what, text)`.
    pub rest: Vec<(String, String)>,
    /// What callers may do beyond its requests, as `(what, which)`; `*` is all there are.
    #[serde(default)]
    pub lets: Vec<(String, String)>,
}

/// Who may call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Anyone, also where a rule is only observed.
    Anyone,
    Token(Needs),
}

/// What a token needs; all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Needs {
    pub scopes_all: Vec<String>,
    pub scopes_any: Vec<String>,
    pub roles_all: Vec<String>,
    pub roles_any: Vec<String>,
    pub conditions: Vec<String>,
    pub issuers: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    pub name: String,
    pub url: Option<String>,
    pub audiences: Vec<String>,
    /// Where its keys are, or where it is asked.
    #[serde(default)]
    pub proof: String,
    #[serde(default)]
    pub algorithms: Vec<String>,
    /// Comparable; `(none)` for a token without one.
    #[serde(default)]
    pub types: Vec<String>,
    #[serde(default)]
    pub leeway_ms: u64,
    /// Where facts are read from.
    #[serde(default)]
    pub claims: String,
    /// What changes nobody's access for long, as text.
    pub rest: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    pub address: String,
    pub tls: bool,
    pub trusted_proxies: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    pub id: String,
    pub public: bool,
    pub trusted: bool,
    pub grants: Vec<String>,
    pub scopes: Vec<String>,
    pub audiences: Vec<String>,
    pub redirect_uris: Vec<String>,
    /// Web pages that may fetch its tokens.
    #[serde(default)]
    pub origins: Vec<String>,
    #[serde(default)]
    pub may_omit_pkce: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    pub scopes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    pub uri: String,
    /// Those that mean something there; `None`: all.
    pub scopes: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub name: String,
    pub roles: Vec<String>,
}

impl Model {
    /// Of a plan; a plan without files is enough.
    pub fn of(plan: &Plan) -> Self {
        let mut model = Self {
            routes: plan.routes.iter().map(|route| route_of(plan, route)).collect(),
            issuers: plan.issuers.iter().map(issuer_of).collect(),
            listeners: plan.listeners.iter().map(listener_of).collect(),
            ..Self::default()
        };
        if let Some(authority) = &plan.authority {
            model.of_authority(authority);
        }
        model
    }

    /// Of routes alone, with their access and nothing else.
    pub fn of_routes<'r>(routes: impl Iterator<Item = &'r plan::Route>) -> Self {
        let routes = routes.map(|route| Route {
            name: route.name.clone(),
            line: route.line,
            pattern: map::shown(&route.pattern),
            access: access_of(route),
            rest: Vec::new(),
            lets: Vec::new(),
        });
        Self { routes: routes.collect(), ..Self::default() }
    }

    fn of_authority(&mut self, authority: &Authority) {
        let mut audiences = vec![authority.resource.uri.clone()];
        audiences.extend(authority.resources.iter().map(|resource| resource.uri.clone()));
        self.issuers.insert(
            0,
            Issuer {
                name: plan::AUTHORITY.to_owned(),
                url: Some(authority.issuer.clone()),
                audiences,
                ..Issuer::default()
            },
        );
        self.clients = authority.clients.iter().map(client_of).collect();
        let role = |role: &plan::authority::Role| Role { name: role.name.clone(), scopes: role.scopes.clone() };
        self.roles = authority.roles.iter().map(role).collect();
        let user = |user: &plan::authority::User| User { name: user.name.clone(), roles: user.roles.clone() };
        self.users = authority.users.iter().map(user).collect();
        let resource = |resource: &plan::authority::Resource| Resource {
            uri: resource.uri.clone(),
            scopes: resource.scopes.clone(),
        };
        self.resources = std::iter::once(&authority.resource).chain(&authority.resources).map(resource).collect();
    }
}

fn access_of(route: &plan::Route) -> Access {
    match &route.access {
        plan::Access::Public => Access::Anyone,
        plan::Access::Rule(_) if route.only_observes => Access::Anyone,
        plan::Access::Rule(rule) => Access::Token(Needs {
            scopes_all: rule.scopes.all.clone(),
            scopes_any: rule.scopes.any.clone(),
            roles_all: rule.roles.all.clone(),
            roles_any: rule.roles.any.clone(),
            conditions: rule.conditions.iter().map(|text| placed(text, &route.pattern)).collect(),
            issuers: rule.issuers.clone(),
        }),
    }
}

/// A condition with the places of the segments that it reads: one name may stand for another part of the path in two files.
/// What of `path` is not read by a plain name may be any of them.
fn placed(text: &str, pattern: &plan::Pattern) -> String {
    let of_path: Vec<&str> = text
        .match_indices("path")
        .filter(|(at, _)| !text.get(..*at).is_some_and(|before| before.trim_end().ends_with('.')))
        .filter_map(|(at, word)| text.get(at + word.len()..))
        .collect();
    let any = of_path.iter().any(|rest| !rest.trim_start().starts_with('.'));
    let read: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let places = pattern.segments.iter().enumerate().filter_map(|(index, segment)| match segment {
        plan::Segment::Named(name) if !of_path.is_empty() && (any || read.contains(&name.as_str())) => {
            Some(format!("`{name}` is segment {}", index + 1))
        }
        plan::Segment::Named(_) | plan::Segment::Literal(_) | plan::Segment::Rest => None,
    });
    let places: Vec<String> = places.collect();
    if places.is_empty() { text.to_owned() } else { format!("{text} ({})", places.join(", ")) }
}

fn route_of(plan: &Plan, route: &plan::Route) -> Route {
    Route {
        name: route.name.clone(),
        line: route.line,
        pattern: map::shown(&route.pattern),
        access: access_of(route),
        rest: facts::rest_of(plan, route),
        lets: facts::lets_of(route),
    }
}

fn issuer_of(issuer: &plan::Issuer) -> Issuer {
    let proof = match &issuer.proof {
        plan::Proof::Discovery => "keys by discovery".to_owned(),
        plan::Proof::Keys(plan::KeySource::Url(url)) => format!("keys at {url}"),
        plan::Proof::Keys(plan::KeySource::File(file)) => format!("keys in {}", file.path.display()),
        plan::Proof::Introspection(asked) => format!("introspection at {}", asked.url),
    };
    let plain = |name: &String| {
        let name = name.to_ascii_lowercase();
        name.strip_prefix("application/").map_or_else(|| name.clone(), str::to_owned)
    };
    let usual = || ["at+jwt", "jwt", "(none)"].map(str::to_owned).to_vec();
    Issuer {
        name: issuer.name.clone(),
        url: issuer.url.clone(),
        audiences: issuer.audiences.clone(),
        proof,
        algorithms: issuer.algorithms.iter().map(|algorithm| format!("{algorithm:?}").to_uppercase()).collect(),
        types: issuer.types.as_ref().map_or_else(usual, |types| types.iter().map(plain).collect()),
        leeway_ms: u64::try_from(issuer.leeway.as_millis()).unwrap_or(u64::MAX),
        claims: claims_of(&issuer.claims),
        rest: rest_of_issuer(issuer),
    }
}

/// Where facts are read from: `roles at realm_access / roles`.
fn claims_of(claims: &plan::ClaimPaths) -> String {
    let named = [
        ("scopes", &claims.scopes),
        ("roles", &claims.roles),
        ("subject", &claims.subject),
        ("client", &claims.client),
    ];
    let told = |(what, path): (&str, &Option<Vec<String>>)| Some(format!("{what} at {}", path.as_ref()?.join(" / ")));
    let told: Vec<String> = named.into_iter().filter_map(told).collect();
    if told.is_empty() { "the usual ones".to_owned() } else { told.join(", ") }
}

/// How long what is known of its tokens and keys counts, and as whom it is asked.
fn rest_of_issuer(issuer: &plan::Issuer) -> String {
    let span = duration::format;
    match &issuer.proof {
        plan::Proof::Discovery | plan::Proof::Keys(_) => {
            format!("keys kept for {}, fetched again after {}", span(issuer.stale_for), span(issuer.refetch_every))
        }
        plan::Proof::Introspection(asked) => format!(
            "asked as {} ({:?}), within {}; believed for {}, and when it says no for {}",
            asked.client_id,
            asked.auth,
            span(asked.timeout),
            span(asked.cache_for),
            span(asked.cache_failures_for)
        ),
    }
}

fn listener_of(listener: &plan::Listener) -> Listener {
    Listener {
        address: listener.address.to_string(),
        tls: !listener.certificates.is_empty(),
        trusted_proxies: listener.trusted_proxies.iter().map(ToString::to_string).collect(),
    }
}

fn client_of(client: &plan::authority::Client) -> Client {
    let others = client.resources.iter().map(|audience| audience.resource.clone());
    Client {
        id: client.id.clone(),
        public: matches!(client.authentication, plan::authority::Authentication::None),
        trusted: client.trusted,
        grants: client.grants.iter().map(|grant| grant.word().to_owned()).collect(),
        scopes: client.scopes.clone(),
        audiences: std::iter::once(client.resource.resource.clone()).chain(others).collect(),
        redirect_uris: client.redirect_uris.clone(),
        origins: client.origins.clone(),
        may_omit_pkce: client.may_omit_pkce,
    }
}

impl Needs {
    /// In words: `scope a and b, and role clerk (from corp)`.
    pub fn text(&self) -> String {
        let mut parts = Vec::new();
        for (what, all, any) in
            [("scope", &self.scopes_all, &self.scopes_any), ("role", &self.roles_all, &self.roles_any)]
        {
            if !all.is_empty() {
                parts.push(format!("{what} {}", all.join(" and ")));
            }
            if !any.is_empty() {
                parts.push(format!("{what} {}", any.join(" or ")));
            }
        }
        parts.extend(self.conditions.iter().map(|condition| format!("when {condition}")));
        let needs = if parts.is_empty() { "any token".to_owned() } else { parts.join(", and ") };
        format!("{needs} (of {})", self.issuers.join(", "))
    }
}

impl Access {
    pub fn text(&self) -> String {
        match self {
            Self::Anyone => "anyone".to_owned(),
            Self::Token(needs) => needs.text(),
        }
    }
}

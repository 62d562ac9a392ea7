//! What a configuration opens, without anything secret: what two of them are compared by, also over the network.

use serde::{Deserialize, Serialize};

use crate::config::check::per_word;
use crate::config::map;
use crate::config::plan::authority::Authority;
use crate::config::plan::{self, Origins, Plan};
use crate::ground::{duration, size};

/// A configuration, reduced to who may do what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    pub routes: Vec<Route>,
    pub issuers: Vec<Issuer>,
    pub listeners: Vec<Listener>,
    pub clients: Vec<Client>,
    pub roles: Vec<Role>,
    pub users: Vec<User>,
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    pub name: String,
    pub url: Option<String>,
    pub audiences: Vec<String>,
    /// Algorithms, types, places of claims: as text.
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
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    pub scopes: Vec<String>,
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
                rest: String::new(),
            },
        );
        self.clients = authority.clients.iter().map(client_of).collect();
        let role = |role: &plan::authority::Role| Role { name: role.name.clone(), scopes: role.scopes.clone() };
        self.roles = authority.roles.iter().map(role).collect();
        let user = |user: &plan::authority::User| User { name: user.name.clone(), roles: user.roles.clone() };
        self.users = authority.users.iter().map(user).collect();
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
            conditions: rule.conditions.clone(),
            issuers: rule.issuers.clone(),
        }),
    }
}

fn route_of(plan: &Plan, route: &plan::Route) -> Route {
    Route {
        name: route.name.clone(),
        line: route.line,
        pattern: map::shown(&route.pattern),
        access: access_of(route),
        rest: rest_of(plan, route),
    }
}

/// What a change of is worth a sentence, though it changes nobody's access.
fn rest_of(plan: &Plan, route: &plan::Route) -> Vec<(String, String)> {
    let mut rest = vec![("goes to".to_owned(), map::goes_to(plan, route))];
    if let plan::Destination::Upstream { index, .. } = &route.destination
        && let Some(upstream) = plan.upstreams.get(*index)
    {
        let servers: Vec<&str> = upstream.servers.iter().map(|server| server.text.as_str()).collect();
        rest.push(("servers".to_owned(), servers.join(", ")));
    }
    let limits: Vec<String> = route
        .limits
        .iter()
        .map(|limit| {
            let observed = if limit.only_observes { ", only observed" } else { "" };
            let shared = limit.shared.map_or("", plan::Sharing::words);
            format!("{} per {}, burst {}{shared}{observed}", limit.text, per_word(&limit.per), limit.burst)
        })
        .collect();
    rest.push(("limit".to_owned(), or_none(limits.join("; "))));
    let origins = route.cors.as_ref().map(|cors| {
        let origins = match &cors.origins {
            Origins::Any => "*".to_owned(),
            Origins::Exact(origins) => origins.join(", "),
        };
        format!("{origins}{}", if cors.credentials { " with cookies" } else { "" })
    });
    rest.push(("origins".to_owned(), or_none(origins.unwrap_or_default())));
    let body = route.body.max.map(|max| format!("up to {}", size::format(max))).into_iter();
    let body: Vec<String> = body.chain(route.body.types.iter().cloned()).collect();
    rest.push(("body".to_owned(), if body.is_empty() { "any".to_owned() } else { body.join(", ") }));
    rest.push((
        "the caller's token".to_owned(),
        if route.forward_token { "passed on" } else { "kept here" }.to_owned(),
    ));
    rest
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".to_owned() } else { text }
}

fn issuer_of(issuer: &plan::Issuer) -> Issuer {
    let algorithms: Vec<String> = issuer.algorithms.iter().map(|algorithm| format!("{algorithm:?}")).collect();
    let kind = match &issuer.proof {
        plan::Proof::Discovery => "keys by discovery".to_owned(),
        plan::Proof::Keys(plan::KeySource::Url(url)) => format!("keys at {url}"),
        plan::Proof::Keys(plan::KeySource::File(file)) => format!("keys in {}", file.path.display()),
        plan::Proof::Introspection(asked) => format!("introspection at {}", asked.url),
    };
    let types = issuer.types.as_ref().map_or_else(|| "usual types".to_owned(), |types| types.join(" "));
    let leeway = duration::format(issuer.leeway);
    Issuer {
        name: issuer.name.clone(),
        url: issuer.url.clone(),
        audiences: issuer.audiences.clone(),
        rest: format!(
            "{kind}; algorithms {}; {types}; leeway {leeway}; claims {:?}",
            or_none(algorithms.join(" ")),
            issuer.claims
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

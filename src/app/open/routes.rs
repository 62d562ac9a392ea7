//! The routes of a plan, compiled; and the authority's own beside them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};

use super::{Context, Opened};
use crate::authority::{Endpoint, Issuer};
use crate::config::Plan;
use crate::config::plan::{self, Access};
use crate::forward::fixed::FixedAnswer;
use crate::forward::upstream::{Timeouts, Upstream};
use crate::gate::Policy;
use crate::gate::authenticate::Authenticate;
use crate::gate::authorize::{Asks, Need, Rule};
use crate::gate::condition::Condition;
use crate::gate::cors::{Cors, CorsSettings, Origins};
use crate::gate::headers::Dress;
use crate::gate::limit::{Limit, Limits, Mode, Per, Rate, WhenAway};
use crate::gate::policy::BodyRule;
use crate::gate::table::{HostPattern, Methods, Pattern, Table, pattern};
use crate::serve::{Destination, Forwarding, Route};

/// Limits of a route that was there before go on counting where they stood.
pub fn open(
    plan: &Plan,
    upstreams: &BTreeMap<Arc<str>, Arc<Upstream>>,
    previous: Option<&Opened>,
    context: &Context,
) -> anyhow::Result<Table<Route>> {
    let before: HashMap<&str, &Route> = previous
        .map(|previous| previous.snapshot.table.values().map(|route| (&*route.series.name, route)).collect())
        .unwrap_or_default();
    let mut routes = Vec::with_capacity(plan.routes.len() + 3);
    for planned in &plan.routes {
        let whose = || format!("route `{}` (line {})", planned.name, planned.line);
        let pattern = Pattern::parse(&planned.pattern.text).with_context(whose)?;
        let route = route(planned, pattern.clone(), plan, upstreams, context).with_context(whose)?;
        routes.push((vec![pattern], resumed(route, &before)));
    }
    if let Some(authority) = &plan.authority {
        routes.extend(authority_routes(&authority.issuer, context)?);
    }
    Table::build(routes).map_err(|ties| {
        let names: Vec<String> = ties.iter().map(|tie| format!("{} and {}", tie.first, tie.second)).collect();
        anyhow!("routes match the same requests: {}", names.join("; "))
    })
}

fn resumed(mut route: Route, before: &HashMap<&str, &Route>) -> Route {
    if let Some(old) = before.get(&*route.series.name) {
        route.policy.limits = route.policy.limits.resume(&old.policy.limits);
    }
    route
}

fn route(
    planned: &plan::Route,
    pattern: Pattern,
    plan: &Plan,
    upstreams: &BTreeMap<Arc<str>, Arc<Upstream>>,
    context: &Context,
) -> anyhow::Result<Route> {
    let issuers = plan.issuer_names().len();
    let destination = match &planned.destination {
        plan::Destination::Upstream { index, timeout } => {
            let name = plan.upstreams.get(*index).map_or("", |upstream| upstream.name.as_str());
            let upstream = upstreams.get(name).context("its upstream is gone")?;
            let series = context.metrics.upstream(name);
            let timeouts = Timeouts { connect: timeout.connect, response: timeout.response, idle: timeout.idle };
            Destination::Upstream(Forwarding { upstream: Arc::clone(upstream), timeouts, series })
        }
        plan::Destination::Echo => Destination::Echo,
        plan::Destination::Fixed(fixed) => {
            let answer = FixedAnswer::new(fixed.status, fixed.headers.clone(), fixed.body.clone());
            Destination::Fixed(answer.map_err(|message| anyhow!(message))?)
        }
    };
    Ok(Route {
        pattern,
        line: Some(planned.line),
        policy: policy(planned, issuers, context)?,
        destination,
        series: context.metrics.route(&planned.name),
        forward_token: planned.forward_token,
        websocket: planned.websocket,
        websocket_outlives_token: planned.websocket_outlives_token,
    })
}

fn policy(planned: &plan::Route, issuers: usize, context: &Context) -> anyhow::Result<Policy> {
    let limit = |limit: &plan::Limit| {
        let told = |message: String| anyhow!(message);
        let rate = Rate::new(limit.count, limit.window).map_err(told)?;
        let per = per(&limit.per).map_err(told)?;
        let made = Limit::new(&limit.name, rate, limit.burst, per, Arc::clone(&context.clock)).map_err(told)?;
        let made = made.observing(limit.only_observes);
        Ok(match (limit.shared, &context.together) {
            (Some(sharing), Some(together)) => made.together(&planned.name, mode(sharing), together.clone()),
            (None, _) | (_, None) => made,
        })
    };
    let limits: anyhow::Result<Vec<_>> = planned.limits.iter().map(limit).collect();
    let (authenticate, rule) = access(planned, issuers)?;
    Ok(Policy {
        cors: planned.cors.as_ref().map(cors).transpose().map_err(|message| anyhow!(message))?,
        limits: Limits::new(limits?),
        authenticate,
        rule,
        body: BodyRule { max: planned.body.max, types: planned.body.types.clone() },
        dress: Dress::new(planned.headers.set.clone(), planned.headers.remove.clone()),
    })
}

fn mode(planned: plan::Sharing) -> Mode {
    match planned {
        plan::Sharing::Lease => Mode::Lease,
        plan::Sharing::Exact { refuses: false } => Mode::Exact(WhenAway::CountHere),
        plan::Sharing::Exact { refuses: true } => Mode::Exact(WhenAway::Refuse),
    }
}

fn per(planned: &plan::Per) -> Result<Per, String> {
    Ok(match planned {
        plan::Per::Client => Per::Client,
        plan::Per::Subject => Per::Subject,
        plan::Per::Ip => Per::Ip,
        plan::Per::Token => Per::Token,
        plan::Per::Route => Per::Route,
        plan::Per::Header(name) => Per::parse(&format!("header:{}", name.as_str()))?,
    })
}

fn access(planned: &plan::Route, issuers: usize) -> anyhow::Result<(Authenticate, Rule)> {
    let Access::Rule(rule) = &planned.access else {
        return Ok((Authenticate::Public, Rule::public()));
    };
    let names = |names: &[String]| names.iter().map(|name| Arc::from(name.as_str())).collect::<Vec<Arc<str>>>();
    let params = Pattern::parse(&planned.pattern.text)?.names();
    let compiled = |conditions: &[String]| {
        conditions.iter().map(|text| Condition::compile(text, &params, false)).collect::<Result<Vec<_>, _>>()
    };
    let need = |required: &plan::Requirement| Need::new(names(&required.all), names(&required.any));
    let (scopes, roles, when) = (need(&rule.scopes), need(&rule.roles), compiled(&rule.conditions)?);
    let tries = rule.tries.as_ref().map(|tries| {
        let (scopes, roles) = (need(&tries.scopes), need(&tries.roles));
        anyhow::Ok(Asks::Token { scopes, roles, when: compiled(&tries.conditions)? })
    });
    let accepted = if rule.issuers.len() == issuers { None } else { Some(names(&rule.issuers)) };
    let authenticate = Authenticate::Required { issuers: accepted, scope: scopes.names() };
    let asks = Asks::Token { scopes, roles, when };
    Ok((authenticate, Rule { asks, tries: tries.transpose()?, only_observes: planned.only_observes }))
}

fn cors(planned: &plan::Cors) -> Result<Cors, String> {
    Cors::new(CorsSettings {
        origins: match &planned.origins {
            plan::Origins::Any => Origins::Any,
            plan::Origins::Exact(origins) => Origins::Exact(origins.clone()),
        },
        methods: planned.methods.clone(),
        headers: planned.headers.clone(),
        expose: planned.expose.clone(),
        credentials: planned.credentials,
        max_age: planned.max_age,
    })
}

/// The authority's endpoints, on the issuer's host alone. They judge their callers themselves.
fn authority_routes(issuer: &str, context: &Context) -> anyhow::Result<Vec<(Vec<Pattern>, Route)>> {
    let issuer = Issuer::new(issuer).map_err(|message| anyhow!(message))?;
    let host = HostPattern::parse(issuer.host()).map_err(|fault| anyhow!(fault))?;
    let mut routes = Vec::new();
    for (endpoint, methods, path) in Endpoint::paths(&issuer) {
        let methods = Methods::Named(methods.to_vec());
        let pattern = Pattern { methods, host: host.clone(), segments: pattern::segments(&path)? };
        let name = match endpoint {
            Endpoint::Token => "authority.token",
            Endpoint::Jwks => "authority.jwks",
            Endpoint::Metadata => "authority.metadata",
            Endpoint::Authorize => "authority.authorize",
            Endpoint::Introspect => "authority.introspect",
            Endpoint::Revoke => "authority.revoke",
            Endpoint::Userinfo => "authority.userinfo",
            Endpoint::Logout => "authority.logout",
            Endpoint::Login => "authority.login",
            Endpoint::Consent => "authority.consent",
            Endpoint::Account => "authority.account",
            Endpoint::Assets => "authority.assets",
        };
        routes.push((
            vec![pattern.clone()],
            Route {
                pattern,
                line: None,
                policy: Policy::of_the_house(),
                destination: Destination::Authority(endpoint),
                series: context.metrics.route(name),
                forward_token: false,
                websocket: false,
                websocket_outlives_token: false,
            },
        ));
    }
    Ok(routes)
}

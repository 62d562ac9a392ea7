//! The walk of one request, step by step: what each needed, what it saw, and where it ended.

use super::words::Words;
use crate::gate::Refusal;
use crate::gate::authenticate::Authenticate;
use crate::gate::authorize::Asks;
use crate::observe::explanation::{Outcome, Step};
use crate::serve::decisions::Account;
use crate::serve::snapshot::{Route, Snapshot};

/// The places of the walk, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Request,
    Route,
    Origin,
    EarlyLimits,
    Token,
    LateLimits,
    Scope,
    Role,
    When,
    Body,
    Answer,
}

impl Stage {
    const ALL: [Self; 11] = [
        Self::Request,
        Self::Route,
        Self::Origin,
        Self::EarlyLimits,
        Self::Token,
        Self::LateLimits,
        Self::Scope,
        Self::Role,
        Self::When,
        Self::Body,
        Self::Answer,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Route => "route",
            Self::Origin => "origin",
            Self::EarlyLimits | Self::LateLimits => "limit",
            Self::Token => "token",
            Self::Scope => "scope",
            Self::Role => "role",
            Self::When => "when",
            Self::Body => "body",
            Self::Answer => "answer",
        }
    }

    /// Where a refusal comes from.
    pub fn of(refusal: &Refusal, route: Option<&Route>) -> Self {
        match refusal {
            Refusal::Malformed { .. } | Refusal::HeadTooLarge(_) | Refusal::ExpectationFailed => Self::Request,
            Refusal::HostUnknown | Refusal::RouteUnknown | Refusal::MethodNotAllowed { .. } => Self::Route,
            Refusal::OriginRefused { .. } => Self::Origin,
            Refusal::CredentialsDuplicated | Refusal::TokenMissing { .. } | Refusal::Token { .. } => Self::Token,
            Refusal::RateLimited { limit, .. } | Refusal::LimitUnavailable { limit } => {
                let mut limits = route.iter().flat_map(|route| route.policy.limits.iter());
                let early = limits.find(|own| own.name() == limit).is_some_and(crate::gate::limit::Limit::is_early);
                if early { Self::EarlyLimits } else { Self::LateLimits }
            }
            Refusal::ScopeMissing { .. } => Self::Scope,
            Refusal::RoleMissing { .. } => Self::Role,
            Refusal::ConditionFailed { .. } => Self::When,
            Refusal::BodyTooLarge { .. } | Refusal::BodyTypeRefused { .. } => Self::Body,
            Refusal::UpstreamUnreachable { .. }
            | Refusal::UpstreamInvalid { .. }
            | Refusal::UpstreamOverloaded { .. }
            | Refusal::UpstreamTimeout { .. }
            | Refusal::StoreUnavailable
            | Refusal::Internal(_) => Self::Answer,
        }
    }
}

/// All steps that this request has.
pub fn steps(account: &Account, house: Option<&Snapshot>, route: Option<&Route>, told: Option<&Words>) -> Vec<Step> {
    let facts = &account.facts;
    let ended = facts.refusal.as_ref().map(|refusal| Stage::of(refusal, route));
    let watched = facts.observed.as_ref().map(|refusal| Stage::of(refusal, route));
    let mut steps = Vec::new();
    for stage in Stage::ALL {
        let outcome = match (ended, watched) {
            (Some(end), _) if stage == end => Outcome::Refused,
            (Some(end), _) if stage > end => Outcome::NotReached,
            (None, Some(watched)) if stage == watched => Outcome::Observed,
            (Some(_) | None, _) => Outcome::Passed,
        };
        let usual = usual(stage, account, house, route);
        let (needed, seen) = match (outcome, told) {
            (Outcome::Refused | Outcome::Observed, Some(told)) => (told.needed.clone(), told.seen.clone()),
            (Outcome::NotReached, _) => match usual {
                Some((needed, _)) => (needed, String::new()),
                None => continue,
            },
            (Outcome::Passed | Outcome::Refused | Outcome::Observed, _) => match usual {
                Some(usual) => usual,
                None => continue,
            },
        };
        steps.push(Step { step: stage.name().to_owned(), outcome, needed, seen });
        if facts.preflight && stage == Stage::Origin {
            break;
        }
    }
    steps
}

/// What a stage needs and sees where it does not refuse; `None` where it has nothing to ask.
fn usual(stage: Stage, account: &Account, house: Option<&Snapshot>, route: Option<&Route>) -> Option<(String, String)> {
    let claims = account.caller.as_ref().map(|identity| &identity.claims);
    match stage {
        Stage::Request => {
            let seen = format!("{} {}{} from {}", account.method, account.host, account.path, account.client);
            Some(("one reading of method, host, path and length".to_owned(), seen))
        }
        Stage::Route => match (route, house) {
            (Some(route), _) => Some(("a route for host, path and method".to_owned(), route.pattern.to_string())),
            (None, Some(_)) => None,
            (None, None) => {
                let name = account.route.as_deref().unwrap_or("-");
                Some((
                    format!("a route of configuration {}, which is not in force any more", account.facts.generation),
                    name.to_owned(),
                ))
            }
        },
        Stage::Origin => {
            route?.policy.cors.as_ref()?;
            account.facts.preflight.then(|| ("an origin that `cors` allows".to_owned(), "it is allowed".to_owned()))
        }
        Stage::EarlyLimits | Stage::LateLimits => limits(account, route?, stage == Stage::EarlyLimits),
        Stage::Token => match &route?.policy.authenticate {
            Authenticate::Public => Some(("nothing: the route is public".to_owned(), "not looked at".to_owned())),
            Authenticate::Required { issuers, .. } => {
                let seen = claims.map_or_else(String::new, |claims| {
                    let who = claims.subject.as_deref().or(claims.client.as_deref()).unwrap_or("somebody");
                    format!("{who}, by a token of {}", claims.issuer)
                });
                Some((token_needed(issuers.as_deref()), seen))
            }
        },
        Stage::Scope | Stage::Role => {
            let Asks::Token { scopes, roles, .. } = &route?.policy.rule.asks else { return None };
            let need = if stage == Stage::Scope { scopes } else { roles };
            let seen = claims.map(|claims| if stage == Stage::Scope { &claims.scopes } else { &claims.roles });
            (!need.is_empty()).then(|| (need.text().to_string(), seen.map(|seen| listed(seen)).unwrap_or_default()))
        }
        Stage::When => {
            let (Asks::Nothing { when } | Asks::Token { when, .. }) = &route?.policy.rule.asks;
            let texts: Vec<&str> = when.iter().map(|condition| &**condition.text()).collect();
            (!texts.is_empty()).then(|| (texts.join(" and "), "it holds".to_owned()))
        }
        Stage::Body => {
            let body = &route?.policy.body;
            let mut needed = Vec::new();
            needed.extend(body.max.map(|max| format!("at most {}", crate::ground::size::format(max))));
            needed.extend((!body.types.is_empty()).then(|| body.types.join(" or ")));
            (!needed.is_empty()).then(|| (needed.join(", "), "within it".to_owned()))
        }
        Stage::Answer => {
            let needed = format!("an answer of {}", super::route_told(route?).goes_to);
            Some((needed, if account.status > 0 { account.status.to_string() } else { String::new() }))
        }
    }
}

fn limits(account: &Account, route: &Route, early: bool) -> Option<(String, String)> {
    let standings = account.facts.standings.iter().chain(std::iter::repeat(None));
    let ours: Vec<_> =
        route.policy.limits.iter().zip(standings).filter(|(limit, _)| limit.is_early() == early).collect();
    let texts: Vec<String> = ours.iter().map(|(limit, _)| limit.text()).collect();
    let left: Vec<String> =
        ours.iter().filter_map(|(_, standing)| Some(format!("{} left", (*standing)?.remaining))).collect();
    (!texts.is_empty()).then(|| (texts.join("; "), left.join("; ")))
}

/// Whose tokens a route takes.
pub fn token_needed(issuers: Option<&[std::sync::Arc<str>]>) -> String {
    match issuers {
        None => "a good token of any issuer of the file".to_owned(),
        Some(names) => format!("a good token of {}", names.join(" or ")),
    }
}

/// Names, or that there are none.
pub fn listed(names: &[std::sync::Arc<str>]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

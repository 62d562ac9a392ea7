//! What a refusal means to an operator who did not write the file: what was needed, what was seen, what to do.

use std::sync::Arc;

use super::steps;
use crate::gate::Refusal;
use crate::gate::authenticate::Authenticate;
use crate::ground::{duration, size};
use crate::serve::decisions::Account;
use crate::serve::snapshot::{Route, Snapshot};
use crate::token::TokenFault;

/// A refusal in words.
pub struct Words {
    /// The reason's own sentence.
    pub sentence: &'static str,
    pub needed: String,
    pub seen: String,
    pub advice: String,
}

/// Speaks of `refusal`. Without `house` and `route` it says what the refusal alone knows.
pub fn of(refusal: &Refusal, account: &Account, house: Option<&Snapshot>, route: Option<&Route>) -> Words {
    let (needed, seen, advice) = match refusal {
        Refusal::Token { fault, .. } => of_token(fault, account, house, route),
        Refusal::Malformed { .. }
        | Refusal::HeadTooLarge(_)
        | Refusal::HostUnknown
        | Refusal::RouteUnknown
        | Refusal::MethodNotAllowed { .. }
        | Refusal::ExpectationFailed => of_request(refusal, account, house),
        Refusal::CredentialsDuplicated
        | Refusal::OriginRefused { .. }
        | Refusal::TokenMissing { .. }
        | Refusal::ScopeMissing { .. }
        | Refusal::RoleMissing { .. }
        | Refusal::ConditionFailed { .. }
        | Refusal::BodyTooLarge { .. }
        | Refusal::BodyTypeRefused { .. }
        | Refusal::RateLimited { .. }
        | Refusal::LimitUnavailable { .. } => of_policy(refusal, account, route),
        Refusal::UpstreamUnreachable { .. }
        | Refusal::UpstreamInvalid { .. }
        | Refusal::UpstreamOverloaded { .. }
        | Refusal::UpstreamTimeout { .. }
        | Refusal::StoreUnavailable
        | Refusal::Internal(_) => of_answer(refusal),
    };
    Words { sentence: refusal.reason().title(), needed, seen, advice }
}

type Told = (String, String, String);

fn told(needed: impl Into<String>, seen: impl Into<String>, advice: impl Into<String>) -> Told {
    (needed.into(), seen.into(), advice.into())
}

fn of_request(refusal: &Refusal, account: &Account, house: Option<&Snapshot>) -> Told {
    let request = format!("{} {}{}", account.method, account.host, account.path);
    match refusal {
        Refusal::Malformed { what, .. } => told(
            "a request that every server reads alike",
            *what,
            "The client, or a proxy in front of the gateway, has to send it in one plain form; nothing in the file changes \
             this, because servers that read it differently are how requests are smuggled.",
        ),
        Refusal::HeadTooLarge(what) => told(
            "a request target up to 8 KiB and a head up to 32 KiB with at most 96 fields",
            *what,
            "Let the client send fewer or shorter headers (cookies are the usual cause), or move what is long into the body.",
        ),
        Refusal::HostUnknown => {
            let hosts = house.map(hosts).unwrap_or_default();
            told(
                if hosts.is_empty() {
                    "a host that a route names".to_owned()
                } else {
                    format!("a host that a route names: {hosts}")
                },
                if account.host.is_empty() { "none".to_owned() } else { account.host.clone() },
                "Add a route for this host, or let the client ask for one of those. Where the connection is TLS and was made \
                 for another name, the client has to open a new one for this host.",
            )
        }
        Refusal::RouteUnknown => told(
            "a route whose `match` takes it",
            format!("none takes {request}"),
            "Add a route for it, or mend the address that the client calls; the routes that come nearest are listed below.",
        ),
        Refusal::MethodNotAllowed { allow } => told(
            format!("one of the methods {}", allow.to_str().unwrap_or_default()),
            account.method.to_string(),
            "Name the method in the `match` of a route of this path, or let the client use one of those.",
        ),
        _ => told(
            "`Expect: 100-continue`, or no `Expect` header",
            "another expectation",
            "No other expectation exists (RFC 9110 section 10.1.1); take the header out of the client.",
        ),
    }
}

fn of_policy(refusal: &Refusal, account: &Account, route: Option<&Route>) -> Told {
    let claims = account.caller.as_ref().map(|identity| &identity.claims);
    let names = |names: Option<&Vec<Arc<str>>>| names.map_or_else(|| "none".to_owned(), |names| steps::listed(names));
    match refusal {
        Refusal::CredentialsDuplicated => told(
            "one credential, in one `Authorization` header",
            "more than one: two headers, or `access_token` in the query as well",
            "The client has to send its token once, in the header. Which of two would be meant cannot be known.",
        ),
        Refusal::OriginRefused { seen } => told(
            "an origin, method and headers that `cors` of the route allows",
            &**seen,
            "If pages of that origin may call this route, name it under `cors: {origins: [..]}`, and what they send under \
             `methods` and `headers`.",
        ),
        Refusal::TokenMissing { scope } => told(
            match scope {
                Some(scope) => format!("a token with scope {scope}"),
                None => "a token".to_owned(),
            },
            "no token",
            "The client has to get a token and send it as `Authorization: Bearer ...`. If the route is for everybody, \
             write `access: public`.",
        ),
        Refusal::ScopeMissing { needed, missing, .. } => told(
            format!("scope {needed}"),
            format!("{}; missing {missing}", names(claims.map(|claims| &claims.scopes))),
            scope_advice(
                claims.and_then(|claims| claims.client.as_deref()).unwrap_or("that calls"),
                claims.map_or("-", |claims| &*claims.issuer),
                missing,
            ),
        ),
        Refusal::RoleMissing { needed } => told(
            format!("role {needed}"),
            names(claims.map(|claims| &claims.roles)),
            format!(
                "Give `{}` the role at the issuer `{}`; if the issuer says that it has it, look at `claims: {{roles: ..}}` of \
                 that issuer, which says where roles stand in its tokens.",
                claims.and_then(|claims| claims.subject.as_deref()).unwrap_or("the caller"),
                claims.map_or("-", |claims| &*claims.issuer),
            ),
        ),
        Refusal::ConditionFailed { rule, fault, seen } => told(
            format!("that this holds: {rule}"),
            match fault {
                Some(fault) => format!("it cannot be evaluated ({fault}); {seen}"),
                None => seen.to_string(),
            },
            if fault.is_some() {
                "Guard the expression for what may be absent, for example with `has(token.claims.x) && ...`: what cannot be \
                 evaluated refuses."
            } else {
                "The caller or the request has to be another one, or the condition of the route another condition."
            },
        ),
        Refusal::BodyTooLarge { limit } => told(
            format!("a body of at most {}", size::format(*limit)),
            "a larger one",
            "Raise `body: {max: ..}` of the route if such bodies are wanted.",
        ),
        Refusal::BodyTypeRefused { seen } => told(
            route.map_or_else(|| "another content type".to_owned(), |route| route.policy.body.types.join(" or ")),
            seen.as_deref().map_or_else(|| "no content type".to_owned(), |seen| seen.chars().take(100).collect()),
            "The client has to name the right `Content-Type`, or the route has to take this one under `body: {types: [..]}`.",
        ),
        Refusal::RateLimited { limit, retry_after, .. } => {
            let own = route.and_then(|route| route.policy.limits.iter().find(|own| own.name() == limit));
            told(
                own.map_or_else(
                    || format!("budget of the limit `{limit}`"),
                    |own| format!("{} (the limit `{limit}`)", own.text()),
                ),
                format!("the budget is used up; there is some again in {}", duration::format(round(*retry_after))),
                "The client has to wait as `Retry-After` says; or raise `rate` or `burst` of the limit, or count by another \
                 `per` if many clients share one budget.",
            )
        }
        Refusal::LimitUnavailable { limit } => told(
            format!("an answer about the limit `{limit}`, which the fleet counts together"),
            "Redis does not answer",
            "Look at `/readyz` and at the log for why. `away: local` at the limit lets each gateway count its part instead.",
        ),
        _ => told("", "", ""),
    }
}

fn scope_advice(client: &str, issuer: &str, missing: &str) -> String {
    if issuer == "authority" {
        format!(
            "If the client `{client}` may have it: name {missing} under its `scopes` in `authority.clients`, and let the client \
             ask for it. A person's token has what the person's roles give, too."
        )
    } else {
        format!(
            "The client `{client}` has to ask its issuer `{issuer}` for {missing}, and must be allowed to have it there."
        )
    }
}

/// Up to the next second, or millisecond where it is less than that.
fn round(time: std::time::Duration) -> std::time::Duration {
    if time > std::time::Duration::from_secs(1) {
        return std::time::Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0));
    }
    std::time::Duration::from_millis(u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

fn of_token(fault: &TokenFault, account: &Account, house: Option<&Snapshot>, route: Option<&Route>) -> Told {
    let says = |name: &str| {
        let facts = account.facts.unproved.iter().flat_map(|unproved| &unproved.0);
        facts.clone().find(|(own, _)| own == name).map(|(_, text)| text.clone())
    };
    let said = |name: &str| says(name).map_or_else(String::new, |text| format!("; the token says `{name}: {text}`"));
    let accepted = match route.map(|route| &route.policy.authenticate) {
        Some(Authenticate::Required { issuers, .. }) => steps::token_needed(issuers.as_deref()),
        Some(Authenticate::Public) | None => "a good token".to_owned(),
    };
    match fault {
        TokenFault::Malformed(what) => told(
            "a signed token (JWT), or an opaque one where an issuer is asked about it",
            *what,
            "Look at what the client sends: often it is an ID token cut in two, a token in quotes, or the word Bearer twice. \
             `portcullis token inspect` reads it.",
        ),
        TokenFault::Expired(seconds) => told(
            "a token whose time has not run out",
            format!("it ran out {seconds} s ago{}", said("exp")),
            "The client has to get a new token before the old one ends. If it is fresh, the clock of this machine or of the \
             issuer is wrong.",
        ),
        TokenFault::NotYetValid(seconds) => told(
            "a token whose time has come",
            format!("it is good in {seconds} s{}", said("nbf")),
            "The clock of this machine or of the issuer is wrong, or `leeway` of the issuer too small for both.",
        ),
        TokenFault::SignatureInvalid { key } => told(
            format!("a signature by the key `{key}` of the issuer"),
            "another signature",
            "The token was changed on its way, or made by somebody else under the name of this issuer.",
        ),
        TokenFault::AlgorithmRefused(algorithm) => told(
            "an algorithm that the issuer's `algorithms` name and its key is for",
            format!("{algorithm}{}", said("kid")),
            "Let the issuer sign with one of them, or name this one under `algorithms` of the issuer. Shared secrets (HS256) \
             and `none` are never taken.",
        ),
        TokenFault::KeyUnknown(key) => told(
            "a key that the issuer publishes",
            format!("`{key}`{}", said("iss")),
            "If the issuer has just changed its keys, they are fetched again within its `refetch_every`; else the token is of \
             another environment of that issuer.",
        ),
        TokenFault::IssuerUnknown => {
            let known = house.map(|house| house.verifier.status()).unwrap_or_default();
            let names: Vec<String> = known.iter().map(|issuer| issuer.name.to_string()).collect();
            told(
                accepted,
                format!("a token of somebody else{}; the file knows {}", said("iss"), names.join(", ")),
                "The token's `iss` must equal the `url` of an issuer of the file byte for byte (a `/` at the end counts), and \
                 the route must take that issuer.",
            )
        }
        TokenFault::AudienceMismatch { needed } => told(
            format!("a token for {needed}"),
            says("aud").map_or_else(|| "another audience".to_owned(), |text| format!("a token for {text}")),
            "Let the client ask its issuer for a token for this API (`audience` or `resource`), or name the token's audience \
             under `audience` of the issuer if it is meant for this API.",
        ),
        TokenFault::TypeRefused(what) => told(
            "an access token",
            what.to_string(),
            "ID tokens and logout tokens are no access tokens: the client sends the wrong one. An issuer that marks its access \
             tokens otherwise is told by its `types`.",
        ),
        TokenFault::Inactive => told(
            "a token that its issuer says is active",
            "the issuer says that it is not",
            "It has ended, was revoked, or was never made there; the client has to get a new one.",
        ),
        TokenFault::Revoked => told(
            "a token that is in force",
            "it has been revoked: its grant, its session or its user has ended",
            "The person or client has to log in or ask again. The audit log says who ended it.",
        ),
        TokenFault::ProofMissing => told(
            "proof that the caller holds the key that the token is bound to",
            "none",
            "The token was issued for proof of possession (`cnf`); the client has to get one that is not bound.",
        ),
        TokenFault::KeysUnavailable { issuer, cause } => told(
            format!("the keys of issuer `{issuer}`"),
            cause.to_string(),
            "The issuer cannot be reached from here, or answers no key set; the readiness page says since when.",
        ),
        TokenFault::StoreUnavailable(cause) => told(
            "the store, to look the token up",
            cause.to_string(),
            "Look at the disk and rights of the store's file; the readiness page says how it is.",
        ),
        TokenFault::IntrospectionUnavailable { issuer, cause } => told(
            format!("an answer of issuer `{issuer}` about the token"),
            cause.to_string(),
            "The introspection endpoint cannot be reached, is slow, or refuses the `client_id` and `client_secret` of the file.",
        ),
    }
}

fn of_answer(refusal: &Refusal) -> Told {
    let upstream = |name: &str, what: &str| format!("{what} of upstream `{name}`");
    match refusal {
        Refusal::UpstreamUnreachable { upstream: name, cause } => told(
            upstream(name, "a connection to a server"),
            &**cause,
            "Look whether the servers of the upstream run and listen at the addresses of the file.",
        ),
        Refusal::UpstreamInvalid { upstream: name, cause } => told(
            upstream(name, "an answer in HTTP"),
            &**cause,
            "The server answered something that cannot be read in one way, or hung up in the middle; its own log says more.",
        ),
        Refusal::UpstreamOverloaded { upstream: name } => told(
            upstream(name, "a free server"),
            "all are at their bound, or were found unreachable a moment ago",
            "Add servers, or look why they are slow; each is tried again by itself.",
        ),
        Refusal::UpstreamTimeout { upstream: name, after } => told(
            upstream(name, "an answer in time"),
            format!("none after {}", duration::format(*after)),
            "Look why the server is slow, or raise `timeout: {response: ..}` of the route or upstream.",
        ),
        Refusal::StoreUnavailable => told(
            "the store",
            "it does not answer",
            "Look at the disk and rights of the store's file; the readiness page says how it is.",
        ),
        Refusal::Internal(cause) => told(
            "that the gateway does its work",
            &**cause,
            "This is a fault of the gateway; please report it with this explanation.",
        ),
        _ => told("", "", ""),
    }
}

/// Hosts that routes name, a few of them.
fn hosts(house: &Snapshot) -> String {
    use crate::gate::table::HostPattern;
    let named = house.table.values().filter_map(|route| match &route.pattern.host {
        HostPattern::Exact(name) => Some(name.clone()),
        HostPattern::Under(parent) => Some(format!("*.{parent}")),
        HostPattern::Any => None,
    });
    let mut named: Vec<String> = named.collect();
    named.sort();
    named.dedup();
    named.truncate(10);
    named.join(", ")
}

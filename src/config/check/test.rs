//! `tests`: what they call exists, and what they expect can be said.

use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;

use super::{Check, issuer};
use crate::config::document::Document;
use crate::config::document::read::{FromText as _, Named};
use crate::config::document::test::{Expect as Written, Test as WrittenTest, Token as WrittenToken};
use crate::config::place::{At, Place};
use crate::config::plan::Route;
use crate::config::plan::test::{Call, Described, Expect, Outcome, Test, Token};
use crate::config::problem::Problem;
use crate::config::suggest;
use crate::ground::Time;
use crate::observe::Reason;

/// All tests of `written` that can be run; problems are noted.
pub(super) fn tests(written: &[WrittenTest], names: &Names<'_>, check: &mut Check<'_>) -> Vec<Test> {
    written.iter().filter_map(|test| one(test, names, check)).collect()
}

/// What tests may name.
pub(super) struct Names<'a> {
    pub routes: Vec<&'a str>,
    pub issuers: Vec<(&'a str, Option<Place>)>,
}

impl<'a> Names<'a> {
    pub fn of(document: &'a Document, routes: Option<&'a Vec<Route>>) -> Self {
        let routes = routes.map(|routes| routes.iter().map(|route| route.name.as_str()).collect());
        Self { routes: routes.unwrap_or_default(), issuers: issuer::names(document) }
    }
}

fn one(written: &WrittenTest, names: &Names<'_>, check: &mut Check<'_>) -> Option<Test> {
    let call = written.call.0.as_ref()?;
    let request = match request(&call.value) {
        Ok(request) => Some(request),
        Err(cause) => {
            check.add_text(call.place, cause);
            None
        }
    };
    let token = written.token.as_ref().map_or(Some(Token::None), |token| described(token, names, check));
    let headers = written.headers.as_ref().map_or(Some(Vec::new()), |headers| self::headers(headers, check));
    let expect = expect(written.expect.0.as_ref()?, names, check);
    let after = match &written.after {
        Some(after) => {
            Some((after.calls.0.as_ref()?.value, after.ago.as_ref().map_or_else(Default::default, |at| at.value)))
        }
        None => None,
    };
    let (method, host, target) = request?;
    let body = written
        .body
        .as_ref()
        .map(|body| (body.size.as_ref().map_or(1, |at| at.value.0), body.r#type.as_ref().map(|at| at.value.clone())));
    Some(Test {
        name: written.name.as_ref().unwrap_or(call).value.clone(),
        line: check.line(written.place),
        call: Call {
            method,
            host,
            target,
            token: token?,
            from: written.from.as_ref().map_or_else(|| std::net::Ipv4Addr::LOCALHOST.into(), |at| at.value),
            headers: headers?,
            body,
            at: written.at.as_ref().map(|at| Time::from_millis(at.value.0)),
        },
        after,
        expect: expect?,
    })
}

/// Reads `METHOD [HOST]/PATH[?QUERY]`, or with a whole address.
pub fn request(text: &str) -> Result<(Method, Option<String>, String), String> {
    let (method, rest) = text
        .trim()
        .split_once(char::is_whitespace)
        .ok_or_else(|| format!("`{text}` is not a call; write `GET /v1/orders/7`"))?;
    let method = Method::from_text(method)?;
    let rest = rest.trim();
    let rest = rest.strip_prefix("https://").or_else(|| rest.strip_prefix("http://")).unwrap_or(rest);
    let slash = rest.find('/').ok_or_else(|| format!("`{rest}` has no path; write `GET /v1/orders/7`"))?;
    let (host, target) = rest.split_at(slash);
    let fine = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !fine(target) || !(host.is_empty() || fine(host)) {
        return Err(format!("`{rest}` is not an address; letters beyond ASCII and spaces are percent-encoded in it"));
    }
    Ok((method, (!host.is_empty()).then(|| host.to_owned()), target.to_owned()))
}

fn described(written: &WrittenToken, names: &Names<'_>, check: &mut Check<'_>) -> Option<Token> {
    if let Some(issuer) = &written.issuer
        && !names.issuers.iter().any(|(name, _)| *name == issuer.value)
    {
        check.unknown_name(issuer, "issuer", &names.issuers, "define it under `issuers`");
        return None;
    }
    if names.issuers.is_empty() {
        let cause = "nothing in this file says whose tokens are good, so a test cannot have one";
        check.add(Problem::at(written.place, cause).help("add `authority:` or `issuers:`, or remove `token`"));
        return None;
    }
    let text = |at: &Option<At<String>>| at.as_ref().map(|at| at.value.clone());
    let list = |items: &Option<crate::config::document::read::OneOrMany<At<String>>>| {
        items.iter().flat_map(|list| &list.items).map(|at| at.value.clone()).collect::<Vec<String>>()
    };
    let claim = |(name, value): &(At<String>, At<String>)| {
        let read = serde_json::from_str(&value.value).unwrap_or_else(|_| Value::String(value.value.clone()));
        (name.value.clone(), read)
    };
    Some(Token::Described(Box::new(Described {
        scopes: list(&written.scope),
        roles: list(&written.role),
        client: text(&written.client),
        subject: text(&written.subject),
        issuer: text(&written.issuer),
        audience: text(&written.audience),
        expired: written.expired.as_ref().map(|at| at.value),
        claims: written.claims.iter().flat_map(|claims| &claims.0).map(claim).collect(),
    })))
}

fn headers(written: &Named<At<HeaderValue>>, check: &mut Check<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let mut good = true;
    let mut headers = Vec::new();
    for (name, value) in &written.0 {
        match HeaderName::from_text(&name.value) {
            Ok(known) => headers.push((known, value.value.clone())),
            Err(cause) => {
                check.add_text(name.place, cause);
                good = false;
            }
        }
    }
    good.then_some(headers)
}

fn expect(written: &Written, names: &Names<'_>, check: &mut Check<'_>) -> Option<Expect> {
    match written {
        Written::Short(at) => match at.value.trim().strip_prefix("route ") {
            Some(name) => {
                let route = route(&At::new(at.place, name.trim().to_owned()), names, check)?;
                Some(Expect { route: Some(route), ..Expect::default() })
            }
            None => Some(Expect { outcome: Some(outcome(at, check)?), ..Expect::default() }),
        },
        Written::Long(long) => {
            let wanted = long.outcome.as_ref().map(|at| outcome(at, check));
            let named = long.route.as_ref().map(|at| route(at, names, check));
            let answer = long.headers.as_ref().map_or(Some(Vec::new()), |map| headers(map, check));
            let upstream = long.upstream_headers.as_ref().map_or(Some(Vec::new()), |map| headers(map, check));
            let nothing = ["outcome", "route", "headers", "upstream_headers"].iter().all(|key| !long.has(key));
            if nothing {
                check
                    .add(Problem::at(long.place, "nothing is expected here").help("write for example `expect: allow`"));
                return None;
            }
            let (outcome, route) =
                (wanted.map_or(Some(None), |it| it.map(Some))?, named.map_or(Some(None), |it| it.map(Some))?);
            Some(Expect { outcome, route, headers: answer?, upstream_headers: upstream? })
        }
    }
}

fn route(at: &At<String>, names: &Names<'_>, check: &mut Check<'_>) -> Option<String> {
    if names.routes.contains(&at.value.as_str()) {
        return Some(at.value.clone());
    }
    let known: Vec<(&str, Option<Place>)> = names.routes.iter().map(|name| (*name, None)).collect();
    // Without routes, those are the problem.
    if !known.is_empty() {
        check.unknown_name(at, "route", &known, "name one by its `name`, or by its `match` if it has none");
    }
    None
}

fn outcome(at: &At<String>, check: &mut Check<'_>) -> Option<Outcome> {
    let mut words = at.value.split_whitespace();
    let reason = |code: &str| Reason::ALL.iter().find(|reason| reason.code() == code).copied();
    let read = match (words.next(), words.next(), words.next()) {
        (Some("allow"), None, None) => Ok(Outcome::Allow),
        (Some("deny"), None, None) => Ok(Outcome::Deny(None)),
        (Some("deny"), Some(code), None) => reason(code).map(|reason| Outcome::Deny(Some(reason))).ok_or(code),
        (Some("observe"), Some(code), None) => reason(code).map(Outcome::Observe).ok_or(code),
        _ => {
            let cause = format!("`{}` is not something that can be expected", at.value);
            let help = "write `allow`, `deny`, `deny CODE`, `observe CODE` or `route NAME`";
            check.add(Problem::at(at.place, cause).help(help));
            return None;
        }
    };
    match read {
        Ok(outcome) => Some(outcome),
        Err(code) => {
            let problem = Problem::at(at.place, format!("there is no reason code `{code}`"));
            let near = suggest::nearest(code, Reason::ALL.iter().map(|reason| reason.code()));
            check.add(match near {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help("docs/refusals.md lists them, for example `scope_missing`"),
            });
            None
        }
    }
}

//! The rule of a route, and `Permit`: the proof of having passed it that only this file can make.

use std::sync::Arc;

use super::condition::Condition;
use super::table::Params;
use super::{Caller, Head, Refusal};

/// This request passed: needed by everything that forwards. Its field is private on purpose.
pub struct Permit {
    caller: Caller,
}

impl Permit {
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// For tests of what needs one.
    #[cfg(test)]
    pub(crate) fn for_tests(caller: Caller) -> Self {
        Self { caller }
    }
}

/// What a route asks of who calls.
pub enum Rule {
    /// Anyone; conditions may still look at the request.
    Public { when: Vec<Condition> },
    /// The bearer of a token; an empty need is met by every one.
    Needs { scopes: Need, roles: Need, when: Vec<Condition> },
}

/// All of these and, where there are any, one of those.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    all: Vec<Arc<str>>,
    any: Vec<Arc<str>>,
    text: Arc<str>,
}

impl Need {
    pub fn new(all: Vec<Arc<str>>, any: Vec<Arc<str>>) -> Self {
        let mut text = all.join(" and ");
        if !any.is_empty() {
            let either = any.join(" or ");
            text = if text.is_empty() { either } else { format!("{text} and ({either})") };
        }
        Self { all, any, text: text.into() }
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.any.is_empty()
    }

    /// As people read it: `a and (b or c)`.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// All names, space separated: the `scope` attribute of a challenge (RFC 6750 section 3).
    pub fn names(&self) -> Option<Arc<str>> {
        let names: Vec<&str> = self.all.iter().chain(&self.any).map(|name| &**name).collect();
        if names.is_empty() { None } else { Some(names.join(" ").into()) }
    }

    fn is_met(&self, has: impl Fn(&str) -> bool) -> bool {
        self.all.iter().all(|name| has(name)) && (self.any.is_empty() || self.any.iter().any(|name| has(name)))
    }

    fn missing(&self, has: impl Fn(&str) -> bool) -> Arc<str> {
        let all: Vec<&str> = self.all.iter().map(|name| &**name).filter(|name| !has(name)).collect();
        if all.is_empty() { self.any.join(" ").into() } else { all.join(" ").into() }
    }
}

/// One check of a decision, told to people: what was needed, what was seen.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    pub what: &'static str,
    pub needed: String,
    pub seen: String,
    pub passed: bool,
}

/// Where the evaluator tells its checks. On a request's way nobody listens, and nothing is made.
trait Trace {
    fn tell(&mut self, check: impl FnOnce() -> Check);
}

impl Trace for () {
    fn tell(&mut self, _: impl FnOnce() -> Check) {}
}

impl Trace for Vec<Check> {
    fn tell(&mut self, check: impl FnOnce() -> Check) {
        self.push(check());
    }
}

impl Rule {
    /// Grants a permit, or says which requirement failed first.
    pub fn decide(&self, caller: Caller, head: &Head<'_>, params: &Params) -> Result<Permit, Refusal> {
        self.evaluate(caller, head, params, &mut ())
    }

    /// The same decision with each check told.
    pub fn explain(&self, caller: Caller, head: &Head<'_>, params: &Params) -> (Vec<Check>, Result<Permit, Refusal>) {
        let mut checks = Vec::new();
        let outcome = self.evaluate(caller, head, params, &mut checks);
        (checks, outcome)
    }

    /// The one evaluator.
    fn evaluate(
        &self,
        caller: Caller,
        head: &Head<'_>,
        params: &Params,
        trace: &mut impl Trace,
    ) -> Result<Permit, Refusal> {
        let when = match self {
            Self::Public { when } => when,
            Self::Needs { scopes, roles, when } => {
                let Some(claims) = caller.claims() else {
                    trace.tell(|| Check {
                        what: "token",
                        needed: "a token".into(),
                        seen: "none".into(),
                        passed: false,
                    });
                    return Err(Refusal::TokenMissing { scope: scopes.names() });
                };
                let met = scopes.is_met(|scope| claims.has_scope(scope));
                if !scopes.is_empty() {
                    trace.tell(|| told("scope", scopes, &claims.scopes, met));
                }
                if !met {
                    let missing = scopes.missing(|scope| claims.has_scope(scope));
                    return Err(Refusal::ScopeMissing {
                        needed: Arc::clone(scopes.text()),
                        missing,
                        scope: scopes.names(),
                    });
                }
                let met = roles.is_met(|role| claims.has_role(role));
                if !roles.is_empty() {
                    trace.tell(|| told("role", roles, &claims.roles, met));
                }
                if !met {
                    return Err(Refusal::RoleMissing { needed: Arc::clone(roles.text()) });
                }
                when
            }
        };
        for condition in when {
            let holds = condition.holds(&caller, head, params);
            trace.tell(|| Check {
                what: "when",
                needed: condition.text().to_string(),
                seen: holds.as_ref().map_or_else(|fault| fault.to_string(), ToString::to_string),
                passed: holds == Ok(true),
            });
            match holds {
                Ok(true) => {}
                Ok(false) => return Err(Refusal::ConditionFailed { rule: Arc::clone(condition.text()), fault: None }),
                Err(fault) => {
                    return Err(Refusal::ConditionFailed { rule: Arc::clone(condition.text()), fault: Some(fault) });
                }
            }
        }
        Ok(Permit { caller })
    }
}

fn told(what: &'static str, need: &Need, seen: &[Arc<str>], passed: bool) -> Check {
    Check { what, needed: need.text().to_string(), seen: seen.join(" "), passed }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::{HeaderMap, Method};

    use super::*;
    use crate::gate::caller::tests::{claims, known};
    use crate::gate::head::Headers;
    use crate::observe::Reason;

    fn need(all: &[&str], any: &[&str]) -> Need {
        let list = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        Need::new(list(all), list(any))
    }

    fn when(text: &str) -> Vec<Condition> {
        if text.is_empty() { Vec::new() } else { vec![Condition::compile(text, &[], false).unwrap()] }
    }

    /// The decision, and that the explanation comes to the same one.
    fn check(rule: &Rule, caller: &Caller, expected: Option<Reason>) -> Vec<Check> {
        let headers = HeaderMap::new();
        let head = Head {
            method: &Method::GET,
            host: "x",
            path: "/",
            query: None,
            client: Ipv4Addr::LOCALHOST.into(),
            secure: false,
            headers: Headers::Typed(&headers),
        };
        let decided = rule.decide(caller.clone(), &head, &Params::default());
        assert_eq!(decided.err().map(|refusal| refusal.reason()), expected);
        let (checks, explained) = rule.explain(caller.clone(), &head, &Params::default());
        assert_eq!(explained.err().map(|refusal| refusal.reason()), expected);
        assert_eq!(checks.iter().all(|check| check.passed), expected.is_none(), "{checks:?}");
        checks
    }

    #[test]
    fn scopes_roles_and_conditions_must_all_be_met() {
        let rule = |scopes, roles, text| Rule::Needs { scopes, roles, when: when(text) };
        let caller = known(claims("alice", "web", &["a", "b"], &["clerk"]));
        check(&rule(need(&[], &[]), need(&[], &[]), ""), &caller, None);
        check(&rule(need(&["a", "b"], &[]), need(&[], &[]), ""), &caller, None);
        check(&rule(need(&["a", "c"], &[]), need(&[], &[]), ""), &caller, Some(Reason::ScopeMissing));
        check(&rule(need(&["a"], &["x", "b"]), need(&[], &[]), ""), &caller, None);
        check(&rule(need(&[], &["x", "y"]), need(&[], &[]), ""), &caller, Some(Reason::ScopeMissing));
        check(&rule(need(&["a"], &[]), need(&["clerk"], &[]), ""), &caller, None);
        check(&rule(need(&["a"], &[]), need(&["chief"], &[]), ""), &caller, Some(Reason::RoleMissing));
        check(&rule(need(&[], &[]), need(&[], &[]), "token.subject == 'alice'"), &caller, None);
        check(&rule(need(&[], &[]), need(&[], &[]), "token.subject == 'bob'"), &caller, Some(Reason::ConditionFailed));
        check(&rule(need(&[], &[]), need(&[], &[]), "token.claims.no == 1"), &caller, Some(Reason::ConditionFailed));
    }

    #[test]
    fn without_a_token_only_public_routes_pass() {
        let needs = Rule::Needs { scopes: need(&[], &[]), roles: need(&[], &[]), when: Vec::new() };
        check(&needs, &Caller::Anonymous, Some(Reason::TokenMissing));
        check(&Rule::Public { when: Vec::new() }, &Caller::Anonymous, None);
    }

    #[test]
    fn an_explanation_says_what_was_needed_and_seen() {
        let rule = Rule::Needs { scopes: need(&["a"], &["b", "c"]), roles: need(&["chief"], &[]), when: Vec::new() };
        let caller = known(claims("alice", "web", &["a", "b"], &["clerk"]));
        let checks = check(&rule, &caller, Some(Reason::RoleMissing));
        assert_eq!((checks[0].needed.as_str(), checks[0].seen.as_str()), ("a and (b or c)", "a b"));
        assert_eq!((checks[1].needed.as_str(), checks[1].seen.as_str()), ("chief", "clerk"));
    }
}

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

/// What a route asks of who calls: what it insists on, and what it only watches.
pub struct Rule {
    pub asks: Asks,
    /// Asked after what is insisted on; what it would refuse is noted and passes.
    pub tries: Option<Asks>,
    /// Nothing is insisted on: whoever `asks` would refuse is noted and passes, as nobody in particular when the token is
    /// not good.
    pub only_observes: bool,
}

/// What must hold.
pub enum Asks {
    /// Nothing of who calls; conditions may still look at the request.
    Nothing { when: Vec<Condition> },
    /// The bearer of a token; an empty need is met by every one.
    Token { scopes: Need, roles: Need, when: Vec<Condition> },
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

impl Rule {
    /// Insists on all of it.
    pub fn strict(asks: Asks) -> Self {
        Self { asks, tries: None, only_observes: false }
    }

    /// Anyone may come.
    pub fn public() -> Self {
        Self::strict(Asks::Nothing { when: Vec::new() })
    }

    /// Grants a permit, or says which requirement failed first. What is only watched and would have been refused is put into
    /// `observed`, unless something is there already.
    pub fn decide(
        &self,
        caller: Caller,
        head: &Head<'_>,
        params: &Params,
        observed: &mut Option<Refusal>,
    ) -> Result<Permit, Refusal> {
        match self.asks.hold(&caller, head, params) {
            Err(refusal) if self.only_observes => drop(observed.get_or_insert(refusal)),
            Err(refusal) => return Err(refusal),
            Ok(()) => {
                if let Some(Err(refusal)) = self.tries.as_ref().map(|tries| tries.hold(&caller, head, params)) {
                    observed.get_or_insert(refusal);
                }
            }
        }
        Ok(Permit { caller })
    }
}

impl Asks {
    /// The one evaluator: scopes, then roles, then conditions in the order of the file.
    fn hold(&self, caller: &Caller, head: &Head<'_>, params: &Params) -> Result<(), Refusal> {
        let when = match self {
            Self::Nothing { when } => when,
            Self::Token { scopes, roles, when } => {
                let Some(claims) = caller.claims() else {
                    return Err(Refusal::TokenMissing { scope: scopes.names() });
                };
                if !scopes.is_met(|scope| claims.has_scope(scope)) {
                    let missing = scopes.missing(|scope| claims.has_scope(scope));
                    let needed = Arc::clone(scopes.text());
                    return Err(Refusal::ScopeMissing { needed, missing, scope: scopes.names() });
                }
                if !roles.is_met(|role| claims.has_role(role)) {
                    return Err(Refusal::RoleMissing { needed: Arc::clone(roles.text()) });
                }
                when
            }
        };
        for condition in when {
            let fault = match condition.holds(caller, head, params) {
                Ok(true) => continue,
                Ok(false) => None,
                Err(fault) => Some(fault),
            };
            let seen = condition.seen(caller, head, params);
            return Err(Refusal::ConditionFailed { rule: Arc::clone(condition.text()), fault, seen });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::Method;

    use super::*;
    use crate::gate::caller::tests::{claims, known};
    use crate::ground::Fields;
    use crate::observe::Reason;

    fn need(all: &[&str], any: &[&str]) -> Need {
        let list = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        Need::new(list(all), list(any))
    }

    fn when(text: &str) -> Vec<Condition> {
        if text.is_empty() { Vec::new() } else { vec![Condition::compile(text, &[], false).unwrap()] }
    }

    fn check(rule: &Rule, caller: &Caller, expected: Option<Reason>, watched: Option<Reason>) {
        let head = Head {
            method: &Method::GET,
            host: "x",
            path: "/",
            query: None,
            client: Ipv4Addr::LOCALHOST.into(),
            secure: false,
            headers: &Fields::new(),
        };
        let mut observed = None;
        let decided = rule.decide(caller.clone(), &head, &Params::default(), &mut observed);
        assert_eq!(decided.err().map(|refusal| refusal.reason()), expected);
        assert_eq!(observed.map(|refusal| refusal.reason()), watched);
    }

    #[test]
    fn scopes_roles_and_conditions_must_all_be_met() {
        let rule = |scopes, roles, text| Rule::strict(Asks::Token { scopes, roles, when: when(text) });
        let caller = known(claims("alice", "web", &["a", "b"], &["clerk"]));
        check(&rule(need(&[], &[]), need(&[], &[]), ""), &caller, None, None);
        check(&rule(need(&["a", "b"], &[]), need(&[], &[]), ""), &caller, None, None);
        check(&rule(need(&["a", "c"], &[]), need(&[], &[]), ""), &caller, Some(Reason::ScopeMissing), None);
        check(&rule(need(&["a"], &["x", "b"]), need(&[], &[]), ""), &caller, None, None);
        check(&rule(need(&[], &["x", "y"]), need(&[], &[]), ""), &caller, Some(Reason::ScopeMissing), None);
        check(&rule(need(&["a"], &[]), need(&["clerk"], &[]), ""), &caller, None, None);
        check(&rule(need(&["a"], &[]), need(&["chief"], &[]), ""), &caller, Some(Reason::RoleMissing), None);
        check(&rule(need(&[], &[]), need(&[], &[]), "token.subject == 'alice'"), &caller, None, None);
        check(
            &rule(need(&[], &[]), need(&[], &[]), "token.subject == 'bob'"),
            &caller,
            Some(Reason::ConditionFailed),
            None,
        );
        check(
            &rule(need(&[], &[]), need(&[], &[]), "token.claims.no == 1"),
            &caller,
            Some(Reason::ConditionFailed),
            None,
        );
    }

    #[test]
    fn without_a_token_only_public_routes_pass() {
        let needs = Rule::strict(Asks::Token { scopes: need(&[], &[]), roles: need(&[], &[]), when: Vec::new() });
        check(&needs, &Caller::Anonymous, Some(Reason::TokenMissing), None);
        check(&Rule::public(), &Caller::Anonymous, None, None);
    }

    #[test]
    fn what_is_only_watched_is_noted_and_passes() {
        let asks = |scope, role| Asks::Token { scopes: need(&[scope], &[]), roles: need(&[role], &[]), when: when("") };
        let caller = known(claims("alice", "web", &["a"], &["clerk"]));
        let tries = |tries| Rule { asks: asks("a", "clerk"), tries: Some(tries), only_observes: false };
        check(&tries(asks("a", "clerk")), &caller, None, None);
        check(&tries(asks("a", "chief")), &caller, None, Some(Reason::RoleMissing));
        let refusing = Rule { asks: asks("b", "clerk"), tries: Some(asks("a", "chief")), only_observes: false };
        check(&refusing, &caller, Some(Reason::ScopeMissing), None);
        let watching = Rule { asks: asks("b", "clerk"), tries: None, only_observes: true };
        check(&watching, &caller, None, Some(Reason::ScopeMissing));
        check(&watching, &Caller::Anonymous, None, Some(Reason::TokenMissing));
    }
}

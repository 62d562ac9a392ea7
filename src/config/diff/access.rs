//! Whether one access lets in somebody whom another does not: exact, with each condition taken as something that may be true
//! or not of a token.

use super::model::{Access, Needs};

/// Somebody who is let in: the least that is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    Anyone,
    Bearer(Bearer),
}

/// The bearer of a token that has just this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bearer {
    pub issuer: String,
    pub scopes: Vec<String>,
    pub roles: Vec<String>,
    pub conditions: Vec<String>,
}

/// Somebody whom `now` lets in and `before` does not; `None` as an access lets in nobody.
pub fn newcomer(now: Option<&Access>, before: Option<&Access>) -> Option<Who> {
    match (now?, before) {
        (Access::Anyone, Some(Access::Anyone)) => None,
        (Access::Anyone, _) => Some(Who::Anyone),
        (Access::Token(_), Some(Access::Anyone)) => None,
        (Access::Token(now), None) => bearers(now).next().map(Who::Bearer),
        (Access::Token(now), Some(Access::Token(before))) => {
            bearers(now).find(|bearer| !lets_in(before, bearer)).map(Who::Bearer)
        }
    }
}

/// The least tokens that `needs` lets in: one for each issuer and each choice that it leaves. More scopes or roles never shut
/// anybody out, so that whoever is let in has one of these.
fn bearers(needs: &Needs) -> impl Iterator<Item = Bearer> {
    let either = |any: &[String]| -> Vec<Option<String>> {
        if any.is_empty() { vec![None] } else { any.iter().cloned().map(Some).collect() }
    };
    let (scopes, roles) = (either(&needs.scopes_any), either(&needs.roles_any));
    needs.issuers.iter().flat_map(move |issuer| {
        let roles = roles.clone();
        scopes.clone().into_iter().flat_map(move |scope| {
            roles.clone().into_iter().map(move |role| Bearer {
                issuer: issuer.clone(),
                scopes: with(&needs.scopes_all, scope.clone()),
                roles: with(&needs.roles_all, role),
                conditions: needs.conditions.clone(),
            })
        })
    })
}

fn with(all: &[String], one: Option<String>) -> Vec<String> {
    let mut names = all.to_vec();
    names.extend(one.filter(|one| !all.contains(one)));
    names
}

/// Whether `needs` lets this bearer in.
pub fn lets_in(needs: &Needs, bearer: &Bearer) -> bool {
    let met = |all: &[String], any: &[String], has: &[String]| {
        all.iter().all(|name| has.contains(name)) && (any.is_empty() || any.iter().any(|name| has.contains(name)))
    };
    needs.issuers.contains(&bearer.issuer)
        && met(&needs.scopes_all, &needs.scopes_any, &bearer.scopes)
        && met(&needs.roles_all, &needs.roles_any, &bearer.roles)
        && needs.conditions.iter().all(|condition| bearer.conditions.contains(condition))
}

impl Who {
    /// `a token with orders:read and role clerk`.
    pub fn text(&self, issuers: usize) -> String {
        let bearer = match self {
            Self::Anyone => return "anyone, without a token,".to_owned(),
            Self::Bearer(bearer) => bearer,
        };
        let mut has = Vec::new();
        has.extend(bearer.scopes.iter().map(|scope| format!("`{scope}`")));
        has.extend(bearer.roles.iter().map(|role| format!("the role `{role}`")));
        let with = if has.is_empty() { String::new() } else { format!(" with {}", has.join(" and ")) };
        let of = if issuers > 1 { format!(" of {}", bearer.issuer) } else { String::new() };
        let when = bearer.conditions.iter().map(|condition| format!("`{condition}`")).collect::<Vec<_>>().join(" and ");
        let when = if when.is_empty() { String::new() } else { format!(", when {when},") };
        let any = if has.is_empty() { "any token" } else { "a token" };
        format!("{any}{of}{with}{when}")
    }
}

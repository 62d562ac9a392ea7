//! Scopes and roles: what they may be called, and which there are.

use super::Written;
use crate::config::check::{Check, text};
use crate::config::document::Document;
use crate::config::place::{At, Place};
use crate::config::plan::authority::{BUILT_IN_SCOPES, Role, Scope};
use crate::config::problem::Problem;

/// Names with the places of their definitions; what is built in has none.
pub(in crate::config::check) type Known<'a> = Vec<(&'a str, Option<Place>)>;

pub(super) fn scopes(written: &Written, check: &mut Check<'_>) -> Vec<Scope> {
    let named = written.scopes.as_ref().map_or(&[][..], |scopes| &scopes.0);
    for (name, _) in named {
        if !is_scope(&name.value) {
            check.add(not_a_scope(name));
        }
        if is_built_in(&name.value) {
            let cause = format!("`{}` is built in", name.value);
            check.add(Problem::at(name.place, cause).help("remove it here; clients may name it in their `scopes`"));
        }
    }
    named.iter().map(|(name, text)| Scope { name: name.value.clone(), description: text.value.clone() }).collect()
}

pub(super) fn roles(written: &Written, check: &mut Check<'_>) -> Vec<Role> {
    let known = known_scopes(written);
    let mut roles = Vec::new();
    for (name, role) in written.roles.iter().flat_map(|roles| &roles.0) {
        // Roles travel in one header, separated by spaces or commas.
        if !is_scope(&name.value) || name.value.contains(',') {
            let cause = format!("`{}` cannot be a role", name.value);
            let help =
                "a role is one word of printable ASCII without quotes, commas and backslashes, for example `clerk`";
            check.add(Problem::at(name.place, cause).help(help));
        }
        let scopes = role.scopes.as_deref().unwrap_or_default();
        exist(scopes, known.as_ref(), check);
        roles.push(Role { name: name.value.clone(), scopes: scopes.iter().map(|at| at.value.clone()).collect() });
    }
    roles
}

/// Notes each of these scopes that is not defined, and each that stands there twice.
pub(super) fn exist(scopes: &[At<String>], known: Option<&Known<'_>>, check: &mut Check<'_>) {
    text::repeated(scopes, check);
    let Some(known) = known else { return };
    for scope in scopes.iter().filter(|scope| !known.iter().any(|(name, _)| *name == scope.value)) {
        check.unknown_name(scope, "scope", known, "define it under `authority.scopes`");
    }
}

/// All scopes, the built-in ones last. `None`: they could not be read, which is a problem of its own.
pub(super) fn known_scopes(written: &Written) -> Option<Known<'_>> {
    if written.has("scopes") && written.scopes.is_none() {
        return None;
    }
    let named = written.scopes.as_ref().map_or(&[][..], |scopes| &scopes.0);
    let named = named.iter().map(|(name, _)| (name.value.as_str(), Some(name.place)));
    Some(named.chain(BUILT_IN_SCOPES.iter().map(|name| (*name, None))).collect())
}

/// All roles. `None`: they could not be read, which is a problem of its own.
pub(super) fn known_roles(written: &Written) -> Option<Known<'_>> {
    if written.has("roles") && written.roles.is_none() {
        return None;
    }
    let named = written.roles.as_ref().map_or(&[][..], |roles| &roles.0);
    Some(named.iter().map(|(name, _)| (name.value.as_str(), Some(name.place))).collect())
}

/// The scopes that the authority's tokens can have.
pub(in crate::config::check) fn scope_names(document: &Document) -> Option<Known<'_>> {
    document.authority.as_ref().and_then(known_scopes)
}

/// The roles that the authority's tokens can have.
pub(in crate::config::check) fn role_names(document: &Document) -> Option<Known<'_>> {
    document.authority.as_ref().and_then(known_roles)
}

pub(super) fn is_built_in(name: &str) -> bool {
    BUILT_IN_SCOPES.contains(&name)
}

/// RFC 6749 section 3.3: printable ASCII without space, quote and backslash.
pub(in crate::config::check) fn is_scope(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

pub(in crate::config::check) fn not_a_scope(name: &At<String>) -> Problem {
    Problem::at(name.place, format!("`{}` cannot be a scope", name.value))
        .help("a scope is one word of printable ASCII without quotes and backslashes, for example `orders:read`; for several, write `{all: [a, b]}` or `{any: [a, b]}`")
}

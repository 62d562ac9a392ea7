//! What roles and resources of the authority open.

use super::*;
use crate::config::diff::model::{Issuer, Resource, Role};
use crate::config::plan;

fn hosted() -> Model {
    Model { issuers: vec![Issuer { name: plan::AUTHORITY.to_owned(), ..Issuer::default() }], ..Model::default() }
}

fn of_roles(roles: &[(&str, &[&str])]) -> Model {
    let role = |(name, scopes): &(&str, &[&str])| Role {
        name: (*name).to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    Model { roles: roles.iter().map(role).collect(), ..hosted() }
}

fn of_resource(scopes: Option<&[&str]>) -> Model {
    let scopes = scopes.map(|scopes| scopes.iter().map(|scope| (*scope).to_owned()).collect());
    Model { resources: vec![Resource { uri: "https://api".to_owned(), scopes }], ..hosted() }
}

fn told(old: &Model, new: &Model) -> Vec<String> {
    let diff = diff(old, new).unwrap();
    diff.changes.iter().map(|change| format!("{}: {}", change.kind.heading(), change.sentence)).collect()
}

#[test]
fn a_scope_that_no_role_gives_any_more_is_for_every_user() {
    let given = of_roles(&[("clerk", &["orders:write"])]);
    let opens = "OPENS: every user may have the scope `orders:write` now: no role gives it any more".to_owned();
    assert_eq!(told(&given, &of_roles(&[("clerk", &[])])), std::slice::from_ref(&opens));
    let gone = told(&given, &of_roles(&[]));
    assert_eq!(gone, [opens, "CLOSES: there is no role `clerk` any more".to_owned()]);
}

#[test]
fn a_scope_that_a_role_begins_to_give_is_for_every_user_no_longer() {
    let closes = "CLOSES: only users with a role that gives it may have the scope `orders:write` now";
    assert_eq!(told(&of_roles(&[("clerk", &[])]), &of_roles(&[("clerk", &["orders:write"])])), [closes]);
    assert!(told(&of_roles(&[]), &of_roles(&[("clerk", &["orders:write"])])).contains(&closes.to_owned()));
}

#[test]
fn a_scope_that_another_role_gives_too_opens_and_closes_for_the_role_alone() {
    let one = of_roles(&[("clerk", &["a"]), ("boss", &["a"])]);
    let other = of_roles(&[("clerk", &[]), ("boss", &["a"])]);
    assert_eq!(told(&one, &other), ["CLOSES: the role `clerk` gives the scope `a` no longer"]);
    assert_eq!(told(&other, &one), ["OPENS: the role `clerk` gives the scope `a`, which it did not before"]);
}

#[test]
fn scopes_that_mean_something_at_a_resource_open_and_close() {
    let (all, one, two) = (of_resource(None), of_resource(Some(&["a"])), of_resource(Some(&["a", "b"])));
    let what = "tokens for `https://api` may have";
    assert_eq!(
        told(&one, &two),
        [format!("OPENS: {what} the scope `b`, which it did not before").replace("it did", "they did")]
    );
    assert_eq!(told(&two, &one), [format!("CLOSES: {what} the scope `b` no longer")]);
    assert_eq!(told(&two, &all), [format!("OPENS: {what} every scope now")]);
    assert_eq!(told(&all, &two), [format!("CLOSES: {what} the scopes `a b` alone")]);
}

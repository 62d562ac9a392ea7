//! Differences that lie before and behind the routes: whose tokens are good, who is given which.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::model::{Client, Issuer, Listener, Model, Resource, Role, User};
use super::{Change, Kind};
use crate::config::plan;
use crate::ground::duration;

/// All of them.
pub fn changes(old: &Model, new: &Model) -> Vec<Change> {
    let mut changes = Vec::new();
    pairs(&old.issuers, &new.issuers, |issuer| &issuer.name, |pair| issuer(pair, &mut changes));
    pairs(&old.listeners, &new.listeners, |listener| &listener.address, |pair| listener(pair, &mut changes));
    pairs(&old.clients, &new.clients, |client| &client.id, |pair| client(pair, &mut changes));
    pairs(&old.resources, &new.resources, |resource| &resource.uri, |pair| resource(pair, &mut changes));
    let given = [given(old), given(new)];
    pairs(&old.roles, &new.roles, |role| &role.name, |pair| role(pair, &given, &mut changes));
    of_everybody([old, new], &given, &mut changes);
    pairs(&old.users, &new.users, |user| &user.name, |pair| user(pair, &mut changes));
    changes
}

/// What has one name in both files.
enum Pair<'a, T> {
    Added(&'a T),
    Removed(&'a T),
    Kept(&'a T, &'a T),
}

fn pairs<'a, T>(old: &'a [T], new: &'a [T], name: impl Fn(&T) -> &String, mut each: impl FnMut(Pair<'a, T>)) {
    let known: BTreeMap<&String, &T> = old.iter().map(|one| (name(one), one)).collect();
    let kept: BTreeMap<&String, &T> = new.iter().map(|one| (name(one), one)).collect();
    for one in new {
        each(known.get(name(one)).map_or(Pair::Added(one), |before| Pair::Kept(before, one)));
    }
    for one in old.iter().filter(|one| !kept.contains_key(name(one))) {
        each(Pair::Removed(one));
    }
}

fn say(kind: Kind, sentence: String, changes: &mut Vec<Change>) {
    changes.push(Change { kind, sentence, before: None, now: None, line: None, classes: Vec::new(), who: None });
}

fn moved(kind: Kind, sentence: String, (before, now): (String, String), changes: &mut Vec<Change>) {
    let (before, now) = (Some(before), Some(now));
    changes.push(Change { kind, sentence, before, now, line: None, classes: Vec::new(), who: None });
}

/// Says what came to a list and what went from it.
fn lists(what: &str, before: &[String], now: &[String], changes: &mut Vec<Change>) {
    for added in now.iter().filter(|one| !before.contains(one)) {
        say(Kind::Opens, format!("{what} `{added}`, which it did not before"), changes);
    }
    for removed in before.iter().filter(|one| !now.contains(one)) {
        say(Kind::Closes, format!("{what} `{removed}` no longer"), changes);
    }
}

fn issuer(pair: Pair<'_, Issuer>, changes: &mut Vec<Change>) {
    match pair {
        Pair::Added(issuer) => {
            let whom = issuer.audiences.join(", ");
            say(Kind::Opens, format!("tokens of the issuer `{}` for {whom} are good now", issuer.name), changes);
        }
        Pair::Removed(issuer) => {
            say(Kind::Closes, format!("tokens of the issuer `{}` are good no longer", issuer.name), changes);
        }
        Pair::Kept(before, now) => {
            lists(&format!("the issuer `{}` takes tokens for", now.name), &before.audiences, &now.audiences, changes);
            if before.url != now.url {
                let url = |issuer: &Issuer| issuer.url.clone().unwrap_or_else(|| "none".to_owned());
                let sentence = format!("the issuer `{}` is another one: tokens of the new are good now", now.name);
                moved(Kind::Opens, sentence, (url(before), url(now)), changes);
            }
            proof(before, now, changes);
        }
    }
}

/// How tokens of an issuer are proved and read: another way may take what the one before refused.
fn proof(before: &Issuer, now: &Issuer, changes: &mut Vec<Change>) {
    let name = &now.name;
    if before.proof != now.proof {
        let sentence = format!("tokens of the issuer `{name}` are proved in another way: what holds there is good now");
        moved(Kind::Opens, sentence, (before.proof.clone(), now.proof.clone()), changes);
    }
    lists(&format!("the issuer `{name}` may sign by"), &before.algorithms, &now.algorithms, changes);
    lists(&format!("the issuer `{name}` may give tokens the type"), &before.types, &now.types, changes);
    if before.leeway_ms != now.leeway_ms {
        let kind = if now.leeway_ms > before.leeway_ms { Kind::Opens } else { Kind::Closes };
        let span = |issuer: &Issuer| duration::format(Duration::from_millis(issuer.leeway_ms));
        let sentence = format!("tokens of the issuer `{name}` are good for another while beside their times");
        moved(kind, sentence, (span(before), span(now)), changes);
    }
    if before.claims != now.claims {
        let sentence = format!("tokens of the issuer `{name}` are read in other places");
        moved(Kind::Opens, sentence, (before.claims.clone(), now.claims.clone()), changes);
    }
    if before.rest != now.rest {
        let sentence = format!("what is known of the issuer `{name}` is believed otherwise");
        moved(Kind::Changes, sentence, (before.rest.clone(), now.rest.clone()), changes);
    }
}

fn listener(pair: Pair<'_, Listener>, changes: &mut Vec<Change>) {
    match pair {
        Pair::Added(listener) => say(Kind::Opens, format!("requests come in at {} now", listener.address), changes),
        Pair::Removed(listener) => {
            say(Kind::Closes, format!("requests come in at {} no longer", listener.address), changes);
        }
        Pair::Kept(before, now) => {
            let what = format!("{} believes what is said about the caller's address by", now.address);
            lists(&what, &before.trusted_proxies, &now.trusted_proxies, changes);
            if before.tls != now.tls {
                let word = |tls: bool| if tls { "TLS" } else { "in clear" }.to_owned();
                moved(
                    Kind::Changes,
                    format!("{} speaks otherwise", now.address),
                    (word(before.tls), word(now.tls)),
                    changes,
                );
            }
        }
    }
}

fn client(pair: Pair<'_, Client>, changes: &mut Vec<Change>) {
    match pair {
        Pair::Added(client) => {
            let scopes = if client.scopes.is_empty() { "no scopes".to_owned() } else { client.scopes.join(" ") };
            let sentence = format!(
                "the client `{}` may have tokens now, by {}, with {scopes}",
                client.id,
                client.grants.join(", ")
            );
            say(Kind::Opens, sentence, changes);
        }
        Pair::Removed(client) => {
            say(Kind::Closes, format!("the client `{}` may have tokens no longer", client.id), changes);
        }
        Pair::Kept(before, now) => {
            let who = format!("the client `{}`", now.id);
            lists(&format!("{who} may have the scope"), &before.scopes, &now.scopes, changes);
            lists(&format!("{who} may use the grant"), &before.grants, &now.grants, changes);
            lists(&format!("{who} may have tokens for"), &before.audiences, &now.audiences, changes);
            lists(&format!("{who} may have people sent back to"), &before.redirect_uris, &now.redirect_uris, changes);
            lists(&format!("{who} may give tokens to web pages of"), &before.origins, &now.origins, changes);
            match (before.may_omit_pkce, now.may_omit_pkce) {
                (false, true) => say(Kind::Opens, format!("{who} may go without PKCE"), changes),
                (true, false) => say(Kind::Closes, format!("{who} has to use PKCE"), changes),
                (true, true) | (false, false) => {}
            }
            let public = |public: bool| if public { "none: it is public" } else { "a secret or key" }.to_owned();
            if before.public != now.public {
                let kind = if now.public { Kind::Opens } else { Kind::Closes };
                moved(
                    kind,
                    format!("{who} shows another credential"),
                    (public(before.public), public(now.public)),
                    changes,
                );
            }
            match (before.trusted, now.trusted) {
                (false, true) => {
                    say(Kind::Opens, format!("{who} gets what it asks for without asking people"), changes);
                }
                (true, false) => say(Kind::Closes, format!("{who} has to ask people for their consent"), changes),
                (true, true) | (false, false) => {}
            }
        }
    }
}

/// What means something at an audience. One that comes or goes is told with its issuer.
fn resource(pair: Pair<'_, Resource>, changes: &mut Vec<Change>) {
    let Pair::Kept(before, now) = pair else { return };
    let what = format!("tokens for `{}` may have", now.uri);
    match (&before.scopes, &now.scopes) {
        (None, None) => {}
        (Some(_), None) => say(Kind::Opens, format!("{what} every scope now"), changes),
        (None, Some(now)) => say(Kind::Closes, format!("{what} the scopes `{}` alone", now.join(" ")), changes),
        (Some(before), Some(now)) => {
            for added in now.iter().filter(|one| !before.contains(one)) {
                say(Kind::Opens, format!("{what} the scope `{added}`, which they did not before"), changes);
            }
            for removed in before.iter().filter(|one| !now.contains(one)) {
                say(Kind::Closes, format!("{what} the scope `{removed}` no longer"), changes);
            }
        }
    }
}

/// Scopes that roles give.
fn given(model: &Model) -> BTreeSet<&String> {
    model.roles.iter().flat_map(|role| &role.scopes).collect()
}

/// A scope that no role gives is for every user: the last role that gives it closes it, and opens it when it goes.
fn of_everybody(models: [&Model; 2], [before, now]: &[BTreeSet<&String>; 2], changes: &mut Vec<Change>) {
    let hosted = |model: &&Model| model.issuers.iter().any(|issuer| issuer.name == plan::AUTHORITY);
    if !models.iter().all(hosted) {
        return;
    }
    for scope in before.difference(now) {
        let sentence = format!("every user may have the scope `{scope}` now: no role gives it any more");
        say(Kind::Opens, sentence, changes);
    }
    for scope in now.difference(before) {
        let sentence = format!("only users with a role that gives it may have the scope `{scope}` now");
        say(Kind::Closes, sentence, changes);
    }
}

fn role(pair: Pair<'_, Role>, [given_before, given_now]: &[BTreeSet<&String>; 2], changes: &mut Vec<Change>) {
    match pair {
        Pair::Added(role) => say(
            Kind::Changes,
            format!("there is a role `{}`, which gives {}", role.name, role.scopes.join(" ")),
            changes,
        ),
        Pair::Removed(role) => say(Kind::Closes, format!("there is no role `{}` any more", role.name), changes),
        Pair::Kept(before, now) => {
            // Of a scope that roles give in one file alone, it is told what that means for everybody.
            let told = |role: &Role| -> Vec<String> {
                let both = role.scopes.iter().filter(|it| given_before.contains(it) && given_now.contains(it));
                both.cloned().collect()
            };
            lists(&format!("the role `{}` gives the scope", now.name), &told(before), &told(now), changes);
        }
    }
}

fn user(pair: Pair<'_, User>, changes: &mut Vec<Change>) {
    match pair {
        Pair::Added(user) => {
            let roles = if user.roles.is_empty() { String::new() } else { format!(", as {}", user.roles.join(", ")) };
            say(Kind::Opens, format!("`{}` may sign in now{roles}", user.name), changes);
        }
        Pair::Removed(user) => say(Kind::Closes, format!("`{}` may sign in no longer", user.name), changes),
        Pair::Kept(before, now) => lists(&format!("`{}` has the role", now.name), &before.roles, &now.roles, changes),
    }
}

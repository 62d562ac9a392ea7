//! What the grants of a client need, and what does nothing without them.

use super::{authentication, scope};
use crate::config::check::Check;
use crate::config::check::lint::Finding;
use crate::config::document::authority::client::{Client, Grant};
use crate::config::place::{At, Place};
use crate::config::plan::authority::{ResponseType, response_types};
use crate::config::problem::Problem;
use crate::config::suggest;

/// The grants that the file names, each once. `None`: some could not be read, so nothing is known of what is missing.
pub(super) fn grants(written: &Client, check: &mut Check<'_>) -> Option<Vec<Grant>> {
    let list = written.grants.0.as_ref().filter(|list| list.complete)?;
    if list.items.is_empty() {
        let place = written.place_of("grants").unwrap_or(written.place);
        let cause = "this client has no grant, so it can get no token";
        check.add(Problem::at(place, cause).help("write `grants: [client_credentials]` or `[authorization_code]`"));
    }
    let mut grants = Vec::new();
    for (index, at) in list.items.iter().enumerate() {
        if let Some(earlier) = list.items.iter().take(index).find(|earlier| earlier.value == at.value) {
            let cause = format!("`{}` stands in this list twice", at.value.word());
            check.add(Problem::at(at.place, cause).other(earlier.place, "first here").help("remove one of them"));
            continue;
        }
        needs(written, at, &list.items, check);
        grants.push(at.value);
    }
    if !grants.is_empty() {
        useless(written, &grants, check);
    }
    Some(grants)
}

/// What one grant asks of the rest of the client.
fn needs(written: &Client, at: &At<Grant>, all: &[At<Grant>], check: &mut Check<'_>) {
    let has = |grant: Grant| all.iter().any(|at| at.value == grant);
    match at.value {
        Grant::AuthorizationCode => redirects(written, at, check),
        Grant::RefreshToken => {
            if !has(Grant::AuthorizationCode) && !has(Grant::Password) {
                let cause = "nothing gives this client a first refresh token";
                let help = "add `authorization_code`, or remove `refresh_token`; with `client_credentials` a client asks \
                            for a new access token instead";
                check.add(Problem::at(at.place, cause).help(help));
            }
        }
        Grant::ClientCredentials => {
            if authentication::is_public(written) {
                let cause = "this client has no secret, and `client_credentials` is for clients that can keep one";
                let help = "add `secret: {env: NAME}` or `secret: {file: path}`, or a hash of it";
                check.add(Problem::at(at.place, cause).help(help));
            }
        }
        Grant::Password => {
            let switch = written.danger_allow_password_grant.as_ref();
            let why = "it sees the passwords of its users".to_owned();
            danger(written, at, Danger { key: "danger_allow_password_grant", switch, why }, check);
        }
        Grant::Implicit => {
            redirects(written, at, check);
            let switch = written.danger_allow_implicit_grant.as_ref();
            danger(written, at, Danger { key: "danger_allow_implicit_grant", switch, why: implicit(written) }, check);
        }
    }
}

fn redirects(written: &Client, at: &At<Grant>, check: &mut Check<'_>) {
    if !written.has("redirect_uris") || written.redirect_uris.as_ref().is_some_and(Vec::is_empty) {
        let cause = format!("`{}` sends browsers back to the client, and nothing says where to", at.value.word());
        check.add(Problem::at(at.place, cause).help("add `redirect_uris: [https://app.example.com/callback]`"));
    }
}

/// A grant that the operator has to want twice.
struct Danger<'a> {
    key: &'static str,
    switch: Option<&'a At<bool>>,
    why: String,
}

fn danger(written: &Client, at: &At<Grant>, danger: Danger<'_>, check: &mut Check<'_>) {
    let Danger { key, switch, why } = danger;
    let word = at.value.word();
    match switch {
        Some(switch) if switch.value => {
            found(written, switch.place, format!("client `{}` may use the grant `{word}`: {why}", id(written)), check);
        }
        // One that cannot be read is its own problem.
        None if written.has(key) => {}
        Some(_) | None => {
            let help = format!("use `authorization_code`; if the client cannot, write `{key}: true` beside it");
            check.add(Problem::at(at.place, format!("`{word}` is not safe: {why}")).help(help));
        }
    }
}

fn implicit(written: &Client) -> String {
    let scopes: Vec<String> = written.scopes.iter().flatten().map(|at| at.value.clone()).collect();
    let types = response_types(&[Grant::Implicit], &scopes);
    let words = suggest::list(types.into_iter().map(ResponseType::word));
    format!("tokens stand in addresses, where logs and histories keep them (`response_type` {words})")
}

fn id(written: &Client) -> &str {
    written.id.0.as_ref().map_or("", |id| id.value.as_str())
}

/// Keys that do nothing with these grants.
fn useless(written: &Client, grants: &[Grant], check: &mut Check<'_>) {
    let has = |any: &[Grant]| any.iter().any(|grant| grants.contains(grant));
    let browser = has(&[Grant::AuthorizationCode, Grant::Implicit]);
    let place = |key: &str| written.place_of(key);
    let on = |switch: &Option<At<bool>>| switch.as_ref().filter(|at| at.value).map(|at| at.place);
    if !browser {
        let need = "the grant `authorization_code`";
        note("redirect_uris", place("redirect_uris"), need, check);
        note("post_logout_redirect_uris", place("post_logout_redirect_uris"), need, check);
        note("trusted", on(&written.trusted), need, check);
    }
    if !has(&[Grant::RefreshToken]) {
        note("refresh_tokens", place("refresh_tokens"), "the grant `refresh_token`", check);
    }
    if !has(&[Grant::Password]) {
        let switch = on(&written.danger_allow_password_grant);
        note("danger_allow_password_grant", switch, "the grant `password`", check);
    }
    if !has(&[Grant::Implicit]) {
        let switch = on(&written.danger_allow_implicit_grant);
        note("danger_allow_implicit_grant", switch, "the grant `implicit`", check);
    }
    pkce(written, has(&[Grant::AuthorizationCode]), check);
    scopes(written, browser || has(&[Grant::Password]), has(&[Grant::RefreshToken]), check);
}

fn note(key: &str, place: Option<Place>, need: &str, check: &mut Check<'_>) {
    if let Some(place) = place {
        let cause = format!("`{key}` does nothing without {need}");
        check.add(Problem::at(place, cause).help(format!("remove `{key}`, or add {need}")));
    }
}

/// A switch that makes a client less safe.
fn found(written: &Client, place: Place, text: String, check: &mut Check<'_>) {
    check.find(Finding {
        name: "danger_switch",
        place,
        text,
        help: "move the client to `authorization_code` with PKCE",
        acknowledge: written.acknowledge.as_ref(),
    });
}

fn pkce(written: &Client, codes: bool, check: &mut Check<'_>) {
    let Some(switch) = written.danger_allow_missing_pkce.as_ref().filter(|at| at.value) else { return };
    if authentication::is_public(written) {
        let cause = "a public client needs PKCE: nothing else says that a code comes from whoever asked for it";
        let help = "remove `danger_allow_missing_pkce`; if the client cannot do PKCE, give it a `secret`";
        check.add(Problem::at(switch.place, cause).help(help));
    } else if codes {
        let text = format!("client `{}` may go without PKCE: a stolen code can be redeemed", id(written));
        found(written, switch.place, text, check);
    } else {
        note("danger_allow_missing_pkce", Some(switch.place), "the grant `authorization_code`", check);
    }
}

/// Scopes and settings of OpenID Connect, which need a person.
fn scopes(written: &Client, people: bool, refreshes: bool, check: &mut Check<'_>) {
    let named = || written.scopes.iter().flatten().filter(|at| scope::is_built_in(&at.value));
    for at in named() {
        if !people {
            let cause = format!("`{}` needs a person, and this client's tokens are for itself", at.value);
            check.add(Problem::at(at.place, cause).help("remove it, or add the grant `authorization_code`"));
        } else if at.value == "offline_access" && !refreshes {
            note("offline_access", Some(at.place), "the grant `refresh_token`", check);
        }
    }
    let unreadable = written.has("scopes") && written.scopes.is_none();
    let identifies = people && named().any(|at| at.value == "openid");
    if !identifies && !unreadable {
        note("id_token_algorithm", written.place_of("id_token_algorithm"), "the scope `openid`", check);
    }
}

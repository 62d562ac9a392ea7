//! How a client proves who it is: `auth`, `secret` and `keys` must fit together.

use crate::config::check::{Check, issuer, secret};
use crate::config::document::authority::client::{Client, ClientAuth};
use crate::config::place::At;
use crate::config::plan::authority::{AssertionAudience, Authentication, ClientSecret, SecretMethod};
use crate::config::problem::Problem;

/// Nothing of the client says that it can prove who it is.
pub(super) fn is_public(written: &Client) -> bool {
    let proves = match &written.auth {
        Some(auth) => auth.items.iter().any(|at| at.value != ClientAuth::None),
        None => written.has("auth"),
    };
    !written.has("secret") && !written.has("keys") && !proves
}

/// `None`: a problem is noted.
pub(super) fn authentication(written: &Client, check: &mut Check<'_>) -> Option<Authentication> {
    let secrets = secrets(written, check);
    // What cannot be read says nothing about what is missing.
    if written.has("auth") && written.auth.is_none() {
        return None;
    }
    let methods: &[At<ClientAuth>] = written.auth.as_ref().map_or(&[], |auth| &auth.items);
    if !listed_well(written, methods, check) {
        return None;
    }
    for method in methods {
        match method.value {
            ClientAuth::Basic | ClientAuth::Post => shows_a_secret(written, method, check),
            ClientAuth::None => proves_nothing(written, method, check),
            ClientAuth::PrivateKeyJwt => signs(written, method, check),
        }
    }
    let signing = methods.iter().find(|at| at.value == ClientAuth::PrivateKeyJwt);
    if signing.is_none() {
        useless_without_signing(written, check);
    }
    if signing.is_some() {
        let help = "write `{url: ...}` or `{file: ...}`, with the public keys of the client";
        let keys = issuer::key_source(written.keys.as_ref()?, help, check)?;
        let audience = written.assertion_audience.as_ref().map_or(AssertionAudience::Issuer, |at| at.value);
        return Some(Authentication::PrivateKey { keys, audience });
    }
    if !written.has("secret") {
        return Some(Authentication::None);
    }
    let named: Vec<SecretMethod> = methods.iter().filter_map(|at| secret_method(at.value)).collect();
    let methods = if named.is_empty() { vec![SecretMethod::Basic, SecretMethod::Post] } else { named };
    Some(Authentication::Secret { methods, secrets: secrets? })
}

fn secret_method(method: ClientAuth) -> Option<SecretMethod> {
    match method {
        ClientAuth::Basic => Some(SecretMethod::Basic),
        ClientAuth::Post => Some(SecretMethod::Post),
        ClientAuth::None | ClientAuth::PrivateKeyJwt => None,
    }
}

/// The list makes sense by itself.
fn listed_well(written: &Client, methods: &[At<ClientAuth>], check: &mut Check<'_>) -> bool {
    let before = check.problems.len();
    if let Some(empty) = written.auth.as_ref().filter(|auth| auth.listed && auth.items.is_empty()) {
        let cause = "an empty list of ways to show who it is does nothing";
        check.add(Problem::at(empty.place, cause).help("name one, or remove `auth`"));
    }
    for (index, method) in methods.iter().enumerate() {
        if let Some(earlier) = methods.iter().take(index).find(|earlier| earlier.value == method.value) {
            let cause = format!("`{}` stands in this list twice", method.value.word());
            check.add(Problem::at(method.place, cause).other(earlier.place, "first here").help("remove one of them"));
        } else if methods.len() > 1 && secret_method(method.value).is_none() {
            let cause = format!("`{}` stands alone: a client has one kind of proof", method.value.word());
            check.add(Problem::at(method.place, cause).help("keep one; only `basic` and `post` go together"));
        }
    }
    check.problems.len() == before
}

fn shows_a_secret(written: &Client, method: &At<ClientAuth>, check: &mut Check<'_>) {
    if written.has("secret") {
        return;
    }
    let cause = format!("`auth: {}` shows a secret, and this client has none", method.value.word());
    let help = "add `secret: {env: NAME}`; or write `auth: private_key_jwt` for a client with `keys`, `auth: none` for a \
                public one";
    check.add(Problem::at(method.place, cause).help(help));
}

fn proves_nothing(written: &Client, method: &At<ClientAuth>, check: &mut Check<'_>) {
    if let Some(place) = written.place_of("secret") {
        let cause = "`auth: none` and a `secret` contradict each other";
        let problem = Problem::at(method.place, cause).other(place, "the secret");
        check.add(problem.help("remove `auth` to have the secret asked for, or `secret` for a public client"));
    }
}

fn signs(written: &Client, method: &At<ClientAuth>, check: &mut Check<'_>) {
    if !written.has("keys") {
        let cause = "`auth: private_key_jwt` is checked with the client's public keys, and this client has none";
        let help = "add `keys: {url: ...}` or `keys: {file: ...}`";
        check.add(Problem::at(method.place, cause).help(help));
    }
    if let Some(place) = written.place_of("secret") {
        let cause = "`secret` does nothing: this client signs with its key instead";
        let problem = Problem::at(place, cause).other(method.place, "signs");
        check.add(problem.help("remove `secret`, or write `auth: [basic, post]` and remove `keys`"));
    }
}

fn useless_without_signing(written: &Client, check: &mut Check<'_>) {
    for key in ["keys", "assertion_audience"] {
        if let Some(place) = written.place_of(key) {
            let cause = format!("`{key}` does nothing without `auth: private_key_jwt`");
            check.add(Problem::at(place, cause).help(format!("add `auth: private_key_jwt`, or remove `{key}`")));
        }
    }
}

/// Empty where none are written. `None`: a problem is noted.
fn secrets(written: &Client, check: &mut Check<'_>) -> Option<Vec<ClientSecret>> {
    if !written.has("secret") {
        return Some(Vec::new());
    }
    let list = written.secret.as_ref()?;
    if list.listed && list.items.is_empty() {
        let cause = "an empty list holds no secret";
        check.add(Problem::at(list.place, cause).help("write `{env: NAME}`, or remove `secret` for a public client"));
    }
    if let Some(third) = list.items.get(2) {
        let cause = "a client has at most two secrets: the one in use and the one that follows it";
        check.add(Problem::at(third.place, cause).help("remove the one that is no longer in use"));
    }
    let mut wrong = false;
    let mut secrets = Vec::new();
    for item in &list.items {
        match secret::presented(item, check) {
            Some(secret) => secrets.extend(secret),
            None => wrong = true,
        }
    }
    (!wrong).then_some(secrets)
}

//! `authority.users`: people who may sign in.

use std::collections::HashMap;

use super::{Written, password, scope};
use crate::config::check::{Check, text};
use crate::config::document::authority::user::User as WrittenUser;
use crate::config::place::{At, Place};
use crate::config::plan::authority::{Passwords, User};
use crate::config::problem::Problem;

const LONGEST_NAME: usize = 256;

/// OpenID Connect Core section 2.
const LONGEST_SUBJECT: usize = 255;

/// Claims that say something about the token or come from elsewhere; a profile must not pretend them.
const RESERVED_CLAIMS: [&str; 29] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "azp",
    "nonce",
    "auth_time",
    "acr",
    "amr",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "cnf",
    "act",
    "may_act",
    "client_id",
    "scope",
    "roles",
    "groups",
    "entitlements",
    "active",
    "token_type",
    "email",
    "email_verified",
    "updated_at",
];

pub(super) fn users(authority: &Written, passwords: &Passwords, check: &mut Check<'_>) -> Vec<User> {
    let written = authority.users.as_deref().unwrap_or_default();
    let known = scope::known_roles(authority);
    let mut users = Vec::new();
    for user in written {
        users.extend(one(user, known.as_ref(), passwords, check));
    }
    same_names(written, check);
    same_subjects(authority, written, check);
    users
}

fn one(
    written: &WrittenUser,
    known: Option<&scope::Known<'_>>,
    passwords: &Passwords,
    check: &mut Check<'_>,
) -> Option<User> {
    if let Some(at) = &written.name.0 {
        name(at, check);
    }
    email(written, check);
    if let Some(at) = &written.subject {
        subject(at, written.email.as_ref(), check);
    }
    let profile = profile(written, check);
    let password = match &written.password {
        Some(password) => password::of_user(password, passwords, check),
        None => Some(None),
    };
    let roles = written.roles.as_deref().unwrap_or_default();
    text::repeated(roles, check);
    for role in roles.iter().filter(|role| known.is_some_and(|known| !known.iter().any(|(it, _)| *it == role.value))) {
        check.unknown_name(role, "role", known.map_or(&[], Vec::as_slice), "define it under `authority.roles`");
    }
    let text = |at: &Option<At<String>>| at.as_ref().map(|at| at.value.clone());
    Some(User {
        name: written.name.0.as_ref()?.value.clone(),
        email: text(&written.email),
        email_verified: written.email_verified.as_ref().is_some_and(|at| at.value),
        subject: text(&written.subject),
        profile,
        password: password?,
        roles: roles.iter().map(|at| at.value.clone()).collect(),
    })
}

fn name(at: &At<String>, check: &mut Check<'_>) {
    let cause = if at.value.trim() != at.value {
        "spaces before and after the name of a user do not count"
    } else if at.value.contains(char::is_control) {
        "the name of a user is one line of text"
    } else if at.value.chars().count() > LONGEST_NAME {
        "the name of a user has at most 256 characters"
    } else {
        return;
    };
    check.add(Problem::at(at.place, cause).help("write what they sign in with, for example `alice`"));
}

fn email(written: &WrittenUser, check: &mut Check<'_>) {
    if let Some(at) = &written.email
        && !is_address(&at.value)
    {
        let cause = format!("`{}` is not an e-mail address", at.value);
        check.add(Problem::at(at.place, cause).help("write for example `alice@example.com`"));
    }
    if let Some(at) = written.email_verified.as_ref().filter(|at| at.value && !written.has("email")) {
        let cause = "`email_verified` does nothing: this user has no `email`";
        check.add(Problem::at(at.place, cause).help("remove it, or add `email`"));
    }
}

/// No more than what every address has; whether it works, only a message to it can say.
fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    let whole = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control());
    parts.is_some_and(|(local, host)| whole(local) && whole(host) && !local.contains('@'))
}

fn subject(at: &At<String>, email: Option<&At<String>>, check: &mut Check<'_>) {
    let (cause, help) = if !at.value.bytes().all(|byte| byte.is_ascii_graphic()) || at.value.len() > LONGEST_SUBJECT {
        let cause = format!("a subject is at most {LONGEST_SUBJECT} characters of printable ASCII without spaces");
        (cause, "write the `sub` that this user has, or remove the key to have one made")
    } else if email.is_some_and(|email| email.value.eq_ignore_ascii_case(&at.value)) {
        let cause = "an e-mail address is given to somebody else in time, and a subject never is".to_owned();
        (cause, "remove `subject` to have one made")
    } else {
        return;
    };
    check.add(Problem::at(at.place, cause).help(help));
}

fn profile(written: &WrittenUser, check: &mut Check<'_>) -> Vec<(String, String)> {
    let claims = written.profile.as_ref().map_or(&[][..], |profile| &profile.0);
    for (name, _) in claims.iter().filter(|(name, _)| RESERVED_CLAIMS.contains(&name.value.as_str())) {
        let cause = format!("the claim `{}` does not come from a profile", name.value);
        let help = match name.value.as_str() {
            "sub" => "the key is `subject`, on the user",
            "email" | "email_verified" | "roles" => "it is a key of its own, on the user",
            _ => "remove it; a profile has claims such as `name`, `given_name`, `family_name`, `locale` and `picture`",
        };
        check.add(Problem::at(name.place, cause).help(help));
    }
    claims.iter().map(|(name, text)| (name.value.clone(), text.value.clone())).collect()
}

/// Names are compared without regard to capitals.
fn same_names(written: &[WrittenUser], check: &mut Check<'_>) {
    let mut seen: HashMap<String, &At<String>> = HashMap::new();
    for name in written.iter().filter_map(|user| user.name.0.as_ref()) {
        let Some(first) = seen.get(&name.value.trim().to_lowercase()) else {
            seen.insert(name.value.trim().to_lowercase(), name);
            continue;
        };
        let cause = if first.value == name.value {
            format!("there are two users `{}`", name.value)
        } else {
            format!("`{}` and `{}` are one name: capitals make no difference when signing in", first.value, name.value)
        };
        let problem = Problem::at(name.place, cause).other(first.place, "the first one");
        check.add(problem.help("give one of them another `name`"));
    }
}

/// Whoever has a subject is that user, so nobody else may have it: no user, and no client as its id.
fn same_subjects(authority: &Written, written: &[WrittenUser], check: &mut Check<'_>) {
    let mut seen: HashMap<&str, (Place, &str)> = HashMap::new();
    for id in authority.clients.iter().flatten().filter_map(|client| client.id.0.as_ref()) {
        seen.insert(&id.value, (id.place, "a client"));
    }
    for subject in written.iter().filter_map(|user| user.subject.as_ref()) {
        match seen.get(subject.value.as_str()) {
            Some((place, who)) => {
                let cause = format!("{who} has `{}` as its subject already", subject.value);
                let problem = Problem::at(subject.place, cause).other(*place, "the first one");
                check.add(problem.help("write the `sub` that this user alone has, or remove the key to have one made"));
            }
            None => {
                seen.insert(&subject.value, (subject.place, "another user"));
            }
        }
    }
}

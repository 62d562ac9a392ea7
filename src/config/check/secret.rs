//! Secrets: references resolved, hashes understood, clear text refused.

use argon2::password_hash::phc::PasswordHash;

use super::Check;
use crate::config::document::secret::{Form, Secret as Written};
use crate::config::place::At;
use crate::config::plan::authority::ClientSecret;
use crate::config::problem::Problem;
use crate::ground::Secret;

/// Where the gateway itself must know the secret. `None`: a problem is noted. `Some(None)`: files are not looked at.
pub(super) fn known(written: &Written, check: &mut Check<'_>) -> Option<Option<Secret>> {
    match &written.form {
        Form::Env(name) => from_env(name, check),
        Form::File(path) => from_file(path, check),
        Form::Hash(hash) => {
            // Whatever stands there may be the secret itself.
            check.problems.mask(hash.place);
            let cause = "the gateway has to know this secret itself, so a hash of it is not enough";
            check.add(Problem::at(hash.place, cause).help("write `{env: NAME}` or `{file: path}`"));
            None
        }
    }
}

/// A secret that clients present. `None`: a problem is noted. `Some(None)`: files are not looked at.
pub(super) fn presented(written: &Written, check: &mut Check<'_>) -> Option<Option<ClientSecret>> {
    match &written.form {
        Form::Hash(hash) => from_hash(hash, check).map(Some),
        Form::Env(at) | Form::File(at) => {
            let secret = known(written, check)?;
            if secret.as_ref().is_some_and(|secret| secret.expose().len() < SHORTEST) {
                let text = format!(
                    "this client secret is shorter than {SHORTEST} characters; a generated one cannot be guessed"
                );
                check.warn(at.place, text);
            }
            Some(secret.map(ClientSecret::Clear))
        }
    }
}

/// 128 bits in base64url.
const SHORTEST: usize = 22;

fn from_env(name: &At<String>, check: &mut Check<'_>) -> Option<Option<Secret>> {
    let plain = name.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !plain || name.value.starts_with(|c: char| c.is_ascii_digit()) {
        check.problems.mask(name.place);
        let cause = "this is not the name of an environment variable";
        let help = "write the name alone, in letters, digits and `_`, for example `{env: REPORTING_SECRET}`; if this is the \
                    secret itself, change it";
        check.add(Problem::at(name.place, cause).help(help));
        return None;
    }
    match check.source.env(&name.value) {
        Ok(None) => {
            check.skipped = true;
            Some(None)
        }
        Ok(Some(value)) => not_empty(value, name, &format!("the environment variable `{}`", name.value), check),
        Err(cause) => {
            let cause = format!("the environment variable `{}` {cause}", name.value);
            let help = "set it where the gateway is started (with systemd: `Environment=` or `LoadCredential=` and `{file: \
                        ...}`); `portcullis check --no-files` checks without it";
            check.add(Problem::at(name.place, cause).help(help).unreadable());
            None
        }
    }
}

fn from_file(path: &At<String>, check: &mut Check<'_>) -> Option<Option<Secret>> {
    let Some(contents) = check.read(path, "a secret")? else { return Some(None) };
    match String::from_utf8(contents) {
        Ok(text) => not_empty(text, path, &format!("the file `{}`", path.value), check),
        Err(_) => {
            let cause = format!("the file `{}` holds no text", path.value);
            check.add(Problem::at(path.place, cause).help("a secret is UTF-8 text on one line"));
            None
        }
    }
}

fn not_empty(value: String, at: &At<String>, what: &str, check: &mut Check<'_>) -> Option<Option<Secret>> {
    let text = value.trim_end_matches(['\r', '\n']);
    let cause = if text.trim().is_empty() {
        format!("{what} is empty")
    } else if text.contains(['\r', '\n']) {
        format!("{what} holds more than one line")
    } else {
        return Some(Some(Secret::new(text)));
    };
    check.add(Problem::at(at.place, cause).help("put the secret there, on one line"));
    None
}

fn from_hash(hash: &At<String>, check: &mut Check<'_>) -> Option<ClientSecret> {
    let text = hash.value.as_str();
    if let Some(digits) = text.strip_prefix("sha256:") {
        if let Some(digest) = hexadecimal(digits) {
            return Some(ClientSecret::Sha256(digest));
        }
        return refused(hash, "after `sha256:` stand 64 hexadecimal digits", check);
    }
    if text.starts_with("$argon2") {
        if PasswordHash::new(text).is_ok() {
            return Some(ClientSecret::Argon2(text.to_owned()));
        }
        return refused(hash, "this Argon2 hash is damaged", check);
    }
    if text.starts_with('$') {
        return refused(hash, "this version knows Argon2 hashes (`$argon2id$...`) and `sha256:` alone", check);
    }
    refused(hash, "this is not a hash", check)
}

/// Whatever stands there may be the secret itself.
fn refused(hash: &At<String>, cause: &str, check: &mut Check<'_>) -> Option<ClientSecret> {
    check.problems.mask(hash.place);
    let help = "for a generated secret: `printf %s \"$SECRET\" | sha256sum`, and `{hash: \"sha256:...\"}`; for one that a \
                person chose an Argon2id hash; or no hash at all but `{env: NAME}` or `{file: path}`. If this is the secret \
                itself, change it";
    check.add(Problem::at(hash.place, cause).help(help));
    None
}

fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let bytes: Vec<u8> = digits?.chunks(2).map(|pair| pair.iter().fold(0, |sum, digit| sum * 16 + digit)).collect();
    (text.len() == 64).then_some(())?;
    bytes.try_into().ok()
}

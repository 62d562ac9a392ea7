//! Passwords: what they must be, and those of the users in the file.

use crate::authority::password::PasswordHash;
use crate::config::check::{Check, secret};
use crate::config::document::authority::Passwords as Written;
use crate::config::document::secret::{Form, Secret};
use crate::config::place::At;
use crate::config::plan::authority::{Lines, Password, Passwords};
use crate::config::problem::Problem;

const MIN: u32 = 15;
const MIN_WITH_SECOND_FACTOR: u32 = 8;

/// Fewer can be guessed whatever else is asked for.
const FEWEST: u32 = 8;

/// Every password of so many characters must be accepted.
const MOST: u32 = 128;

/// How the hashes begin that users may bring along.
const KINDS: [&str; 8] =
    ["$argon2id$", "$2a$", "$2b$", "$2y$", "$scrypt$", "$pbkdf2-sha256$", "$pbkdf2-sha512$", "pbkdf2_sha256$"];

pub(super) fn passwords(written: Option<&Written>, check: &mut Check<'_>) -> Passwords {
    let min = length(written.and_then(|it| it.min.as_ref()), MIN, check);
    let second = written.and_then(|it| it.min_with_second_factor.as_ref());
    let min_with_second_factor = length(second, MIN_WITH_SECOND_FACTOR.min(min), check);
    if let Some(at) = second.filter(|at| at.value > min) {
        let cause =
            format!("with a second factor a password may be shorter, not longer, than the {min} characters alone");
        let problem = Problem::at(at.place, cause).help("write a smaller number, or a larger `min`");
        check.add(match written.and_then(|it| it.min.as_ref()) {
            Some(min) => problem.other(min.place, "alone"),
            None => problem,
        });
    }
    let blocked = written.and_then(|it| it.blocked.as_ref()).and_then(|at| blocked(at, check));
    Passwords { min, min_with_second_factor, blocked }
}

fn length(at: Option<&At<u32>>, default: u32, check: &mut Check<'_>) -> u32 {
    let Some(at) = at else { return default };
    let cause = if at.value < FEWEST {
        format!("a password of fewer than {FEWEST} characters can be guessed")
    } else if at.value > MOST {
        format!("passwords of {MOST} characters must be accepted")
    } else {
        return at.value;
    };
    check.add(Problem::at(at.place, cause).help(format!("write a number from {FEWEST} to {MOST}")));
    at.value
}

fn blocked(at: &At<String>, check: &mut Check<'_>) -> Option<Lines> {
    let path = check.path(at);
    let contents = check.read(at, "a list of passwords")?.unwrap_or_default();
    match String::from_utf8(contents) {
        Ok(text) => Some(Lines { path, text }),
        Err(fault) => {
            let line = fault.as_bytes().get(..fault.utf8_error().valid_up_to()).map_or(0, lines) + 1;
            let cause = format!("`{}` is not UTF-8 text: line {line} cannot be read", at.value);
            check.add(Problem::at(at.place, cause).help("save the file as UTF-8, one password a line"));
            None
        }
    }
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// What a user's password is compared with. `None`: a problem is noted. `Some(None)`: files are not looked at.
pub(in crate::config::check) fn of_user(
    written: &Secret,
    rules: &Passwords,
    check: &mut Check<'_>,
) -> Option<Option<Password>> {
    match &written.form {
        Form::Hash(at) => hash(at, check).map(Some),
        Form::Env(at) | Form::File(at) => {
            let clear = secret::known(written, check)?;
            let short = |length: usize| u32::try_from(length).is_ok_and(|length| length < rules.min);
            if clear.as_ref().is_some_and(|clear| short(clear.expose().chars().count())) {
                let text = format!("this password is shorter than the {} characters that users must choose", rules.min);
                check.warn(at.place, text);
            }
            Some(clear.map(Password::Clear))
        }
    }
}

/// The kind is told by the beginning, the rest is for the authority to judge.
fn hash(at: &At<String>, check: &mut Check<'_>) -> Option<Password> {
    if KINDS.iter().any(|kind| at.value.starts_with(kind)) {
        let Err(cause) = PasswordHash::new(&at.value) else { return Some(Password::Hash(at.value.clone())) };
        check.problems.mask(at.place);
        let help = "copy the whole hash, from its first `$` to its end";
        check.add(Problem::at(at.place, format!("this hash cannot be used: {cause}")).help(help));
        return None;
    }
    // Whatever stands there may be the password itself.
    check.problems.mask(at.place);
    let cause = if at.value.starts_with("sha256:") {
        "SHA-256 is too fast for passwords: whoever has this hash tries millions a second"
    } else if at.value.starts_with('$') || at.value.starts_with("pbkdf2") {
        "this kind of hash is not known"
    } else {
        "this is not a hash"
    };
    let help = "write an Argon2id hash (`$argon2id$...`), or one that users bring along: bcrypt (`$2b$...`), `$scrypt$...`, \
                `$pbkdf2-sha256$...`, `$pbkdf2-sha512$...`, `pbkdf2_sha256$...`; or name where the password is: `{env: \
                NAME}` or `{file: path}`. If this is the password itself, change it";
    check.add(Problem::at(at.place, cause).help(help));
    None
}

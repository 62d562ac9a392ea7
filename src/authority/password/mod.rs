//! Passwords of people: how they are kept, and how a presented one is held against that.
//!
//! New ones are kept as Argon2id. Hashes that users bring along from elsewhere are good for one more login, which replaces
//! them. Everything here is slow on purpose and runs in the bounded pool of `hashing` alone.

mod kinds;
mod rules;

pub use rules::{PasswordRules, Unfit};

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash as Phc;
use unicode_normalization::UnicodeNormalization as _;

use self::kinds::Kind;
use crate::ground::{Random, Secret};

/// What new hashes cost: OWASP's figures for Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A hash of nothing that anybody knows, with the costs of a new one: what an unknown user's password is compared with. A
/// user with a hash of another kind takes another time, once: the first login replaces it.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$YWJjZGVmZ2hpamtsbW5vcA$8mKpgkqJ7d5Xn5c0q1dTLeXhWwI2m7qYRrKQhYxYV1w";

/// A hash of a password, as it is kept.
#[derive(Clone)]
pub struct PasswordHash {
    kind: Kind,
    /// Made here, with the costs of today.
    is_current: bool,
}

/// What came of comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Right,
    /// Right, and kept in a form that is to be replaced.
    RightButOld,
    Wrong,
}

impl PasswordHash {
    /// Reads a hash of any kind that is taken. The error speaks to whoever wrote it, and does not repeat it.
    pub fn new(text: &str) -> Result<Self, String> {
        let kind = Kind::read(text)?;
        let is_current =
            text.starts_with("$argon2id$") && text.contains(&format!("m={MEMORY_KIB},t={PASSES},p={LANES}$"));
        Ok(Self { kind, is_current })
    }
}

/// Compares; without a hash it works as long and says `Wrong`.
pub fn verify_or_decoy(hash: Option<&PasswordHash>, presented: &Secret) -> Verdict {
    verify_by(&mut Kind::fits, hash, presented)
}

fn verify_by(fits: &mut dyn FnMut(&Kind, &[u8]) -> bool, hash: Option<&PasswordHash>, presented: &Secret) -> Verdict {
    let normal = normal(presented);
    // The system that a hash comes from may have hashed what was typed, letter by letter. The decoy is asked as often as a
    // hash is that a wrong password does not fit: who is known here would show in the time otherwise.
    let mut fits_any_form = |kind: &Kind| {
        fits(kind, normal.expose().as_bytes()) || (normal != *presented && fits(kind, presented.expose().as_bytes()))
    };
    let Some(hash) = hash else {
        fits_any_form(&Kind::Argon2id(DECOY.to_owned()));
        return Verdict::Wrong;
    };
    let fits = fits_any_form(&hash.kind);
    match (fits, hash.is_current) {
        (true, true) => Verdict::Right,
        (true, false) => Verdict::RightButOld,
        (false, _) => Verdict::Wrong,
    }
}

/// Hashes a new password.
pub fn hash(password: &Secret, random: &dyn Random) -> Result<String, String> {
    let params = argon2::Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|cause| cause.to_string())?;
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let salt: [u8; 16] = random.bytes();
    let hash: Phc = hasher
        .hash_password_with_salt(normal(password).expose().as_bytes(), &salt)
        .map_err(|cause| format!("a password cannot be hashed: {cause}"))?;
    Ok(hash.to_string())
}

/// One form for what looks the same, whatever keyboard it came from (NFC; NIST SP 800-63B-4 section 3.1.1.2).
fn normal(password: &Secret) -> Secret {
    Secret::new(password.expose().nfc().collect::<String>())
}

#[cfg(test)]
mod tests;

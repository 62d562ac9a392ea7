//! Passwords of people: how they are kept, and how a presented one is held against that.
//!
//! Everything here is slow on purpose and runs in the bounded pool of `hashing` alone.

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use crate::ground::{Random, Secret};

/// What new hashes cost: OWASP's figures for Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Most memory and time that a kept hash may ask for.
const MOST: [(&str, u32); 3] = [("m", 1 << 20), ("t", 16), ("p", 16)];

/// A hash of nothing that anybody knows, with the costs of a new one: what an unknown user's password is compared with.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$YWJjZGVmZ2hpamtsbW5vcA$8mKpgkqJ7d5Xn5c0q1dTLeXhWwI2m7qYRrKQhYxYV1w";

/// A hash of a password, as it is kept.
#[derive(Clone)]
pub struct PasswordHash(String);

/// What came of comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Right,
    /// Right, and kept in a form that is to be replaced.
    RightButOld,
    Wrong,
}

impl PasswordHash {
    /// An Argon2id hash in PHC form. The error speaks to whoever wrote it.
    pub fn new(text: &str) -> Result<Self, String> {
        if !text.starts_with("$argon2id$") {
            return Err("a password's hash is an Argon2id hash (`$argon2id$…`)".into());
        }
        let hash = Phc::new(text).map_err(|cause| format!("the hash cannot be read: {cause}"))?;
        if hash.hash.is_none() || hash.salt.is_none() {
            return Err("the hash is not complete: salt and hash belong to it".into());
        }
        argon2::Params::try_from(&hash).map_err(|cause| format!("the hash cannot be used: {cause}"))?;
        for (name, most) in MOST {
            if hash.params.get_decimal(name).is_some_and(|asked| asked > most) {
                return Err(format!("the hash asks for `{name}` above {most}, which would cost too much per login"));
            }
        }
        Ok(Self(text.to_owned()))
    }

    fn is_current(&self) -> bool {
        self.0.contains(&format!("m={MEMORY_KIB},t={PASSES},p={LANES}$"))
    }
}

/// Compares; without a hash it works as long and says `Wrong`.
pub fn verify_or_decoy(hash: Option<&PasswordHash>, presented: &Secret) -> Verdict {
    let kept = hash.map_or(DECOY, |hash| &hash.0);
    let fits = Phc::new(kept)
        .is_ok_and(|kept| argon2::Argon2::default().verify_password(presented.expose().as_bytes(), &kept).is_ok());
    match (fits, hash) {
        (true, Some(hash)) if hash.is_current() => Verdict::Right,
        (true, Some(_)) => Verdict::RightButOld,
        (true | false, _) => Verdict::Wrong,
    }
}

/// Hashes a new password.
pub fn hash(password: &Secret, random: &dyn Random) -> Result<String, String> {
    let params = argon2::Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|cause| cause.to_string())?;
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let salt: [u8; 16] = random.bytes();
    let hash: Phc = hasher
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map_err(|cause| format!("a password cannot be hashed: {cause}"))?;
    Ok(hash.to_string())
}

/// What a new password has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordRules {
    pub min: usize,
    pub min_with_second_factor: usize,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self { min: 15, min_with_second_factor: 8 }
    }
}

/// Why a new password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Fewer characters than this.
    TooShort(usize),
    TooLong,
    /// Known to everybody who guesses.
    Common,
}

impl PasswordRules {
    /// Fewest characters.
    pub fn least(&self, has_second_factor: bool) -> usize {
        if has_second_factor { self.min_with_second_factor } else { self.min }
    }

    /// Any characters, as long as there are enough of them and nobody would guess them first.
    pub fn check(&self, password: &str, has_second_factor: bool, about: &[&str]) -> Result<(), Unfit> {
        let min = self.least(has_second_factor);
        if password.chars().count() < min {
            return Err(Unfit::TooShort(min));
        }
        if password.len() > 1024 {
            return Err(Unfit::TooLong);
        }
        let lower = password.to_lowercase();
        let is_about = |text: &&str| text.len() >= 4 && lower.contains(&text.to_lowercase());
        let mut letters: Vec<char> = lower.chars().collect();
        letters.sort_unstable();
        letters.dedup();
        if letters.len() < 4 || about.iter().any(|text| is_about(text) && lower.len() < text.len() + 6) {
            return Err(Unfit::Common);
        }
        Ok(())
    }
}

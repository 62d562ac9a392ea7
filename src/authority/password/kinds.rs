//! The kinds of hashes that a user may bring along, each read once and bounded in what it may cost.

use std::num::NonZeroU32;

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash as Phc;
use aws_lc_rs::pbkdf2;
use base64_simd::{STANDARD, STANDARD_NO_PAD};
use subtle::ConstantTimeEq;

/// Most memory (KiB), passes and lanes of Argon2.
const MOST_ARGON2: [(&str, u32); 3] = [("m", 1 << 20), ("t", 16), ("p", 16)];
/// Highest cost of bcrypt, about four seconds.
const MOST_BCRYPT: u32 = 15;
/// Most rounds of PBKDF2, about two seconds.
const MOST_ROUNDS: u32 = 10_000_000;
/// Largest `ln` of scrypt and largest product of its costs: 1 GiB.
const MOST_LN: u8 = 20;
const MOST_SCRYPT: u64 = 1 << 30;
/// What bcrypt looks at of a password: so did the systems that made those hashes.
const BCRYPT_BYTES: usize = 72;

/// A hash, taken apart.
#[derive(Clone)]
pub(super) enum Kind {
    Argon2id(String),
    Bcrypt(String),
    Scrypt { params: scrypt::Params, salt: Vec<u8>, hash: Vec<u8> },
    Pbkdf2 { wide: bool, rounds: NonZeroU32, salt: Vec<u8>, hash: Vec<u8> },
}

impl Kind {
    /// The error speaks to whoever wrote the hash, and does not repeat it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.starts_with("$argon2id$") {
            return argon2id(text);
        }
        if ["$2a$", "$2b$", "$2y$"].iter().any(|start| text.starts_with(start)) {
            return bcrypt(text);
        }
        if text.starts_with("$scrypt$") {
            return scrypt(text);
        }
        if let Some(rest) = text.strip_prefix("pbkdf2_sha256$") {
            return django(rest);
        }
        for (start, wide) in [("$pbkdf2-sha256$", false), ("$pbkdf2-sha512$", true)] {
            if let Some(rest) = text.strip_prefix(start) {
                return pbkdf2(rest, wide);
            }
        }
        Err("a password's hash is one of Argon2id (`$argon2id$…`), bcrypt (`$2b$…`), scrypt (`$scrypt$…`) or PBKDF2 \
             (`$pbkdf2-sha256$…`, `$pbkdf2-sha512$…`, Django's `pbkdf2_sha256$…`)"
            .into())
    }

    pub(super) fn fits(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2id(text) => {
                Phc::new(text).is_ok_and(|hash| argon2::Argon2::default().verify_password(password, &hash).is_ok())
            }
            Self::Bcrypt(text) => {
                let seen = password.get(..BCRYPT_BYTES).unwrap_or(password);
                ::bcrypt::verify(seen, text).unwrap_or(false)
            }
            Self::Scrypt { params, salt, hash } => {
                let mut made = vec![0; hash.len()];
                ::scrypt::scrypt(password, salt, params, &mut made).is_ok() && bool::from(made.ct_eq(hash))
            }
            Self::Pbkdf2 { wide, rounds, salt, hash } => {
                let algorithm = if *wide { pbkdf2::PBKDF2_HMAC_SHA512 } else { pbkdf2::PBKDF2_HMAC_SHA256 };
                pbkdf2::verify(algorithm, *rounds, salt, password, hash).is_ok()
            }
        }
    }
}

fn argon2id(text: &str) -> Result<Kind, String> {
    let hash = Phc::new(text).map_err(|cause| format!("the hash cannot be read: {cause}"))?;
    if hash.hash.is_none() || hash.salt.is_none() {
        return Err("the hash is not complete: salt and hash belong to it".into());
    }
    argon2::Params::try_from(&hash).map_err(|cause| format!("the hash cannot be used: {cause}"))?;
    for (name, most) in MOST_ARGON2 {
        if hash.params.get_decimal(name).is_some_and(|asked| asked > most) {
            return Err(format!("the hash asks for `{name}` above {most}, which would cost too much per login"));
        }
    }
    Ok(Kind::Argon2id(text.to_owned()))
}

fn bcrypt(text: &str) -> Result<Kind, String> {
    let parts: ::bcrypt::HashParts = text.parse().map_err(|cause| format!("the hash cannot be read: {cause}"))?;
    if parts.get_cost() > MOST_BCRYPT {
        return Err(format!("the hash asks for a cost above {MOST_BCRYPT}, which would take too long per login"));
    }
    Ok(Kind::Bcrypt(text.to_owned()))
}

fn scrypt(text: &str) -> Result<Kind, String> {
    let [costs, salt, hash] = three(text.strip_prefix("$scrypt$").unwrap_or_default())?;
    let ln = named(costs, "ln")?;
    let (ln, r, p) = (u8::try_from(ln).unwrap_or(u8::MAX), named(costs, "r")?, named(costs, "p")?);
    let memory = (1_u64 << ln.min(63)).saturating_mul(128).saturating_mul(u64::from(r)).saturating_mul(u64::from(p));
    if ln > MOST_LN || memory > MOST_SCRYPT {
        return Err("the hash asks for more memory and time than one login may have".into());
    }
    let params = ::scrypt::Params::new(ln, r, p).map_err(|cause| format!("the hash cannot be used: {cause}"))?;
    Ok(Kind::Scrypt { params, salt: bytes(salt)?, hash: whole(bytes(hash)?)? })
}

/// `i=600000,l=32` and its kin, or the rounds alone as passlib writes them.
fn pbkdf2(rest: &str, wide: bool) -> Result<Kind, String> {
    let [costs, salt, hash] = three(rest)?;
    let rounds = costs.parse::<u32>().ok().map_or_else(|| named(costs, "i"), Ok)?;
    made(wide, rounds, bytes(salt)?, bytes(hash)?)
}

/// `pbkdf2_sha256$rounds$salt$hash`, the salt as it is.
fn django(rest: &str) -> Result<Kind, String> {
    let [rounds, salt, hash] = three(rest)?;
    let rounds = rounds.parse().map_err(|_| "the rounds of the hash are not a number".to_owned())?;
    made(false, rounds, salt.as_bytes().to_vec(), bytes(hash)?)
}

fn made(wide: bool, rounds: u32, salt: Vec<u8>, hash: Vec<u8>) -> Result<Kind, String> {
    if rounds > MOST_ROUNDS {
        return Err(format!("the hash asks for more than {MOST_ROUNDS} rounds, which would take too long per login"));
    }
    let rounds = NonZeroU32::new(rounds).ok_or("the hash has no rounds")?;
    Ok(Kind::Pbkdf2 { wide, rounds, salt, hash: whole(hash)? })
}

fn three(rest: &str) -> Result<[&str; 3], String> {
    let parts: Vec<&str> = rest.split('$').collect();
    parts.try_into().map_err(|_| "the hash does not have three parts behind its name: costs, salt and hash".to_owned())
}

/// The number behind `name=` in `a=1,b=2`.
fn named(costs: &str, name: &str) -> Result<u32, String> {
    let found = costs.split(',').find_map(|cost| cost.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
    found.ok_or_else(|| format!("the cost `{name}` of the hash is missing"))
}

/// Base64 as different systems write it: with or without padding, passlib's with `.` for `+`.
fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let text = text.replace('.', "+");
    let read = STANDARD.decode_to_vec(&text).or_else(|_| STANDARD_NO_PAD.decode_to_vec(&text));
    read.map_err(|_| "salt or hash is not base64".to_owned())
}

/// A short hash could be met by chance.
fn whole(hash: Vec<u8>) -> Result<Vec<u8>, String> {
    if (16..=128).contains(&hash.len()) {
        Ok(hash)
    } else {
        Err("the hash is not between 16 and 128 bytes long".into())
    }
}

//! What is kept of a client's secret, and how a presented one is held against it.

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use subtle::{Choice, ConstantTimeEq};

use crate::ground::{Digest, Secret, Time};

/// A longer secret is wrong without being looked at: nobody has one, and hashing it would cost.
pub(super) const LONGEST: usize = 1024;

/// Shorter ones can be guessed from their digest.
const SHORTEST_SAFE: usize = 16;

/// Most memory and time that a hash in the file may ask for: 1 GiB, 16 passes, 16 lanes.
const MOST: [(&str, u32); 3] = [("m", 1 << 20), ("t", 16), ("p", 16)];

/// What stands in for one secret of a client. The clear text is not kept.
#[derive(Clone)]
pub struct ClientSecret {
    pub(super) kept: Kept,
    ends: Option<Time>,
    /// See `name`.
    name: Arc<str>,
}

#[derive(Clone)]
pub(super) enum Kept {
    /// SHA-256: right for secrets that a machine made, and fast.
    Digest { sha256: [u8; 32], short: bool },
    /// Argon2id in PHC form: right for secrets that a person chose, and slow on purpose.
    Argon2(Arc<str>),
}

impl ClientSecret {
    /// From clear text that a reference of the file led to.
    pub fn clear(secret: &Secret) -> Result<Self, String> {
        let bytes = secret.expose().as_bytes();
        if bytes.is_empty() {
            return Err("the secret is empty".into());
        }
        if bytes.len() > LONGEST {
            return Err(format!("the secret is longer than {LONGEST} bytes"));
        }
        Ok(Self::of(Kept::Digest { sha256: *Digest::of(bytes).as_bytes(), short: bytes.len() < SHORTEST_SAFE }))
    }

    /// From `sha256:` and 64 hexadecimal digits, or from an Argon2id hash in PHC form (`$argon2id$…`).
    pub fn hashed(text: &str) -> Result<Self, String> {
        if let Some(digits) = text.strip_prefix("sha256:") {
            let sha256 = bytes(digits).ok_or("`sha256:` is followed by 64 hexadecimal digits")?;
            if sha256 == *Digest::of(b"").as_bytes() {
                return Err("that is the hash of an empty secret".into());
            }
            return Ok(Self::of(Kept::Digest { sha256, short: false }));
        }
        if !text.starts_with("$argon2id$") {
            return Err(
                "a secret's hash is `sha256:` and 64 hexadecimal digits, or an Argon2id hash (`$argon2id$…`)".into()
            );
        }
        let hash = PasswordHash::new(text).map_err(|cause| format!("the Argon2id hash cannot be read: {cause}"))?;
        if hash.hash.is_none() || hash.salt.is_none() {
            return Err("the Argon2id hash is not complete: salt and hash belong to it".into());
        }
        argon2::Params::try_from(&hash).map_err(|cause| format!("the Argon2id hash cannot be used: {cause}"))?;
        for (name, most) in MOST {
            if hash.params.get_decimal(name).is_some_and(|asked| asked > most) {
                return Err(format!(
                    "the Argon2id hash asks for `{name}` above {most}, which would cost too much per request"
                ));
            }
        }
        Ok(Self::of(Kept::Argon2(text.into())))
    }

    /// The same secret, good up to `ends` (milliseconds since 1970) alone.
    pub(super) fn until(self, ends: Option<u64>) -> Result<Self, String> {
        Ok(Self { ends: ends.map(Time::from_millis), ..self })
    }

    /// Whether it is still good.
    pub(super) fn is_good_at(&self, now: Time) -> bool {
        self.ends.is_none_or(|ends| now < ends)
    }

    /// Until when it is good; `None`: without an end.
    pub fn ends(&self) -> Option<Time> {
        self.ends
    }

    /// What it may be called in lists: eight hexadecimal digits of a hash of what is kept.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn of(kept: Kept) -> Self {
        let digest = match &kept {
            Kept::Digest { sha256, .. } => Digest::of(sha256),
            Kept::Argon2(hash) => Digest::of(hash.as_bytes()),
        };
        Self { kept, ends: None, name: format!("{digest:?}").into() }
    }

    /// What a client that is not there is compared with.
    pub(super) fn decoy() -> Self {
        Self { kept: Kept::Digest { sha256: [0; 32], short: false }, ends: None, name: Arc::default() }
    }

    /// Clear text that is so short that it can be guessed.
    pub(super) fn is_short(&self) -> bool {
        match &self.kept {
            Kept::Digest { short, .. } => *short,
            Kept::Argon2(_) => false,
        }
    }
}

/// Never more than the kind.
impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kept {
            Kept::Digest { .. } => "sha256:…",
            Kept::Argon2(_) => "$argon2id$…",
        })
    }
}

/// Whether one of `secrets` has this digest; looks at all of them, in time that depends on none.
pub(super) fn matches_digest(secrets: &[ClientSecret], presented: &Digest, now: Time) -> Choice {
    let mut found = Choice::from(0);
    for secret in secrets.iter().filter(|secret| secret.is_good_at(now)) {
        match &secret.kept {
            Kept::Digest { sha256, .. } => found |= sha256.ct_eq(presented.as_bytes()),
            Kept::Argon2(_) => {}
        }
    }
    found
}

/// Runs Argon2id; for a blocking thread. A hash that cannot be read matches nothing.
pub(super) fn matches_argon2(hash: &str, presented: &[u8]) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| argon2::Argon2::default().verify_password(presented, &hash).is_ok())
}

fn bytes(digits: &str) -> Option<[u8; 32]> {
    let mut out = [0_u8; 32];
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (place, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(out)
}

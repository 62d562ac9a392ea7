//! From a published key set to keys that can check signatures.
//!
//! A key that is not fit is left out with a warning and the rest of the set works (RFC 7517 section 5). Every key is parsed
//! once, here; a token never brings or chooses more than a name.

use std::sync::Arc;

use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::{Algorithm, Check, Family};
use super::compact::decode;
use crate::ground::Digest;
use crate::token::strict;

/// The usable keys of one issuer.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
    fingerprint: u64,
}

/// What came of reading a key set.
#[derive(Debug)]
pub struct Reading {
    pub keys: KeySet,
    /// One sentence for each key that was left out.
    pub warnings: Vec<String>,
}

/// One published key with the algorithms it may be used with.
#[derive(Debug)]
struct Key {
    kid: Option<Arc<str>>,
    /// A key is parsed for one algorithm at a time; RSA keys without `alg` fit six.
    checks: Vec<(Algorithm, ParsedPublicKey)>,
}

/// Keys that fit, or why there are none.
pub enum Choice<'a> {
    /// One for a named key; a few when the token names none and the issuer publishes several of the kind.
    Keys(Vec<&'a ParsedPublicKey>),
    /// There is a key of that name, made for another algorithm.
    OtherAlgorithm,
    Unknown,
}

/// Without a `kid` no more keys than this are tried.
const MOST_TRIED: usize = 4;
const LONGEST_KID: usize = 256;
const FEWEST_RSA_BITS: usize = 2048;
const MOST_RSA_BITS: usize = 8192;

impl KeySet {
    /// Reads a JWK set (RFC 7517 section 5). An error when it is none, or when not one of its keys is usable.
    pub fn read(document: &str) -> Result<Reading, String> {
        let mut members = strict::object(document.as_bytes()).map_err(|fault| format!("it is {fault}"))?;
        let Some(Value::Array(list)) = members.remove("keys") else {
            return Err("it is no key set: `keys` is missing".to_owned());
        };
        let mut warnings = Vec::new();
        let mut keys = Vec::new();
        for (index, value) in list.into_iter().enumerate() {
            match Key::read(value) {
                Ok(key) => keys.push(key),
                Err(cause) => warnings.push(format!("key {} is left out: {cause}", index + 1)),
            }
        }
        let keys = without_duplicates(keys, &mut warnings);
        if keys.is_empty() {
            let causes = warnings.first().map(|first| format!(" ({first})")).unwrap_or_default();
            return Err(format!("it holds no usable key{causes}"));
        }
        Ok(Reading { keys: Self { fingerprint: fingerprint(&keys), keys }, warnings })
    }

    /// Tells this set from another one.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that may check a token that names `kid` and `algorithm`.
    pub fn choose(&self, kid: Option<&str>, algorithm: Algorithm) -> Choice<'_> {
        let Some(kid) = kid else {
            let fitting: Vec<_> = self.keys.iter().filter_map(|key| key.fit(algorithm)).take(MOST_TRIED).collect();
            return if fitting.is_empty() { Choice::Unknown } else { Choice::Keys(fitting) };
        };
        match self.keys.iter().find(|key| key.kid.as_deref() == Some(kid)) {
            Some(key) => key.fit(algorithm).map_or(Choice::OtherAlgorithm, |fit| Choice::Keys(vec![fit])),
            None => Choice::Unknown,
        }
    }

    /// Whether every key of `before` is still here, unchanged: then what was verified with them stays verified.
    pub fn keeps_all_of(&self, before: &KeySet) -> bool {
        before.keys.iter().all(|old| self.keys.iter().any(|new| new.is_same(old)))
    }
}

impl Key {
    fn read(value: Value) -> Result<Self, String> {
        let jwk: Jwk =
            serde_json::from_value(value).map_err(|_| "a member is missing or of the wrong type".to_owned())?;
        if jwk.d.is_some() || jwk.k.is_some() {
            return Err("it is a secret, and has been published".to_owned());
        }
        if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return Err("`use` is not `sig`".to_owned());
        }
        if jwk.key_ops.as_ref().is_some_and(|acts| !acts.iter().any(|act| act == "verify")) {
            return Err("`key_ops` does not name `verify`".to_owned());
        }
        if jwk.kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > LONGEST_KID) {
            return Err("`kid` is empty or too long".to_owned());
        }
        let family = jwk.family()?;
        let algorithms = jwk.algorithms(family)?;
        let checks = algorithms.into_iter().map(|it| Ok((it, jwk.parse(it)?))).collect::<Result<_, String>>()?;
        Ok(Self { kid: jwk.kid.map(Into::into), checks })
    }

    fn fit(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.checks.iter().find(|(own, _)| *own == algorithm).map(|(_, key)| key)
    }

    fn is_same(&self, other: &Key) -> bool {
        self.kid == other.kid
            && self.checks.len() == other.checks.len()
            && self.checks.iter().zip(&other.checks).all(|(a, b)| a.0 == b.0 && a.1.as_ref() == b.1.as_ref())
    }
}

fn fingerprint(keys: &[Key]) -> u64 {
    let mut bytes = Vec::new();
    for key in keys {
        bytes.extend_from_slice(key.kid.as_deref().unwrap_or_default().as_bytes());
        for (algorithm, key) in &key.checks {
            bytes.extend_from_slice(algorithm.name().as_bytes());
            bytes.extend_from_slice(key.as_ref());
        }
    }
    Digest::of(&bytes).as_bytes().iter().take(8).fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

/// Two keys of one name: nobody can say which is meant, so neither is used.
fn without_duplicates(keys: Vec<Key>, warnings: &mut Vec<String>) -> Vec<Key> {
    let names: Vec<_> = keys.iter().filter_map(|key| key.kid.clone()).collect();
    let is_unique =
        |key: &Key| key.kid.as_ref().is_none_or(|kid| names.iter().filter(|name| *name == kid).count() == 1);
    let (kept, dropped): (Vec<_>, Vec<_>) = keys.into_iter().partition(is_unique);
    let shown = |key: &Key| key.kid.as_deref().unwrap_or_default().escape_default().to_string();
    warnings.extend(dropped.iter().map(|key| format!("key `{}` is left out: its name is there twice", shown(key))));
    kept
}

/// The members of a JWK that matter here (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// Private parts, which have no place in a published set.
    d: Option<Value>,
    k: Option<Value>,
}

impl Jwk {
    fn family(&self) -> Result<Family, String> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Ok(Family::Rsa),
            ("EC", Some("P-256")) => Ok(Family::P256),
            ("EC", Some("P-384")) => Ok(Family::P384),
            ("OKP", Some("Ed25519")) => Ok(Family::Ed25519),
            _ => Err("its type or curve is not accepted".to_owned()),
        }
    }

    /// The one that `alg` names, or all of the family.
    fn algorithms(&self, family: Family) -> Result<Vec<Algorithm>, String> {
        let fitting = Algorithm::ALL.into_iter().filter(|algorithm| algorithm.family() == family);
        let Some(name) = &self.alg else { return Ok(fitting.collect()) };
        let named = Algorithm::from_name(name).filter(|algorithm| algorithm.family() == family);
        named.map(|algorithm| vec![algorithm]).ok_or_else(|| "`alg` does not fit its type".to_owned())
    }

    fn parse(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, String> {
        match algorithm.check() {
            Check::Rsa(parameters) => {
                let (n, e) = (number(self.n.as_deref(), "n")?, number(self.e.as_deref(), "e")?);
                check_rsa(&n, &e)?;
                let parsed = RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters);
                parsed.map_err(|_| "its numbers are no RSA key".to_owned())
            }
            Check::Point(parameters) => {
                let point = self.point(algorithm.family())?;
                ParsedPublicKey::new(parameters, point).map_err(|_| "its point is not on the curve".to_owned())
            }
        }
    }

    /// The public point as aws-lc-rs takes it. Coordinates have their full length (RFC 7518 section 6.2.1.2).
    fn point(&self, family: Family) -> Result<Vec<u8>, String> {
        let coordinate = |member: &Option<String>, name: &str, length: usize| {
            let bytes = member.as_deref().and_then(decode).filter(|bytes| bytes.len() == length);
            bytes.ok_or_else(|| format!("`{name}` is missing or has the wrong length"))
        };
        let uncompressed = |length| -> Result<Vec<u8>, String> {
            Ok([vec![4], coordinate(&self.x, "x", length)?, coordinate(&self.y, "y", length)?].concat())
        };
        match family {
            Family::P256 => uncompressed(32),
            Family::P384 => uncompressed(48),
            Family::Ed25519 => coordinate(&self.x, "x", 32),
            Family::Rsa => Err("an RSA key has no point".to_owned()),
        }
    }
}

/// A big-endian number. Leading zeros are wrong by RFC 7518 section 2, yet common, and change nothing.
fn number(member: Option<&str>, name: &str) -> Result<Vec<u8>, String> {
    let bytes = member.and_then(decode).ok_or_else(|| format!("`{name}` is missing or not base64url"))?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

/// At least 2048 bits (RFC 7518 section 3.3), and an exponent that is odd, at least 3 and of at most 33 bits.
fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), String> {
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !(FEWEST_RSA_BITS..=MOST_RSA_BITS).contains(&bits) {
        return Err(format!("an RSA key of {bits} bits is not accepted"));
    }
    let exponent = e.iter().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
    if e.len() > 5 || exponent < 3 || exponent.is_multiple_of(2) || exponent >> 33 != 0 {
        return Err("its exponent is not accepted".to_owned());
    }
    Ok(())
}

//! The form of a line, and how it is chained.
//!
//! A line is one JSON object whose last two members are `prev` and `hash`. `hash` is the SHA-256, in hexadecimal, of the
//! line's own bytes before `,"hash":`; `prev` is the hash of the line before, which those bytes contain. So a ten-line
//! program in any language can check it, without parsing.

use crate::ground::{Digest, Time};

/// `prev` of the very first line.
pub const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What stands between the hashed part and its hash.
const MARK: &str = ",\"hash\":\"";
/// What ends a line, behind the hash.
const END: &str = "\"}";

/// A line, taken apart.
pub struct Line<'a> {
    pub prev: &'a str,
    pub hash: &'a str,
    /// What the hash is over.
    pub body: &'a str,
}

impl<'a> Line<'a> {
    /// `None` for what is not a line of ours.
    pub fn read(text: &'a str) -> Option<Self> {
        let (body, rest) = text.rsplit_once(MARK)?;
        let hash = rest.strip_suffix(END)?;
        let prev = body.rsplit_once(",\"prev\":\"")?.1.strip_suffix('"')?;
        let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_hash(hash) && is_hash(prev)).then_some(Self { prev, hash, body })
    }

    /// Whether its hash is right.
    pub fn is_whole(&self) -> bool {
        hash(self.body) == self.hash
    }
}

/// The line of an event: `fields` is a JSON object, `number` counts from 1.
pub(super) fn line(number: u64, at: Time, fields: &str, prev: &str) -> (String, String) {
    let inner = fields.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default();
    let body = format!("{{\"n\":{number},\"at\":\"{}\",{inner},\"prev\":\"{prev}\"", written(at));
    let hash = hash(&body);
    (format!("{body}{MARK}{hash}{END}\n"), hash)
}

/// The number of a line.
pub(super) fn number(text: &str) -> Option<u64> {
    text.strip_prefix("{\"n\":")?.split(',').next()?.parse().ok()
}

fn hash(body: &str) -> String {
    let digest = Digest::of(body.as_bytes());
    let mut out = String::with_capacity(64);
    for byte in digest.as_bytes() {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    out
}

/// RFC 3339, to the millisecond.
fn written(at: Time) -> String {
    let millis = i64::try_from(at.millis()).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

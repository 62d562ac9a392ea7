//! One-time codes of an app (RFC 6238): six digits, thirty seconds, SHA-1, which is what every app understands.

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;

use crate::ground::{Random, Time};

const PERIOD: u64 = 30;

/// A new secret, 160 bits (RFC 4226 section 4).
pub fn new_secret(random: &dyn Random) -> [u8; 20] {
    random.bytes()
}

/// What apps read from a QR code.
pub fn address(secret: &[u8], title: &str, account: &str) -> String {
    let encoded =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    let (title, account) = (encoded(title), encoded(account));
    format!("otpauth://totp/{title}:{account}?secret={}&issuer={title}", base32(secret))
}

/// The secret as people type it (RFC 4648 section 6, without padding).
pub fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut out, mut buffer, mut bits) = (String::new(), 0_u32, 0);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            let digit = usize::try_from((buffer >> bits) & 31).unwrap_or(0);
            out.extend(ALPHABET.get(digit).map(|letter| char::from(*letter)));
        }
    }
    if bits > 0 {
        let digit = usize::try_from((buffer << (5 - bits)) & 31).unwrap_or(0);
        out.extend(ALPHABET.get(digit).map(|letter| char::from(*letter)));
    }
    out
}

/// The time step whose code this is: the present one or a neighbour, and later than the last one used.
pub fn check(secret: &[u8], code: &str, now: Time, last: Option<u64>) -> Option<u64> {
    let code: String = code.chars().filter(|letter| !letter.is_whitespace()).collect();
    let present = now.secs() / PERIOD;
    let mut found = None;
    for step in present.saturating_sub(1)..=present + 1 {
        let right = bool::from(at(secret, step).as_bytes().ct_eq(code.as_bytes()));
        if right && last.is_none_or(|last| step > last) {
            found = Some(step);
        }
    }
    found
}

/// The code that an app shows at `now`.
#[cfg(test)]
pub(super) fn code(secret: &[u8], now: Time) -> String {
    at(secret, now.secs() / PERIOD)
}

/// The code of a time step (RFC 4226 section 5.3).
fn at(secret: &[u8], step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or(0) & 15);
    let word = tag.get(offset..offset + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_be_bytes);
    format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn the_codes_of_rfc_6238_appendix_b_are_made() {
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(at(SECRET, seconds / PERIOD), code);
        }
    }

    #[test]
    fn ui_09_a_step_is_accepted_once_and_one_beside_the_present() {
        let now = Time::from_secs(1_111_111_109);
        let present = 1_111_111_109 / PERIOD;
        for (step, accepted) in [(present - 2, false), (present - 1, true), (present + 1, true), (present + 2, false)] {
            assert_eq!(check(SECRET, &at(SECRET, step), now, None), accepted.then_some(step));
        }
        assert_eq!(check(SECRET, &at(SECRET, present), now, Some(present)), None);
        assert_eq!(check(SECRET, " 08 18 04", now, None), Some(present));
        for wrong in ["", "081805", "0818041", "abcdef"] {
            assert_eq!(check(SECRET, wrong, now, None), None, "{wrong}");
        }
    }

    #[test]
    fn the_secret_is_written_as_rfc_4648_says() {
        assert_eq!(base32(b"foobar"), "MZXW6YTBOI");
        assert_eq!(base32(SECRET), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }
}

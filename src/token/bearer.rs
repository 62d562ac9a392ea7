//! Finds the credential in a request: the `Authorization` header, and nothing else.

/// The longest token that is looked at, in bytes; everything longer is refused before any decoding.
pub const LONGEST: usize = 16 * 1024;

/// Why the credential of a request cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BearerFault {
    /// Two `Authorization` lines: whoever reads the first and whoever reads the last would see different callers.
    #[error("there is more than one Authorization header")]
    Duplicated,
    /// Not the form of RFC 6750 section 2.1; the text says what is wrong.
    #[error("the Authorization header is malformed: {0}")]
    Malformed(&'static str),
}

/// What stands behind `Bearer`, not looked at: enough to ask whether just these bytes have been found good before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented<'a>(&'a [u8]);

impl<'a> Presented<'a> {
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The token, if it has the form of one.
    pub fn token(self) -> Result<&'a str, BearerFault> {
        let Some(token) = self.0.strip_prefix(b" ") else {
            return Err(BearerFault::Malformed("one space must follow the scheme"));
        };
        if token.len() > LONGEST {
            return Err(BearerFault::Malformed("the token is longer than 16 KiB"));
        }
        if !is_b64token(token) {
            return Err(BearerFault::Malformed("the token is empty or has characters that no token has"));
        }
        std::str::from_utf8(token).map_err(|_| BearerFault::Malformed("the token is not ASCII"))
    }
}

/// What the one `Authorization` header presents (RFC 6750 section 2.1). `None` when there is no such header, or when its
/// scheme is another one: that is no token, so the route answers as if none had been sent.
pub fn find<'a>(authorization: impl Iterator<Item = &'a [u8]>) -> Result<Option<Presented<'a>>, BearerFault> {
    let mut lines = authorization;
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(BearerFault::Duplicated);
    }
    Ok(after_scheme(line).map(Presented))
}

/// What follows the word `Bearer` in any case; `None` for another scheme. `Bearers x` is another scheme, `Bearer⇥x` is a
/// malformed one of ours.
fn after_scheme(line: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer";
    let (word, rest) = line.split_at_checked(SCHEME.len())?;
    let ended = rest.first().is_none_or(|byte| !is_scheme_byte(*byte));
    (word.eq_ignore_ascii_case(SCHEME) && ended).then_some(rest)
}

/// `token` of RFC 9110 section 5.6.2.
fn is_scheme_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `b64token` of RFC 6750 section 2.1.
fn is_b64token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let (body, _) = token.split_at(token.len() - padding);
    // Without a way out in the middle, so that many bytes are looked at in one step.
    !body.is_empty() && body.iter().fold(true, |good, byte| good & is_token_byte(*byte))
}

fn is_token_byte(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // `-`, `.` and `/` stand before the digits, and nothing else between.
    let digit_or_mark = byte.wrapping_sub(b'-') < 13;
    letter | digit_or_mark | (byte == b'_') | (byte == b'~') | (byte == b'+')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&[u8]], expected: Result<Option<&str>, &str>) {
        let found = find(lines.iter().copied()).and_then(|found| found.map(Presented::token).transpose());
        match (&found, &expected) {
            (Ok(token), Ok(wanted)) => assert_eq!(token, wanted, "{lines:?}"),
            (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{lines:?}: {fault}"),
            (_, _) => panic!("{lines:?}: {found:?}"),
        }
    }

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_the_scheme() {
        check(&[b"Bearer abc.def-_~+/="], Ok(Some("abc.def-_~+/=")));
        check(&[b"bearer T"], Ok(Some("T")));
        check(&[b"BEARER T=="], Ok(Some("T==")));
    }

    #[test]
    fn a_token_has_the_characters_of_its_grammar_and_no_others() {
        for byte in 0..=255_u8 {
            let expected = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert_eq!(is_token_byte(byte), expected, "{byte}");
        }
    }

    #[test]
    fn another_scheme_is_no_token() {
        check(&[], Ok(None));
        for line in [&b""[..], b"Basic dXNlcjpwYXNz", b"DPoP T", b"BearerT", b"Bearers T", b"Bear", b"Bearer-X T"] {
            check(&[line], Ok(None));
        }
    }

    #[test]
    fn two_lines_are_refused_even_when_they_are_equal() {
        check(&[b"Bearer A", b"Bearer A"], Err("more than one"));
        check(&[b"Bearer A", b"Basic x"], Err("more than one"));
        check(&[b"Basic x", b"Bearer A"], Err("more than one"));
    }

    #[test]
    fn what_is_not_a_token_is_malformed() {
        let long = [b"Bearer ".to_vec(), vec![b'a'; LONGEST + 1]].concat();
        for line in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer  T",
            b"Bearer\tT",
            b"Bearer A, Bearer B",
            b"Bearer A,B",
            b"Bearer \"T\"",
            b"Bearer ==",
            b"Bearer a=b",
            b"Bearer caf\xc3\xa9",
            b"Bearer:T",
            &long,
        ] {
            check(&[line], Err("malformed"));
        }
        check(&[&[b"Bearer ".to_vec(), vec![b'a'; LONGEST]].concat()], Ok(Some(&"a".repeat(LONGEST))));
    }
}

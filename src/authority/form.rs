//! The body of a form endpoint, read strictly: one meaning or none.

use std::collections::HashSet;
use std::fmt;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use url::form_urlencoded;

use super::error::OAuthError;

/// No request of OAuth comes near this.
pub(super) const LARGEST: usize = 64 * 1024;

/// Parameters that may be repeated (RFC 8707 section 2).
const REPEATABLE: &[&str] = &["resource"];

/// Decoded parameters. Those with an empty value are absent (RFC 6749 section 3.2), unknown ones are just never asked for.
pub struct Form {
    pairs: Vec<(String, String)>,
    /// Names that came twice and may not. Empty, unless reading was lenient.
    repeated: Vec<String>,
}

impl Form {
    /// Reads `application/x-www-form-urlencoded` and nothing else.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, OAuthError> {
        let form = Self::read_lenient(headers, body)?;
        if form.repeated.is_empty() { Ok(form) } else { Err(OAuthError::Malformed("a parameter was sent twice")) }
    }

    /// The same; what came twice is noted and not yet an error. For requests of browsers, where first has to be known
    /// whether the client may be told.
    pub(super) fn read_lenient(headers: &HeaderMap, body: &[u8]) -> Result<Self, OAuthError> {
        if headers.contains_key(CONTENT_ENCODING) {
            return Err(OAuthError::BodyEncoded);
        }
        if !is_form(headers) {
            return Err(OAuthError::Malformed("the content type must be application/x-www-form-urlencoded"));
        }
        if body.len() > LARGEST {
            return Err(OAuthError::BodyTooLarge);
        }
        Self::parse(body)
    }

    /// Reads a query like a body; lenient about repetition.
    pub fn parse(text: &[u8]) -> Result<Self, OAuthError> {
        let mut seen = HashSet::new();
        let (mut pairs, mut repeated) = (Vec::new(), Vec::new());
        for piece in text.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()) {
            let (name, value) = decoded_pair(piece)?;
            if !seen.insert(name.clone()) && !REPEATABLE.contains(&name.as_str()) {
                repeated.push(name.clone());
            }
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        Ok(Self { pairs, repeated })
    }

    pub fn is_repeated(&self, name: &str) -> bool {
        self.repeated.iter().any(|own| own == name)
    }

    pub fn has_repeated(&self) -> bool {
        !self.repeated.is_empty()
    }

    /// The value of a parameter.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a parameter that may be repeated.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Names only: values are secrets.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}

/// Decodes a value that was form-encoded on its own, as RFC 6749 section 2.3.1 asks of Basic credentials; `None` when it
/// cannot be such a value.
pub(super) fn decoded(value: &str) -> Option<String> {
    if value.contains(['&', '=']) || !is_percent_encoded(value.as_bytes()) {
        return None;
    }
    let (text, _) = form_urlencoded::parse(value.as_bytes()).next()?;
    (!text.contains(char::REPLACEMENT_CHARACTER)).then(|| text.into_owned())
}

/// The library forgives broken percent signs and bytes that are not UTF-8; here they are an error, because another reader
/// of the same bytes could forgive differently.
fn decoded_pair(piece: &[u8]) -> Result<(String, String), OAuthError> {
    if !is_percent_encoded(piece) {
        return Err(OAuthError::Malformed("the body has a broken percent encoding"));
    }
    let Some((name, value)) = form_urlencoded::parse(piece).next() else {
        return Err(OAuthError::Malformed("the body cannot be read"));
    };
    if name.contains(char::REPLACEMENT_CHARACTER) || value.contains(char::REPLACEMENT_CHARACTER) {
        return Err(OAuthError::Malformed("the body is not UTF-8"));
    }
    Ok((name.into_owned(), value.into_owned()))
}

/// Every `%` is followed by two hexadecimal digits.
fn is_percent_encoded(bytes: &[u8]) -> bool {
    bytes
        .split(|byte| *byte == b'%')
        .skip(1)
        .all(|rest| rest.first().is_some_and(u8::is_ascii_hexdigit) && rest.get(1).is_some_and(u8::is_ascii_hexdigit))
}

/// The media type, compared exactly once its parameters are gone.
fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).into_iter();
    let (Some(content), None) = (types.next(), types.next()) else { return false };
    let media = content.to_str().ok().and_then(|text| text.split(';').next());
    media.is_some_and(|media| media.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

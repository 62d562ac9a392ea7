//! Fields and the typed headers of the http crate, for whoever speaks in those: hyper and the authority.

use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::{BufMut as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Fields, Line, Marks, Place, range, room_for, spare, tag};

impl Fields {
    /// The same in typed headers. All values share one copy of the text.
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.lines.len());
        let text = Bytes::copy_from_slice(&self.text);
        for line in &self.lines {
            let Some(name) = typed(self.part(line.start, line.colon)) else { continue };
            let within = line.from <= line.to && line.to as usize <= text.len();
            // None fails: a line has been looked at before it came here.
            let value = within.then(|| HeaderValue::from_maybe_shared(text.slice(range(line.from, line.to))));
            if let Some(Ok(mut value)) = value {
                value.set_sensitive(CHANGING.contains(&name));
                map.append(name, value);
            }
        }
        map
    }

    /// Adds a line that has been looked at: a typed value holds no controls.
    fn append_typed(&mut self, name: &HeaderName, value: &HeaderValue) {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        let tag = tag(name);
        self.names = self.names.with(tag);
        let start = self.text.len();
        for part in [name, b": ", value, b"\r\n"] {
            self.text.put_slice(part);
        }
        let place = Place { name: (start, name.len()), value: (start + name.len() + 2, value.len()) };
        self.lines.extend(Line::at(place).map(|line| Line { tag, tidy: true, ..line }));
    }
}

impl From<&HeaderMap> for Fields {
    fn from(map: &HeaderMap) -> Self {
        let (text, lines) = (spare::text(1024), room_for(map.len()));
        let mut fields = Self { text, lines, names: Marks::NONE };
        map.iter().for_each(|(name, value)| fields.append_typed(name, value));
        fields
    }
}

impl<'a> FromIterator<(&'a HeaderName, &'a HeaderValue)> for Fields {
    fn from_iter<I: IntoIterator<Item = (&'a HeaderName, &'a HeaderValue)>>(lines: I) -> Self {
        let mut fields = Self::new();
        lines.into_iter().for_each(|(name, value)| fields.append_typed(name, value));
        fields
    }
}

/// Names that stand in many messages.
const USUAL: [&str; 52] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "access-control-allow-origin",
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expires",
    "forwarded",
    "host",
    "if-modified-since",
    "if-none-match",
    "keep-alive",
    "last-modified",
    "location",
    "origin",
    "pragma",
    "ratelimit",
    "ratelimit-policy",
    "referer",
    "referrer-policy",
    "server",
    "set-cookie",
    "strict-transport-security",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-auth-client",
    "x-auth-issuer",
    "x-auth-roles",
    "x-auth-scope",
    "x-auth-subject",
    "x-auth-token",
    "x-content-type-options",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-frame-options",
    "x-request-id",
];

/// Their values are others in each answer. HTTP/2 keeps them out of what it compresses by (RFC 7541 section 7.1.3): remembered,
/// they would drive out what does come again, and all that are remembered of a name are looked through for each.
const CHANGING: [HeaderName; 2] = [HeaderName::from_static("ratelimit"), HeaderName::from_static("x-request-id")];

/// To read a name anew costs several times as much as to find it here.
static KNOWN: LazyLock<HashMap<&'static [u8], HeaderName, foldhash::fast::RandomState>> =
    LazyLock::new(|| USUAL.into_iter().map(|name| (name.as_bytes(), HeaderName::from_static(name))).collect());

/// A name in small letters, typed.
fn typed(name: &[u8]) -> Option<HeaderName> {
    KNOWN.get(name).cloned().or_else(|| HeaderName::from_bytes(name).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_with_each_answer_is_kept_out_of_compression() {
        let mut fields = Fields::new();
        let all = ["x-request-id", "ratelimit", "ratelimit-policy", "x-frame-options", "x-own"];
        all.iter().for_each(|name| fields.append(&HeaderName::from_static(name), "1"));
        let map = fields.to_map();
        let kept_out = all.map(|name| map[name].is_sensitive());
        assert_eq!(kept_out, [true, true, false, false, false]);
    }

    #[test]
    fn a_known_name_is_the_name_that_it_reads_as() {
        for (text, name) in &*KNOWN {
            assert_eq!(HeaderName::from_bytes(text).unwrap(), name);
        }
    }
}

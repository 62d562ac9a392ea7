//! An access-log line as JSON, for machines. `docs/logging.md` explains the fields.

use std::time::Duration;

use crate::ground::{Time, address, plain};
use crate::observe::Record;
use crate::observe::record::{TokenUse, Who};

/// The text of the current second, so that a date is worked out once a second and not once a line.
#[derive(Default)]
pub struct Stamp {
    second: u64,
    text: String,
}

impl Stamp {
    /// RFC 3339 in UTC to the second, without the `Z`.
    fn of(&mut self, time: Time) -> &str {
        if self.text.is_empty() || self.second != time.secs() {
            self.second = time.secs();
            self.text.clear();
            let second = i64::try_from(time.secs()).unwrap_or(0);
            let stamp = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            let text = stamp.to_string();
            self.text.push_str(text.trim_end_matches('Z'));
        }
        &self.text
    }
}

/// A text under a key. What stands before the value is put together by the compiler.
macro_rules! text {
    ($line:ident, $key:literal, $value:expr) => {
        $line.text(concat!(",\"", $key, "\":\""), $value)
    };
}

/// The same of a word that needs no escape, whatever it is.
macro_rules! word {
    ($line:ident, $key:literal, $value:expr) => {
        $line.word(concat!(",\"", $key, "\":\""), $value)
    };
}

/// A text under a key, where there is one.
macro_rules! maybe {
    ($line:ident, $key:literal, $value:expr) => {
        if let Some(value) = $value {
            text!($line, $key, value);
        }
    };
}

/// A number under a key.
macro_rules! number {
    ($line:ident, $key:literal, $value:expr) => {
        $line.number(concat!(",\"", $key, "\":"), $value)
    };
}

/// Writes `record` as one line.
pub fn line(out: &mut Vec<u8>, stamp: &mut Stamp, (record, who): (&Record, Option<&Who>), duration: Duration) {
    let mut line = Line { out };
    line.raw("{\"time\":\"");
    line.raw(stamp.of(record.at));
    line.raw(".");
    line.thousandths(record.at.millis() % 1000);
    line.raw("Z\"");
    text!(line, "request.id", &record.request_id);
    line.raw(",\"client.address\":\"");
    address::push(line.out, record.client);
    line.raw("\"");
    // A token of letters, digits and marks that JSON takes as they are (RFC 9110 section 9.1).
    word!(line, "http.method", record.method.as_str());
    text!(line, "http.host", &record.host);
    text!(line, "http.path", &record.path);
    word!(line, "http.version", record.version);
    number!(line, "http.status", u64::from(record.status));
    line.ready(record.route.as_ref().map(|route| route.json()));
    maybe!(line, "refusal.code", record.refusal.map(|reason| reason.code()));
    maybe!(line, "refusal.detail", record.detail.as_deref());
    maybe!(line, "observed.code", record.observed.map(|reason| reason.code()));
    line.ready(who.map(|who| &*who.json));
    if let Some(level) = token_word(record.token) {
        word!(line, "token.cache", level);
    }
    line.ready(record.upstream.as_ref().map(|upstream| upstream.json()));
    maybe!(line, "upstream.server", record.server.as_deref());
    if let Some(time) = record.upstream_time {
        line.millis(",\"upstream.duration_ms\":", time);
    }
    if record.retries > 0 {
        number!(line, "upstream.retries", u64::from(record.retries));
    }
    maybe!(line, "trace.id", record.trace_id.as_deref());
    number!(line, "bytes_in", record.received());
    number!(line, "bytes_out", record.bytes_out);
    line.millis(",\"duration_ms\":", duration);
    if record.aborted {
        line.raw(",\"aborted\":true");
    }
    line.raw("}\n");
}

fn token_word(token: TokenUse) -> Option<&'static str> {
    match token {
        TokenUse::None => None,
        TokenUse::Local => Some("local"),
        TokenUse::Shared => Some("shared"),
        TokenUse::Verified | TokenUse::Refused => Some("miss"),
    }
}

struct Line<'a> {
    out: &'a mut Vec<u8>,
}

impl Line<'_> {
    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// What was made ready by `member`.
    fn ready(&mut self, members: Option<&[u8]>) {
        self.out.extend_from_slice(members.unwrap_or_default());
    }

    fn text(&mut self, before: &str, value: &str) {
        self.raw(before);
        escape(self.out, value);
        self.raw("\"");
    }

    fn word(&mut self, before: &str, value: &str) {
        self.raw(before);
        self.raw(value);
        self.raw("\"");
    }

    /// Three digits.
    fn thousandths(&mut self, value: u64) {
        for unit in [100, 10, 1] {
            self.out.push(b'0' + u8::try_from(value / unit % 10).unwrap_or(0));
        }
    }

    fn number(&mut self, before: &str, value: u64) {
        self.raw(before);
        self.raw(itoa::Buffer::new().format(value));
    }

    fn millis(&mut self, before: &str, value: Duration) {
        self.raw(before);
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        self.raw(itoa::Buffer::new().format(micros / 1000));
        self.raw(".");
        self.thousandths(micros % 1000);
    }
}

/// A text under a key, behind others: what is the same in many lines is made ready once.
pub fn member(key: &str, value: &str) -> Box<[u8]> {
    let mut out = Vec::new();
    Line { out: &mut out }.text(&format!(",\"{key}\":\""), value);
    out.into()
}

/// JSON's escapes, and also the marks that change what a terminal shows: C1 controls, and bidirectional overrides that
/// make a line read differently from what it says.
pub fn escape(out: &mut Vec<u8>, text: &str) {
    if plain::needs_no_escape(text.as_bytes()) {
        return out.extend_from_slice(text.as_bytes());
    }
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            mark if plain::is_deceptive(mark) => unicode(out, mark),
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// `\u001b`; all characters that come here are in the basic plane.
fn unicode(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
}

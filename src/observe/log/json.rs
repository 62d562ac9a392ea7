//! An access-log line as JSON, for machines. `docs/logging.md` explains the fields.

use std::time::Duration;

use crate::ground::{Time, address};
use crate::observe::Record;
use crate::observe::record::TokenUse;

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

/// Writes `record` as one line.
pub fn line(out: &mut Vec<u8>, stamp: &mut Stamp, record: &Record, duration: Duration) {
    let mut line = Line { out };
    line.raw("{\"time\":\"");
    line.raw(stamp.of(record.at));
    line.raw(".");
    line.thousandths(record.at.millis() % 1000);
    line.raw("Z\"");
    line.text("request.id", &record.request_id);
    line.key("client.address");
    line.raw("\"");
    address::push(line.out, record.client);
    line.raw("\"");
    line.text("http.method", record.method.as_str());
    line.text("http.host", &record.host);
    line.text("http.path", &record.path);
    line.text("http.version", record.version);
    line.number("http.status", u64::from(record.status));
    line.maybe("route.name", record.route.as_ref().map(|route| &*route.name));
    line.maybe("refusal.code", record.refusal.map(|reason| reason.code()));
    line.maybe("refusal.detail", record.detail.as_deref());
    line.maybe("observed.code", record.observed.map(|reason| reason.code()));
    line.maybe("client.id", record.client_id.as_deref());
    line.maybe("user.id", record.subject.as_deref());
    line.maybe("issuer.name", record.issuer.as_deref());
    line.maybe("token.cache", token_word(record.token));
    line.maybe("upstream.name", record.upstream.as_ref().map(|upstream| &*upstream.name));
    line.maybe("upstream.server", record.server.as_deref());
    if let Some(time) = record.upstream_time {
        line.millis("upstream.duration_ms", time);
    }
    if record.retries > 0 {
        line.number("upstream.retries", u64::from(record.retries));
    }
    line.maybe("trace.id", record.trace_id.as_deref());
    line.number("bytes_in", record.received());
    line.number("bytes_out", record.bytes_out);
    line.millis("duration_ms", duration);
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

    fn key(&mut self, key: &str) {
        self.raw(",\"");
        self.raw(key);
        self.raw("\":");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.raw("\"");
        escape(self.out, value);
        self.raw("\"");
    }

    fn maybe(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// Three digits.
    fn thousandths(&mut self, value: u64) {
        for unit in [100, 10, 1] {
            self.out.push(b'0' + u8::try_from(value / unit % 10).unwrap_or(0));
        }
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        self.raw(itoa::Buffer::new().format(value));
    }

    fn millis(&mut self, key: &str, value: Duration) {
        self.key(key);
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        self.raw(itoa::Buffer::new().format(micros / 1000));
        self.raw(".");
        self.thousandths(micros % 1000);
    }
}

/// JSON's escapes, and also the marks that change what a terminal shows: C1 controls, and bidirectional overrides that
/// make a line read differently from what it says.
pub fn escape(out: &mut Vec<u8>, text: &str) {
    // Without a way out in the middle, so that many bytes are looked at in one step.
    let plain = |byte: u8| (byte.wrapping_sub(b' ') < 95) & (byte != b'"') & (byte != b'\\');
    if text.bytes().fold(true, |good, byte| good & plain(byte)) {
        return out.extend_from_slice(text.as_bytes());
    }
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}' => {
                unicode(out, character);
            }
            control if control.is_control() => unicode(out, control),
            plain => out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// `\u001b`; all characters that come here are in the basic plane.
fn unicode(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
}

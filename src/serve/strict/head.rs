//! Bytes to a request's head, if they are one that has a single reading.

use std::mem::MaybeUninit;

use bytes::{Buf as _, BytesMut};
use http::Method;

use crate::ground::fields::Place;
use crate::ground::{Fields, RequestHead};

/// Larger heads are hyper's; so are those with more lines.
const MOST_BYTES: usize = 32 * 1024;
const MOST_LINES: usize = 96;
/// What the gateway says on top of a head, roughly.
const ROOM: usize = 768;

/// A request's head, and what it says of the connection.
pub struct Head {
    pub request: Box<RequestHead>,
    pub body: Length,
    /// The client takes no answer but this.
    pub close: bool,
}

/// How the end of the body is told (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Known(u64),
    Chunked,
}

/// What stands at the beginning of the bytes.
pub enum Read {
    Head(Head),
    /// The beginning of one.
    Partial,
    /// Nothing of which we are sure. The bytes are as they were.
    Odd,
}

/// Takes a head off `read`.
pub fn take(read: &mut BytesMut) -> Read {
    let mut lines = [const { MaybeUninit::uninit() }; MOST_LINES];
    let mut request = httparse::Request::new(&mut []);
    // Methods are in capital letters; so is nothing else that could stand here, empty lines and TLS among it.
    if !read.first().is_some_and(u8::is_ascii_uppercase) {
        return Read::Odd;
    }
    let config = httparse::ParserConfig::default();
    let end = match config.parse_request_with_uninit_headers(&mut request, read, &mut lines) {
        Ok(httparse::Status::Complete(end)) if end <= MOST_BYTES => end,
        Ok(httparse::Status::Partial) if read.len() <= MOST_BYTES => return Read::Partial,
        Ok(_) | Err(_) => return Read::Odd,
    };
    let Some(bytes) = read.get(..end) else { return Read::Odd };
    let (Some(method), Some(path), Some(1)) = (request.method, request.path, request.version) else {
        return Read::Odd;
    };
    let Some(method) = usual(method, path.as_bytes()) else { return Read::Odd };
    if !ends_lines_well(bytes) {
        return Read::Odd;
    }
    let mut said = Said::default();
    if request.headers.iter().any(|line| said.line(line.name, line.value).is_none()) {
        return Read::Odd;
    }
    let start = bytes.as_ptr().addr();
    let place = |part: &[u8]| (part.as_ptr().addr().wrapping_sub(start), part.len());
    let places =
        request.headers.iter().map(|line| Place { name: place(line.name.as_bytes()), value: place(line.value) });
    let mut text = BytesMut::with_capacity(end.saturating_add(ROOM).next_power_of_two());
    text.extend_from_slice(bytes);
    let Some(fields) = Fields::of_text(text, places) else { return Read::Odd };
    let target = path.to_owned();
    // Nothing is taken before all is known to be good.
    read.advance(end);
    if read.is_empty() {
        // An idle connection holds no buffer.
        *read = BytesMut::new();
    }
    let body = if said.chunked { Length::Chunked } else { Length::Known(said.length.unwrap_or(0)) };
    Read::Head(Head { request: Box::new(RequestHead::new(method, target, fields)), body, close: said.close })
}

/// The method, if it and the target are of the usual kind: a name in capital letters, and a path with a query of characters
/// that stand for themselves (RFC 3986 section 3.3).
fn usual(method: &str, target: &[u8]) -> Option<Method> {
    let plain = target.iter().fold(true, |good, byte| good & is_of_target(*byte));
    let good = method.bytes().all(|byte| byte.is_ascii_uppercase()) && target.starts_with(b"/") && plain;
    let method = Method::from_bytes(method.as_bytes()).ok().filter(|_| good)?;
    (method != Method::CONNECT).then_some(method)
}

/// `pchar`, `/` and `?`; hyper knows what to do with the rest.
fn is_of_target(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // `$%&'()*+,-./`, digits, `:;`.
    let middle = byte.wrapping_sub(b'$') < 24;
    letter
        | middle
        | (byte == b'!')
        | (byte == b'=')
        | (byte == b'?')
        | (byte == b'@')
        | (byte == b'_')
        | (byte == b'~')
}

/// Whether every line ends with CR LF; httparse lets a bare LF pass.
fn ends_lines_well(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', bytes).all(|at| at > 0 && bytes.get(at - 1) == Some(&b'\r'))
}

/// What the lines say that matters here.
#[derive(Default)]
struct Said {
    length: Option<u64>,
    chunked: bool,
    close: bool,
}

impl Said {
    /// Notes one line; `None`: this head is not for us.
    fn line(&mut self, name: &str, value: &[u8]) -> Option<()> {
        // Of the names that matter here, none has another length.
        match name.len() {
            6 => (!is(name, "expect")).then_some(()),
            7 => (!is(name, "upgrade")).then_some(()),
            10 if is(name, "connection") => {
                let mut words = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                self.close |= words.any(|word| word.eq_ignore_ascii_case(b"close"));
                Some(())
            }
            14 if is(name, "content-length") => {
                let plain = value.len() == 1 || !value.starts_with(b"0");
                let digits = plain && !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
                let length = std::str::from_utf8(value).ok()?.parse().ok().filter(|_| digits)?;
                let alone = self.length.replace(length).is_none() && !self.chunked;
                alone.then_some(())
            }
            17 if is(name, "transfer-encoding") => {
                let alone = !std::mem::replace(&mut self.chunked, true) && self.length.is_none();
                (alone && value.eq_ignore_ascii_case(b"chunked")).then_some(())
            }
            _ => Some(()),
        }
    }
}

fn is(name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_the_characters_of_its_grammar_and_no_others() {
        for byte in 0..=255_u8 {
            let expected = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
            assert_eq!(is_of_target(byte), expected, "{byte}");
        }
    }
}

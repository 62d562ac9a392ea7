//! Bytes to a request's head, if they are one that has a single reading.

use std::mem::MaybeUninit;

use bytes::{Buf as _, BytesMut};
use http::Method;

use crate::ground::fields::Place;
use crate::ground::{Fields, RequestHead, spare};

/// Read at once.
pub const HEAD_PIECE: usize = 8 * 1024;
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

/// Takes a head off what has been read before and the piece that has come now. One that comes whole, as nearly all do, is
/// read where it stands, and nothing of it is copied into the buffer.
pub fn take(read: &mut BytesMut, piece: &[u8]) -> Read {
    if !read.is_empty() {
        // A head ends with a line; without the end of one there is no need to look.
        let news = piece.is_empty() || piece.contains(&b'\n') || read.len() > HEAD_PIECE;
        read.extend_from_slice(piece);
        return if news { take_off(read) } else { Read::Partial };
    }
    let (taken, end) = first_of(piece);
    read.extend_from_slice(piece.get(end..).unwrap_or_default());
    taken
}

/// Takes a head off the buffer.
fn take_off(read: &mut BytesMut) -> Read {
    let (taken, end) = first_of(read);
    read.advance(end);
    if read.is_empty() {
        // An idle connection holds no buffer.
        *read = BytesMut::new();
    }
    taken
}

/// What stands first in some bytes, and how many of them it is: none, if it is no whole head.
fn first_of(read: &[u8]) -> (Read, usize) {
    match read.first() {
        None => (Read::Partial, 0),
        // Methods are in capital letters; so is nothing else that could stand here, empty lines and TLS among it.
        Some(first) if !first.is_ascii_uppercase() => (Read::Odd, 0),
        Some(_) => match parsed(read) {
            Ok(Some((head, end))) => (Read::Head(head), end),
            Ok(None) => (Read::Partial, 0),
            Err(Odd) => (Read::Odd, 0),
        },
    }
}

/// Not for this engine.
struct Odd;

/// The head that stands first and its length; `None`: the beginning of one.
fn parsed(read: &[u8]) -> Result<Option<(Head, usize)>, Odd> {
    let mut lines = [const { MaybeUninit::uninit() }; MOST_LINES];
    let mut request = httparse::Request::new(&mut []);
    let config = httparse::ParserConfig::default();
    let end = match config.parse_request_with_uninit_headers(&mut request, read, &mut lines) {
        Ok(httparse::Status::Complete(end)) if end <= MOST_BYTES => end,
        Ok(httparse::Status::Partial) if read.len() <= MOST_BYTES => return Ok(None),
        Ok(_) | Err(_) => return Err(Odd),
    };
    let bytes = read.get(..end).ok_or(Odd)?;
    let (Some(method), Some(path), Some(1)) = (request.method, request.path, request.version) else {
        return Err(Odd);
    };
    let method = usual(method, path.as_bytes()).ok_or(Odd)?;
    let mut said = Said::default();
    request.headers.iter().try_for_each(|line| said.line(line.name, line.value)).ok_or(Odd)?;
    let start = bytes.as_ptr().addr();
    let place = |part: &[u8]| (part.as_ptr().addr().wrapping_sub(start), part.len());
    let places =
        request.headers.iter().map(|line| Place { name: place(line.name.as_bytes()), value: place(line.value) });
    let mut text = spare::text(end.saturating_add(ROOM));
    text.extend_from_slice(bytes);
    let fields = Fields::of_text(text, places).ok_or(Odd)?;
    let first = request.headers.first().map_or(end.saturating_sub(2), |line| place(line.name.as_bytes()).0);
    if !ends_lines_well(bytes, first, fields.is_tidy()) {
        return Err(Odd);
    }
    let body = if said.chunked { Length::Chunked } else { Length::Known(said.length.unwrap_or(0)) };
    let request = Box::new(RequestHead::new(method, path.to_owned(), fields));
    Ok(Some((Head { request, body, close: said.close }, end)))
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

/// Whether every line ends with CR LF; httparse lets a bare LF pass. Where the fields, of which the first begins at `first`,
/// are known to end well, only the line before and the one after them are to be looked at.
fn ends_lines_well(bytes: &[u8], first: usize, fields_do: bool) -> bool {
    if fields_do {
        let before = bytes.get(..first).unwrap_or_default();
        return before.ends_with(b"\r\n") && bytes.ends_with(b"\r\n");
    }
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

    const HEAD: &str = "GET /a HTTP/1.1\r\nHost: a\r\nX-Tab:\tb \r\nContent-Length: 3\r\n\r\n";

    #[test]
    fn a_head_is_the_same_wherever_it_is_cut_and_what_follows_stays() {
        let all = format!("{HEAD}abcGET");
        for cut in 0..=all.len() {
            let (first, second) = all.as_bytes().split_at(cut);
            let mut read = BytesMut::new();
            let taken = match take(&mut read, first) {
                Read::Partial => take(&mut read, second),
                taken => {
                    read.extend_from_slice(second);
                    taken
                }
            };
            let Read::Head(head) = taken else { panic!("cut at {cut}") };
            let mut out = BytesMut::new();
            head.request.fields.write_to(&mut out);
            assert_eq!(out, "host: a\r\nx-tab: b\r\ncontent-length: 3\r\n", "cut at {cut}");
            assert_eq!((head.body, &read[..]), (Length::Known(3), &b"abcGET"[..]), "cut at {cut}");
        }
    }

    #[test]
    fn a_line_that_ends_with_a_bare_lf_is_not_for_this_engine() {
        for tidy in ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n", HEAD] {
            assert!(matches!(take(&mut BytesMut::new(), tidy.as_bytes()), Read::Head(_)), "{tidy:?}");
            for (at, _) in tidy.match_indices('\r') {
                let bare = [&tidy[..at], &tidy[at + 1..]].concat();
                assert!(matches!(take(&mut BytesMut::new(), bare.as_bytes()), Read::Odd), "{bare:?}");
            }
        }
    }

    #[test]
    fn a_target_has_the_characters_of_its_grammar_and_no_others() {
        for byte in 0..=255_u8 {
            let expected = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
            assert_eq!(is_of_target(byte), expected, "{byte}");
        }
    }
}

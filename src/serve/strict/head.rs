//! Bytes to a request's head, if they are one that has a single reading.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

/// Larger heads are hyper's; so are those with more lines.
const MOST_BYTES: usize = 32 * 1024;
const MOST_LINES: usize = 96;

/// A request's head, and what it says of the connection.
pub struct Head {
    pub parts: Parts,
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
    Head(Box<Head>),
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
    let path = place(bytes, path.as_bytes());
    let Some(method) = usual(method, bytes.get(path.0..path.0.saturating_add(path.1))) else { return Read::Odd };
    if !ends_lines_well(bytes) {
        return Read::Odd;
    }
    let mut names = Vec::with_capacity(request.headers.len());
    let mut places = [(0, 0); MOST_LINES];
    for (line, place_of) in request.headers.iter().zip(&mut places) {
        let Ok(name) = HeaderName::from_bytes(line.name.as_bytes()) else { return Read::Odd };
        names.push(name);
        *place_of = place(bytes, line.value);
    }
    // Nothing is taken before all is known to be good; a copy of the count of references is all this costs.
    let whole = read.split().freeze();
    match typed(&whole, end, method, path, names, &places) {
        Some(head) => {
            *read = rest(whole, end);
            Read::Head(Box::new(head))
        }
        None => {
            *read = rest(whole, 0);
            Read::Odd
        }
    }
}

/// What follows the head, without a copy where nobody holds the head any more, and where there is nothing.
fn rest(whole: Bytes, from: usize) -> BytesMut {
    match whole.get(from..) {
        Some(rest) if !rest.is_empty() => BytesMut::from(rest),
        Some(_) | None => BytesMut::new(),
    }
}

/// Where a part of the bytes stands in them.
fn place(bytes: &[u8], part: &[u8]) -> (usize, usize) {
    ((part.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize), part.len())
}

/// The method, if it and the target are of the usual kind: a name in capital letters, and a path.
fn usual(method: &str, target: Option<&[u8]>) -> Option<Method> {
    let target = target?;
    let good =
        method.bytes().all(|byte| byte.is_ascii_uppercase()) && target.starts_with(b"/") && !target.contains(&b'#');
    let method = Method::from_bytes(method.as_bytes()).ok().filter(|_| good)?;
    (method != Method::CONNECT).then_some(method)
}

/// Whether every line ends with CR LF; httparse lets a bare LF pass.
fn ends_lines_well(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', bytes).all(|at| at > 0 && bytes.get(at - 1) == Some(&b'\r'))
}

fn typed(
    whole: &Bytes,
    end: usize,
    method: Method,
    path: (usize, usize),
    names: Vec<HeaderName>,
    places: &[(usize, usize)],
) -> Option<Head> {
    let slice = |(at, length): (usize, usize)| {
        let until = at.saturating_add(length);
        if until > end {
            None
        } else if length == 0 {
            Some(Bytes::new())
        } else {
            Some(whole.slice(at..until))
        }
    };
    let target = PathAndQuery::from_maybe_shared(slice(path)?).ok()?;
    let mut headers = HeaderMap::with_capacity(names.len());
    let mut said = Said::default();
    for (name, place) in names.into_iter().zip(places) {
        let value = HeaderValue::from_maybe_shared(slice(*place)?).ok()?;
        said.line(&name, &value)?;
        headers.append(name, value);
    }
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from(target);
    *request.headers_mut() = headers;
    let body = if said.chunked { Length::Chunked } else { Length::Known(said.length.unwrap_or(0)) };
    Some(Head { parts: request.into_parts().0, body, close: said.close })
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
    fn line(&mut self, name: &HeaderName, value: &HeaderValue) -> Option<()> {
        let value = value.as_bytes();
        if *name == CONTENT_LENGTH {
            let plain = value.len() == 1 || !value.starts_with(b"0");
            let digits = plain && !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(value).ok()?.parse().ok().filter(|_| digits)?;
            let alone = self.length.replace(length).is_none() && !self.chunked;
            return alone.then_some(());
        }
        if *name == TRANSFER_ENCODING {
            let alone = !std::mem::replace(&mut self.chunked, true) && self.length.is_none();
            return (alone && value.eq_ignore_ascii_case(b"chunked")).then_some(());
        }
        if *name == CONNECTION {
            let mut words = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            self.close |= words.any(|word| word.eq_ignore_ascii_case(b"close"));
        }
        (*name != UPGRADE && *name != EXPECT).then_some(())
    }
}

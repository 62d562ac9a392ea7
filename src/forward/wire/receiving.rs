//! An answer on its way in.

use std::mem::MaybeUninit;

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};

use super::says;
use crate::ground::chunked::{Chunked, Next};

/// Where an answer's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::forward) enum Receiving {
    Head,
    /// Bytes to come.
    Length(u64),
    Chunked(Chunked),
    /// It ends with the connection.
    UntilClose,
    Ended,
}

/// The head of an answer, and what it says of the rest.
pub(super) struct Answer {
    pub response: Response<()>,
    pub body: Receiving,
    pub keep_alive: bool,
}

pub(super) enum Taken {
    Piece(Bytes),
    More,
    End,
}

/// Takes the head of a final answer off `read`; `None`: there is more to come. Interim answers are passed over, but for 101.
pub(super) fn head(read: &mut BytesMut, to_head: bool) -> Result<Option<Answer>, &'static str> {
    while let Some(response) = one(read)? {
        let status = response.status();
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            continue;
        }
        let headers = response.headers();
        if response.version() == Version::HTTP_10 && headers.contains_key(TRANSFER_ENCODING) {
            return Err("a transfer coding in HTTP/1.0");
        }
        let body = body(status, headers, to_head);
        let keep_alive = response.version() == Version::HTTP_11
            && body != Receiving::UntilClose
            && status != StatusCode::SWITCHING_PROTOCOLS
            && !says(headers, b"close");
        return Ok(Some(Answer { body, keep_alive, response }));
    }
    Ok(None)
}

/// Where a body ends (RFC 9112 section 6.3). Heads that leave a choice are refused later, whoever read them.
fn body(status: StatusCode, headers: &HeaderMap, to_head: bool) -> Receiving {
    if to_head || status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Receiving::Ended;
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        return Receiving::Chunked(Chunked::Size);
    }
    match headers.get(CONTENT_LENGTH) {
        None => Receiving::UntilClose,
        Some(length) => match length.to_str().ok().and_then(|length| length.parse().ok()) {
            Some(0) => Receiving::Ended,
            Some(length) => Receiving::Length(length),
            None => Receiving::UntilClose,
        },
    }
}

fn one(read: &mut BytesMut) -> Result<Option<Response<()>>, &'static str> {
    let mut lines = [const { MaybeUninit::uninit() }; 100];
    let mut head = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let end = match config.parse_response_with_uninit_headers(&mut head, read, &mut lines) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(fault) => return Err(what(fault)),
    };
    // Where each value stands, so that it can be kept without a copy.
    let start = read.as_ptr() as usize;
    let mut headers = HeaderMap::with_capacity(head.headers.len().saturating_add(8));
    let mut places = [(0_usize, 0_usize); 100];
    let mut names = Vec::with_capacity(head.headers.len());
    for (line, place) in head.headers.iter().zip(&mut places) {
        names.push(HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| "a header's name is none")?);
        *place = ((line.value.as_ptr() as usize).wrapping_sub(start), line.value.len());
    }
    let status = StatusCode::from_u16(head.code.unwrap_or_default()).map_err(|_| "its status is none")?;
    let version = if head.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let bytes = read.split_to(end).freeze();
    for (name, (at, length)) in names.into_iter().zip(places) {
        let value = if length == 0 { Bytes::new() } else { bytes.slice(at..at.saturating_add(length)) };
        headers.append(name, HeaderValue::from_maybe_shared(value).map_err(|_| "a header's value is none")?);
    }
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = version;
    *response.headers_mut() = headers;
    Ok(Some(response))
}

fn what(fault: httparse::Error) -> &'static str {
    match fault {
        httparse::Error::HeaderName => "invalid header name",
        httparse::Error::HeaderValue => "invalid header value",
        httparse::Error::NewLine => "invalid end of line",
        httparse::Error::Status => "invalid status line",
        httparse::Error::Token => "invalid token",
        httparse::Error::TooManyHeaders => "too many header lines",
        httparse::Error::Version => "invalid HTTP version",
    }
}

impl Receiving {
    /// Takes the next piece of the body off `read`.
    pub(super) fn take(&mut self, read: &mut BytesMut) -> Result<Taken, &'static str> {
        match self {
            Self::Head | Self::Ended => Ok(Taken::End),
            Self::Length(_) | Self::UntilClose if read.is_empty() => Ok(Taken::More),
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                *left = left.saturating_sub(taken as u64);
                if *left == 0 {
                    *self = Self::Ended;
                }
                Ok(Taken::Piece(read.split_to(taken).freeze()))
            }
            Self::UntilClose => Ok(Taken::Piece(read.split().freeze())),
            Self::Chunked(chunked) => match chunked.next(read)? {
                Next::Data(data) => Ok(Taken::Piece(data)),
                Next::More => Ok(Taken::More),
                Next::End => {
                    *self = Self::Ended;
                    Ok(Taken::End)
                }
            },
        }
    }

    /// The whole body, if its length is known and all of it is here.
    pub(super) fn whole(&mut self, read: &mut BytesMut) -> Option<Bytes> {
        let all = match self {
            Self::Ended => 0,
            Self::Length(left) => usize::try_from(*left).ok().filter(|left| *left <= read.len())?,
            Self::Head | Self::Chunked(_) | Self::UntilClose => return None,
        };
        *self = Self::Ended;
        if all == read.len() {
            // The buffer goes along: nothing is left in it.
            return Some(std::mem::take(read).freeze());
        }
        let body = read.copy_to_bytes(all);
        Some(body)
    }

    /// How much to make room for: where it is not known what comes, a quarter.
    pub(super) fn wanted(&self, most: usize) -> usize {
        match self {
            Self::Length(left) => usize::try_from(*left).unwrap_or(most).min(most),
            Self::Head | Self::Chunked(_) | Self::UntilClose | Self::Ended => most / 4,
        }
    }

    pub(super) fn ends_with_the_connection(self) -> bool {
        self == Self::UntilClose
    }

    pub(in crate::forward) fn is_over(self) -> bool {
        self == Self::Ended
    }

    /// Bytes to come, where that is known.
    pub(in crate::forward) fn length(self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(left),
            Self::Ended => Some(0),
            Self::Head | Self::Chunked(_) | Self::UntilClose => None,
        }
    }
}

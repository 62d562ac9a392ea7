//! An answer on its way in.

use std::mem::MaybeUninit;

use bytes::{Buf as _, Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use super::says;
use crate::ground::chunked::{Chunked, Next};
use crate::ground::fields::Place;
use crate::ground::{Fields, Reply, spare};

/// What the gateway says on top of an answer's head, roughly.
const ROOM: usize = 512;

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
    pub reply: Reply<()>,
    pub body: Receiving,
    pub keep_alive: bool,
}

pub(super) enum Taken {
    Piece(Bytes),
    More,
    End,
}

/// Takes the head of a final answer off what came before and the piece that has come now; `None`: there is more to come.
/// Interim answers are passed over, but for 101. A head that comes whole is read where it stands; only what follows it is
/// kept.
pub(super) fn head(read: &mut BytesMut, piece: &[u8], to_head: bool) -> Result<Option<Answer>, &'static str> {
    if read.is_empty() {
        let (answer, taken) = first_of(piece, to_head)?;
        keep(read, piece.get(taken..).unwrap_or_default());
        return Ok(answer);
    }
    read.extend_from_slice(piece);
    let (answer, taken) = first_of(read, to_head)?;
    read.advance(taken);
    Ok(answer)
}

/// Keeps what follows a head. Where there is no room for it yet, as much is taken as is needed.
fn keep(read: &mut BytesMut, rest: &[u8]) {
    if read.capacity() == 0 {
        *read = BytesMut::from(rest);
    } else {
        read.extend_from_slice(rest);
    }
}

/// The head of the final answer in these bytes, and how many of them are not needed any more.
fn first_of(bytes: &[u8], to_head: bool) -> Result<(Option<Answer>, usize), &'static str> {
    let mut taken = 0;
    while let Some(One { reply, http11, length }) = one(bytes.get(taken..).unwrap_or_default())? {
        taken += length;
        let status = reply.status;
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            continue;
        }
        let fields = &reply.fields;
        if !http11 && fields.contains(&TRANSFER_ENCODING) {
            return Err("a transfer coding in HTTP/1.0");
        }
        let body = body(status, fields, to_head);
        let keep_alive = http11
            && body != Receiving::UntilClose
            && status != StatusCode::SWITCHING_PROTOCOLS
            && !says(fields, b"close");
        return Ok((Some(Answer { body, keep_alive, reply }), taken));
    }
    Ok((None, taken))
}

/// Where a body ends (RFC 9112 section 6.3). Heads that leave a choice are refused later, whoever read them.
fn body(status: StatusCode, fields: &Fields, to_head: bool) -> Receiving {
    if to_head || status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Receiving::Ended;
    }
    if fields.contains(&TRANSFER_ENCODING) {
        return Receiving::Chunked(Chunked::Size);
    }
    match fields.first(&CONTENT_LENGTH) {
        None => Receiving::UntilClose,
        Some(length) => match std::str::from_utf8(length).ok().and_then(|length| length.parse().ok()) {
            Some(0) => Receiving::Ended,
            Some(length) => Receiving::Length(length),
            None => Receiving::UntilClose,
        },
    }
}

/// One head.
struct One {
    reply: Reply<()>,
    http11: bool,
    length: usize,
}

/// The head that stands first.
fn one(read: &[u8]) -> Result<Option<One>, &'static str> {
    let mut lines = [const { MaybeUninit::uninit() }; 100];
    let mut head = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let end = match config.parse_response_with_uninit_headers(&mut head, read, &mut lines) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(fault) => return Err(what(fault)),
    };
    let status = StatusCode::from_u16(head.code.unwrap_or_default()).map_err(|_| "its status is none")?;
    let http11 = head.version == Some(1);
    let start = read.as_ptr().addr();
    let place = |part: &[u8]| (part.as_ptr().addr().wrapping_sub(start), part.len());
    let places = head.headers.iter().map(|line| Place { name: place(line.name.as_bytes()), value: place(line.value) });
    // With room for what is said on top of it.
    let mut text = spare::text(end.saturating_add(ROOM));
    text.extend_from_slice(read.get(..end).unwrap_or_default());
    let fields = Fields::of_text(text, places).ok_or("a header is none")?;
    Ok(Some(One { reply: Reply { status, fields, body: () }, http11, length: end }))
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

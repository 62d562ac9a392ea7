//! An answer on its way to the client.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http_body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite};

use super::line::Line;
use crate::ground::{Fields, Reply, spare};
use crate::serve::recorded::Recorded;

/// Up to here a piece is copied behind what waits already; a larger one is written as it is.
const SMALL: usize = 8 * 1024;

/// One answer.
pub struct Answering {
    /// What waits to be written, before `piece`.
    out: BytesMut,
    piece: Bytes,
    /// Until it has been read to its end.
    body: Option<Recorded>,
    framing: Framing,
    close: bool,
    broken: bool,
}

/// How the end of the body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// There is none.
    None,
    /// Bytes to come.
    Length(u64),
    Chunked,
}

impl Answering {
    /// `to_head`: the request was a HEAD. `date` is what `Date` says where the answer says nothing.
    pub fn begin(reply: Reply<Recorded>, to_head: bool, date: &[u8]) -> Self {
        let Reply { status, mut fields, body } = reply;
        let close = fields.all(&CONNECTION).any(|value| value.eq_ignore_ascii_case(b"close"));
        let said = fields.text(&CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let bodiless = to_head || has_no_body(status);
        let known = body.size_hint().exact();
        let framing = match said.or(known) {
            _ if bodiless => Framing::None,
            Some(length) => Framing::Length(length),
            None => Framing::Chunked,
        };
        // A body's framing is ours to say, and said once; an answer without a body has none.
        fields.remove(&TRANSFER_ENCODING);
        if has_no_body(status) || framing == Framing::Chunked {
            fields.remove(&CONTENT_LENGTH);
        }
        // With room for the other lines and a small body.
        let mut out = spare::text(fields.most_bytes() + 256);
        head(&mut out, status, &fields, date);
        match (framing, said) {
            (Framing::Length(length), None) => put_length(&mut out, length),
            (Framing::Chunked, _) => out.put_slice(b"transfer-encoding: chunked\r\n"),
            // What a GET would have been told.
            (Framing::None, None) if to_head => {
                if let Some(length) = known.filter(|length| *length > 0) {
                    put_length(&mut out, length);
                }
            }
            (Framing::None | Framing::Length(_), _) => {}
        }
        out.put_slice(b"\r\n");
        Self { out, piece: Bytes::new(), body: Some(body), framing, close, broken: false }
    }

    /// Sends on; when all has been sent, whether the connection can go on.
    pub fn poll<S>(&mut self, line: &Rc<RefCell<Line<S>>>, cx: &mut Context<'_>) -> Poll<bool>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            let waiting = self.fill(cx);
            match line.borrow_mut().poll_write(&mut self.out, &mut self.piece, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Ready(Ok(())) => {}
            }
            if self.broken {
                return Poll::Ready(false);
            }
            if self.is_over() {
                return Poll::Ready(!self.close);
            }
            if waiting {
                return line.borrow_mut().poll_gone(cx).map(|()| false);
            }
        }
    }

    fn is_over(&self) -> bool {
        self.body.as_ref().is_none_or(|body| self.framing != Framing::Chunked && body.is_end_stream())
    }

    /// Takes of the body what is there and fits; whether the rest has to be waited for.
    fn fill(&mut self, cx: &mut Context<'_>) -> bool {
        while self.piece.is_empty() && self.out.len() < SMALL && !self.is_over() && !self.broken {
            let Some(body) = &mut self.body else { return false };
            if self.framing == Framing::None {
                // Nobody is told of it, whatever it holds.
                self.body = None;
                return false;
            }
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return true,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.frame(data);
                    }
                }
                Poll::Ready(Some(Err(_))) => self.broken = true,
                Poll::Ready(None) => self.end(),
            }
        }
        false
    }

    fn frame(&mut self, data: Bytes) {
        match &mut self.framing {
            Framing::Length(left) => match left.checked_sub(data.len() as u64) {
                Some(rest) => *left = rest,
                None => {
                    self.broken = true;
                    return;
                }
            },
            Framing::Chunked if data.is_empty() => return,
            Framing::Chunked => self.out.put_slice(format!("{:X}\r\n", data.len()).as_bytes()),
            Framing::None => return,
        }
        if data.len() <= SMALL || self.framing == Framing::Chunked {
            self.out.put_slice(&data);
        } else {
            self.piece = data;
        }
        if self.framing == Framing::Chunked {
            self.out.put_slice(b"\r\n");
        }
    }

    fn end(&mut self) {
        self.body = None;
        match self.framing {
            Framing::Chunked => self.out.put_slice(b"0\r\n\r\n"),
            Framing::None | Framing::Length(0) => {}
            Framing::Length(_) => self.broken = true,
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        spare::give_back(std::mem::take(&mut self.out));
    }
}

fn has_no_body(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

fn head(out: &mut BytesMut, status: StatusCode, fields: &Fields, date: &[u8]) {
    let reason = status.canonical_reason().unwrap_or_default();
    for part in [b"HTTP/1.1 ", status.as_str().as_bytes(), b" ", reason.as_bytes(), b"\r\n"] {
        out.put_slice(part);
    }
    fields.write_to(out);
    if !fields.contains(&DATE) {
        for part in [b"date: ", date, b"\r\n"] {
            out.put_slice(part);
        }
    }
}

fn put_length(out: &mut BytesMut, length: u64) {
    out.put_slice(b"content-length: ");
    out.put_slice(itoa::Buffer::new().format(length).as_bytes());
    out.put_slice(b"\r\n");
}

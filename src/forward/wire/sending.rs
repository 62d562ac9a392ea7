//! A request on its way out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::Method;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body::Body as _;
use tokio::io::AsyncWrite;

use crate::dial::connect::Stream;
use crate::forward::attempt::Departing;
use crate::ground::{Body, spare};

/// As much waits to be written before more is taken of a body.
const ENOUGH: usize = 32 * 1024;

/// What is still to be sent.
#[derive(Default)]
pub(super) struct Sending {
    out: BytesMut,
    body: Option<Body>,
    framing: Framing,
    /// What has been written may still wait within TLS.
    unflushed: bool,
    /// A byte of this request has been taken by the system.
    begun: bool,
    /// The server takes nothing more. It may have answered before that.
    failed: Option<String>,
}

/// How the end of the body is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Framing {
    /// Bytes to come.
    #[default]
    None,
    Length(u64),
    Chunked,
}

/// Why sending cannot go on.
pub(super) enum Fault {
    /// The server has not seen one byte of a request without a body.
    Unsent,
    /// The body broke off, or is not as long as it says.
    Body,
}

impl Sending {
    /// Writes the head. The body's framing is what the head says; where it says nothing, its length is known.
    pub(super) fn begin(&mut self, told: &Departing<'_>, body: Body) {
        // An idle connection holds no buffer.
        let mut out = spare::text(told.fields.most_bytes() + told.target.len() + 256);
        (self.begun, self.unflushed, self.failed) = (false, false, None);
        let length = told.fields.text(&CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        let known = body.size_hint().exact();
        self.framing = match (told.fields.contains(&TRANSFER_ENCODING), length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => known.filter(|known| *known > 0).map_or(Framing::None, Framing::Length),
        };
        for part in [told.method.as_str().as_bytes(), b" ", told.target.as_bytes(), b" HTTP/1.1\r\nhost: ", told.host] {
            out.put_slice(part);
        }
        out.put_slice(b"\r\n");
        told.fields.write_to(&mut out);
        // A body of no bytes is told as well where one is to be expected (RFC 9110 section 8.6).
        let expected = [Method::POST, Method::PUT, Method::PATCH].contains(told.method);
        match (self.framing, length) {
            (Framing::Length(known), None) => {
                out.put_slice(b"content-length: ");
                out.put_slice(itoa::Buffer::new().format(known).as_bytes());
                out.put_slice(b"\r\n");
            }
            (Framing::None, None) if expected => out.put_slice(b"content-length: 0\r\n"),
            (Framing::None | Framing::Length(_) | Framing::Chunked, _) => {}
        }
        out.put_slice(b"\r\n");
        let bodiless = matches!(self.framing, Framing::None | Framing::Length(0)) && body.is_end_stream();
        self.body = (!bodiless).then_some(body);
        spare::give_back(std::mem::replace(&mut self.out, out));
    }

    pub(super) fn is_over(&self) -> bool {
        self.body.is_none() && self.out.is_empty() && !self.unflushed && self.failed.is_none()
    }

    /// The server takes nothing more.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Why the server took nothing more.
    pub(super) fn fault(&self) -> Option<String> {
        self.failed.clone()
    }

    /// Sends what can be sent now. A server that takes nothing more is no fault as long as it may have answered.
    pub(super) fn poll(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Result<(), Fault> {
        if self.failed.is_some() {
            return Ok(());
        }
        loop {
            let more = self.fill(cx)?;
            if self.out.is_empty() && !self.unflushed {
                self.let_go();
                return Ok(());
            }
            match self.write(stream, cx) {
                Poll::Ready(Ok(())) if more => {}
                Poll::Ready(Ok(())) | Poll::Pending => return Ok(()),
                Poll::Ready(Err(_)) if !self.begun && self.is_whole() => return Err(Fault::Unsent),
                Poll::Ready(Err(fault)) => {
                    self.failed = Some(fault.to_string());
                    // Whoever sends it need not go on.
                    (self.body, self.out) = (None, BytesMut::new());
                    return Ok(());
                }
            }
        }
    }

    /// There is no body of which something could be lost.
    fn is_whole(&self) -> bool {
        self.body.is_none() && matches!(self.framing, Framing::None | Framing::Length(0))
    }

    /// Takes of the body what is there, up to `ENOUGH`; whether there may be more.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<bool, Fault> {
        while self.out.len() < ENOUGH {
            let Some(body) = &mut self.body else { return Ok(false) };
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.frame(data)?;
                    }
                }
                Poll::Ready(Some(Err(_))) => return Err(Fault::Body),
                Poll::Ready(None) => {
                    self.body = None;
                    return self.end().map(|()| false);
                }
            }
        }
        Ok(true)
    }

    fn frame(&mut self, data: Bytes) -> Result<(), Fault> {
        match &mut self.framing {
            _ if data.is_empty() => {}
            Framing::None => return Err(Fault::Body),
            Framing::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(Fault::Body)?;
                self.out.put_slice(&data);
            }
            Framing::Chunked => {
                self.out.put_slice(format!("{:X}\r\n", data.len()).as_bytes());
                self.out.put_slice(&data);
                self.out.put_slice(b"\r\n");
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self.framing {
            Framing::None | Framing::Length(0) => Ok(()),
            Framing::Length(_) => Err(Fault::Body),
            Framing::Chunked => {
                self.out.put_slice(b"0\r\n\r\n");
                Ok(())
            }
        }
    }

    /// What is empty and not needed for more of the body.
    fn let_go(&mut self) {
        if self.body.is_none() {
            spare::give_back(std::mem::take(&mut self.out));
        }
    }

    fn write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            match Pin::new(&mut *stream).poll_write(cx, &self.out) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    (self.begun, self.unflushed) = (true, true);
                    self.out.advance(count);
                }
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(fault)),
            }
        }
        self.let_go();
        let flushed = Pin::new(stream).poll_flush(cx);
        self.unflushed = flushed.is_pending();
        flushed
    }
}

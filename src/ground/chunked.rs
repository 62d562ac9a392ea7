//! The end of a chunked body (RFC 9112 section 7.1), found while it comes in.

use bytes::{Buf as _, Bytes, BytesMut};

/// Longest line with a chunk's size, and longest trailer section.
const LONGEST_SIZE: usize = 4 * 1024;
const LONGEST_TRAILERS: usize = 16 * 1024;

/// How far a chunked body has come. Extensions and trailers are read and dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunked {
    Size,
    /// Bytes to come of a chunk.
    Data(u64),
    /// The end of line behind a chunk's data.
    ChunkEnd,
    Trailers,
    Ended,
}

/// What stands next in the bytes that are here.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Data(Bytes),
    /// More bytes are needed.
    More,
    End,
}

impl Chunked {
    /// Takes the next piece of data off `read`. An error says that these bytes are no chunked body.
    pub fn next(&mut self, read: &mut BytesMut) -> Result<Next, &'static str> {
        loop {
            match *self {
                Self::Size => match httparse::parse_chunk_size(read) {
                    Ok(httparse::Status::Complete((end, size))) => {
                        read.advance(end);
                        *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                    }
                    Ok(httparse::Status::Partial) if read.len() <= LONGEST_SIZE => return Ok(Next::More),
                    Ok(httparse::Status::Partial) => return Err("the line with a chunk's size is too long"),
                    Err(_) => return Err("the size of a chunk is no number"),
                },
                Self::Data(left) if read.is_empty() => {
                    debug_assert!(left > 0, "an empty chunk is the last");
                    return Ok(Next::More);
                }
                Self::Data(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(read.len());
                    let left = left.saturating_sub(taken as u64);
                    *self = if left == 0 { Self::ChunkEnd } else { Self::Data(left) };
                    return Ok(Next::Data(read.split_to(taken).freeze()));
                }
                Self::ChunkEnd if read.len() < 2 => return Ok(Next::More),
                Self::ChunkEnd if read.starts_with(b"\r\n") => {
                    read.advance(2);
                    *self = Self::Size;
                }
                Self::ChunkEnd => return Err("a chunk is longer than its size"),
                Self::Trailers => {
                    let mut lines = [httparse::EMPTY_HEADER; 64];
                    let end = match httparse::parse_headers(read, &mut lines) {
                        Ok(httparse::Status::Complete((end, _))) => end,
                        Ok(httparse::Status::Partial) if read.len() <= LONGEST_TRAILERS => return Ok(Next::More),
                        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                            return Err("the trailers are too long");
                        }
                        Err(_) => return Err("the trailers are no header lines"),
                    };
                    read.advance(end);
                    *self = Self::Ended;
                }
                Self::Ended => return Ok(Next::End),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data in `body`, and what is left behind it, however it is cut; or what is wrong with it.
    fn check(body: &str, expected: Result<(&str, &str), &str>) {
        for cut in [1, 2, 3, 7, usize::MAX] {
            let (mut chunked, mut read, mut data) = (Chunked::Size, BytesMut::new(), Vec::new());
            let mut pieces = body.as_bytes().chunks(cut.min(body.len().max(1)));
            let found = loop {
                match chunked.next(&mut read) {
                    Ok(Next::Data(piece)) => data.extend_from_slice(&piece),
                    Ok(Next::End) => break Ok(()),
                    Ok(Next::More) => match pieces.next() {
                        Some(piece) => read.extend_from_slice(piece),
                        None => break Err("it does not end"),
                    },
                    Err(fault) => break Err(fault),
                }
            };
            pieces.for_each(|piece| read.extend_from_slice(piece));
            let data = String::from_utf8(data).unwrap();
            let rest = String::from_utf8(read.to_vec()).unwrap();
            let found = found.map(|()| (data.as_str(), rest.as_str()));
            assert_eq!(found, expected, "{body:?} in pieces of {cut}");
        }
    }

    #[test]
    fn a_chunked_body_ends_where_it_says() {
        check("0\r\n\r\n", Ok(("", "")));
        check("5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-Sum: 1\r\n\r\nGET /", Ok(("hello world", "GET /")));
        check("A\r\n0123456789\r\n0\r\n\r\n", Ok(("0123456789", "")));
    }

    #[test]
    fn what_is_no_chunked_body_is_an_error() {
        check("x\r\n", Err("the size of a chunk is no number"));
        check("-1\r\n", Err("the size of a chunk is no number"));
        check("10000000000000000\r\n", Err("the size of a chunk is no number"));
        check("3\r\nabcd\r\n", Err("a chunk is longer than its size"));
        check("3\r\nabc\n0\r\n\r\n", Err("a chunk is longer than its size"));
        check("0\r\nbad line\r\n\r\n", Err("the trailers are no header lines"));
        check(&format!("5;{}", "a".repeat(5000)), Err("the line with a chunk's size is too long"));
        check(&format!("0\r\nA: {}", "a".repeat(20_000)), Err("the trailers are too long"));
        check("5\r\nhel", Err("it does not end"));
    }
}

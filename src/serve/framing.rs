//! Where do the requests on an HTTP/1.1 connection begin and end? Read off the bytes themselves, by the strict rules of
//! RFC 9112 section 6 and 7.1.
//!
//! hyper forgives what another reader of the same bytes may read differently: bare line feeds, a `Content-Length` beside a
//! `Transfer-Encoding` or repeated, odd codings, blanks and anything at all behind the size of a chunk. By the time it hands
//! over a request that is hidden, so this looks at the bytes on their way to it. It knows lines and lengths and nothing of
//! what they mean, does no I/O, and gives the same verdict however the bytes are cut into pieces.

/// Longest line of a head; admission is stricter, and says why.
const LONGEST_LINE: usize = 64 * 1024;
/// Longest line with a chunk's size. All extensions of one body together have as much.
const LONGEST_SIZE: usize = 4 * 1024;

/// A point in the bytes behind which nothing must be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Bytes of this piece before it.
    pub at: usize,
    /// In a body, whose head has been handed on; otherwise in a head that is not complete.
    pub in_body: bool,
    pub what: &'static str,
}

/// How far the reading has come.
#[derive(Debug)]
pub struct Framing {
    place: Place,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    head: Head,
    /// Bytes of chunk extensions in this body.
    extensions: usize,
    /// No request follows.
    one_body: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before a request line; one empty line has been there (RFC 9112 section 2.2).
    Start {
        skipped: bool,
    },
    Fields,
    /// Bytes to come of a body or chunk.
    Data {
        left: u64,
        chunked: bool,
    },
    Size,
    /// The end of line behind a chunk's data.
    ChunkEnd,
    Trailers,
    /// Behind the one body that was to be read.
    Over,
}

/// What a head has said of its body.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    length: Option<u64>,
    chunked: bool,
    /// HTTP/1.0, which knows no transfer codings.
    old: bool,
}

impl Default for Framing {
    fn default() -> Self {
        let (place, head) = (Place::Start { skipped: false }, Head::default());
        Self { place, line: Vec::new(), head, extensions: 0, one_body: false }
    }
}

impl Framing {
    /// In the body of a request whose head has announced chunks. What follows it is not looked at.
    pub fn of_chunks() -> Self {
        Self { place: Place::Size, one_body: true, ..Self::default() }
    }

    /// Reads on. After a violation it must not be asked again.
    pub fn read(&mut self, piece: &[u8]) -> Result<(), Violation> {
        let mut at = 0;
        while let Some(rest) = piece.get(at..).filter(|rest| !rest.is_empty()) {
            if self.place == Place::Over {
                return Ok(());
            }
            if let Place::Data { left, chunked } = self.place {
                let taken = u64::try_from(rest.len()).unwrap_or(u64::MAX).min(left);
                self.place = after_data(left - taken, chunked);
                at += usize::try_from(taken).unwrap_or(rest.len());
                continue;
            }
            let Some(end) = memchr::memchr(b'\n', rest) else {
                return self.keep(rest).map_err(|what| self.violation(at, what));
            };
            let line = rest.get(..=end).unwrap_or(rest);
            let read = if self.line.is_empty() {
                self.line(line)
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.line(&whole)
            };
            read.map_err(|what| self.violation(at + end, what))?;
            at += end + 1;
        }
        Ok(())
    }

    fn keep(&mut self, rest: &[u8]) -> Result<(), &'static str> {
        let longest = if self.place == Place::Size { LONGEST_SIZE } else { LONGEST_LINE };
        if self.line.len() + rest.len() > longest {
            return Err("a line is too long");
        }
        self.line.extend_from_slice(rest);
        Ok(())
    }

    fn violation(&self, at: usize, what: &'static str) -> Violation {
        let in_body = match self.place {
            Place::Start { .. } | Place::Fields | Place::Over => false,
            Place::Data { .. } | Place::Size | Place::ChunkEnd | Place::Trailers => true,
        };
        Violation { at, in_body, what }
    }

    /// One line with its end.
    fn line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let Some(text) = line.strip_suffix(b"\r\n") else { return Err("a line ends with a bare line feed") };
        self.place = match self.place {
            Place::Start { skipped: true } if text.is_empty() => return Err("empty lines before a request"),
            Place::Start { skipped: false } if text.is_empty() => Place::Start { skipped: true },
            // The path ends there for some readers and goes on for others; no client sends one (RFC 9112 section 3.2).
            Place::Start { .. } if text.contains(&b'#') => return Err("a fragment in the request target"),
            Place::Start { .. } => {
                self.head = Head { old: text.ends_with(b"1.0"), ..Head::default() };
                Place::Fields
            }
            Place::Fields if text.is_empty() => self.head.body()?,
            Place::Fields => {
                self.head.field(text)?;
                Place::Fields
            }
            Place::Size => self.size(text)?,
            Place::ChunkEnd if text.is_empty() => Place::Size,
            Place::ChunkEnd => return Err("a chunk is longer than its size"),
            Place::Trailers if text.is_empty() && self.one_body => Place::Over,
            Place::Trailers if text.is_empty() => {
                self.extensions = 0;
                Place::Start { skipped: false }
            }
            Place::Trailers => Place::Trailers,
            Place::Data { .. } | Place::Over => return Err("a line in the middle of data"),
        };
        Ok(())
    }

    /// A chunk's size with its extensions (RFC 9112 section 7.1).
    fn size(&mut self, text: &[u8]) -> Result<Place, &'static str> {
        let end = text.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(text.len());
        let (digits, extensions) = text.split_at(end);
        if digits.is_empty() || digits.len() > 15 {
            return Err("the size of a chunk is 1 to 15 hexadecimal digits");
        }
        self.extensions += extensions.len();
        if self.extensions > LONGEST_SIZE {
            return Err("too many chunk extensions");
        }
        if !are_extensions(extensions) {
            return Err("what stands behind the size of a chunk is no extension");
        }
        let digit = |byte: &u8| u64::from(char::from(*byte).to_digit(16).unwrap_or(0));
        let size = digits.iter().fold(0_u64, |size, byte| (size << 4) | digit(byte));
        Ok(if size == 0 { Place::Trailers } else { Place::Data { left: size, chunked: true } })
    }
}

/// Where the bytes go on when so many of a body or chunk are left.
fn after_data(left: u64, chunked: bool) -> Place {
    match (left, chunked) {
        (0, true) => Place::ChunkEnd,
        (0, false) => Place::Start { skipped: false },
        (left, chunked) => Place::Data { left, chunked },
    }
}

impl Head {
    fn field(&mut self, line: &[u8]) -> Result<(), &'static str> {
        // Most names are told from the two that matter by their length.
        let is = |name: &[u8]| line.get(..name.len()).is_some_and(|own| own.eq_ignore_ascii_case(name));
        match line.first() {
            Some(b'c' | b'C') if is(b"content-length:") => self.length_is(line.get(15..).unwrap_or_default()),
            Some(b't' | b'T') if is(b"transfer-encoding:") => self.coding_is(line.get(18..).unwrap_or_default()),
            _ => Ok(()),
        }
    }

    fn length_is(&mut self, value: &[u8]) -> Result<(), &'static str> {
        let digits = value.trim_ascii();
        let is_plain = digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || digits.first() != Some(&b'0'));
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
        match number.filter(|_| is_plain) {
            None => Err("a Content-Length that is not one plain number"),
            Some(_) if self.length.is_some() => Err("two Content-Length lines"),
            Some(_) if self.chunked => Err("Content-Length and Transfer-Encoding together"),
            Some(number) => {
                self.length = Some(number);
                Ok(())
            }
        }
    }

    fn coding_is(&mut self, value: &[u8]) -> Result<(), &'static str> {
        if !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Err("a Transfer-Encoding other than `chunked`");
        }
        match self {
            Self { old: true, .. } => Err("Transfer-Encoding in HTTP/1.0"),
            Self { chunked: true, .. } => Err("two Transfer-Encoding lines"),
            Self { length: Some(_), .. } => Err("Content-Length and Transfer-Encoding together"),
            Self { length: None, chunked: false, old: false } => {
                self.chunked = true;
                Ok(())
            }
        }
    }

    fn body(self) -> Result<Place, &'static str> {
        match self {
            Self { chunked: true, .. } => Ok(Place::Size),
            Self { length, .. } => Ok(after_data(length.unwrap_or(0), false)),
        }
    }
}

/// `;name`, `;name=token` or `;name="quoted"`, any number of them, without blanks.
fn are_extensions(mut text: &[u8]) -> bool {
    while let Some(rest) = text.strip_prefix(b";") {
        let Some(rest) = after_token(rest) else { return false };
        text = match rest.strip_prefix(b"=") {
            None => rest,
            Some(value) => match value.strip_prefix(b"\"") {
                Some(quoted) => match after_quoted(quoted) {
                    Some(rest) => rest,
                    None => return false,
                },
                None => match after_token(value) {
                    Some(rest) => rest,
                    None => return false,
                },
            },
        };
    }
    text.is_empty()
}

fn after_token(text: &[u8]) -> Option<&[u8]> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let end = text.iter().position(|byte| !is_token(byte)).unwrap_or(text.len());
    text.get(end..).filter(|_| end > 0)
}

fn after_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return text.get(at + 1..),
            b'\\' => drop(bytes.next()?),
            b'\t' | b' '..=b'~' | 0x80.. => {}
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests;

//! The one reading of a path (RFC 3986 section 6.2.2), for matching and forwarding alike.

use std::borrow::Cow;

/// The normal form of `path`, or which rule it breaks.
///
/// Unreserved percent-encodings are decoded once, the others written in upper case, dot segments removed. Refused is what
/// servers behind us read in different ways: `//`, backslash, `;`, encoded slash, backslash, percent, semicolon and
/// controls, anything but ASCII in clear, invalid UTF-8 when encoded, and climbing above the root.
pub fn canonical(path: &str) -> Result<Cow<'_, str>, &'static str> {
    if !path.starts_with('/') {
        return Err("the path does not start with `/`");
    }
    if is_plain(path) {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode(path)?;
    Ok(Cow::Owned(without_dots(&decoded)?))
}

/// Nothing to do: the usual path.
fn is_plain(path: &str) -> bool {
    let mut previous = 0;
    for byte in path.bytes() {
        let unusual = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => false,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' => false,
            // A dot is harmless unless it begins a segment.
            b'.' => previous == b'/',
            b'/' => previous == b'/',
            _ => true,
        };
        if unusual {
            return false;
        }
        previous = byte;
    }
    true
}

/// Decodes what needs no encoding and judges every byte.
fn decode(path: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    // The encoded bytes of characters outside ASCII, to see whether they are UTF-8.
    let mut foreign: Vec<u8> = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let code = match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
                (Some(high), Some(low)) => high * 16 + low,
                _ => return Err("a `%` in the path is not followed by two hexadecimal digits"),
            };
            if code < 0x80 {
                end_foreign(&mut foreign)?;
            } else {
                foreign.push(code);
            }
            put_encoded(&mut out, code)?;
            continue;
        }
        end_foreign(&mut foreign)?;
        match byte {
            b'\\' => return Err("the path holds a backslash"),
            b';' => return Err("the path holds a `;`"),
            b'#' => return Err("the path holds a `#`"),
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => return Err("the path holds characters that must be percent-encoded"),
        }
    }
    end_foreign(&mut foreign)?;
    Ok(out)
}

fn end_foreign(foreign: &mut Vec<u8>) -> Result<(), &'static str> {
    let valid = std::str::from_utf8(foreign).is_ok();
    foreign.clear();
    if valid { Ok(()) } else { Err("the path holds an encoding that is not UTF-8") }
}

fn put_encoded(out: &mut String, code: u8) -> Result<(), &'static str> {
    match code {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(code)),
        b'/' | b'\\' => return Err("the path holds an encoded slash or backslash"),
        b'%' => return Err("the path holds an encoded `%`"),
        b';' => return Err("the path holds an encoded `;`"),
        0..=0x1f | 0x7f => return Err("the path holds an encoded control character"),
        _ => {
            const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
            out.push('%');
            out.extend(DIGITS.get(usize::from(code >> 4)));
            out.extend(DIGITS.get(usize::from(code & 15)));
        }
    }
    Ok(())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// RFC 3986 section 5.2.4, but climbing above the root is refused instead of ignored.
fn without_dots(path: &str) -> Result<String, &'static str> {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "" if !last => return Err("the path holds `//`"),
            "." => {
                if last {
                    kept.push("");
                }
            }
            ".." => {
                if kept.pop().is_none() {
                    return Err("the path climbs above its root");
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in kept {
        out.push('/');
        out.push_str(segment);
    }
    if out.is_empty() {
        out.push('/');
    }
    Ok(out)
}

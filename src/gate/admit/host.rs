//! The one reading of the host a request is for.

use std::cell::RefCell;

use http::header::HOST;
use http::{Method, Version};

use super::malformed;
use crate::gate::Refusal;
use crate::ground::RequestHead;

/// Lower case, without port and without one trailing dot. The target's authority and `Host` must agree where both are
/// there (RFC 9112 section 3.2.2 lets the target win; refusing is safer, because servers behind us differ).
pub fn canonical(head: &RequestHead) -> Result<String, Refusal> {
    let named = match head.fields.first(&HOST) {
        Some(value) => Some(read(value).ok_or_else(|| malformed("Host is not one host"))?),
        None => None,
    };
    let authority = match &head.authority {
        Some(authority) => {
            Some(read(authority.as_bytes()).ok_or_else(|| malformed("the target's host is not one host"))?)
        }
        None => None,
    };
    if head.version == Version::HTTP_11 && named.is_none() && head.method != Method::CONNECT {
        return Err(malformed("Host is missing"));
    }
    match (authority, named) {
        (Some(authority), Some(named)) if authority != named => {
            Err(malformed("Host and the target's host are not the same"))
        }
        (Some(host), _) | (None, Some(host)) => Ok(host.name),
        (None, None) => Err(malformed("the request names no host")),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Host {
    name: String,
    port: Option<u16>,
}

/// What a byte is in a name.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Other,
    Plain,
    Dot,
}

#[expect(clippy::indexing_slicing, reason = "worked out by the compiler, which would say so")]
const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Other; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        kinds[byte as usize] = match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => Kind::Plain,
            b'.' => Kind::Dot,
            _ => Kind::Other,
        };
        byte += 1;
    }
    kinds
};

/// A name in small letters, with a port or without, in one look: what most requests have. `None`: look again.
fn usual(text: &[u8]) -> Option<Host> {
    if text.len() > 253 {
        return None;
    }
    let end = memchr::memchr(b':', text).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    // A dot at the beginning, after another, or at the end makes an empty label.
    let (mut good, mut previous) = (true, Kind::Dot);
    for byte in name {
        let kind = KINDS.get(usize::from(*byte)).copied().unwrap_or(Kind::Other);
        good &= kind != Kind::Other && (kind != Kind::Dot || previous != Kind::Dot);
        previous = kind;
    }
    if !good || previous == Kind::Dot {
        return None;
    }
    let port = match rest.split_first() {
        None => None,
        Some((_, digits)) => Some(number(digits)?),
    };
    Some(Host { name: String::from_utf8(name.to_vec()).ok()?, port })
}

/// A port as everybody writes it.
fn number(digits: &[u8]) -> Option<u16> {
    let plain = digits.iter().all(u8::is_ascii_digit) && !digits.starts_with(b"0");
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|_| plain)
}

/// Hosts remembered by one thread; who comes to the place of another takes it.
const PLACES: usize = 64;
/// Longer ones are read anew.
const LONGEST: usize = 64;

/// A text, and as what it was read.
type Read = (Box<[u8]>, Host);

thread_local! {
    /// What was read of late: most requests are for one of a few hosts.
    static READ: RefCell<[Option<Read>; PLACES]> = const { RefCell::new([const { None }; PLACES]) };
}

/// `uri-host [ ":" port ]` (RFC 9110 section 7.2), strictly.
fn read(text: &[u8]) -> Option<Host> {
    let (first, last) = (text.first()?, text.last()?);
    if text.len() > LONGEST {
        return anew(text);
    }
    let place = (text.len() ^ usize::from(*first) ^ usize::from(*last).wrapping_mul(7)) % PLACES;
    // Not there any more on a thread that ends.
    let kept = READ.try_with(|all| {
        let mut all = all.borrow_mut();
        let kept = all.get_mut(place)?;
        match kept {
            Some((known, host)) if **known == *text => Some(host.clone()),
            Some(_) | None => {
                let host = anew(text)?;
                *kept = Some((text.into(), host.clone()));
                Some(host)
            }
        }
    });
    kept.unwrap_or_else(|_| anew(text))
}

fn anew(text: &[u8]) -> Option<Host> {
    usual(text).or_else(|| fully(text))
}

fn fully(text: &[u8]) -> Option<Host> {
    let text = std::str::from_utf8(text).ok()?;
    let (name, port) = if text.starts_with('[') {
        let end = text.find(']')?;
        let (name, rest) = text.split_at(end + 1);
        name.get(1..end)?.parse::<std::net::Ipv6Addr>().ok()?;
        (name, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
    } else {
        match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        }
    };
    let port = match port {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0') => {
            Some(port.parse::<u16>().ok()?)
        }
        Some(_) => return None,
        None => None,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let good = name.starts_with('[') || (name.len() <= 253 && name.bytes().all(plain) && !name.starts_with('.'));
    let labels = name.starts_with('[') || name.split('.').all(|label| !label.is_empty());
    (good && labels).then(|| Host { name: name.to_ascii_lowercase(), port })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Short texts, so that many come to the same place.
        #[test]
        fn what_is_remembered_of_one_text_is_said_of_no_other(texts in prop::collection::vec("[ab.A:1]{0,4}", 1..40)) {
            for text in texts {
                prop_assert_eq!(read(text.as_bytes()), anew(text.as_bytes()), "{}", text);
            }
        }

        #[test]
        fn the_quick_look_says_nothing_that_the_thorough_one_does_not(text in "[a-zA-Z0-9_.:\\-]{0,24}|[a-z.]{0,8}:[0-9]{0,6}") {
            if let Some(quick) = usual(text.as_bytes()) {
                prop_assert_eq!(Some(quick), fully(text.as_bytes()));
            }
        }
    }
}

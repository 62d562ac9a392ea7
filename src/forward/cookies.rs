//! Cookies on their way: in one line, and those of the authority stay with it.

use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use memchr::memmem;

/// What the names of the authority's cookies begin with. No upstream reads one, and none sets one: who could read a session
/// could use it, and who could set one could sign somebody in as somebody else.
pub const RESERVED: &str = "__Host-portcullis-";

/// Joins the lines that HTTP/2 may split cookies over (RFC 9113 section 8.2.3), without the reserved ones.
pub(super) fn of_request(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(COOKIE).iter();
    let Some(first) = lines.next() else { return };
    if lines.next().is_none() && memmem::find(first.as_bytes(), b"__").is_none() {
        return;
    }
    let pairs: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty() && !is_reserved(pair))
        .collect();
    match HeaderValue::from_bytes(&pairs.join(&b"; "[..])) {
        Ok(joined) if !joined.is_empty() => drop(headers.insert(COOKIE, joined)),
        Ok(_) | Err(_) => drop(headers.remove(COOKIE)),
    }
}

/// Takes off an answer what would set a reserved cookie.
pub(super) fn of_answer(headers: &mut HeaderMap) {
    if !headers.get_all(SET_COOKIE).iter().any(|line| is_reserved(line.as_bytes())) {
        return;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(SET_COOKIE).iter().filter(|line| !is_reserved(line.as_bytes())).cloned().collect();
    headers.remove(SET_COOKIE);
    for line in kept {
        headers.append(SET_COOKIE, line);
    }
}

/// A pair whose name is reserved, in whatever capitals.
fn is_reserved(pair: &[u8]) -> bool {
    let start = pair.trim_ascii_start().get(..RESERVED.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(RESERVED.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&'static str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_static(line));
        }
        of_request(&mut headers);
        assert_eq!(headers.get_all(COOKIE).iter().count(), usize::from(expected.is_some()), "{lines:?}");
        assert_eq!(headers.get(COOKIE).map(|line| line.to_str().unwrap()), expected, "{lines:?}");
    }

    #[test]
    fn an_upstream_gets_one_line_without_the_reserved_cookies() {
        check(&[], None);
        check(&["a=1; b=\"2; c\""], Some("a=1; b=\"2; c\""));
        check(&["a=1", "b=2"], Some("a=1; b=2"));
        check(&["a=1; __Host-portcullis-session=x; b=2"], Some("a=1; b=2"));
        check(&["__host-PORTCULLIS-known=x"], None);
        check(&["a=__Host-portcullis-session=x"], Some("a=__Host-portcullis-session=x"));
        check(&["__Host-portcullis-session=x", "a=1"], Some("a=1"));
    }

    #[test]
    fn no_answer_sets_a_reserved_cookie() {
        let mut headers = HeaderMap::new();
        for line in ["a=1; Path=/", " __Host-portcullis-session=x; Path=/", "b=__Host-portcullis-x"] {
            headers.append(SET_COOKIE, HeaderValue::from_static(line));
        }
        of_answer(&mut headers);
        let left: Vec<&str> = headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap()).collect();
        assert_eq!(left, ["a=1; Path=/", "b=__Host-portcullis-x"]);
    }
}

//! Cookies on their way: in one line, and those of the authority stay with it.

use http::header::{COOKIE, SET_COOKIE};
use memchr::memmem;

use crate::ground::Fields;

/// What the names of the authority's cookies begin with. No upstream reads one, and none sets one: who could read a session
/// could use it, and who could set one could sign somebody in as somebody else.
pub const RESERVED: &str = "__Host-portcullis-";

/// Joins the lines that HTTP/2 may split cookies over (RFC 9113 section 8.2.3), without the reserved ones.
pub(super) fn of_request(fields: &mut Fields) {
    let mut lines = 0_usize;
    if !fields.all(&COOKIE).inspect(|_| lines += 1).any(|line| memmem::find(line, b"__").is_some()) && lines < 2 {
        return;
    }
    let pairs: Vec<&[u8]> = fields
        .all(&COOKIE)
        .flat_map(|line| line.split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty() && !is_reserved(pair))
        .collect();
    let joined = pairs.join(&b"; "[..]);
    fields.remove(&COOKIE);
    if !joined.is_empty() {
        fields.append(&COOKIE, joined);
    }
}

/// Takes off an answer what would set a reserved cookie.
pub(super) fn of_answer(fields: &mut Fields) {
    if fields.all(&SET_COOKIE).any(is_reserved) {
        fields.retain(|name, line| name != SET_COOKIE.as_str().as_bytes() || !is_reserved(line));
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
        let mut fields = Fields::new();
        for line in lines {
            fields.append(&COOKIE, line);
        }
        of_request(&mut fields);
        assert_eq!(fields.all(&COOKIE).count(), usize::from(expected.is_some()), "{lines:?}");
        assert_eq!(fields.text(&COOKIE), expected, "{lines:?}");
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
        let mut fields = Fields::new();
        for line in ["a=1; Path=/", " __Host-portcullis-session=x; Path=/", "b=__Host-portcullis-x"] {
            fields.append(&SET_COOKIE, line);
        }
        of_answer(&mut fields);
        let left: Vec<&str> = fields.all(&SET_COOKIE).map(|line| std::str::from_utf8(line).unwrap()).collect();
        assert_eq!(left, ["a=1; Path=/", "b=__Host-portcullis-x"]);
    }
}

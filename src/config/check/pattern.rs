//! `match`: methods, host and path. The grammar of patterns stands here and nowhere else in this room.

use std::borrow::Cow;
use std::cmp::Ordering;

use http::Method;

use crate::config::document::read::FromText;
use crate::config::plan::{HostPattern, Methods, Pattern, Segment};
use crate::gate::admit::path::canonical;
use crate::gate::table::pattern::decoded;

/// `METHODS [HOST]/PATH`. The error says what is wrong, and after a `; ` what to do.
pub(super) fn short(text: &str) -> Result<Pattern, String> {
    let example =
        "write methods, then a host if one is meant, then a path: `GET /v1/orders/**` or `* api.example.com/**`";
    let mut words = text.split_whitespace();
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    if words.next().is_some() {
        return Err(format!(
            "`{text}` has too many parts; methods are joined by commas without spaces, `GET,POST /orders`; {example}"
        ));
    }
    let Some(target) = second else {
        let help = if first.starts_with('/') {
            format!("write `GET {first}`, or `* {first}` for all methods")
        } else {
            example.to_owned()
        };
        return Err(format!("`{text}` names no {}; {help}", if first.contains('/') { "methods" } else { "path" }));
    };
    let methods = methods(first)?;
    let Some(slash) = target.find('/') else {
        return Err(format!("`{target}` has no path; write `{target}/**` if a host is meant, or `/{target}`"));
    };
    let (host, path) = target.split_at(slash);
    if host.ends_with(':') || host.contains("://") {
        return Err(format!("`{target}` has a scheme; a route matches host and path alone: remove `https://`"));
    }
    let host = if host.is_empty() { HostPattern::Any } else { self::host(host)? };
    Ok(Pattern { text: text.to_owned(), methods, host, path: path.to_owned(), segments: segments(path)? })
}

/// The long form, already in parts; an empty list of methods is an error.
pub(super) fn long(methods: Option<Vec<Method>>, host: Option<&str>, path: &str) -> Result<Pattern, String> {
    let methods = match methods {
        Some(named) if named.is_empty() => {
            return Err("an empty list of methods matches nothing; remove it to match all".to_owned());
        }
        Some(named) => Methods::Named(named),
        None => Methods::All,
    };
    let pattern = host.map_or(Ok(HostPattern::Any), self::host)?;
    let words = match &methods {
        Methods::All => "*".to_owned(),
        Methods::Named(named) => named.iter().map(Method::as_str).collect::<Vec<_>>().join(","),
    };
    let text = format!("{words} {}{path}", host.unwrap_or_default());
    Ok(Pattern { text, methods, host: pattern, path: path.to_owned(), segments: segments(path)? })
}

fn methods(text: &str) -> Result<Methods, String> {
    if text == "*" {
        return Ok(Methods::All);
    }
    let mut named: Vec<Method> = Vec::new();
    for word in text.split(',') {
        if word.is_empty() {
            return Err(format!("`{text}` has a comma too many; write `GET,POST`"));
        }
        if word == "*" {
            return Err(format!("`{text}` names methods beside `*`, which is all of them; write `*` alone"));
        }
        let method = Method::from_text(word)?;
        if named.contains(&method) {
            return Err(format!("`{word}` stands in `{text}` twice; remove one"));
        }
        named.push(method);
    }
    Ok(Methods::Named(named))
}

pub(super) fn host(text: &str) -> Result<HostPattern, String> {
    let (name, under) = match text.strip_prefix("*.") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    if name.contains('*') {
        return Err(format!(
            "`{text}` is not a host; a `*` stands for the first part alone: `*.example.com`; for any host leave it out"
        ));
    }
    if let Some((bare, port)) = name.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        && (!bare.ends_with(']') || !port.is_empty())
    {
        let star = if under { "*." } else { "" };
        return Err(format!("`{text}` has a port; hosts are matched without it: `{star}{bare}`"));
    }
    let lower = name.to_ascii_lowercase();
    let address =
        lower.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(|it| it.parse::<std::net::Ipv6Addr>());
    let plain = lower.split('.').all(|label| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && ends(label.chars().next())
            && ends(label.chars().last())
    });
    let good = match address {
        Some(address) => address.is_ok() && !under,
        None => plain && lower.len() < 254,
    };
    if !good {
        let help = if name.is_ascii() {
            "write a host such as `api.example.com`"
        } else {
            "write it in its ASCII form, `xn--...`"
        };
        return Err(format!("`{text}` is not a host; {help}"));
    }
    Ok(if under { HostPattern::Under(lower) } else { HostPattern::Exact(lower) })
}

fn segments(path: &str) -> Result<Vec<Segment>, String> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err(format!("`{path}` does not begin with `/`; write `/{path}`"));
    };
    let parts: Vec<&str> = rest.split('/').collect();
    let mut segments: Vec<Segment> = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        let segment = segment(part, last, path)?;
        if matches!(&segment, Segment::Named(_)) && segments.contains(&segment) {
            return Err(format!(
                "`{part}` stands in `{path}` twice; give one of them another name, so that `when` can tell them apart"
            ));
        }
        segments.push(segment);
    }
    Ok(segments)
}

fn segment(part: &str, last: bool, path: &str) -> Result<Segment, String> {
    match part {
        "**" if last => return Ok(Segment::Rest),
        "**" => {
            return Err(format!(
                "`**` stands in the middle of `{path}`; it is the rest of a path, so it comes last; for one segment write `{{name}}`"
            ));
        }
        "*" => {
            return Err(format!(
                "`{path}` has a `*` in it; write `{{name}}` for one segment, or `**` at the end for the rest"
            ));
        }
        "." | ".." => {
            return Err(format!(
                "`{path}` has `{part}` in it; such paths are resolved before they are matched, so this never would be"
            ));
        }
        "" if !last => return Err(format!("`{path}` has `//` in it; write single slashes")),
        _ => {}
    }
    if let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.is_empty() || !word || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!(
                "`{part}` is not a name for a segment; letters, digits and `_`, for example `{{order_id}}`"
            ));
        }
        return Ok(Segment::Named(name.to_owned()));
    }
    if part.contains(['{', '}']) {
        return Err(format!("`{part}` mixes text and a name; a name is a whole segment: `/orders/{{id}}`"));
    }
    if part.contains('*') {
        return Err(format!(
            "`{part}` has a `*` in it; write `{{name}}` for a whole segment, or `**` at the end for the rest"
        ));
    }
    literal(part, path).map(|()| Segment::Literal(part.to_owned()))
}

/// Literals are compared with the one normal form of a path, so they must be written in it.
fn literal(part: &str, path: &str) -> Result<(), String> {
    let bytes = part.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'?' | b'#' => {
                return Err(format!(
                    "`{path}` has a `{}` in it; a route matches the path alone: use `when: request.query...` for the query",
                    char::from(*byte)
                ));
            }
            b'%' => escape(part, at, path)?,
            b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'|' | 0..=0x20 | 0x7f => {
                return Err(format!(
                    "`{path}` has a character in it that no path has; write its percent-encoding, such as `%20` for a space"
                ));
            }
            0x80.. => {
                return Err(format!(
                    "`{path}` has a letter in it that is not ASCII; write its percent-encoding, such as `%C3%A9` for `é`"
                ));
            }
            _ => {}
        }
    }
    // Whatever else requests are refused for; the door reads their paths with the same function.
    match canonical(&format!("/{part}")) {
        Ok(_) => Ok(()),
        Err(what) => Err(format!("`{path}` never comes: {what}, and requests with that are refused")),
    }
}

fn escape(part: &str, at: usize, path: &str) -> Result<(), String> {
    let digits = part.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let Some(value) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
        return Err(format!("`{path}` has a `%` without two hexadecimal digits; write `%25` for a percent sign"));
    };
    let written = digits.unwrap_or_default();
    if matches!(value, 0 | b'/' | b'\\' | b'%') {
        return Err(format!(
            "`{path}` has `%{written}` in it; requests with it are refused, because it can be read in two ways"
        ));
    }
    if value.is_ascii_alphanumeric() || b"-._~".contains(&value) {
        return Err(format!("`{path}` has `%{written}` in it, which is `{}`; write it plainly", char::from(value)));
    }
    if written != written.to_ascii_uppercase() {
        return Err(format!(
            "`{path}` has `%{written}` in it; write the digits in capitals: `%{}`",
            written.to_ascii_uppercase()
        ));
    }
    Ok(())
}

/// The most specific first: host, then path segment by segment, then methods.
pub(super) fn by_specificity(one: &Pattern, other: &Pattern) -> Ordering {
    let host = |host: &HostPattern| match host {
        HostPattern::Exact(name) => (0, 0, name.clone()),
        // The longer of two wildcards is the more specific one.
        HostPattern::Under(name) => (1, usize::MAX - name.len(), name.clone()),
        HostPattern::Any => (2, 0, String::new()),
    };
    let path = |pattern: &Pattern| -> Vec<(u8, String)> { pattern.segments.iter().map(rank).collect() };
    let methods = |pattern: &Pattern| matches!(pattern.methods, Methods::All);
    host(&one.host)
        .cmp(&host(&other.host))
        .then_with(|| path(one).cmp(&path(other)))
        .then_with(|| methods(one).cmp(&methods(other)))
        .then_with(|| one.text.cmp(&other.text))
}

fn rank(segment: &Segment) -> (u8, String) {
    match segment {
        Segment::Literal(text) => (0, text.clone()),
        Segment::Named(_) => (1, String::new()),
        Segment::Rest => (2, String::new()),
    }
}

/// The segments of a path, by what decides which requests it takes.
pub(super) type Shape<'p> = Vec<Option<Cow<'p, str>>>;

/// What decides which requests a path takes: names of segments do not, nor in which of two ways a character is written.
pub(super) fn shape(pattern: &Pattern) -> Shape<'_> {
    pattern
        .segments
        .iter()
        .map(|segment| match segment {
            Segment::Literal(text) => Some(decoded(text)),
            Segment::Named(_) => None,
            // Cannot be a literal: an encoded slash is refused in them.
            Segment::Rest => Some(Cow::Borrowed("/**")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_good(text: &str, host: &HostPattern, segments: usize) {
        let pattern = short(text).unwrap();
        assert_eq!((&pattern.host, pattern.segments.len()), (host, segments), "{text}");
    }

    fn check_bad(text: &str, part: &str) {
        let cause = short(text).unwrap_err();
        assert!(cause.contains(part), "{text}: {cause}");
    }

    #[test]
    fn a_pattern_is_methods_a_host_and_a_path() {
        check_good("GET /", &HostPattern::Any, 1);
        check_good("GET,POST /orders/{id}", &HostPattern::Any, 2);
        check_good("* *.Example.com/**", &HostPattern::Under("example.com".to_owned()), 1);
        check_good("GET api.example.com/a/", &HostPattern::Exact("api.example.com".to_owned()), 2);
        check_good("PROPFIND [::1]/x", &HostPattern::Exact("[::1]".to_owned()), 1);
        check_good("GET /caf%C3%A9", &HostPattern::Any, 1);
    }

    #[test]
    fn what_can_never_match_is_refused() {
        check_bad("/orders", "names no methods");
        check_bad("GET", "names no path");
        check_bad("get /x", "did you mean `GET`");
        check_bad("GETT /x", "did you mean `GET`");
        check_bad("GET, POST /x", "too many parts");
        check_bad("GET,*  /x", "beside `*`");
        check_bad("GET,GET /x", "twice");
        check_bad("TRACE /x", "cannot be offered");
        check_bad("GET api.example.com", "has no path");
        check_bad("GET https://api.example.com/x", "has a scheme");
        check_bad("GET api.example.com:8443/x", "has a port");
        check_bad("GET a*.example.com/x", "first part alone");
        check_bad("GET -a.example.com/x", "not a host");
        check_bad("GET /a//b", "`//`");
        check_bad("GET /a/../b", "resolved before");
        check_bad("GET /a/*/b", "`*` in it");
        check_bad("GET /a/**/b", "comes last");
        check_bad("GET /a/{id}/{id}", "twice");
        check_bad("GET /a/{1}", "not a name");
        check_bad("GET /a/x{id}", "whole segment");
        check_bad("GET /a?b=c", "path alone");
        check_bad("GET /a%2fb", "two ways");
        check_bad("GET /a%41", "write it plainly");
        check_bad("GET /a%c3%a9", "in capitals");
        check_bad("GET /a%4", "two hexadecimal");
        check_bad("GET /é", "not ASCII");
    }

    #[test]
    fn the_most_specific_pattern_comes_first() {
        let sorted = [
            "GET api.example.com/a",
            "GET *.example.com/a",
            "GET *.com/a",
            "GET /a",
            "* /a",
            "GET /a/b",
            "GET /a/{id}",
            "GET /a/**",
            "GET /{x}/b",
            "GET /**",
        ];
        let mut patterns: Vec<Pattern> = sorted.iter().rev().map(|text| short(text).unwrap()).collect();
        patterns.sort_by(by_specificity);
        assert_eq!(patterns.iter().map(|pattern| pattern.text.as_str()).collect::<Vec<_>>(), sorted);
    }
}

//! Other spellings of protected paths, and requests that servers read in more than one way.

use super::{Finding, Patient, Sample, must_be_refused};
use crate::config::diff::Model;
use crate::config::diff::model::Access;
use crate::config::diff::space::Space;
use crate::gate::admit;

/// Tries every spelling on a few protected routes, and every ambiguity once.
pub fn probe(patient: &Patient<'_>, tell: &mut dyn FnMut(Finding)) {
    let model = Model::of(patient.plan);
    let space = Space::of(&model, |_| 0).ok();
    // A spelling that the file itself gives to an open route is no way around anything.
    let is_open = |sample: &Sample<'_>, path: &str| {
        let Ok(canonical) = admit::path::canonical(path) else { return false };
        let found = space.as_ref().and_then(|space| space.find(&sample.host, &canonical, &sample.method));
        found.and_then(|index| model.routes.get(index)).is_some_and(|route| route.access == Access::Anyone)
    };
    for sample in patient.protected() {
        for (what, path) in spellings(&sample.path).into_iter().filter(|(_, path)| !is_open(&sample, path)) {
            let answer = patient.wire.ask(sample.head(&path, ""));
            let (verdict, detail) = must_be_refused(&answer);
            let probe = format!("{} {path} without a token ({what}, for `{}`)", sample.method, sample.route.name);
            tell(Finding { about: "path", probe, verdict, detail });
        }
    }
    let Some(sample) = patient.protected().next() else { return };
    for (what, bytes) in ambiguities(&sample) {
        let (verdict, detail) = must_be_refused(&patient.wire.ask(bytes));
        tell(Finding { about: "path", probe: what.to_owned(), verdict, detail });
    }
}

/// `/a/b` as it might slip past: the same resource for some servers, another text for others.
fn spellings(path: &str) -> Vec<(&'static str, String)> {
    let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
    let encoded = last.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    vec![
        ("as it is", path.to_owned()),
        ("a slash at the end", format!("{path}/")),
        ("two slashes", format!("{parent}//{last}")),
        ("a dot segment", format!("{parent}/./{last}")),
        ("a step back", format!("{parent}/x/../{last}")),
        ("an encoded step back", format!("{parent}/x/%2e%2e/{last}")),
        ("an encoded slash", format!("{parent}%2f{last}")),
        ("a backslash", format!("{parent}\\{last}")),
        ("a parameter", format!("{path};a=b")),
        ("letters encoded", format!("{parent}/{encoded}")),
        ("encoded twice", format!("{parent}/{}", encoded.replace('%', "%25"))),
        ("a zero byte", format!("{path}%00")),
        ("capitals", path.to_ascii_uppercase()),
    ]
}

/// Requests with more than one reading (RFC 9112 sections 3.2 and 6.3).
fn ambiguities(sample: &Sample<'_>) -> Vec<(&'static str, String)> {
    let Sample { path, host, .. } = sample;
    let start = format!("POST {path} HTTP/1.1\r\nConnection: close\r\n");
    vec![
        ("two hosts", format!("{start}Host: {host}\r\nHost: other.invalid\r\n\r\n")),
        ("no host", format!("{start}\r\n")),
        ("a host with a user", format!("{start}Host: user@{host}\r\n\r\n")),
        (
            "a length and chunks",
            format!("{start}Host: {host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        ("two lengths", format!("{start}Host: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")),
        ("a length with a sign", format!("{start}Host: {host}\r\nContent-Length: +1\r\n\r\na")),
        ("chunks under another name", format!("{start}Host: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")),
        ("a space before a colon", format!("{start}Host: {host}\r\nX-A : b\r\n\r\n")),
        ("a folded line", format!("{start}Host: {host}\r\nX-A: b\r\n c\r\n\r\n")),
        ("CONNECT", format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}\r\n\r\n")),
        ("TRACE", format!("TRACE {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")),
    ]
}

//! `respond`, `body` and `headers`: answers made here, bodies, headers of the answer.

use http::{HeaderName, HeaderValue, StatusCode};

use super::Check;
use crate::config::document::policy::{Body as WrittenBody, FixedAnswer};
use crate::config::document::read::Named;
use crate::config::document::route::Headers as WrittenHeaders;
use crate::config::place::At;
use crate::config::plan::{Body, Fixed, Headers};
use crate::config::problem::Problem;

/// Headers that say how a message is framed or to whom the connection belongs: never a matter of configuration.
const FRAMING: [&str; 8] =
    ["connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "keep-alive", "x-request-id"];

pub(super) fn fixed(written: &FixedAnswer, check: &mut Check<'_>) -> Option<Fixed> {
    let status = status(written.status.as_ref(), check);
    let headers = written.headers.as_ref().map(|headers| named(headers, check)).unwrap_or_default();
    let body = written.body.as_ref();
    if let (Some(body), Some(StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)) = (body, status) {
        let cause = "an answer with this status has no body";
        check.add(Problem::at(body.place, cause).help("remove `body`, or write `status: 200`"));
    }
    Some(Fixed { status: status?, headers, body: body.map(|at| at.value.clone()).unwrap_or_default() })
}

fn status(at: Option<&At<u32>>, check: &mut Check<'_>) -> Option<StatusCode> {
    let Some(at) = at else { return Some(StatusCode::OK) };
    let status = u16::try_from(at.value).ok().filter(|status| (200..600).contains(status));
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    if status.is_none() {
        let cause = format!("`{}` is not the status of an answer", at.value);
        check.add(Problem::at(at.place, cause).help("write a number from 200 to 599"));
    }
    status
}

pub(super) fn body(written: &WrittenBody, check: &mut Check<'_>) -> Body {
    let mut types = Vec::new();
    for at in written.types.iter().flat_map(|types| &types.items) {
        match media_type(&at.value) {
            Some(media_type) => types.push(media_type),
            None => {
                let cause = format!("`{}` is not a media type", at.value);
                check
                    .add(Problem::at(at.place, cause).help("write for example `application/json`, without parameters"));
            }
        }
    }
    if let Some(empty) = written.types.as_ref().filter(|types| types.listed && types.items.is_empty()) {
        let cause = "an empty list of media types accepts no body";
        check.add(Problem::at(empty.place, cause).help("write `[application/json]`, or remove the key to accept all"));
    }
    Body { max: written.max.as_ref().map(|at| at.value.0), types }
}

/// `type/subtype`, lower case.
fn media_type(text: &str) -> Option<String> {
    let (kind, rest) = text.split_once('/')?;
    let token =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    (token(kind) && token(rest)).then(|| text.to_ascii_lowercase())
}

pub(super) fn headers(written: &WrittenHeaders, check: &mut Check<'_>) -> Headers {
    let set = written.set.as_ref().map(|set| named(set, check)).unwrap_or_default();
    let mut remove = Vec::new();
    for at in written.remove.iter().flat_map(|list| &list.items) {
        if FRAMING.contains(&at.value.as_str()) {
            check.add(framing(at.place, at.value.as_str()));
        }
        if set.iter().any(|(name, _)| *name == at.value) {
            let cause = format!("`{}` is set and removed at once", at.value);
            check.add(Problem::at(at.place, cause).help("keep one of the two"));
        }
        remove.push(at.value.clone());
    }
    Headers { set, remove }
}

fn named(written: &Named<At<HeaderValue>>, check: &mut Check<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (at, value) in &written.0 {
        let name = match HeaderName::from_bytes(at.value.as_bytes()) {
            Ok(name) => name,
            Err(_) => {
                let cause = format!("`{}` is not the name of a header", at.value);
                check.add(Problem::at(at.place, cause).help("letters, digits and `-`, for example `X-Frame-Options`"));
                continue;
            }
        };
        if FRAMING.contains(&name.as_str()) {
            check.add(framing(at.place, name.as_str()));
        }
        if headers.iter().any(|(earlier, _)| *earlier == name) {
            let cause = format!("the header `{}` stands here twice; upper and lower case are the same", at.value);
            check.add(Problem::at(at.place, cause).help("keep one of the two"));
        }
        headers.push((name, value.value.clone()));
    }
    headers
}

fn framing(place: crate::config::place::Place, name: &str) -> Problem {
    Problem::at(place, format!("`{name}` belongs to the connection, and the gateway alone writes it"))
        .help("remove it here")
}

//! `cors`: which web pages of other origins may call.

use std::time::Duration;

use http::{HeaderName, Method, header};
use url::Url;

use super::{Check, text};
use crate::config::document::policy::Cors as Written;
use crate::config::place::At;
use crate::config::plan::{Cors, Origins};
use crate::config::problem::Problem;

/// `methods`: those of the routes of this path; `None` for all.
pub(super) fn cors(written: &Written, methods: Option<Vec<Method>>, check: &mut Check<'_>) -> Option<Cors> {
    let origins = origins(written, check);
    let credentials = written.credentials.as_ref().is_some_and(|at| at.value);
    if let (Some(Origins::Any), Some(at), true) = (&origins, &written.credentials, credentials) {
        let star = written.origins.0.as_ref().and_then(|list| list.items.first());
        let problem = Problem::at(at.place, "with `*`, any web page could act with the cookies of its visitors");
        let problem = match star {
            Some(star) => problem.other(star.place, "all origins"),
            None => problem,
        };
        check.add(
            problem.help(
                "name the origins that need it, for example `[https://app.example.com]`, or remove `credentials`",
            ),
        );
    }
    let names = |list: Option<&crate::config::document::read::OneOrMany<At<HeaderName>>>, usual: &[HeaderName]| {
        list.map_or_else(|| usual.to_vec(), |list| list.items.iter().map(|at| at.value.clone()).collect())
    };
    let methods = match &written.methods {
        Some(list) => Some(list.items.iter().map(|at| at.value.clone()).collect()),
        None => methods,
    };
    let expose = [
        header::WWW_AUTHENTICATE,
        HeaderName::from_static("ratelimit"),
        header::RETRY_AFTER,
        HeaderName::from_static("x-request-id"),
        header::LOCATION,
    ];
    Some(Cors {
        origins: origins?,
        methods,
        headers: names(written.headers.as_ref(), &[header::AUTHORIZATION, header::CONTENT_TYPE]),
        expose: names(written.expose.as_ref(), &expose),
        credentials,
        max_age: text::span(written.max_age.as_ref(), Duration::from_secs(600), check),
    })
}

fn origins(written: &Written, check: &mut Check<'_>) -> Option<Origins> {
    let list = written.origins.0.as_ref()?;
    if list.items.is_empty() && list.listed {
        let cause = "an empty list of origins lets no page in";
        check.add(
            Problem::at(list.place, cause)
                .help("name an origin such as `https://app.example.com`, or write `cors: off`"),
        );
        return None;
    }
    text::repeated(&list.items, check);
    if let Some(star) = list.items.iter().find(|at| at.value == "*") {
        if list.items.len() > 1 {
            let cause = "`*` is all origins, so the others do nothing";
            check.add(Problem::at(star.place, cause).help("remove `*`, or everything but `*`"));
        }
        return Some(Origins::Any);
    }
    let exact: Vec<Option<String>> = list.items.iter().map(|at| origin(at, check)).collect();
    exact.into_iter().collect::<Option<_>>().map(Origins::Exact)
}

/// Browsers send the origin in exactly one form; anything else would never match.
pub(super) fn origin(at: &At<String>, check: &mut Check<'_>) -> Option<String> {
    let text = at.value.as_str();
    let example = "write a scheme, a host and, where it is not the usual one, a port: `https://app.example.com`";
    let cause = if text == "null" {
        "`null` is the origin of any sandboxed page and of local files; it cannot be let in".to_owned()
    } else if text.contains('*') {
        format!("`{text}` has a `*` in it; each origin is named in full: `https://app.example.com`")
    } else {
        match Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https")) {
            Some(url) => {
                let exact = url.origin().ascii_serialization();
                if exact == text {
                    return Some(exact);
                }
                format!("`{text}` is not the origin that a browser sends; write `{exact}`")
            }
            None => format!("`{text}` is not an origin; {example}"),
        }
    };
    check.add_text(at.place, cause);
    None
}

//! Web addresses, numbers and durations that must make sense.

use std::time::Duration;

use url::{Host, Url};

use super::Check;
use crate::config::place::At;
use crate::config::problem::Problem;

/// The address of something that decides about tokens: `https`, or `http` to this machine with a warning.
pub(super) fn trusted_address(at: &At<String>, what: &str, check: &mut Check<'_>) -> Option<Url> {
    let url = address(at, what, check)?;
    if url.scheme() == "http" {
        if !is_loopback(&url) {
            let cause = format!("{what} must be reached by https: whoever stands between could forge tokens");
            check.add(Problem::at(at.place, cause).help(format!(
                "write `https://{}`; `http` is accepted for `localhost` and `127.0.0.1` alone, for trying things out",
                at.value.trim_start_matches("http://")
            )));
            return None;
        }
        check.warn(
            at.place,
            format!("{what} is reached by http; accepted because it is this machine, for trying things out"),
        );
    }
    Some(url)
}

/// A web address without a name, password or fragment.
pub(super) fn address(at: &At<String>, what: &str, check: &mut Check<'_>) -> Option<Url> {
    let text = at.value.as_str();
    let example = "write for example `https://login.example.com`";
    let cause = match Url::parse(text) {
        // Looked for in the text itself: what cannot be parsed may hold one as well, and must not be repeated.
        _ if holds_a_login(text) => {
            check.problems.mask(at.place);
            "an address must not hold a name or password; keep it out of the address".to_owned()
        }
        Ok(url) if !matches!(url.scheme(), "http" | "https") || !text.contains("://") || url.host().is_none() => {
            format!("`{text}` is not the address of {what}; {example}")
        }
        Ok(url) if url.fragment().is_some() => format!("`{text}` has a fragment; remove `#` and what follows it"),
        Ok(url) => return Some(url),
        Err(_) => format!("`{text}` is not the address of {what}; {example}"),
    };
    check.add_text(at.place, cause);
    None
}

fn holds_a_login(text: &str) -> bool {
    let behind = text.split_once("://").map_or(text, |(_, behind)| behind);
    behind.split(['/', '\\', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A duration that must not be zero, or its default.
pub(super) fn span(at: Option<&At<Duration>>, default: Duration, check: &mut Check<'_>) -> Duration {
    let Some(at) = at else { return default };
    if at.value.is_zero() {
        let help =
            format!("write a longer one, or leave the key out for `{}`", crate::ground::duration::format(default));
        check.add(Problem::at(at.place, "this duration must be longer than zero").help(help));
    }
    at.value
}

/// A number that must not be zero, or its default.
pub(super) fn count(at: Option<&At<u32>>, default: u32, check: &mut Check<'_>) -> u32 {
    let Some(at) = at else { return default };
    if at.value == 0 {
        let help = format!("write a larger one, or leave the key out for `{default}`");
        check.add(Problem::at(at.place, "this number must be at least 1").help(help));
    }
    at.value
}

/// Two values of one list are the same.
pub(super) fn repeated(items: &[At<String>], check: &mut Check<'_>) {
    for (index, item) in items.iter().enumerate() {
        let earlier = items.iter().take(index).find(|earlier| earlier.value == item.value);
        if let Some(earlier) = earlier {
            let cause = format!("`{}` stands in this list twice", item.value);
            check.add(Problem::at(item.place, cause).other(earlier.place, "first here").help("remove one of them"));
        }
    }
}

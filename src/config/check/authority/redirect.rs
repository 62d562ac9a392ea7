//! Redirect URIs: what may be registered (RFC 8252 sections 7.1 and 8.4).

use url::Url;

use crate::config::check::{Check, text};
use crate::config::place::At;

/// Notes each that is not safe, and each that stands there twice. Gives them as written.
pub(super) fn uris(list: Option<&Vec<At<String>>>, check: &mut Check<'_>) -> Vec<String> {
    let list = list.map_or(&[][..], Vec::as_slice);
    for at in list {
        if let Err(cause) = safe(&at.value) {
            if has_userinfo(&at.value) {
                check.problems.mask(at.place);
            }
            check.add_text(at.place, cause);
        }
    }
    text::repeated(list, check);
    list.iter().map(|at| at.value.clone()).collect()
}

/// Schemes that run or read something where they are opened.
const RUNNING: [&str; 7] = ["javascript", "data", "file", "vbscript", "blob", "about", "filesystem"];

const EXAMPLE: &str = "write for example `https://app.example.com/callback`";

/// The error says what is wrong, and after a `; ` what to do.
fn safe(text: &str) -> Result<(), String> {
    if has_userinfo(text) {
        return Err(format!("a redirect URI has no name or password in it; {EXAMPLE}"));
    }
    let strange = text.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '\\' | '"' | '<' | '>'));
    if let Some(strange) = strange {
        let shown = if strange.is_control() { strange.escape_default().to_string() } else { strange.to_string() };
        return Err(format!("a redirect URI has no `{shown}` in it; write it percent-encoded"));
    }
    let Ok(url) = Url::parse(text) else {
        return Err(format!("`{text}` is not an absolute address; {EXAMPLE}"));
    };
    if RUNNING.contains(&url.scheme()) {
        return Err(format!(
            "`{}:` is opened by the browser itself, and would run or show a token; {EXAMPLE}",
            url.scheme()
        ));
    }
    if text.contains('#') {
        return Err(format!("`{text}` has a fragment; remove `#` and what follows it"));
    }
    if text.contains('*') {
        return Err(format!("`{text}` has a `*` in it, and is compared letter by letter; list each address in full"));
    }
    match url.scheme() {
        "https" if has_host(text) => Ok(()),
        "http" if has_host(text) && text::is_loopback(&url) => Ok(()),
        "http" if has_host(text) => Err(format!(
            "`{text}` can be read and changed on the way; write `https`, or `http://127.0.0.1` for a program on the user's own \
             machine"
        )),
        "http" | "https" => Err(format!("`{text}` names no host; {EXAMPLE}")),
        scheme if scheme.contains('.') => Ok(()),
        scheme => Err(format!(
            "any app could claim the scheme `{scheme}:`; use one with a dot that begins with a name of yours, such as \
             `com.example.app:/callback`, or `https`"
        )),
    }
}

/// Browsers forgive missing and superfluous slashes; a letter by letter comparison does not.
fn has_host(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
}

/// Told by the text, so that a password in an address that cannot be read is not repeated.
fn has_userinfo(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| {
        rest.split(['/', '?', '#', '\\']).next().is_some_and(|authority| authority.contains('@'))
    })
}

//! Where a browser may be sent back to: registered, compared letter by letter.

use std::fmt;

use url::{Host, Url};

use super::client::Client;

/// A registered redirect URI (RFC 6749 section 3.1.2), or one of RP-initiated logout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri {
    text: String,
    url: Url,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `https`.
    Web,
    /// `http` to this machine: a native program that listens on a port of its own (RFC 8252 section 7.3).
    Loopback,
    /// `com.example.app:/callback` (RFC 8252 section 7.1).
    Private,
}

impl RedirectUri {
    /// `https`, `http` to the loopback, or a private scheme with a dot; absolute and without a fragment. The error speaks to
    /// whoever registers it.
    pub fn new(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|cause| format!("`{text}` is not an absolute URI: {cause}"))?;
        if text.contains('#') {
            return Err("a redirect URI has no `#` (RFC 6749 section 3.1.2)".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a redirect URI has no user name or password".into());
        }
        if text.contains('*') {
            return Err("a redirect URI is compared letter by letter: `*` means nothing; list every address".into());
        }
        if text.bytes().any(|byte| !(0x21..0x7f).contains(&byte)) {
            return Err(
                "a redirect URI is printable ASCII without blanks; write other characters percent-encoded".into()
            );
        }
        let kind = match url.scheme() {
            "https" if url.has_host() => Kind::Web,
            "http" if is_loopback(&url) => Kind::Loopback,
            "http" => {
                return Err(
                    "`http` would carry codes in clear: use `https`, or `http://127.0.0.1` for a program on the \
                            user's own machine"
                        .into(),
                );
            }
            scheme if scheme.contains('.') => Kind::Private,
            scheme => {
                return Err(format!(
                    "the scheme `{scheme}` is not accepted: use `https`, or for an app a scheme of its own with a dot \
                     in it, such as `com.example.app:/callback` (RFC 8252 section 7.1)"
                ));
            }
        };
        Ok(Self { text: text.to_owned(), url, kind })
    }

    /// Whether a request may name `presented` for this: the same letters. A loopback address may have any port, because a
    /// native program learns its port when it starts (RFC 8252 section 7.3).
    pub fn is(&self, presented: &str) -> bool {
        if self.text == presented {
            return true;
        }
        self.kind == Kind::Loopback && without_port(&self.text).is_some_and(|own| without_port(presented) == Some(own))
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn is_loopback(&self) -> bool {
        self.kind == Kind::Loopback
    }

    /// `https://app.example.com`: what scripts of a page served there call their origin. `None` for private schemes.
    pub(super) fn origin(&self) -> Option<String> {
        match self.kind {
            Kind::Web | Kind::Loopback => Some(self.url.origin().ascii_serialization()),
            Kind::Private => None,
        }
    }

    pub(super) fn is_web(&self) -> bool {
        self.kind == Kind::Web
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a browser is allowed to be sent to by a form on our pages: the origin of a validated redirect URI, or its scheme.
pub(super) fn form_target(redirect_uri: &str) -> String {
    Url::parse(redirect_uri).map_or_else(|_| "'none'".to_owned(), |url| source(&url))
}

/// As a policy says it. It has no word for the host of a private scheme, nor for an IPv6 address (CSP 3 section 2.3.1):
/// browsers pass over a source that has one, and block what it was to allow.
fn source(url: &Url) -> String {
    match url.host() {
        Some(Host::Domain(_) | Host::Ipv4(_)) if matches!(url.scheme(), "http" | "https") => {
            url.origin().ascii_serialization()
        }
        Some(_) | None => format!("{}:", url.scheme()),
    }
}

/// The same, and where the client says that its callback may send the browser on to: Chromium holds a form to its page's
/// list on every redirect until there is a page.
pub(super) fn form_targets(redirect_uri: &str, client: Option<&Client>) -> String {
    let mut targets = vec![form_target(redirect_uri)];
    let of_origin = |text: &String| {
        let url = Url::parse(text).ok().filter(|url| url.origin().ascii_serialization() == *text)?;
        Some(source(&url))
    };
    for more in client.into_iter().flat_map(|client| &client.parts().origins).filter_map(of_origin) {
        if !targets.contains(&more) {
            targets.push(more);
        }
    }
    targets.join(" ")
}

/// The host that people are told they go to.
pub(super) fn shown_host(redirect_uri: &str) -> String {
    match Url::parse(redirect_uri) {
        Ok(url) => url.host_str().map_or_else(|| format!("{}:", url.scheme()), str::to_owned),
        Err(_) => String::new(),
    }
}

/// The text of a loopback address in two parts, around its port. Only literal spellings: `localhost` by name counts where
/// it was registered by name.
fn without_port(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("http://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let host = match authority.strip_prefix('[') {
        Some(literal) => authority.get(..literal.find(']')? + 2)?,
        None => authority.split(':').next()?,
    };
    let port = authority.strip_prefix(host)?;
    // A number may have a sign for Rust; a port has none.
    let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = |digits: &str| plain(digits) && digits.parse::<u16>().is_ok_and(|port| port > 0);
    if !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port)) {
        return None;
    }
    Some((host, path))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(registered: &str, presented: &str, same: bool) {
        let registered = RedirectUri::new(registered).unwrap_or_else(|cause| panic!("{registered}: {cause}"));
        assert_eq!(registered.is(presented), same, "{registered} and {presented}");
    }

    #[test]
    fn az_03_a_redirect_uri_is_compared_letter_by_letter() {
        let own = "https://app.example/cb?x=1";
        check(own, own, true);
        for other in [
            "https://app.example/cb",
            "https://app.example/cb?x=1&y=2",
            "https://app.example/cb?x=1#",
            "https://app.example/cb/?x=1",
            "https://APP.example/cb?x=1",
            "HTTPS://app.example/cb?x=1",
            "https://app.example:443/cb?x=1",
            "https://app.example/%63b?x=1",
            "https://app.example/a/../cb?x=1",
            "https://app.example.evil/cb?x=1",
            "https://app.example@evil/cb?x=1",
            "https://app.example/cb?x=1 ",
            "",
        ] {
            check(own, other, false);
        }
    }

    #[test]
    fn az_04_a_loopback_address_may_have_any_port() {
        for (own, other, same) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:51234/cb", true),
            ("http://127.0.0.1:80/cb", "http://127.0.0.1:51234/cb", true),
            ("http://[::1]/cb", "http://[::1]:9/cb", true),
            ("http://localhost:1/cb", "http://localhost:2/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51234/cb?x", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51234/other", false),
            ("http://127.0.0.1/cb", "http://localhost:51234/cb", false),
            ("http://127.0.0.1/cb", "http://[::1]:51234/cb", false),
            ("http://127.0.0.1/cb", "https://127.0.0.1:51234/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:+9/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5@evil/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil:5/cb", false),
            ("https://app.example/cb", "https://app.example:8443/cb", false),
        ] {
            check(own, other, same);
        }
    }

    #[test]
    fn forms_may_go_to_what_a_policy_can_name_and_by_scheme_where_it_has_no_word_for_the_host() {
        for (address, expected) in [
            ("https://app.example/cb?x", "https://app.example"),
            ("http://127.0.0.1:51234/cb", "http://127.0.0.1:51234"),
            ("http://[::1]:51234/cb", "http:"),
            ("https://[2001:db8::1]/cb", "https:"),
            ("com.example.app:/cb", "com.example.app:"),
        ] {
            assert_eq!(form_target(address), expected);
        }
        let origins = ["https://[2001:db8::1]", "https://next.example", "https://next.example/path"].map(str::to_owned);
        let parts = crate::authority::ClientParts {
            origins: origins.to_vec(),
            redirect_uris: vec![RedirectUri::new("http://[::1]/cb").unwrap()],
            grants: vec![crate::authority::Grant::AuthorizationCode],
            ..crate::authority::ClientParts::named("native")
        };
        let client = Client::new(parts).unwrap();
        assert_eq!(form_targets("http://[::1]:51234/cb", Some(&client)), "http: https: https://next.example");
    }

    #[test]
    fn az_05_only_safe_redirect_uris_can_be_registered() {
        for good in ["https://app.example/cb", "http://127.0.0.1/cb", "http://[::1]:8/cb", "com.example.app:/cb"] {
            RedirectUri::new(good).unwrap();
        }
        for bad in [
            "/cb",
            "app.example/cb",
            "http://app.example/cb",
            "https://app.example/cb#x",
            "https://app.example/cb#",
            "https://u:p@app.example/cb",
            "https://*.example/cb",
            "https://app.example/*",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "myapp:/cb",
            "https://app.example/ä",
            "https://",
            "",
        ] {
            assert!(RedirectUri::new(bad).is_err(), "{bad}");
        }
    }
}

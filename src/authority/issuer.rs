//! The two kinds of address that tokens carry: who made them, and for whom.

use std::sync::Arc;

use url::{Host, Url};

/// The authority's own name: a URL that stands byte for byte the same in metadata, tokens and later answers
/// (RFC 8414 section 2). It comes from the configuration, never from a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: Arc<str>,
    url: Url,
}

impl Issuer {
    /// `https` without query and fragment; `http` to this machine alone, for trying things out.
    pub fn new(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|cause| format!("`{text}` is not a URL: {cause}"))?;
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
            return Err(
                "an issuer starts with `https://`; `http://` is accepted for 127.0.0.1 and localhost only".into()
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("an issuer has no `?` and no `#` (RFC 8414 section 2)".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an issuer has no user name or password".into());
        }
        let normal = url.as_str();
        if text != normal && text != normal.trim_end_matches('/') {
            return Err(format!(
                "clients compare the issuer letter by letter; write it in its normal form: `{}`",
                normal.trim_end_matches('/')
            ));
        }
        Ok(Self { text: text.into(), url })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host name or address, lower case; the host that requests to the authority name.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Scheme, host and port, as browsers name them.
    pub(super) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The port, given or meant by the scheme.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }

    /// Set when tokens travel in clear.
    pub fn warning(&self) -> Option<String> {
        (self.url.scheme() == "http").then(|| {
            format!(
                "the issuer `{}` uses http: good for trying things out on one machine, and for nothing else",
                self.text
            )
        })
    }

    /// The path without a slash at its end: empty for most issuers.
    pub(super) fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// The address of what lies at `path` under the issuer.
    pub(super) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.text.trim_end_matches('/'))
    }
}

/// Whom an access token is for (RFC 8707): becomes its `aud`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    text: Arc<str>,
    url: Url,
}

impl Resource {
    /// An absolute URI without a fragment (RFC 8707 section 2).
    pub fn new(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|cause| format!("`{text}` is not an absolute URI: {cause}"))?;
        if url.fragment().is_some() {
            return Err("a resource has no `#` (RFC 8707 section 2)".into());
        }
        Ok(Self { text: text.into(), url })
    }

    /// As it was written: tokens carry this, and whoever checks them compares it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same resource in another spelling, such as with the slash that URL libraries put behind a host.
    pub fn is(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl From<&Issuer> for Resource {
    fn from(issuer: &Issuer) -> Self {
        Self { text: Arc::clone(&issuer.text), url: issuer.url.clone() }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

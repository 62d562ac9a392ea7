//! Who asks, and which headers say so.

use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use http::HeaderName;

use crate::ground::{Fields, cold};
use crate::observe::record::Who;
use crate::token::Claims;
use crate::token::cache::Remembered;

/// Who asks, as verified; anonymous is said explicitly.
#[derive(Clone)]
pub enum Caller {
    /// The route is public: no token was looked at.
    Anonymous,
    /// The bearer of a verified token.
    Known(Rc<Identity>),
}

/// A verified caller with everything that can be made ready once per token. Each worker has its own of a token, so that no
/// count of who holds it goes from core to core.
#[derive(Clone)]
pub struct Identity {
    pub claims: Arc<Claims>,
    /// The identity headers an upstream gets (`X-Auth-Subject` and its kin), ready to be set.
    pub block: Fields,
    /// As the access log says it.
    pub who: Who,
    /// The claims as conditions see them, converted at the first condition and kept.
    pub(super) converted: OnceLock<super::condition::Converted>,
}

impl Caller {
    pub fn claims(&self) -> Option<&Arc<Claims>> {
        match self {
            Self::Anonymous => None,
            Self::Known(identity) => Some(&identity.claims),
        }
    }
}

impl Remembered for Rc<Identity> {
    fn fetch(&self) {
        cold::has_read(self.claims.fetch() ^ self.block.fetch() ^ self.who.fetch());
    }
}

impl Identity {
    pub fn new(claims: Arc<Claims>) -> Self {
        let list = |items: &[Arc<str>]| if items.is_empty() { None } else { Some(items.join(" ")) };
        let facts = [
            ("x-auth-subject", claims.subject.as_deref().map(str::to_owned)),
            ("x-auth-client", claims.client.as_deref().map(str::to_owned)),
            ("x-auth-scope", list(&claims.scopes)),
            ("x-auth-roles", list(&claims.roles)),
            ("x-auth-issuer", Some((*claims.issuer).to_owned())),
        ];
        let mut block = Fields::new();
        for (name, fact) in facts {
            if let Some(fact) = fact {
                block.append(&HeaderName::from_static(name), visible(&fact));
            }
        }
        let who = Who::new(claims.client.as_ref(), claims.subject.as_ref(), &claims.issuer);
        Self { claims, block, who, converted: OnceLock::new() }
    }
}

/// Percent-encodes what is not visible ASCII, and `%`: a value is one line that reads back to what the token said.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' => out.push_str("%25"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

/// Whether a client could pass itself off with this header, named in small letters. Compared with `_` and `.` folded to `-`,
/// as upstreams that speak CGI or WSGI fold them; every name with an underscore goes, because it has no other honest reading.
pub fn is_identity_name(name: &[u8]) -> bool {
    let interesting = |byte: u8| matches!(byte, b'x' | b'r' | b'f' | b't' | b'c' | b'p' | b's' | b'w');
    // Names are short: a look at each byte is quicker than a search.
    let has = |wanted: u8| name.iter().fold(false, |found, byte| found | (*byte == wanted));
    if has(b'_') {
        return true;
    }
    if !name.first().copied().is_some_and(interesting) {
        return false;
    }
    if has(b'.') {
        let folded: Vec<u8> = name.iter().map(|byte| if *byte == b'.' { b'-' } else { *byte }).collect();
        return listed(&folded);
    }
    listed(name)
}

fn listed(name: &[u8]) -> bool {
    const PREFIXES: [&str; 23] = [
        "x-auth-",
        "x-user",
        "x-forwarded-",
        "x-original-",
        "x-rewrite-",
        "x-client-",
        "x-ssl-",
        "x-remote-",
        "x-authenticated-",
        "remote-",
        "ssl-client-",
        "x-role",
        // What other gateways tell their upstreams.
        "x-amzn-oidc-",
        "x-goog-iap-",
        "x-goog-authenticated-user-",
        "x-ms-client-principal",
        "x-webauth-",
        "x-consumer-",
        "x-credential-",
        "x-pomerium-",
        "x-vouch-",
        "x-envoy-",
        "x-arr-",
    ];
    const NAMES: [&str; 32] = [
        "forwarded",
        "true-client-ip",
        "cf-connecting-ip",
        "proxy",
        "x-real-ip",
        "x-scope",
        "x-scopes",
        "x-groups",
        "x-group",
        "x-email",
        "x-subject",
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-request-id",
        "x-proxyuser-ip",
        "fastly-client-ip",
        "x-cluster-client-ip",
        "x-token",
        "x-access-token",
        "x-id-token",
        "x-endpoint-api-userinfo",
        "front-end-https",
        "x-scheme",
        "x-url-scheme",
        "x-host",
        "client-ip",
        "proxy-client-ip",
        "wl-proxy-client-ip",
        "fly-client-ip",
        "x-azure-clientip",
        "x-appengine-user-ip",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix.as_bytes())) || NAMES.iter().any(|own| own.as_bytes() == name)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::ground::{Digest, Time};

    /// Claims of a token of the issuer `corp`, for the tests of the policies.
    pub(crate) fn claims(subject: &str, client: &str, scopes: &[&str], roles: &[&str]) -> Claims {
        Claims {
            revocable: None,
            issuer: "corp".into(),
            subject: Some(subject.into()),
            client: Some(client.into()),
            scopes: scopes.iter().map(|scope| (*scope).into()).collect(),
            roles: roles.iter().map(|role| (*role).into()).collect(),
            expires: Time::from_secs(2_000_000_000),
            fresh_until: Time::from_secs(2_000_000_000),
            key: None,
            id: None,
            all: serde_json::Map::new(),
            digest: Digest::of(format!("{subject} {client}").as_bytes()),
        }
    }

    pub(crate) fn known(claims: Claims) -> Caller {
        Caller::Known(Rc::new(Identity::new(Arc::new(claims))))
    }

    #[test]
    fn an_upstream_is_told_who_calls_in_single_lines() {
        let mut odd = claims("zo\u{eb}, x\r\ny: z%", "web", &["a", "b"], &[]);
        odd.client = None;
        let identity = Identity::new(Arc::new(odd));
        let value = |name: &'static str| identity.block.text(&HeaderName::from_static(name));
        assert_eq!(value("x-auth-subject"), Some("zo%C3%AB, x%0D%0Ay: z%25"));
        assert_eq!(value("x-auth-scope"), Some("a b"));
        assert_eq!(value("x-auth-issuer"), Some("corp"));
        assert_eq!(value("x-auth-client"), None);
        assert_eq!(value("x-auth-roles"), None);
    }

    #[test]
    fn look_alikes_are_known_in_every_spelling() {
        for name in [
            "x-auth-subject",
            "x-auth-token",
            "x_auth_subject",
            "x.auth.subject",
            "x-user",
            "x_user",
            "x-user-id",
            "x-userinfo",
            "x-scopes",
            "remote-user",
            "remote_user",
            "remote.user",
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-uri",
            "x-forwarded-client-cert",
            "x-original-url",
            "x-rewrite-url",
            "x-real-ip",
            "x-client-ip",
            "true-client-ip",
            "cf-connecting-ip",
            "proxy",
            "x-ssl-client-verify",
            "ssl-client-cert",
            "x-http-method-override",
            "x-request-id",
            "transfer_encoding",
            "x-role",
            "wl-proxy-client-ip",
            "fly-client-ip",
            "cf-connecting-ip",
        ] {
            assert!(is_identity_name(name.as_bytes()), "{name}");
        }
        for name in ["accept", "authorization", "x-requested-with", "content-type", "x-tenant", "traceparent", "cookie"]
        {
            assert!(!is_identity_name(name.as_bytes()), "{name}");
        }
    }
}

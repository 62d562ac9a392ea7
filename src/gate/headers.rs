//! The dress: headers that every answer of a route wears, compiled when the file is loaded.

use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, SERVER, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue};

use crate::ground::Fields;
use crate::ground::fields::Names;

const X_POWERED_BY: HeaderName = HeaderName::from_static("x-powered-by");

/// What an answer wears unless its route says otherwise.
fn usual() -> [(HeaderName, HeaderValue); 5] {
    [
        (STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ]
}

/// Headers to set and to take off. What is set replaces what the upstream said, so each stands exactly once.
#[derive(Clone, Debug)]
pub struct Dress {
    /// For answers that go out by TLS.
    secure: Fields,
    /// HSTS is only for those: elsewhere browsers ignore it (RFC 6797 section 8.1).
    clear: Fields,
    /// Names that are set or taken off: no line of an answer that has one of them stays.
    gone: Vec<HeaderName>,
    /// The same, as answers of upstreams are looked over for them.
    names: Names,
    /// What an answer says itself stays: it was made here and knows better, as pages do.
    yields: bool,
}

impl Dress {
    /// The secure headers, with `set` put in and `remove` taken out of them and of the upstream's own.
    pub fn new(set: Vec<(HeaderName, HeaderValue)>, remove: Vec<HeaderName>) -> Self {
        let own = |name: &HeaderName| set.iter().any(|(set, _)| set == name) || remove.contains(name);
        let mut all: Vec<_> = usual().into_iter().filter(|(name, _)| !own(name)).collect();
        let mut gone: Vec<_> = [SERVER, X_POWERED_BY].into_iter().filter(|name| !own(name)).collect();
        all.extend(set);
        gone.extend(remove);
        gone.extend(all.iter().map(|(name, _)| name.clone()));
        gone.push(STRICT_TRANSPORT_SECURITY);
        let mut secure = Fields::new();
        // The last word on a name counts.
        all.iter().for_each(|(name, value)| secure.insert(name, value));
        let mut clear = secure.clone();
        clear.remove(&STRICT_TRANSPORT_SECURITY);
        let mut names = Names::default();
        gone.iter().for_each(|name| names.add(name.as_str().as_bytes()));
        Self { secure, clear, gone, names, yields: false }
    }

    /// The secure headers for answers that are made here: what they say themselves counts.
    pub fn of_the_house() -> Self {
        Self { yields: true, ..Self::new(Vec::new(), Vec::new()) }
    }

    /// Puts it on.
    pub fn put_on(&self, secure: bool, headers: &mut Fields) {
        let worn = if secure { &self.secure } else { &self.clear };
        if self.yields {
            return self.complete(worn, secure, headers);
        }
        headers.take_off_named(&self.names);
        headers.append_all(worn);
    }

    /// Puts on what an answer of the house does not say itself.
    fn complete(&self, worn: &Fields, secure: bool, headers: &mut Fields) {
        if !secure {
            headers.remove(&STRICT_TRANSPORT_SECURITY);
        }
        for name in &self.gone {
            match worn.first(name) {
                Some(value) if !headers.contains(name) => headers.append(name, value),
                None if !self.secure.contains(name) => headers.remove(name),
                Some(_) | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answer(set: &[(&'static str, &'static str)], remove: &[&'static str], secure: bool) -> HeaderMap {
        let set = set.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        let dress = Dress::new(set, remove.iter().map(|name| HeaderName::from_static(name)).collect());
        let mut headers = Fields::new();
        for (name, value) in [
            ("server", "old/1.0"),
            ("x-powered-by", "PHP"),
            ("x-frame-options", "SAMEORIGIN"),
            ("x-frame-options", "ALLOWALL"),
            ("strict-transport-security", "max-age=1"),
        ] {
            headers.append(&HeaderName::from_static(name), value);
        }
        dress.put_on(secure, &mut headers);
        headers.to_map()
    }

    #[test]
    fn secure_headers_stand_once_and_replace_the_upstreams_own() {
        let headers = answer(&[], &[], true);
        let frame: Vec<_> = headers.get_all(X_FRAME_OPTIONS).iter().collect();
        assert_eq!(frame, ["DENY"]);
        assert_eq!(headers[STRICT_TRANSPORT_SECURITY], "max-age=31536000");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!headers.contains_key(SERVER) && !headers.contains_key(X_POWERED_BY));
    }

    #[test]
    fn a_page_of_the_house_keeps_its_own_policy_and_gets_what_it_lacks() {
        let mut headers = Fields::new();
        headers.insert(&CONTENT_SECURITY_POLICY, "default-src 'self'");
        Dress::of_the_house().put_on(true, &mut headers);
        let headers = headers.to_map();
        let lines: Vec<_> = headers.keys().map(|name| (name.as_str(), headers.get_all(name).iter().count())).collect();
        assert!(lines.len() == 5 && lines.iter().all(|(_, lines)| *lines == 1), "{lines:?}");
        assert_eq!(headers[CONTENT_SECURITY_POLICY], "default-src 'self'");
        assert_eq!(
            (headers[X_FRAME_OPTIONS].as_bytes(), headers[REFERRER_POLICY].as_bytes()),
            (&b"DENY"[..], &b"no-referrer"[..])
        );
    }

    #[test]
    fn hsts_never_goes_out_in_clear() {
        assert!(!answer(&[], &[], false).contains_key(STRICT_TRANSPORT_SECURITY));
    }

    #[test]
    fn a_route_can_set_and_take_out() {
        let headers = answer(&[("x-frame-options", "SAMEORIGIN"), ("x-extra", "1")], &["referrer-policy"], true);
        assert_eq!(headers[X_FRAME_OPTIONS], "SAMEORIGIN");
        assert_eq!(headers["x-extra"], "1");
        assert!(!headers.contains_key(REFERRER_POLICY));
    }
}

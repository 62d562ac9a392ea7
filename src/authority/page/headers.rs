//! The headers of a page: what it may load, where its forms may go, who may frame it (nobody).

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, PRAGMA, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What a page needs beyond nothing.
pub(in crate::authority) struct Framing {
    forms: String,
    script: Option<String>,
}

impl Framing {
    /// Forms to ourselves, no script.
    pub(in crate::authority) fn page() -> Self {
        Self { forms: "'self'".into(), script: None }
    }

    /// Chromium applies `form-action` to all redirects that answer a form, so the origin where they may end belongs here.
    pub(in crate::authority) fn sends_to(mut self, target: &str) -> Self {
        self.forms = format!("'self' {target}");
        self
    }

    pub(super) fn sends_only_to(mut self, target: &str) -> Self {
        target.clone_into(&mut self.forms);
        self
    }

    pub(super) fn with_script(mut self, nonce: &str) -> Self {
        self.script = Some(nonce.to_owned());
        self
    }

    /// Every header of a page (UI-01, G-05).
    pub(super) fn dress(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // Not `no-referrer`: with that our own forms would arrive with `Origin: null`.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
        let script = self.script.as_ref().map(|nonce| format!(" script-src 'nonce-{nonce}';")).unwrap_or_default();
        let policy = format!(
            "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action {}; base-uri 'none'; \
             frame-ancestors 'none';{script}",
            self.forms
        );
        // Origins and nonces are printable ASCII.
        let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
}

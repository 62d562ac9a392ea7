//! Every reason for saying no, with what the caller and the operator need to know about it.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::observe::Reason;
use crate::token::TokenFault;

/// Why a request is refused. `Reason` is the word, this is the word with its facts.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The text says which rule of admission it broke. `close`: framing is in doubt, the connection must not go on.
    Malformed {
        what: &'static str,
        close: bool,
    },
    HeadTooLarge(&'static str),
    /// More than one credential.
    CredentialsDuplicated,
    HostUnknown,
    RouteUnknown,
    /// `Allow` is ready made.
    MethodNotAllowed {
        allow: HeaderValue,
    },
    ExpectationFailed,
    /// `seen` is what the page asked for and is not allowed.
    OriginRefused {
        seen: Arc<str>,
    },
    /// `challenge` as for the others below: which scopes the route needs, for RFC 6750's `scope` attribute.
    TokenMissing {
        scope: Option<Arc<str>>,
    },
    Token {
        fault: TokenFault,
        scope: Option<Arc<str>>,
    },
    /// `needed` for people, `missing` the scopes that were not there, `scope` all of them for the challenge.
    ScopeMissing {
        needed: Arc<str>,
        missing: Arc<str>,
        scope: Option<Arc<str>>,
    },
    RoleMissing {
        needed: Arc<str>,
    },
    /// `rule` is the expression; `fault` is set when it failed to evaluate; `seen` is what its names were, for operators
    /// alone.
    ConditionFailed {
        rule: Arc<str>,
        fault: Option<Arc<str>>,
        seen: Arc<str>,
    },
    BodyTooLarge {
        limit: u64,
    },
    /// `seen` is the content type; `None`: none was named.
    BodyTypeRefused {
        seen: Option<Arc<str>>,
    },
    /// `limit` is its name; `policy` and `state` are the `RateLimit-Policy` and `RateLimit` fields.
    RateLimited {
        limit: Arc<str>,
        retry_after: Duration,
        policy: HeaderValue,
        state: HeaderValue,
    },
    /// A limit whose name this is cannot be counted, and the file says that nothing passes then.
    LimitUnavailable {
        limit: Arc<str>,
    },
    UpstreamUnreachable {
        upstream: Arc<str>,
        cause: Arc<str>,
    },
    UpstreamInvalid {
        upstream: Arc<str>,
        cause: Arc<str>,
    },
    UpstreamOverloaded {
        upstream: Arc<str>,
    },
    UpstreamTimeout {
        upstream: Arc<str>,
        after: Duration,
    },
    StoreUnavailable,
    /// Our own fault; the text goes to the log alone.
    Internal(Arc<str>),
}

impl Refusal {
    /// The stable word.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Malformed { .. } => Reason::RequestMalformed,
            Self::HeadTooLarge(_) => Reason::HeadTooLarge,
            Self::CredentialsDuplicated => Reason::CredentialsDuplicated,
            Self::HostUnknown => Reason::HostUnknown,
            Self::RouteUnknown => Reason::RouteUnknown,
            Self::MethodNotAllowed { .. } => Reason::MethodNotAllowed,
            Self::ExpectationFailed => Reason::ExpectationFailed,
            Self::OriginRefused { .. } => Reason::OriginRefused,
            Self::TokenMissing { .. } => Reason::TokenMissing,
            Self::Token { fault, .. } => token_reason(fault),
            Self::ScopeMissing { .. } => Reason::ScopeMissing,
            Self::RoleMissing { .. } => Reason::RoleMissing,
            Self::ConditionFailed { .. } => Reason::ConditionFailed,
            Self::BodyTooLarge { .. } => Reason::BodyTooLarge,
            Self::BodyTypeRefused { .. } => Reason::BodyTypeRefused,
            Self::RateLimited { .. } => Reason::RateLimited,
            Self::UpstreamUnreachable { .. } => Reason::UpstreamUnreachable,
            Self::UpstreamInvalid { .. } => Reason::UpstreamInvalid,
            Self::UpstreamOverloaded { .. } => Reason::UpstreamOverloaded,
            Self::UpstreamTimeout { .. } => Reason::UpstreamTimeout,
            Self::StoreUnavailable | Self::LimitUnavailable { .. } => Reason::StoreUnavailable,
            Self::Internal(_) => Reason::InternalError,
        }
    }
}

/// How the texts of a refusal are told.
impl Refusal {
    /// One sentence for the operator: what was needed, what was seen. For the log and `explain`; holds nothing that the
    /// request said beyond what was verified.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Malformed { what, .. } | Self::HeadTooLarge(what) => Some((*what).to_owned()),
            Self::Token { fault, .. } => Some(fault.to_string()),
            Self::ScopeMissing { needed, missing, .. } => Some(format!("needed scope {needed}; missing {missing}")),
            Self::RoleMissing { needed } => Some(format!("needed role {needed}")),
            Self::ConditionFailed { rule, fault: None, .. } => Some(format!("`{rule}` does not hold")),
            Self::ConditionFailed { rule, fault: Some(fault), .. } => {
                Some(format!("`{rule}` cannot be evaluated: {fault}"))
            }
            Self::BodyTooLarge { limit } => Some(format!("the limit is {limit} bytes")),
            Self::RateLimited { limit, .. } => Some(format!("the limit `{limit}` is used up")),
            Self::LimitUnavailable { limit } => {
                Some(format!("the limit `{limit}` cannot be counted: Redis does not answer"))
            }
            Self::UpstreamUnreachable { upstream, cause } => Some(format!("upstream `{upstream}`: {cause}")),
            Self::UpstreamInvalid { upstream, cause } => Some(format!("upstream `{upstream}`: {cause}")),
            Self::UpstreamOverloaded { upstream } => Some(format!("upstream `{upstream}` has no free server")),
            Self::UpstreamTimeout { upstream, after } => {
                Some(format!("upstream `{upstream}` gave no answer in {}", crate::ground::duration::format(*after)))
            }
            Self::Internal(cause) => Some(cause.to_string()),
            Self::CredentialsDuplicated
            | Self::HostUnknown
            | Self::RouteUnknown
            | Self::MethodNotAllowed { .. }
            | Self::ExpectationFailed
            | Self::OriginRefused { .. }
            | Self::TokenMissing { .. }
            | Self::BodyTypeRefused { .. }
            | Self::StoreUnavailable => None,
        }
    }

    /// What the caller is told beyond the title: what it can mend. Nothing about upstreams, conditions or our insides.
    pub fn public_detail(&self) -> Option<String> {
        match self {
            Self::Malformed { .. }
            | Self::HeadTooLarge(_)
            | Self::ScopeMissing { .. }
            | Self::RoleMissing { .. }
            | Self::BodyTooLarge { .. }
            | Self::RateLimited { .. } => self.detail(),
            Self::Token { fault, .. } => match fault {
                TokenFault::Malformed(_)
                | TokenFault::Expired(_)
                | TokenFault::NotYetValid(_)
                | TokenFault::AudienceMismatch { .. } => Some(fault.to_string()),
                TokenFault::SignatureInvalid { .. }
                | TokenFault::AlgorithmRefused(_)
                | TokenFault::KeyUnknown(_)
                | TokenFault::IssuerUnknown
                | TokenFault::TypeRefused(_)
                | TokenFault::Inactive
                | TokenFault::Revoked
                | TokenFault::StoreUnavailable(_)
                | TokenFault::ProofMissing
                | TokenFault::KeysUnavailable { .. }
                | TokenFault::IntrospectionUnavailable { .. } => None,
            },
            Self::CredentialsDuplicated
            | Self::HostUnknown
            | Self::RouteUnknown
            | Self::MethodNotAllowed { .. }
            | Self::ExpectationFailed
            | Self::OriginRefused { .. }
            | Self::TokenMissing { .. }
            | Self::ConditionFailed { .. }
            | Self::BodyTypeRefused { .. }
            | Self::LimitUnavailable { .. }
            | Self::UpstreamUnreachable { .. }
            | Self::UpstreamInvalid { .. }
            | Self::UpstreamOverloaded { .. }
            | Self::UpstreamTimeout { .. }
            | Self::StoreUnavailable
            | Self::Internal(_) => None,
        }
    }

    /// `WWW-Authenticate` (RFC 6750 section 3): no error code when no credential came, `invalid_token` when it is bad,
    /// `insufficient_scope` when it is not enough.
    pub fn challenge(&self, realm: &str) -> Option<HeaderValue> {
        let (error, scope) = match self {
            Self::TokenMissing { scope } => (None, scope.as_deref()),
            Self::Token { scope, .. } if self.reason().status() == 401 => (Some("invalid_token"), scope.as_deref()),
            Self::CredentialsDuplicated => (Some("invalid_request"), None),
            Self::ScopeMissing { scope, .. } => (Some("insufficient_scope"), scope.as_deref()),
            Self::RoleMissing { .. } | Self::ConditionFailed { .. } => (Some("insufficient_scope"), None),
            Self::Token { .. }
            | Self::Malformed { .. }
            | Self::HeadTooLarge(_)
            | Self::HostUnknown
            | Self::RouteUnknown
            | Self::MethodNotAllowed { .. }
            | Self::ExpectationFailed
            | Self::OriginRefused { .. }
            | Self::BodyTooLarge { .. }
            | Self::BodyTypeRefused { .. }
            | Self::RateLimited { .. }
            | Self::LimitUnavailable { .. }
            | Self::UpstreamUnreachable { .. }
            | Self::UpstreamInvalid { .. }
            | Self::UpstreamOverloaded { .. }
            | Self::UpstreamTimeout { .. }
            | Self::StoreUnavailable
            | Self::Internal(_) => return None,
        };
        let mut text = format!("Bearer realm=\"{realm}\"");
        if let Some(error) = error {
            text.push_str(&format!(", error=\"{error}\", error_description=\"{}\"", self.reason().title()));
        }
        if let Some(scope) = scope {
            text.push_str(&format!(", scope=\"{scope}\""));
        }
        HeaderValue::try_from(text).ok()
    }

    /// `Retry-After` in whole seconds, at least 1 (RFC 9110 section 10.2.3).
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after, .. } => {
                let seconds = retry_after.as_nanos().div_ceil(1_000_000_000);
                Some(u64::try_from(seconds).unwrap_or(u64::MAX).max(1))
            }
            Self::Malformed { .. }
            | Self::HeadTooLarge(_)
            | Self::CredentialsDuplicated
            | Self::HostUnknown
            | Self::RouteUnknown
            | Self::MethodNotAllowed { .. }
            | Self::ExpectationFailed
            | Self::OriginRefused { .. }
            | Self::TokenMissing { .. }
            | Self::Token { .. }
            | Self::ScopeMissing { .. }
            | Self::RoleMissing { .. }
            | Self::ConditionFailed { .. }
            | Self::BodyTooLarge { .. }
            | Self::BodyTypeRefused { .. }
            | Self::LimitUnavailable { .. }
            | Self::UpstreamUnreachable { .. }
            | Self::UpstreamInvalid { .. }
            | Self::UpstreamOverloaded { .. }
            | Self::UpstreamTimeout { .. }
            | Self::StoreUnavailable
            | Self::Internal(_) => (self.reason().status() == 503).then_some(1),
        }
    }

    /// Whether the connection must not carry another request: its framing is in doubt.
    pub fn closes(&self) -> bool {
        matches!(self, Self::Malformed { close: true, .. })
    }
}

fn token_reason(fault: &TokenFault) -> Reason {
    match fault {
        TokenFault::Malformed(_) => Reason::TokenMalformed,
        TokenFault::Expired(_) => Reason::TokenExpired,
        TokenFault::NotYetValid(_) => Reason::TokenNotYetValid,
        TokenFault::SignatureInvalid { .. } => Reason::SignatureInvalid,
        TokenFault::AlgorithmRefused(_) => Reason::AlgorithmRefused,
        TokenFault::KeyUnknown(_) => Reason::KeyUnknown,
        TokenFault::IssuerUnknown => Reason::IssuerUnknown,
        TokenFault::AudienceMismatch { .. } => Reason::AudienceMismatch,
        TokenFault::TypeRefused(_) => Reason::TokenTypeRefused,
        TokenFault::Inactive => Reason::TokenInactive,
        TokenFault::Revoked => Reason::TokenRevoked,
        TokenFault::StoreUnavailable(_) => Reason::StoreUnavailable,
        TokenFault::ProofMissing => Reason::ProofInvalid,
        TokenFault::KeysUnavailable { .. } => Reason::KeysUnavailable,
        TokenFault::IntrospectionUnavailable { .. } => Reason::IntrospectionUnavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(refusal: &Refusal, challenge: Option<&str>) {
        let made = refusal.challenge("api");
        assert_eq!(made.as_ref().map(|value| value.to_str().unwrap()), challenge, "{refusal:?}");
    }

    #[test]
    fn a_challenge_follows_rfc_6750() {
        let scope = Some(Arc::from("a b"));
        check(&Refusal::TokenMissing { scope: scope.clone() }, Some("Bearer realm=\"api\", scope=\"a b\""));
        check(
            &Refusal::Token { fault: TokenFault::Expired(3), scope: None },
            Some("Bearer realm=\"api\", error=\"invalid_token\", error_description=\"The access token has expired.\""),
        );
        check(
            &Refusal::ScopeMissing { needed: "a and b".into(), missing: "b".into(), scope },
            Some(
                "Bearer realm=\"api\", error=\"insufficient_scope\", error_description=\"The access token lacks a scope \
                 that this route needs.\", scope=\"a b\"",
            ),
        );
        let fault = TokenFault::KeysUnavailable { issuer: "corp".into(), cause: "down".into() };
        check(&Refusal::Token { fault, scope: None }, None);
        check(&Refusal::RouteUnknown, None);
    }

    #[test]
    fn retry_after_is_a_whole_number_of_at_least_one() {
        let limited = |retry_after| Refusal::RateLimited {
            limit: "calls".into(),
            retry_after,
            policy: HeaderValue::from_static("p"),
            state: HeaderValue::from_static("s"),
        };
        assert_eq!(limited(Duration::from_millis(1)).retry_after(), Some(1));
        assert_eq!(limited(Duration::from_millis(1001)).retry_after(), Some(2));
        assert_eq!(limited(Duration::MAX).retry_after(), Some(u64::MAX));
        assert_eq!(Refusal::StoreUnavailable.retry_after(), Some(1));
        assert_eq!(Refusal::RouteUnknown.retry_after(), None);
    }
}

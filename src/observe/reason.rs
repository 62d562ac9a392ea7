//! The reason codes: the one list of words for "why not". The same word stands in the answer's body, the log, the metric
//! label and `explain`. Words are added, never renamed.

/// One short macro instead of typing each row four times.
macro_rules! reasons {
    ($($variant:ident $code:literal $status:literal $title:literal;)*) => {
        /// Why a request was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $(#[doc = $title] $variant,)* }

        impl Reason {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Reason] = &[$(Reason::$variant,)*];

            /// The stable word.
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$variant => $code,)* }
            }

            /// The HTTP status it is answered with.
            pub const fn status(self) -> u16 {
                match self { $(Reason::$variant => $status,)* }
            }

            /// One plain sentence for people; `title` of the problem document (RFC 9457 section 3.1.3).
            pub const fn title(self) -> &'static str {
                match self { $(Reason::$variant => $title,)* }
            }
        }
    };
}

reasons! {
    RequestMalformed "request_malformed" 400 "The request can be read in more than one way.";
    CredentialsDuplicated "credentials_duplicated" 400 "The request carries more than one credential.";
    BodyInvalid "body_invalid" 400 "The body does not have the form this route asks for.";
    TokenMissing "token_missing" 401 "This route needs an access token.";
    TokenMalformed "token_malformed" 401 "The access token cannot be read.";
    TokenExpired "token_expired" 401 "The access token has expired.";
    TokenNotYetValid "token_not_yet_valid" 401 "The access token is not valid yet.";
    SignatureInvalid "signature_invalid" 401 "The signature of the access token is wrong.";
    AlgorithmRefused "algorithm_refused" 401 "The access token is signed in a way that is not accepted.";
    KeyUnknown "key_unknown" 401 "The access token names a key that its issuer does not publish.";
    IssuerUnknown "issuer_unknown" 401 "The access token comes from an issuer that is not accepted here.";
    AudienceMismatch "audience_mismatch" 401 "The access token was made for another audience.";
    TokenTypeRefused "token_type_refused" 401 "This is a token of another kind, not an access token.";
    TokenInactive "token_inactive" 401 "The issuer says that the access token is not active.";
    TokenRevoked "token_revoked" 401 "The access token has been revoked.";
    ProofInvalid "proof_invalid" 401 "The proof of possession that belongs to the access token is missing or wrong.";
    AuthenticationTooWeak "authentication_too_weak" 401 "This route needs a stronger or more recent login.";
    ScopeMissing "scope_missing" 403 "The access token lacks a scope that this route needs.";
    RoleMissing "role_missing" 403 "The caller lacks a role that this route needs.";
    ConditionFailed "condition_failed" 403 "A condition of this route does not hold.";
    OriginRefused "origin_refused" 403 "This route does not accept requests from that origin.";
    RouteUnknown "route_unknown" 404 "There is no route for this host and path.";
    MethodNotAllowed "method_not_allowed" 405 "This route does not take that method.";
    BodyTooLarge "body_too_large" 413 "The body is larger than this route allows.";
    BodyTypeRefused "body_type_refused" 415 "This route does not take that content type.";
    ExpectationFailed "expectation_failed" 417 "The expectation of the request cannot be met.";
    HostUnknown "host_unknown" 421 "This host is not served on this connection.";
    RateLimited "rate_limited" 429 "Too many requests.";
    HeadTooLarge "head_too_large" 431 "The request line and headers are too large.";
    InternalError "internal_error" 500 "The gateway failed to handle the request.";
    UpstreamUnreachable "upstream_unreachable" 502 "The service behind the gateway cannot be reached.";
    UpstreamInvalid "upstream_invalid" 502 "The answer of the service behind the gateway cannot be read.";
    UpstreamOverloaded "upstream_overloaded" 503 "The service behind the gateway takes no more requests at the moment.";
    KeysUnavailable "keys_unavailable" 503 "The keys to check the access token cannot be had at the moment.";
    IntrospectionUnavailable "introspection_unavailable" 503 "The issuer cannot be asked about the access token at the moment.";
    StoreUnavailable "store_unavailable" 503 "The gateway's store cannot be reached at the moment.";
    UpstreamTimeout "upstream_timeout" 504 "The service behind the gateway did not answer in time.";
}

impl Reason {
    /// Position in `ALL`; for tables indexed by reason.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether it is the upstream that failed, and neither the caller nor the gateway.
    pub const fn is_of_upstream(self) -> bool {
        matches!(
            self,
            Self::UpstreamUnreachable | Self::UpstreamInvalid | Self::UpstreamOverloaded | Self::UpstreamTimeout
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_stands_at_its_own_index() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
        }
    }

    #[test]
    fn every_reason_is_explained_in_the_documentation() {
        let page = include_str!("../../docs/refusals.md");
        for reason in Reason::ALL {
            let row = format!("| {} | `{}` | {} | ", reason.status(), reason.code(), reason.title());
            assert!(page.contains(&row), "docs/refusals.md lacks `{row}`");
        }
    }

    #[test]
    fn a_reason_of_the_upstream_has_its_word() {
        for reason in Reason::ALL {
            assert_eq!(reason.is_of_upstream(), reason.code().starts_with("upstream_"), "{}", reason.code());
        }
    }

    #[test]
    fn codes_are_unique_words() {
        let mut seen = std::collections::HashSet::new();
        for reason in Reason::ALL {
            assert!(seen.insert(reason.code()), "{} twice", reason.code());
            assert!(reason.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", reason.code());
        }
    }
}

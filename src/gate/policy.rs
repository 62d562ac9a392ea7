//! All judgements of one route, compiled.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ORIGIN, TRANSFER_ENCODING, UPGRADE};

use super::authenticate::Authenticate;
use super::authorize::Rule;
use super::cors::{self, Cors};
use super::headers::Dress;
use super::limit::{Limits, Standings};
use super::{Head, Refusal};
use crate::ground::{Fields, fields};

/// The bundle of policies of one route. Each field is one policy with one verb; none knows the others.
pub struct Policy {
    pub cors: Option<Cors>,
    pub limits: Limits,
    pub authenticate: Authenticate,
    pub rule: Rule,
    pub body: BodyRule,
    pub dress: Dress,
}

/// Which bodies a route takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyRule {
    /// In bytes.
    pub max: Option<u64>,
    /// Lower case, without parameters; empty: all.
    pub types: Vec<String>,
}

impl BodyRule {
    /// Judges what the head says of the body; a body without a length is counted on its way. `comes`: there is one, as far as
    /// the protocol says so. HTTP/2 has bodies of which the head says nothing.
    pub fn check(&self, head: &Head<'_>, comes: bool) -> Result<(), Refusal> {
        let length = head.headers.text(&CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        if let (Some(max), Some(length)) = (self.max, length)
            && length > max
        {
            return Err(Refusal::BodyTooLarge { limit: max });
        }
        let has_body = length.map_or_else(|| comes || head.headers.contains(&TRANSFER_ENCODING), |length| length > 0);
        if has_body && !self.types.is_empty() && !self.takes(head.headers.first(&CONTENT_TYPE)) {
            let seen = head.headers.first(&CONTENT_TYPE).map(|value| String::from_utf8_lossy(value).into());
            return Err(Refusal::BodyTypeRefused { seen });
        }
        Ok(())
    }

    fn takes(&self, content_type: Option<&[u8]>) -> bool {
        let Some(text) = content_type.and_then(fields::visible) else { return false };
        let kind = text.split(';').next().unwrap_or(text).trim();
        self.types.iter().any(|own| own.eq_ignore_ascii_case(kind))
    }
}

/// What an answer's dress depends on; taken from the request before it goes on.
#[derive(Clone, Debug, Default)]
pub struct Wearer {
    pub origin: Option<Box<[u8]>>,
    pub secure: bool,
}

impl Policy {
    /// For requests that found no route: nothing but the usual dress.
    pub fn bare() -> Self {
        Self {
            cors: None,
            limits: Limits::default(),
            authenticate: Authenticate::Public,
            rule: Rule::public(),
            body: BodyRule::default(),
            dress: Dress::new(Vec::new(), Vec::new()),
        }
    }

    /// For what is answered in this house: open, because it judges its callers itself, and dressed where it is not already.
    pub fn of_the_house() -> Self {
        Self { dress: Dress::of_the_house(), ..Self::bare() }
    }

    /// Judges a WebSocket handshake of a web page. Browsers send cookies along and ask nobody first, so the route's list of
    /// origins is all that keeps other pages out.
    pub fn check_upgrade(&self, head: &Head<'_>) -> Result<(), Refusal> {
        let Some(cors) = &self.cors else { return Ok(()) };
        // Read as whoever makes the tunnel reads it: a list may name others beside it.
        let words = head.headers.all(&UPGRADE).flat_map(|value| value.split(|byte| *byte == b','));
        let websocket = words.map(<[u8]>::trim_ascii).any(|word| word.eq_ignore_ascii_case(b"websocket"));
        match head.headers.first(&ORIGIN) {
            Some(origin) if websocket && !cors.allows(origin) => {
                let seen = format!("a WebSocket of the origin {}", String::from_utf8_lossy(origin));
                Err(Refusal::OriginRefused { seen: seen.into() })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Dresses an answer, whoever made it. What an upstream says in these headers is replaced or taken off.
    pub fn dress(&self, wearer: &Wearer, standings: &Standings, headers: &mut Fields) {
        if let Some(cors) = &self.cors {
            cors::undress(headers);
            cors.dress(wearer.origin.as_deref(), headers);
        }
        self.limits.tell(standings, headers);
        self.dress.put_on(wearer.secure, headers);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::{HeaderMap, HeaderValue, Method};

    use super::*;
    use crate::gate::cors::{CorsSettings, Origins};
    use crate::observe::Reason;

    fn head<'a>(method: &'a Method, headers: &'a Fields) -> Head<'a> {
        let client = Ipv4Addr::LOCALHOST.into();
        Head { method, host: "x", path: "/", query: None, client, secure: false, headers }
    }

    fn check(rule: &BodyRule, headers: &[(http::HeaderName, &'static str)], expected: Option<Reason>) {
        check_of(rule, headers, false, expected);
    }

    fn check_of(rule: &BodyRule, headers: &[(http::HeaderName, &'static str)], comes: bool, expected: Option<Reason>) {
        let headers: HeaderMap = headers.iter().map(|(n, v)| (n.clone(), HeaderValue::from_static(v))).collect();
        let fields = Fields::from(&headers);
        assert_eq!(
            rule.check(&head(&Method::POST, &fields), comes).err().map(|refusal| refusal.reason()),
            expected,
            "{headers:?}"
        );
    }

    #[test]
    fn a_body_has_a_size_and_a_type() {
        let rule = BodyRule { max: Some(10), types: vec!["application/json".to_owned()] };
        let json = (CONTENT_TYPE, "Application/JSON; charset=utf-8");
        check(&rule, &[(CONTENT_LENGTH, "10"), json.clone()], None);
        check(&rule, &[(CONTENT_LENGTH, "11"), json.clone()], Some(Reason::BodyTooLarge));
        check(&rule, &[(CONTENT_LENGTH, "5"), (CONTENT_TYPE, "text/plain")], Some(Reason::BodyTypeRefused));
        check(&rule, &[(CONTENT_LENGTH, "5")], Some(Reason::BodyTypeRefused));
        check(&rule, &[(TRANSFER_ENCODING, "chunked"), json], None);
        check(&rule, &[(CONTENT_LENGTH, "0")], None);
        check(&rule, &[], None);
        // As over HTTP/2, whose heads need not say that there is a body.
        check_of(&rule, &[], true, Some(Reason::BodyTypeRefused));
        check_of(&rule, &[(CONTENT_TYPE, "text/xml")], true, Some(Reason::BodyTypeRefused));
        check_of(&rule, &[(CONTENT_TYPE, "application/json")], true, None);
        check_of(&rule, &[(CONTENT_LENGTH, "0")], true, None);
    }

    /// Attacks on law 1: whoever makes the tunnel reads a list of words, and so does whoever judges its origin.
    #[test]
    fn a_websocket_of_another_page_is_refused_however_its_upgrade_is_written() {
        let settings = CorsSettings {
            origins: Origins::Exact(vec!["https://app.example".to_owned()]),
            methods: None,
            headers: Vec::new(),
            expose: Vec::new(),
            credentials: false,
            max_age: std::time::Duration::ZERO,
        };
        let policy = Policy { cors: Some(Cors::new(settings).unwrap()), ..Policy::bare() };
        let judged = |upgrade: &'static str, origin: &'static str| {
            let mut headers = Fields::new();
            headers.append(&UPGRADE, upgrade);
            headers.append(&ORIGIN, origin);
            policy.check_upgrade(&head(&Method::GET, &headers)).is_ok()
        };
        for upgrade in ["websocket", "WebSocket", "websocket, x", "x ,\twebsocket"] {
            assert!(!judged(upgrade, "https://evil.example") && judged(upgrade, "https://app.example"), "{upgrade}");
        }
        assert!(judged("h2c", "https://evil.example"), "nothing else is made a tunnel of");
    }
}

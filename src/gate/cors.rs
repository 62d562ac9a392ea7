//! Which web pages may call: CORS (Fetch standard), preflights, and the headers of every answer.

use std::time::Duration;

use http::header::{
    self, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderName, HeaderValue, Method};

use super::{Head, Refusal};
use crate::ground::Fields;

/// Which origins may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// `*`; never with credentials.
    Any,
    /// Compared byte by byte, as browsers send them: scheme, host, port.
    Exact(Vec<String>),
}

/// What the file says about the web pages that may call a route.
#[derive(Clone, Debug)]
pub struct CorsSettings {
    pub origins: Origins,
    /// `None`: any.
    pub methods: Option<Vec<Method>>,
    pub headers: Vec<HeaderName>,
    pub expose: Vec<HeaderName>,
    pub credentials: bool,
    pub max_age: Duration,
}

/// CORS of one route, with its answers ready made.
#[derive(Clone, Debug)]
pub struct Cors {
    settings: CorsSettings,
    allow_methods: HeaderValue,
    allow_headers: HeaderValue,
    expose: Option<HeaderValue>,
    max_age: HeaderValue,
}

impl Cors {
    /// `*` with credentials would let every page act for the user; it cannot be made.
    pub fn new(settings: CorsSettings) -> Result<Self, String> {
        if settings.origins == Origins::Any && settings.credentials {
            return Err("`*` together with credentials would let every web page act for the user".to_owned());
        }
        let names = |names: &[HeaderName]| names.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(", ");
        let text = |text: String| HeaderValue::try_from(text).map_err(|fault| fault.to_string());
        let methods = settings.methods.as_deref().unwrap_or_default();
        Ok(Self {
            allow_methods: text(methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", "))?,
            allow_headers: text(names(&settings.headers))?,
            expose: if settings.expose.is_empty() { None } else { Some(text(names(&settings.expose))?) },
            max_age: HeaderValue::from(settings.max_age.as_secs()),
            settings,
        })
    }

    /// Whether pages of this origin may call.
    pub fn allows(&self, origin: &[u8]) -> bool {
        match &self.settings.origins {
            Origins::Any => true,
            Origins::Exact(origins) => origins.iter().any(|own| own.as_bytes() == origin),
        }
    }

    /// Answers a preflight (Fetch standard, "CORS-preflight request"), or refuses it. No token is asked for: browsers
    /// send none.
    pub fn preflight(&self, head: &Head<'_>) -> Result<Fields, Refusal> {
        let refused = |what: &str, seen: Option<&[u8]>| {
            let seen = seen.map_or("none".into(), String::from_utf8_lossy);
            Refusal::OriginRefused { seen: format!("{what} {seen}").into() }
        };
        let shown = head.headers.first(&ORIGIN);
        let origin = shown.filter(|origin| self.allows(origin)).ok_or_else(|| refused("the origin", shown))?;
        let method = head.headers.first(&ACCESS_CONTROL_REQUEST_METHOD).ok_or_else(|| refused("the method", None))?;
        let known = match &self.settings.methods {
            Some(methods) => methods.iter().any(|own| own.as_str().as_bytes() == method),
            None => true,
        };
        if !known {
            return Err(refused("the method", Some(method)));
        }
        if !self.knows_headers(head) {
            return Err(refused("the headers", head.headers.first(&ACCESS_CONTROL_REQUEST_HEADERS)));
        }
        let mut answer = Fields::new();
        self.name_origin(origin, &mut answer);
        let methods = if self.settings.methods.is_some() { self.allow_methods.as_bytes() } else { method };
        answer.insert(&ACCESS_CONTROL_ALLOW_METHODS, methods);
        answer.insert(&ACCESS_CONTROL_ALLOW_HEADERS, &self.allow_headers);
        answer.insert(&ACCESS_CONTROL_MAX_AGE, &self.max_age);
        Ok(answer)
    }

    fn knows_headers(&self, head: &Head<'_>) -> bool {
        head.headers.all(&ACCESS_CONTROL_REQUEST_HEADERS).all(|line| {
            line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).all(|name| {
                name.is_empty()
                    || self.settings.headers.iter().any(|own| own.as_str().as_bytes().eq_ignore_ascii_case(name))
            })
        })
    }

    fn name_origin(&self, origin: &[u8], answer: &mut Fields) {
        match self.settings.origins {
            Origins::Any => answer.insert(&ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            Origins::Exact(_) => answer.insert(&ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        }
        if self.settings.credentials {
            answer.insert(&ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
    }

    /// Puts on what an answer to `origin` needs, refusals included: a page that cannot read a 401 cannot mend it.
    pub fn dress(&self, origin: Option<&[u8]>, headers: &mut Fields) {
        headers.append(&VARY, "Origin");
        if let Some(origin) = origin.filter(|origin| self.allows(origin)) {
            self.name_origin(origin, headers);
            if let Some(expose) = &self.expose {
                headers.insert(&ACCESS_CONTROL_EXPOSE_HEADERS, expose);
            }
        }
    }
}

/// The method a preflight asks about; `None` for every other request.
pub fn preflight_method(method: &Method, headers: &Fields) -> Option<Method> {
    if method != Method::OPTIONS || !headers.contains(&ORIGIN) {
        return None;
    }
    Method::from_bytes(headers.first(&ACCESS_CONTROL_REQUEST_METHOD)?).ok()
}

/// Takes an upstream's own CORS headers off: the gateway's word is the only one.
pub fn undress(headers: &mut Fields) {
    for name in [
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        header::ACCESS_CONTROL_ALLOW_METHODS,
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        header::ACCESS_CONTROL_MAX_AGE,
    ] {
        headers.remove(&name);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::HeaderMap;

    use super::*;

    fn cors(origins: Origins) -> Cors {
        Cors::new(CorsSettings {
            origins,
            methods: Some(vec![Method::GET, Method::POST]),
            headers: vec![header::AUTHORIZATION, header::CONTENT_TYPE],
            expose: vec![header::WWW_AUTHENTICATE],
            credentials: false,
            max_age: Duration::from_secs(600),
        })
        .unwrap()
    }

    fn ours() -> Cors {
        cors(Origins::Exact(vec!["https://app.test".to_owned()]))
    }

    fn check(origin: &str, method: &str, asked: &str, allowed: bool) {
        let headers: HeaderMap = [
            (ORIGIN, origin.parse().unwrap()),
            (ACCESS_CONTROL_REQUEST_METHOD, method.parse().unwrap()),
            (ACCESS_CONTROL_REQUEST_HEADERS, asked.parse().unwrap()),
        ]
        .into_iter()
        .collect();
        let client = Ipv4Addr::LOCALHOST.into();
        let fields = Fields::from(&headers);
        let head = Head {
            method: &Method::OPTIONS,
            host: "x",
            path: "/",
            query: None,
            client,
            secure: true,
            headers: &fields,
        };
        let answer = ours().preflight(&head);
        assert_eq!(answer.is_ok(), allowed, "{origin} {method} {asked}");
        if let Ok(answer) = answer.map(|answer| answer.to_map()) {
            assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], origin);
            assert_eq!(answer[ACCESS_CONTROL_ALLOW_METHODS], "GET, POST");
        }
    }

    #[test]
    fn a_preflight_is_answered_for_listed_origins_methods_and_headers_alone() {
        check("https://app.test", "GET", "authorization, content-type", true);
        check("https://app.test", "POST", "Authorization", true);
        check("https://app.test", "DELETE", "", false);
        check("https://app.test", "GET", "x-other", false);
        for origin in [
            "https://app.test.evil.test",
            "https://evilapp.test",
            "null",
            "http://app.test",
            "https://APP.test",
            "https://app.test:8443",
            "https://app.test/",
        ] {
            check(origin, "GET", "", false);
        }
    }

    #[test]
    fn every_answer_varies_by_origin_and_names_only_listed_ones() {
        for (origin, named) in [(Some("https://app.test"), true), (Some("https://evil.test"), false), (None, false)] {
            let mut headers = Fields::new();
            ours().dress(origin.map(str::as_bytes), &mut headers);
            let headers = headers.to_map();
            assert_eq!(headers[VARY], "Origin");
            assert_eq!(headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), named);
            assert_eq!(headers.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS), named);
        }
    }

    #[test]
    fn any_origin_with_credentials_cannot_be_made() {
        let settings = CorsSettings { credentials: true, ..cors(Origins::Any).settings };
        assert!(Cors::new(settings).is_err());
    }
}

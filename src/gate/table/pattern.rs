//! What a route matches, as it is written: `METHODS [HOST]/PATH`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use http::Method;

/// Methods, host and path of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub methods: Methods,
    pub host: HostPattern,
    pub segments: Vec<Segment>,
}

/// `*`, or a list of methods. HEAD follows GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Methods {
    All,
    Named(Vec<Method>),
}

/// How expressly a pattern takes a method; order is specificity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Taking {
    Named,
    /// HEAD, because GET is named.
    Implied,
    All,
}

/// Order is specificity: exact before wildcard before none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// Lower case.
    Exact(String),
    /// `*.example.com`, without the `*.`: any number of labels below it.
    Under(String),
    Any,
}

/// Order is specificity: literal before name before rest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// In the normal form of paths.
    Literal(String),
    /// `{name}`: one segment, not empty.
    Named(String),
    /// `**`, only at the end: nothing, or any number of segments.
    Rest,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternFault(pub String);

fn fault<T>(text: impl Into<String>) -> Result<T, PatternFault> {
    Err(PatternFault(text.into()))
}

impl Pattern {
    /// Reads `GET,POST api.example.com/orders/{id}/**`.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        let Some((methods, rest)) = text.trim().split_once(char::is_whitespace) else {
            return fault("write methods, then host and path: `GET /orders/**`, `GET,POST api.example.com/orders`");
        };
        let rest = rest.trim_start();
        let slash = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(slash);
        let methods = if methods == "*" { Methods::All } else { Methods::parse(methods.split(','))? };
        Ok(Self { methods, host: HostPattern::parse(host)?, segments: segments(path)? })
    }

    /// Whether it ends in `/**`.
    pub fn ends_in_rest(&self) -> bool {
        self.segments.last() == Some(&Segment::Rest)
    }

    /// Names of its `{name}` segments, in order.
    pub fn names(&self) -> Arc<[Arc<str>]> {
        let name = |segment: &Segment| match segment {
            Segment::Named(name) => Some(Arc::from(name.as_str())),
            Segment::Literal(_) | Segment::Rest => None,
        };
        self.segments.iter().filter_map(name).collect()
    }

    /// Whether it takes this canonical path, whatever the method. One pattern at a time: for explanations, not for requests.
    pub fn takes_path(&self, path: &str) -> bool {
        let texts: Vec<&str> = path.split('/').skip(1).collect();
        let fixed = if self.ends_in_rest() { self.segments.len().saturating_sub(1) } else { self.segments.len() };
        let long_enough = texts.len() == fixed || (self.ends_in_rest() && texts.len() > fixed);
        long_enough && self.fitting(&texts) >= fixed
    }

    /// How many segments from the start on take those of a path.
    pub fn fitting(&self, texts: &[&str]) -> usize {
        let fits = |(segment, text): &(&Segment, &&str)| match segment {
            Segment::Literal(literal) => decoded(literal) == decoded(text),
            Segment::Named(_) => !text.is_empty(),
            Segment::Rest => false,
        };
        self.segments.iter().zip(texts).take_while(fits).count()
    }

    /// The segments with all names alike: two patterns of one shape match the same paths.
    pub(super) fn shape(&self) -> Vec<Segment> {
        let blind = |segment: &Segment| match segment {
            Segment::Named(_) => Segment::Named(String::new()),
            Segment::Literal(text) => Segment::Literal(decoded(text).into_owned()),
            Segment::Rest => Segment::Rest,
        };
        self.segments.iter().map(blind).collect()
    }
}

impl Methods {
    /// Reads names; at least one, each once.
    pub fn parse<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, PatternFault> {
        let mut methods: Vec<Method> = Vec::new();
        for name in names {
            let upper = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
            let Ok(method) = Method::from_bytes(name.as_bytes()) else {
                return fault(format!("`{name}` is not a method; methods are upper case: `GET`"));
            };
            if !upper || name.len() > 32 {
                return fault(format!("`{name}` is not a method; methods are upper case: `GET`"));
            }
            if method == Method::CONNECT || method == Method::TRACE {
                return fault(format!("`{name}` is never forwarded; take it out"));
            }
            if methods.contains(&method) {
                return fault(format!("`{name}` is named twice"));
            }
            methods.push(method);
        }
        if methods.is_empty() { fault("no method is named") } else { Ok(Self::Named(methods)) }
    }

    /// Whether it takes `method`.
    pub fn take(&self, method: &Method) -> bool {
        self.takes(Some(method)).is_some()
    }

    /// The named ones, with HEAD beside GET.
    pub(super) fn named(&self) -> Vec<Method> {
        match self {
            Self::All => Vec::new(),
            Self::Named(methods) => {
                let mut all = methods.clone();
                if all.contains(&Method::GET) && !all.contains(&Method::HEAD) {
                    all.push(Method::HEAD);
                }
                all
            }
        }
    }

    /// Whether it takes `method` (`None`: one that no route names), and how expressly.
    pub(super) fn takes(&self, method: Option<&Method>) -> Option<Taking> {
        match (self, method) {
            (Self::All, _) => Some(Taking::All),
            (Self::Named(methods), Some(method)) if methods.contains(method) => Some(Taking::Named),
            (Self::Named(_), Some(method)) => self.named().contains(method).then_some(Taking::Implied),
            (Self::Named(_), None) => None,
        }
    }
}

impl HostPattern {
    /// Whether it takes this canonical host.
    pub fn takes(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Under(parent) => host.strip_suffix(parent.as_str()).is_some_and(|rest| rest.ends_with('.')),
            Self::Any => true,
        }
    }

    /// Reads `api.example.com`, `*.example.com`, an IP address, or nothing.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        if text.is_empty() {
            return Ok(Self::Any);
        }
        let (name, under) = text.strip_prefix("*.").map_or((text, false), |parent| (parent, true));
        if name.starts_with('[') && name.ends_with(']') && !under {
            let address = name.trim_start_matches('[').trim_end_matches(']');
            let known = address.parse::<std::net::Ipv6Addr>().is_ok();
            return if known {
                Ok(Self::Exact(name.to_ascii_lowercase()))
            } else {
                fault(format!("`{name}` is not an address"))
            };
        }
        if name.contains(':') {
            return fault(format!("`{text}` names a port; hosts are matched without it"));
        }
        let label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if !name.split('.').all(label) || name.len() > 253 {
            return fault(format!("`{text}` is not a host; write `api.example.com` or `*.example.com`"));
        }
        let name = name.to_ascii_lowercase();
        Ok(if under { Self::Under(name) } else { Self::Exact(name) })
    }
}

/// Reads a path pattern.
pub fn segments(path: &str) -> Result<Vec<Segment>, PatternFault> {
    let Some(rest) = path.strip_prefix('/') else {
        return fault("a path starts with `/`");
    };
    let texts: Vec<&str> = rest.split('/').collect();
    let mut names = BTreeSet::new();
    let mut segments = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let last = index + 1 == texts.len();
        let segment = segment(text, last)?;
        if let Segment::Named(name) = &segment
            && !names.insert(name.clone())
        {
            return fault(format!("`{{{name}}}` stands twice in one path"));
        }
        segments.push(segment);
    }
    Ok(segments)
}

fn segment(text: &str, last: bool) -> Result<Segment, PatternFault> {
    if text == "**" {
        return if last { Ok(Segment::Rest) } else { fault("`**` stands only at the end of a path") };
    }
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let good = name.bytes().all(plain) && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        return if good {
            Ok(Segment::Named(name.to_owned()))
        } else {
            fault(format!("`{{{name}}}` is not a name; use letters, digits and `_`"))
        };
    }
    if text.is_empty() && !last {
        return fault("the path holds `//`");
    }
    if text.contains(['*', '{', '}']) {
        return fault(format!("`{text}`: `**` and `{{name}}` stand for whole segments"));
    }
    if text == "." || text == ".." {
        return fault("the path holds `.` or `..` segments");
    }
    let path = format!("/{text}");
    let canonical = crate::gate::admit::path::canonical(&path).map_err(|what| PatternFault(what.into()))?;
    match canonical.strip_prefix('/') {
        Some(literal) if literal.is_empty() == text.is_empty() => Ok(Segment::Literal(literal.to_owned())),
        _ => fault("the path holds `.` or `..` segments"),
    }
}

/// A segment with its percent-encoding taken off. Canonical paths hold no broken encoding; should one come, it stays.
pub fn decoded(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut out = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        if let (b'%', Some(code)) = (*first, code) {
            out.push(code);
            rest = after.get(2..).unwrap_or_default();
        } else {
            out.push(*first);
            rest = after;
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.methods {
            Methods::All => f.write_str("* ")?,
            Methods::Named(methods) => {
                let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
                write!(f, "{} ", names.join(","))?;
            }
        }
        match &self.host {
            HostPattern::Exact(name) => f.write_str(name)?,
            HostPattern::Under(parent) => write!(f, "*.{parent}")?,
            HostPattern::Any => {}
        }
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Named(name) => write!(f, "/{{{name}}}")?,
                Segment::Rest => f.write_str("/**")?,
            }
        }
        Ok(())
    }
}

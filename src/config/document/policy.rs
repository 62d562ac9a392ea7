//! The judgements of a route: `access`, `limit`, `cors`, `body`, `respond`.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::leaf::Size;
use super::read::{FromText, Must, Named, OneOrMany, Read};
use crate::config::node::{Kind, Node};
use crate::config::place::{At, Place};
use crate::config::problem::Problems;
use crate::config::suggest;

/// Who may call a route.
#[derive(Clone, Debug)]
pub enum Access {
    Public(Place),
    Authenticated(Place),
    Rule(Box<AccessRule>),
}

section! {
    /// What a token needs; everything named must hold.
    AccessRule ("`access`") {
        /// Scopes: one, `{all: [..]}` or `{any: [..]}`.
        scope: Option<Requirement>,
        /// Roles: one, `{all: [..]}` or `{any: [..]}`.
        role: Option<Requirement>,
        /// A condition in CEL over `token`, `request`, `path` and `peer`; a list of them must all hold. Of a header or a
        /// name of the query that comes more than once the values are joined by `, `: `==` holds of none of them, and `!=`
        /// holds; ask for what is allowed, not for what is not.
        when: Option<OneOrMany<At<String>>>,
        /// Names of the issuers whose tokens are taken; the hosted one is `authority`. Default: all.
        issuers: Option<OneOrMany<At<String>>>,
        /// What is to be asked later: judged, logged and counted now, without refusing anybody.
        observe: Option<Tries>,
    }
    instead [
        scopes: "the key is `scope`: one scope, `{all: [a, b]}` or `{any: [a, b]}`",
        roles: "the key is `role`: one role, `{all: [a, b]}` or `{any: [a, b]}`",
        public: "write `access: public`",
        authenticated: "write `access: authenticated`"
    ]
}

section! {
    /// What a route would ask.
    Tries ("`observe`") {
        /// Scopes: one, `{all: [..]}` or `{any: [..]}`.
        scope: Option<Requirement>,
        /// Roles: one, `{all: [..]}` or `{any: [..]}`.
        role: Option<Requirement>,
        /// A condition in CEL; a list of them must all hold.
        when: Option<OneOrMany<At<String>>>,
    }
}

/// Scopes or roles that a token needs.
#[derive(Clone, Debug, Default)]
pub struct Requirement {
    pub place: Place,
    pub all: Vec<At<String>>,
    pub any: Vec<At<String>>,
    /// Written as a bare list, which could mean either.
    pub bare: bool,
}

impl Requirement {
    /// Every name in it.
    pub fn names(&self) -> impl Iterator<Item = &At<String>> {
        self.all.iter().chain(&self.any)
    }
}

section! {
    /// Several scopes or roles.
    Several ("several scopes or roles") {
        /// Every one of these.
        all: Option<Vec<At<String>>>,
        /// At least one of these.
        any: Option<Vec<At<String>>>,
    }
}

words! {
    /// Words for `access`.
    AccessWord ("a kind of access") { Public = "public", Authenticated = "authenticated" }
}

impl Read for Access {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => AccessRule::read(node, problems).map(|rule| Self::Rule(Box::new(rule))),
            Kind::Null | Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
                let word: At<AccessWord> = At::read(node, problems)?;
                Some(match word.value {
                    AccessWord::Public => Self::Public(word.place),
                    AccessWord::Authenticated => Self::Authenticated(word.place),
                })
            }
        }
    }
}

impl Read for Requirement {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let place = node.place;
        match node.kind {
            Kind::Map(_) => {
                let several = Several::read(node, problems)?;
                let (all, any) = (several.all.unwrap_or_default(), several.any.unwrap_or_default());
                Some(Self { place, all, any, bare: false })
            }
            Kind::List(_) => Vec::read(node, problems).map(|all| Self { place, all, any: Vec::new(), bare: true }),
            Kind::Null | Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) => {
                let one: At<String> = At::read(node, problems)?;
                Some(Self { place, all: vec![one], any: Vec::new(), bare: false })
            }
        }
    }
}

section! {
    /// How often a route may be called.
    Limit ("a limit") {
        /// Calls and time: `100/s`, `10/m`, `1000/h`.
        rate: Must<At<String>>,
        /// Calls that may come at once: the size of the bucket. Default: the number of calls of the rate.
        burst: Option<At<u32>>,
        /// Who shares one budget: `client`, `subject`, `ip`, `token`, `header:NAME`, or `route` (all callers together).
        /// Default: `client`.
        per: Option<At<Per>>,
        /// Name in answers and logs. Default: the `per` and the rate.
        name: Option<At<String>>,
        /// Count, log what would be refused, and refuse nobody. Default: `false`.
        observe: Option<At<bool>>,
        /// How the gateways of a fleet count it: `lease` by shares that are taken ahead, so that no request waits; `exact` by
        /// asking Redis at each request; `off` each for itself. Default with a `shared` section: `lease`, and `exact` where
        /// the burst is below 50.
        shared: Option<At<Sharing>>,
        /// What an exact limit does while Redis does not answer: `local` counts this gateway's part of the limit here, `refuse`
        /// answers 503. Default: `local`.
        away: Option<At<Away>>,
    }
}

words! {
    /// How a fleet counts a limit.
    Sharing ("a way to count together") { Lease = "lease", Exact = "exact", Off = "off" }
}

words! {
    /// What an exact limit does while nobody answers.
    Away ("a choice for `away`") { Local = "local", Refuse = "refuse" }
}

/// Who shares one budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Per {
    Client,
    Subject,
    Ip,
    Token,
    Header(HeaderName),
    Route,
}

impl FromText for Per {
    const WANTED: &'static str = "whose budget it is";

    fn from_text(text: &str) -> Result<Self, String> {
        const WORDS: [&str; 6] = ["client", "subject", "ip", "token", "route", "header:NAME"];
        match text {
            "client" => Ok(Self::Client),
            "subject" => Ok(Self::Subject),
            "ip" => Ok(Self::Ip),
            "token" => Ok(Self::Token),
            "route" => Ok(Self::Route),
            _ => match text.strip_prefix("header:") {
                Some(name) => HeaderName::from_text(name.trim()).map(Self::Header),
                None => Err(suggest::not_a_word(text, "a way to count callers", &WORDS)),
            },
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^(client|subject|ip|token|route|header:.+)$" })
    }
}

section! {
    /// Which web pages of other origins may call.
    Cors ("`cors`") {
        /// Origins of those pages, for example `[https://app.example.com]`, or `*` for all.
        origins: Must<OneOrMany<At<String>>>,
        /// Methods they may use. Default: those of the routes of this path.
        methods: Option<OneOrMany<At<Method>>>,
        /// Headers they may send. Default: `Authorization` and `Content-Type`.
        headers: Option<OneOrMany<At<HeaderName>>>,
        /// Headers of the answer that they may read. Default: `WWW-Authenticate`, `RateLimit`, `Retry-After`,
        /// `X-Request-Id`, `Location`.
        expose: Option<OneOrMany<At<HeaderName>>>,
        /// Let browsers send cookies. Default: `false`.
        credentials: Option<At<bool>>,
        /// How long browsers may remember the permission. Default: `10m`.
        max_age: Option<At<Duration>>,
    }
}

section! {
    /// What a request's body may be.
    Body ("`body`") {
        /// The largest size, for example `64KiB`. Default: no bound.
        max: Option<At<Size>>,
        /// Media types that are accepted, for example `[application/json]`. Default: all.
        types: Option<OneOrMany<At<String>>>,
    }
    later [schema]
}

/// An answer made here.
#[derive(Clone, Debug)]
pub enum Respond {
    Echo(Place),
    Fixed(FixedAnswer),
}

section! {
    /// A fixed answer.
    FixedAnswer ("a fixed answer") {
        /// Status, for example `204`. Default: `200`.
        status: Option<At<u32>>,
        /// Headers of the answer.
        headers: Option<Named<At<HeaderValue>>>,
        /// Text of the answer. Default: none.
        body: Option<At<String>>,
    }
}

words! {
    /// Words for `respond`.
    RespondWord ("a kind of answer") { Echo = "echo" }
}

impl Read for Respond {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => FixedAnswer::read(node, problems).map(Self::Fixed),
            Kind::Null | Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
                let word: At<RespondWord> = At::read(node, problems)?;
                Some(match word.value {
                    RespondWord::Echo => Self::Echo(word.place),
                })
            }
        }
    }
}

impl JsonSchema for Access {
    fn schema_name() -> Cow<'static, str> {
        "Access".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let rule = generator.subschema_for::<AccessRule>();
        json_schema!({ "description": "Who may call a route.", "anyOf": [{ "enum": ["public", "authenticated"] }, rule] })
    }
}

impl JsonSchema for Requirement {
    fn schema_name() -> Cow<'static, str> {
        "Requirement".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let several = generator.subschema_for::<Several>();
        json_schema!({ "description": "One scope or role, or several.", "anyOf": [{ "type": "string" }, several] })
    }
}

impl JsonSchema for Respond {
    fn schema_name() -> Cow<'static, str> {
        "Respond".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let fixed = generator.subschema_for::<FixedAnswer>();
        json_schema!({ "description": "An answer made here.", "anyOf": [{ "const": "echo" }, fixed] })
    }
}

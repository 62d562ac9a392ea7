//! Tests of the file, checked.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use serde_json::{Map, Value};

use crate::ground::Time;
use crate::observe::Reason;

/// A call, and what should come of it.
#[derive(Clone, Debug)]
pub struct Test {
    pub name: String,
    /// Line in its file, from 1.
    pub line: usize,
    pub call: Call,
    /// Such calls before, and how long ago.
    pub after: Option<(u32, Duration)>,
    pub expect: Expect,
}

/// A described request.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    /// As written; `None`: the one that the file serves anyhow.
    pub host: Option<String>,
    /// Path and query.
    pub target: String,
    pub token: Token,
    pub from: IpAddr,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Size in bytes and media type.
    pub body: Option<(u64, Option<String>)>,
    pub at: Option<Time>,
}

/// What a call carries.
#[derive(Clone, Debug)]
pub enum Token {
    None,
    Described(Box<Described>),
    /// A real one, as it is.
    Given(String),
}

/// A token, by what it says.
#[derive(Clone, Debug, Default)]
pub struct Described {
    pub scopes: Vec<String>,
    pub roles: Vec<String>,
    pub client: Option<String>,
    pub subject: Option<String>,
    /// Name of the issuer; `None`: the first.
    pub issuer: Option<String>,
    pub audience: Option<String>,
    /// How long ago it ended.
    pub expired: Option<Duration>,
    pub claims: Map<String, Value>,
}

/// What should come of it; each part that is there has to be so.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    pub outcome: Option<Outcome>,
    pub route: Option<String>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub upstream_headers: Vec<(HeaderName, HeaderValue)>,
}

/// How a decision ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Allow,
    /// `None`: for whatever reason.
    Deny(Option<Reason>),
    /// Let through, and noted.
    Observe(Reason),
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Allow => f.write_str("allow"),
            Self::Deny(None) => f.write_str("deny"),
            Self::Deny(Some(reason)) => write!(f, "deny {}", reason.code()),
            Self::Observe(reason) => write!(f, "observe {}", reason.code()),
        }
    }
}

//! `tests`: calls, and what the file should say to them.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use http::HeaderValue;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::leaf::Size;
use super::read::{FromText, Must, Named, OneOrMany, Read};
use crate::config::node::{Kind, Node};
use crate::config::place::At;
use crate::config::problem::Problems;

section! {
    /// A call, and what should come of it.
    Test ("a test") {
        /// The request: `METHOD [HOST]/PATH[?QUERY]`, for example `GET /v1/orders/7`.
        call: Must<At<String>>,
        /// Name in the report. Default: the `call`.
        name: Option<At<String>>,
        /// The token that comes with it; left out: none.
        token: Option<Token>,
        /// Address of the caller. Default: `127.0.0.1`.
        from: Option<At<IpAddr>>,
        /// Headers of the request.
        headers: Option<Named<At<HeaderValue>>>,
        /// The body, in size and type; left out: none.
        body: Option<Body>,
        /// What the same caller has done before: calls of the same kind, and how long ago the last of them was.
        after: Option<After>,
        /// When it happens, as `2026-12-24T18:00:00Z`. Default: now.
        at: Option<At<Moment>>,
        /// `allow`, `deny CODE`, `deny`, `observe CODE`, `route NAME`, or several of these with the headers of the answer.
        expect: Must<Expect>,
    }
    instead [
        request: "the key is `call`",
        scope: "put it under `token`: `token: {scope: ...}`",
        role: "put it under `token`: `token: {role: ...}`",
        ip: "the key is `from`"
    ]
}

section! {
    /// A token, by what it says. It is made for the test, signed, and verified like any other.
    Token ("the `token` of a test") {
        /// Scopes it has: one, or a list.
        scope: Option<OneOrMany<At<String>>>,
        /// Roles it has: one, or a list.
        role: Option<OneOrMany<At<String>>>,
        /// The client it was issued to. Default: `test-client`.
        client: Option<At<String>>,
        /// Whose it is. Default: `test-subject`.
        subject: Option<At<String>>,
        /// Name of its issuer; the hosted one is `authority`. Default: the first that the file has.
        issuer: Option<At<String>>,
        /// Who it is for. Default: the audience that the file asks for.
        audience: Option<At<String>>,
        /// How long ago it ended. Default: it has not.
        expired: Option<At<Duration>>,
        /// More claims. Example: `{tier: gold}`; a value that is JSON is taken as that.
        claims: Option<Named<At<String>>>,
    }
    instead [
        scopes: "the key is `scope`: one, or a list",
        roles: "the key is `role`: one, or a list"
    ]
}

section! {
    /// A body, in size and type.
    Body ("the `body` of a test") {
        /// How large it is.
        size: Option<At<Size>>,
        /// Its media type.
        r#type: Option<At<String>>,
    }
}

section! {
    /// What the same caller has done before.
    After ("`after`") {
        /// How many such calls came before, all at one moment.
        calls: Must<At<u32>>,
        /// How long before this call they came. Default: `0s`.
        ago: Option<At<Duration>>,
    }
}

/// What should come of a call.
#[derive(Clone, Debug)]
pub enum Expect {
    Short(At<String>),
    Long(Box<LongExpect>),
}

section! {
    /// What should come of a call, in full.
    LongExpect ("`expect`") {
        /// `allow`, `deny`, `deny CODE` or `observe CODE`.
        outcome: Option<At<String>>,
        /// Name of the route that takes it.
        route: Option<At<String>>,
        /// Headers of the answer, with their values.
        headers: Option<Named<At<HeaderValue>>>,
        /// Headers that the upstream gets, with their values.
        upstream_headers: Option<Named<At<HeaderValue>>>,
    }
}

section! {
    /// A file of tests.
    TestFile ("a file of tests") {
        /// The tests.
        tests: Must<Vec<Test>>,
    }
}

impl Read for Expect {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => LongExpect::read(node, problems).map(|long| Self::Long(Box::new(long))),
            Kind::Null | Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
                At::read(node, problems).map(Self::Short)
            }
        }
    }
}

impl JsonSchema for Expect {
    fn schema_name() -> Cow<'static, str> {
        "Expect".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<LongExpect>();
        json_schema!({
            "description": "`allow`, `deny CODE`, `deny`, `observe CODE`, `route NAME`, or several of these.",
            "anyOf": [{ "type": "string" }, long]
        })
    }
}

/// A moment, in milliseconds of the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub u64);

impl FromText for Moment {
    const WANTED: &'static str = "a date and time";

    fn from_text(text: &str) -> Result<Self, String> {
        let moment: jiff::Timestamp =
            text.parse().map_err(|_| format!("`{text}` is not a date and time; write it as `2026-12-24T18:00:00Z`"))?;
        u64::try_from(moment.as_millisecond()).map(Self).map_err(|_| format!("`{text}` is before 1970"))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl FromText for IpAddr {
    const WANTED: &'static str = "an address";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("`{text}` is not an IP address; write `192.0.2.7` or `2001:db8::7`"))
    }
}

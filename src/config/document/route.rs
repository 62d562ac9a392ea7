//! `routes` and `defaults`: what may be called, and by whom.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, Method};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::policy::{Access, Body, Cors, Limit, Respond};
use super::read::{Must, Named, OffOr, OneOrMany, Read};
use super::upstream::Timeout;
use crate::config::node::{Kind, Node};
use crate::config::place::{At, Place};
use crate::config::problem::Problems;

section! {
    /// Something that may be called.
    Route ("a route") {
        /// Methods, host and path: `GET /v1/orders/**`, `POST,PUT api.example.com/orders/{id}`, `* /**`.
        r#match: Must<Match>,
        /// Name in logs, metrics and messages. Default: the `match`.
        name: Option<At<String>>,
        /// Who may call it: `public` (anyone), `authenticated` (any accepted token), or what the token needs, for example
        /// `{scope: orders:read}`. Every route has to say it.
        access: Option<Access>,
        /// Name of the upstream to forward to.
        upstream: Option<At<String>>,
        /// Answer here and forward nothing: `echo`, or a fixed answer such as `{status: 204}`.
        respond: Option<Respond>,
        /// How often it may be called; one limit, a list, or `off`. Example: `{rate: 100/s, per: client}`.
        limit: Option<OffOr<OneOrMany<Limit>>>,
        /// Which web pages of other origins may call it, or `off`.
        cors: Option<OffOr<Cors>>,
        /// What a request's body may be.
        body: Option<Body>,
        /// Secure headers of the answer, set or removed for this route.
        headers: Option<Headers>,
        /// Names of the issuers whose tokens it takes; the hosted one is `authority`. Default: all.
        issuers: Option<OneOrMany<At<String>>>,
        /// Pass the caller's own token on. Default: what the upstream says.
        forward_token: Option<At<bool>>,
        /// How long to wait for the upstream, where it differs from what the upstream says.
        timeout: Option<Timeout>,
        /// Let connections be upgraded to WebSocket. They end with the token that opened them. Default: `true`.
        websocket: Option<At<bool>>,
        /// Let a WebSocket stand although the token that opened it has ended or was revoked; by default it is closed within
        /// seconds. Default: `false`.
        danger_websocket_outlives_token: Option<At<bool>>,
        /// Judge and log who may call, and refuse nobody: for trying a rule out on a route that is open today. Default:
        /// `false`.
        danger_only_observe: Option<At<bool>>,
        /// Findings of `portcullis check` about this route that are as they should be, by their name, with the reason.
        acknowledge: Option<Named<At<String>>>,
    }
    instead [
        observe: "the switch is `danger_only_observe: true`; or put single rules under `access: {observe: ...}`",
        path: "write `match: GET /path`",
        methods: "write `match: GET,POST /path`",
        method: "write `match: GET /path`",
        scope: "put it under `access`: `access: {scope: ...}`",
        scopes: "put it under `access`: `access: {scope: ...}`",
        role: "put it under `access`: `access: {role: ...}`",
        when: "put it under `access`: `access: {when: ...}`",
        auth: "the key is `access`: `public`, `authenticated`, or `{scope: ...}`"
    ]
}

section! {
    /// What holds for each route unless it says otherwise.
    Defaults ("`defaults`") {
        /// Name of the upstream to forward to.
        upstream: Option<At<String>>,
        /// How often a route may be called; one limit or a list.
        limit: Option<OneOrMany<Limit>>,
        /// Which web pages of other origins may call.
        cors: Option<Cors>,
        /// What a request's body may be.
        body: Option<Body>,
        /// Secure headers of the answer, set or removed.
        headers: Option<Headers>,
        /// Names of the issuers whose tokens are taken; the hosted one is `authority`.
        issuers: Option<OneOrMany<At<String>>>,
        /// Pass the caller's own token on.
        forward_token: Option<At<bool>>,
        /// How long to wait for the upstream.
        timeout: Option<Timeout>,
        /// Let connections be upgraded to WebSocket.
        websocket: Option<At<bool>>,
    }
    instead [
        access: "who may call stands on every route, so that no route is open because of a line somewhere else",
        respond: "an answer belongs to one route"
    ]
}

section! {
    /// Headers of the answer, set or removed.
    Headers ("`headers`") {
        /// Headers to set, with their values, in place of what the gateway or the upstream sets.
        set: Option<Named<At<HeaderValue>>>,
        /// Names of headers to remove.
        remove: Option<OneOrMany<At<HeaderName>>>,
    }
}

/// What a route matches.
#[derive(Clone, Debug)]
pub enum Match {
    Short(At<String>),
    Long(LongMatch),
}

section! {
    /// What a route matches, in full.
    LongMatch ("a `match`") {
        /// HTTP methods. Default: all.
        methods: Option<OneOrMany<At<Method>>>,
        /// Host, for example `api.example.com` or `*.example.com`. Default: any.
        host: Option<At<String>>,
        /// Path: `/exact`, `/orders/{id}`, `/orders/**`.
        path: Must<At<String>>,
    }
}

impl Match {
    pub fn place(&self) -> Place {
        match self {
            Self::Short(text) => text.place,
            Self::Long(long) => long.path.0.as_ref().map_or(long.place, |path| path.place),
        }
    }
}

impl Read for Match {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => LongMatch::read(node, problems).map(Self::Long),
            Kind::Null | Kind::Bool(..) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
                At::read(node, problems).map(Self::Short)
            }
        }
    }
}

impl JsonSchema for Match {
    fn schema_name() -> Cow<'static, str> {
        "Match".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<LongMatch>();
        json_schema!({
            "description": "`METHODS [HOST]/PATH`, or the same in full.",
            "anyOf": [{ "type": "string" }, long]
        })
    }
}

//! The questions about costs, who is asked, and what was to be reached.

use crate::cost::Scenario;
use crate::goal::Goal;
use crate::load::{Bring, Load};
use crate::servers::Setting;

const fn goal(beside: &'static str, most: f64) -> Goal {
    Goal { ours: "portcullis", beside, most }
}

const BLANK: Scenario =
    Scenario { name: "", title: "", load: Load::HOT, servers: &[], goals: &[], setting: Setting::USUAL };

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "hot",
        title: "one token, HTTP/1.1 in clear",
        servers: &[
            "nginx",
            "portcullis",
            "portcullis-compat",
            "haproxy",
            "nginx-lua",
            "envoy-jwt",
            "haproxy-jwt",
            "apache-oauth2",
            "node",
        ],
        goals: &[
            goal("nginx", 0.85),
            Goal { ours: "portcullis-compat", beside: "nginx", most: 1.10 },
            goal("nginx-lua", 0.75),
            goal("envoy-jwt", 0.25),
            goal("haproxy-jwt", 0.25),
            goal("apache-oauth2", 0.1),
            goal("node", 0.04),
        ],
        ..BLANK
    },
    Scenario {
        name: "tokens",
        title: "10,000 tokens, HTTP/1.1 in clear",
        load: Load::TOKENS,
        servers: &["nginx", "portcullis", "nginx-lua"],
        goals: &[goal("nginx", 0.95)],
        ..BLANK
    },
    Scenario {
        name: "tls",
        title: "one token, HTTP/1.1 over TLS 1.3",
        load: Load::TLS,
        servers: &["nginx", "portcullis", "portcullis-compat", "nginx-lua", "haproxy-jwt"],
        goals: &[goal("nginx", 0.75)],
        ..BLANK
    },
    Scenario {
        name: "http2",
        title: "one token, HTTP/2 over TLS 1.3",
        load: Load::HTTP2,
        servers: &["nginx", "portcullis", "nginx-lua", "haproxy-jwt"],
        goals: &[goal("nginx", 1.0)],
        ..BLANK
    },
    Scenario {
        name: "large",
        title: "answers of 64 KiB, beside nginx with buffers to match",
        load: Load::LARGE,
        servers: &["nginx-tuned", "portcullis", "nginx", "nginx-lua"],
        goals: &[goal("nginx-tuned", 1.0)],
        ..BLANK
    },
    Scenario {
        name: "handshake",
        title: "a full TLS 1.3 handshake and one request",
        load: Load::HANDSHAKE,
        servers: &["nginx", "portcullis"],
        goals: &[goal("nginx", 0.6)],
        ..BLANK
    },
    Scenario {
        name: "cold",
        title: "each token for the first time, HTTP/1.1 in clear",
        load: Load::FRESH,
        servers: &["nginx", "portcullis", "nginx-lua", "envoy-jwt", "haproxy-jwt"],
        ..BLANK
    },
    Scenario {
        name: "opaque",
        title: "10,000 opaque tokens, by introspection, cached",
        load: Load::OPAQUE,
        servers: &["nginx", "portcullis", "nginx-introspect"],
        setting: Setting { file: "portcullis-opaque.yaml", ..Setting::USUAL },
        ..BLANK
    },
    Scenario {
        name: "websocket",
        title: "WebSocket messages of 128 bytes, there and back",
        load: Load::WEBSOCKET,
        servers: &["nginx", "portcullis", "haproxy"],
        ..BLANK
    },
    Scenario {
        name: "routes-10",
        title: "10 routes in turn, nginx with as many locations",
        load: Load { bring: Bring::Paths(10), ..Load::HOT },
        servers: &["nginx", "portcullis"],
        setting: Setting { routes: 10, ..Setting::USUAL },
        ..BLANK
    },
    Scenario {
        name: "routes-10000",
        title: "10,000 routes in turn, nginx with as many locations",
        load: Load { bring: Bring::Paths(10_000), ..Load::HOT },
        servers: &["nginx", "portcullis"],
        setting: Setting { routes: 10_000, ..Setting::USUAL },
        ..BLANK
    },
];

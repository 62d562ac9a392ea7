//! What the gateway is used for, for a build that learns from it: `.ci/profile` asks for it. Nothing is measured.

use std::collections::BTreeMap;

use crate::load::{Bring, Door, Load};
use crate::scene::Scene;
use crate::servers::{Server, Setting};
use crate::support::issuing;
use crate::support::{free_port, listens, raise_descriptor_limit};
use crate::{Stage, TOKENS};

const OPAQUE: Setting = Setting { file: "portcullis-opaque.yaml", ..Setting::USUAL };
const ROUTES: Setting = Setting { routes: 1000, ..Setting::USUAL };
const PATHS: Load = Load { bring: Bring::Paths(1000), ..Load::HOT };
/// What most requests are like, most often: how much of a request's way is common is learned from how often it was gone.
const LOADS: [(&str, Load, Setting); 11] = [
    ("portcullis", Load::HOT, Setting::USUAL),
    ("portcullis", Load::TOKENS, Setting::USUAL),
    ("portcullis", Load::TLS, Setting::USUAL),
    ("portcullis", Load::HTTP2, Setting::USUAL),
    ("portcullis", Load::LARGE, Setting::USUAL),
    ("portcullis", Load::HANDSHAKE, Setting::USUAL),
    ("portcullis", Load::FRESH, Setting::USUAL),
    ("portcullis", Load::WEBSOCKET, Setting::USUAL),
    ("portcullis", PATHS, ROUTES),
    ("portcullis", Load::OPAQUE, OPAQUE),
    ("portcullis-compat", Load::HOT, Setting::USUAL),
];

pub fn run(_: &[String]) {
    raise_descriptor_limit();
    let stage = Stage { scene: Scene::new(TOKENS), echo: free_port(), ask: free_port(), rates: BTreeMap::new() };
    for (name, load, setting) in LOADS {
        let _beside = load.prepare(1, &stage);
        // Ended like any service, so that it writes down what it has learned.
        let server = Server::start(name, &stage, setting).expect("it is what this bench is for");
        let secure = matches!(load.door, Door::Tls | Door::Http2);
        assert!(!secure || listens(server.tls), "{name} does not listen");
        let cost = load.run(&server, &stage, 0);
        eprintln!("{name} on {}: {:.0} requests/s", load.path, cost.rate);
    }
    issuing::exercise();
}

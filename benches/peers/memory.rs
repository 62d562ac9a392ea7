//! What a server holds: at its start, and for each of many connections that are open and silent.

use crate::Stage;
use crate::goal::Verdict;
use crate::picture;
use crate::report::Report;
use crate::servers::{Server, Setting};
use crate::support::idle;

const CONNECTIONS: usize = 10_000;
/// So that nginx has room for all of them, and takes no more for those that do not come.
const SETTING: Setting = Setting { connections: 12_000, ..Setting::USUAL };
const SERVERS: [&str; 2] = ["nginx", "portcullis"];
/// Of what a connection may hold, in kB.
const GOAL_CLEAR: f64 = 4.0;
const GOAL_TLS: f64 = 20.0;

/// In bytes: at the start, and with all connections.
struct Held {
    start: f64,
    clear: f64,
    tls: f64,
}

impl Held {
    fn each(&self, with: f64) -> f64 {
        (with - self.start) / CONNECTIONS as f64 / 1000.0
    }
}

pub fn run(stage: &Stage) -> Report {
    let all: Vec<(&str, Held)> = SERVERS.into_iter().filter_map(|name| Some((name, held(name, stage)?))).collect();
    let row = |(name, held): &(&str, Held)| {
        let megabytes = [held.start, held.clear, held.tls].map(|bytes| format!("{:.1}", bytes / 1e6));
        let each = [held.clear, held.tls].map(|with| format!("{:.1}", held.each(with)));
        [vec![(*name).to_owned()], megabytes.into(), each.into()].concat()
    };
    let ours = all.iter().find(|(name, _)| *name == "portcullis").map(|(_, held)| held);
    let bar = |(name, held): &(&str, Held)| {
        [(format!("{name}, in clear"), held.each(held.clear)), (format!("{name}, TLS"), held.each(held.tls))]
    };
    let bars: Vec<(String, f64)> = all.iter().flat_map(bar).collect();
    Report {
        name: "memory".to_owned(),
        title: "memory of 10,000 idle connections".to_owned(),
        head: ["", "MB after one request", "MB in clear", "MB over TLS", "kB each in clear", "kB each over TLS"]
            .map(str::to_owned)
            .into(),
        rows: all.iter().map(row).collect(),
        picture: picture::bars("memory of an idle connection", "kB", &bars),
        goals: vec![
            Verdict::at_most("a connection in clear", GOAL_CLEAR, ours.map(|held| held.each(held.clear)), "kB"),
            Verdict::at_most("a connection over TLS", GOAL_TLS, ours.map(|held| held.each(held.tls)), "kB"),
        ],
        words: vec![
            "Each connection has had one answer and is kept open. What the processes of a server share counts once. nginx \
             takes the table of its connections at the start."
                .to_owned(),
        ],
        ..Report::default()
    }
}

/// A fresh server for each kind of connection: what one has let go it may still hold.
fn held(name: &'static str, stage: &Stage) -> Option<Held> {
    let head = format!("GET /v1/orders/7 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}", stage.scene.token);
    let server = Server::start(name, stage, SETTING)?;
    let first = idle::clear(server.port, &head);
    let start = server.running.held() as f64;
    let open: Vec<_> = (0..CONNECTIONS).map(|_| idle::clear(server.port, &head)).collect();
    let clear = server.running.held() as f64;
    drop((first, open, server));
    let server = Server::start(name, stage, SETTING)?;
    let config = idle::trusting(&stage.scene.folder.path().join("tls.crt"));
    let open: Vec<_> = (0..CONNECTIONS).map(|_| idle::encrypted(server.tls, &head, &config)).collect();
    let tls = server.running.held() as f64;
    drop((open, server));
    Some(Held { start, clear, tls })
}

//! A load, and what it cost the server that bore it.

use std::process::Command;

use crate::scene::Scene;
use crate::servers::Server;

const SECONDS: u64 = 3;
const CONNECTIONS: &str = "64";

/// What is asked for, and how.
#[derive(Clone, Copy)]
pub struct Load {
    tls: bool,
    http2: bool,
    path: &'static str,
    /// Another token with each request.
    many: bool,
    /// A new connection for each request.
    close: bool,
}

/// CPU microseconds per request, and requests per second.
pub struct Cost {
    pub micros: f64,
    pub rate: f64,
}

impl Load {
    pub const HOT: Self = Self { tls: false, http2: false, path: "/v1/orders/7", many: false, close: false };
    pub const TOKENS: Self = Self { many: true, ..Self::HOT };
    pub const TLS: Self = Self { tls: true, ..Self::HOT };
    pub const HTTP2: Self = Self { http2: true, ..Self::TLS };
    pub const LARGE: Self = Self { path: "/big", ..Self::HOT };
    pub const HANDSHAKE: Self = Self { close: true, ..Self::TLS };

    pub fn run(&self, server: &Server, scene: &Scene) -> Cost {
        let (scheme, port) = if self.tls { ("https", server.tls) } else { ("http", server.port) };
        let host = if self.tls { "localhost" } else { "127.0.0.1" };
        let url = format!("{scheme}://{host}:{port}{}", self.path);
        let before = server.running.cpu_micros();
        let requests = if self.http2 { h2load(&url, scene) } else { self.wrk(&url, scene) };
        let after = server.running.cpu_micros();
        assert!(requests > 0.0, "{} answers nothing", server.name);
        Cost { micros: (after - before) as f64 / requests, rate: requests / SECONDS as f64 }
    }

    fn wrk(&self, url: &str, scene: &Scene) -> f64 {
        let mut command = Command::new("taskset");
        command.args(["-c", "0", "wrk", "-t1", "-c", CONNECTIONS, "-d", &format!("{SECONDS}s")]);
        if self.many {
            let script = scene.folder.path().join("tokens.lua");
            std::fs::write(&script, many(&scene.folder.path().join("tokens").display().to_string())).expect("writable");
            command.arg("-s").arg(script);
        } else {
            command.args(["-H", &format!("Authorization: Bearer {}", scene.token)]);
        }
        if self.close {
            command.args(["-H", "Connection: close"]);
        }
        let out = command.arg(url).output().expect("wrk runs");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(!text.contains("Non-2xx"), "{url}: {text}");
        let line = text.lines().find(|line| line.contains("requests in"));
        let count = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        count.unwrap_or_else(|| panic!("{url}: {text}"))
    }
}

fn h2load(url: &str, scene: &Scene) -> f64 {
    let out = Command::new("taskset")
        .args(["-c", "0", "h2load", "-c", CONNECTIONS, "-m", "1", "-D", &SECONDS.to_string()])
        .args(["-H", &format!("authorization: Bearer {}", scene.token), url])
        .output()
        .expect("h2load runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let codes = text.lines().find_map(|line| line.strip_prefix("status codes: "));
    let count = codes.and_then(|codes| codes.split_whitespace().next()?.parse().ok());
    assert!(text.contains(" 0 3xx, 0 4xx, 0 5xx"), "{url}: {text}");
    count.unwrap_or_else(|| panic!("{url}: {text}"))
}

/// Each request brings the next token of the file.
fn many(file: &str) -> String {
    format!(
        "local tokens = {{}}\nfor line in io.lines(\"{file}\") do tokens[#tokens + 1] = line end\nlocal n = 0\n\
         function request()\n  n = n % #tokens + 1\n  wrk.headers[\"Authorization\"] = \"Bearer \" .. tokens[n]\n  \
         return wrk.format(\"GET\")\nend\n"
    )
}

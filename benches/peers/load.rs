//! A load, and what it cost the server that bore it.

use std::path::PathBuf;
use std::process::Command;

use crate::Stage;
use crate::servers::Server;
use crate::support::Running;
use crate::{tokens, websocket};

const CONNECTIONS: &str = "64";
/// From one of many to the next: coprime to every power of ten, so that all come before one comes again.
const STEP: usize = 7_919;

/// What is asked for, and how.
#[derive(Clone, Copy)]
pub struct Load {
    pub door: Door,
    pub path: &'static str,
    pub bring: Bring,
    /// A new connection for each request.
    pub close: bool,
    pub seconds: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Clear,
    Tls,
    Http2,
    /// Messages in clear, there and back, on connections that are open already.
    WebSocket,
}

/// What differs from one request to the next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bring {
    /// Nothing: one token.
    Same,
    /// Another token out of 10,000.
    Tokens,
    /// A token that was never seen.
    Fresh,
    /// Another opaque token out of 10,000.
    Opaque,
    /// Another token out of so many, of the issuer of `tokens::grown`.
    Grown(usize),
    /// Another path out of so many.
    Paths(usize),
    /// Another address out of so many, as a proxy in front would report it, and the first token of `tokens::grown`.
    Clients(usize),
}

/// CPU microseconds per request, those that the kernel took, and requests per second.
#[derive(Clone, Copy)]
pub struct Cost {
    pub micros: f64,
    pub kernel: f64,
    pub rate: f64,
}

impl Load {
    pub const HOT: Self =
        Self { door: Door::Clear, path: "/v1/orders/7", bring: Bring::Same, close: false, seconds: 3 };
    pub const TOKENS: Self = Self { bring: Bring::Tokens, ..Self::HOT };
    pub const TLS: Self = Self { door: Door::Tls, ..Self::HOT };
    pub const HTTP2: Self = Self { door: Door::Http2, ..Self::HOT };
    pub const LARGE: Self = Self { path: "/big", ..Self::HOT };
    pub const HANDSHAKE: Self = Self { close: true, ..Self::TLS };

    pub const FRESH: Self = Self { bring: Bring::Fresh, seconds: 1, ..Self::HOT };
    pub const OPAQUE: Self = Self { bring: Bring::Opaque, ..Self::HOT };
    pub const WEBSOCKET: Self = Self { door: Door::WebSocket, ..Self::HOT };

    /// Starts what it needs beside the servers; that ends with what is returned.
    pub fn prepare(&self, rounds: usize, stage: &Stage) -> Option<Running> {
        match (self.door, self.bring) {
            (Door::WebSocket, _) => Some(websocket::echo(stage)),
            (_, Bring::Opaque) => Some(tokens::opaque(stage)),
            (_, Bring::Fresh) => {
                tokens::fresh(rounds, stage);
                None
            }
            (_, Bring::Same | Bring::Tokens | Bring::Grown(_) | Bring::Paths(_) | Bring::Clients(_)) => None,
        }
    }

    /// `round` is how often the same was asked before.
    pub fn run(&self, server: &Server, stage: &Stage, round: usize) -> Cost {
        let (user, kernel) = server.running.cpu_split();
        let requests = self.requests(server, stage, round).unwrap_or_else(|said| panic!("{}: {said}", server.name));
        let (user_after, kernel_after) = server.running.cpu_split();
        assert!(requests > 0.0, "{} answers nothing", server.name);
        let kernel = (kernel_after - kernel) as f64 / requests;
        Cost { micros: (user_after - user) as f64 / requests + kernel, kernel, rate: requests / self.seconds as f64 }
    }

    fn requests(&self, server: &Server, stage: &Stage, round: usize) -> Result<f64, String> {
        match self.door {
            Door::Clear => self.wrk(&format!("http://127.0.0.1:{}{}", server.port, self.path), stage, round),
            Door::Tls => self.wrk(&format!("https://localhost:{}{}", server.tls, self.path), stage, round),
            Door::Http2 => self.h2load(&format!("https://localhost:{}{}", server.tls, self.path), stage),
            Door::WebSocket => Ok(websocket::talk(server.port, self.seconds, stage)),
        }
    }

    fn wrk(&self, url: &str, stage: &Stage, round: usize) -> Result<f64, String> {
        let mut command = Command::new("taskset");
        command.args(["-c", "0", "wrk", "-t1", "-c", CONNECTIONS, "-d", &format!("{}s", self.seconds)]);
        if let Some(script) = self.script(stage, round) {
            command.arg("-s").arg(script);
        } else {
            command.args(["-H", &format!("Authorization: Bearer {}", stage.scene.token)]);
        }
        if self.close {
            command.args(["-H", "Connection: close"]);
        }
        let out = command.arg(url).output().expect("wrk runs");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let line = text.lines().find(|line| line.contains("requests in"));
        let count = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        count.filter(|_| !text.contains("Non-2xx")).ok_or(text)
    }

    fn h2load(&self, url: &str, stage: &Stage) -> Result<f64, String> {
        let out = Command::new("taskset")
            .args(["-c", "0", "h2load", "-c", CONNECTIONS, "-m", "1", "-D", &self.seconds.to_string()])
            .args(["-H", &format!("authorization: Bearer {}", stage.scene.token), url])
            .output()
            .expect("h2load runs");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let codes = text.lines().find_map(|line| line.strip_prefix("status codes: "));
        let count = codes.and_then(|codes| codes.split_whitespace().next()?.parse().ok());
        let well = text.contains(" 0 3xx, 0 4xx, 0 5xx");
        count.filter(|_| well).ok_or(text)
    }

    /// What wrk is told to do for each request, where the requests differ.
    pub fn script(&self, stage: &Stage, round: usize) -> Option<PathBuf> {
        let folder = stage.scene.folder.path();
        let file = |name: &str| folder.join(name).display().to_string();
        let text = match self.bring {
            Bring::Same => return None,
            Bring::Tokens => many(&file("tokens"), usize::MAX),
            Bring::Opaque => many(&file("opaque"), usize::MAX),
            Bring::Grown(count) => many(&file("grown"), count),
            Bring::Fresh => many(&file(&format!("fresh-{round}")), tokens::FRESH),
            Bring::Paths(count) => paths(count, &stage.scene.token),
            Bring::Clients(count) => clients(count, &file("grown")),
        };
        let script = folder.join("script.lua");
        std::fs::write(&script, text).expect("the temporary folder can be written");
        Some(script)
    }
}

/// Each request brings the next of the first `count` tokens of the file, which is not held in memory.
fn many(file: &str, count: usize) -> String {
    format!(
        "local file = io.open(\"{file}\")\nlocal n = 0\n\
         function request()\n  local token = n < {count} and file:read(\"*l\")\n  \
         if not token then file:seek(\"set\"); token = file:read(\"*l\"); n = 0 end\n  n = n + 1\n  \
         wrk.headers[\"Authorization\"] = \"Bearer \" .. token\n  return wrk.format(\"GET\")\nend\n"
    )
}

/// Each request comes from another address; the token is the first of the file.
fn clients(count: usize, file: &str) -> String {
    format!(
        "wrk.headers[\"Authorization\"] = \"Bearer \" .. io.open(\"{file}\"):read(\"*l\")\nlocal n = 0\n\
         function request()\n  n = (n + {STEP}) % {count}\n  \
         wrk.headers[\"X-Forwarded-For\"] = \"10.\" .. math.floor(n / 65536) .. \".\" .. math.floor(n / 256) % 256 .. \
         \".\" .. n % 256\n  return wrk.format(\"GET\")\nend\n"
    )
}

/// Each request asks another route.
fn paths(count: usize, token: &str) -> String {
    format!(
        "wrk.headers[\"Authorization\"] = \"Bearer {token}\"\nlocal n = 0\n\
         function request()\n  n = (n + {STEP}) % {count}\n  \
         return wrk.format(\"GET\", \"/v1/service-\" .. n .. \"/orders/7\")\nend\n"
    )
}

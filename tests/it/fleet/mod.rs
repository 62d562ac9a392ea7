//! A fleet: several gateways on one PostgreSQL. What happens on one holds on all, and what one acknowledged none forgets.

mod away;
mod moving;
mod pooler;
mod races;
mod standby;
mod starting;
mod truth;
mod unmoved;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::browser::VERIFIER;
use crate::support::house::Plot;
use crate::support::{Browser, House};

const CALLBACK: &str = "https://app.example.com/cb";
const ALICE: (&str, &str) = ("alice", "a sentence of alice");
const SECRET: &str = "web-secret-0123456789abcdef";

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The promise is a second; a busy machine gets some more before the test fails for another reason than ours.
const SOON: Duration = Duration::from_secs(15);

/// Gateways on the database at this address.
fn fleet(url: &str, count: usize) -> Vec<House> {
    let plots: Vec<Plot> = (0..count).map(|_| Plot::new()).collect();
    let issuer = plots[0].port;
    plots
        .into_iter()
        .map(|plot| {
            let yaml = yaml(&plot, url, issuer, "");
            plot.start(&yaml)
        })
        .collect()
}

/// The file of one of them, with more lines of the authority, each indented by two and ended.
fn yaml(plot: &Plot, url: &str, issuer: u16, more: &str) -> String {
    plot.write("url", url);
    with_store(plot, "{postgres: {file: url, connections: 8, timeout: 3s}}", issuer, more)
}

fn with_store(plot: &Plot, store: &str, issuer: u16, more: &str) -> String {
    plot.write("alice", ALICE.1);
    plot.write("web", SECRET);
    plot.write("seal", "0123456789abcdef0123456789abcdef");
    let both = "grants: [authorization_code, refresh_token]";
    plot.yaml(&format!(
        "store: {store}\n\
         authority:\n  issuer: http://127.0.0.1:{issuer}\n{more}  scopes: {{read: Read, write: Write}}\n  \
         keys: {{encryption: {{file: seal}}}}\n  \
         roles: {{clerk: {{scopes: [read, write]}}}}\n  \
         users: [{{name: alice, password: {{file: alice}}, roles: [clerk]}}]\n  clients:\n    \
         - {{id: spa, redirect_uris: [\"{CALLBACK}\"], {both}, scopes: [read, write]}}\n    \
         - {{id: web, secret: {{file: web}}, redirect_uris: [\"{CALLBACK}\"], {both}, \
         scopes: [openid, offline_access, read, write], access_tokens: {{format: opaque}}}}\n    \
         - {{id: gate, secret: {{file: web}}, grants: [client_credentials], scopes: [read]}}\n    \
         - {{id: kept, secret: {{file: web}}, grants: [client_credentials], scopes: [read], \
         access_tokens: {{format: opaque}}}}\n\
         routes:\n  - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n  \
         - {{match: GET /open, access: public, respond: echo}}\n"
    ))
}

/// A form; `None` when the connection broke before a whole answer was there.
fn ask(port: u16, path: &str, form: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let status = text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let body = text.split_once("\r\n\r\n")?.1;
    Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

fn redeem(port: u16, client: &str, code: &str) -> Option<(u16, Value)> {
    let secret = if client == "web" { format!("&client_secret={SECRET}") } else { String::new() };
    let form = format!("grant_type=authorization_code&client_id={client}{secret}&code={code}&code_verifier={VERIFIER}");
    ask(port, "/oauth/token", &form)
}

fn refresh(port: u16, client: &str, token: &str) -> Option<(u16, Value)> {
    let secret = if client == "web" { format!("&client_secret={SECRET}") } else { String::new() };
    ask(port, "/oauth/token", &format!("grant_type=refresh_token&client_id={client}{secret}&refresh_token={token}"))
}

/// A token of a service, by its own name and secret.
fn own(port: u16, client: &str) -> (u16, Value) {
    let form = format!("grant_type=client_credentials&client_id={client}&client_secret={SECRET}");
    ask(port, "/oauth/token", &form).unwrap()
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

/// Access and refresh token of alice at a client.
fn signed_in(house: &House, client: &str) -> (String, String) {
    let code = Browser::new(house).code(client, CALLBACK, "read write", ALICE);
    let (status, body) = redeem(house.port, client, &code).unwrap();
    assert_eq!(status, 200, "{body}");
    (text(&body, "access_token"), text(&body, "refresh_token"))
}

/// As many answers at the same moment as there are callers, each told its number.
fn at_once<T: Send + 'static>(count: usize, call: impl Fn(usize) -> T + Send + Sync + 'static) -> Vec<T> {
    let (start, call) = (Arc::new(Barrier::new(count)), Arc::new(call));
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let (start, call) = (Arc::clone(&start), Arc::clone(&call));
            std::thread::spawn(move || {
                start.wait();
                call(number)
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// Waits until it holds; how long that was.
fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    start.elapsed()
}

/// Runs a command in a gateway's folder; what it prints.
fn command(house: &House, arguments: &[&str]) -> String {
    let ran = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .current_dir(house.path("."))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{arguments:?}: {out}{err}");
    out.into_owned()
}

/// The store as `/readyz` has it.
fn store_of(house: &House) -> Value {
    let page = house.admin_get("/readyz").json();
    let dependencies = page["dependencies"].as_array().unwrap().clone();
    dependencies.into_iter().find(|one| one["kind"] == "store").expect("a store")
}

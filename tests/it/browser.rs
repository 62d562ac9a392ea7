//! A real Chromium on the authority's pages. `.ci/test` installs it.

use std::process::Command;

use crate::clients;
use crate::support::free_port;
use crate::support::house::Plot;

const PASSWORD: &str = "a sentence of theirs";

/// `PORTCULLIS_PICTURES=folder` keeps a picture of every page, wide and narrow, light and dark.
#[test]
#[allow(clippy::disallowed_methods, reason = "whether there are pictures is for whoever runs the tests to say")]
fn chromium_walks_the_pages_with_a_keyboard_alone() {
    let plot = Plot::new();
    let callback = format!("http://127.0.0.1:{}/cb", free_port());
    plot.write("word", PASSWORD);
    let names = ["alice", "bob", "carol", "dave", "erin", "frank"];
    let users: Vec<String> = names
        .iter()
        .map(|name| format!("{{name: {name}, email: {name}@example.com, password: {{file: word}}}}"))
        .collect();
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\n\
         authority:\n  issuer: http://127.0.0.1:{}\n  scopes: {{read: See your orders}}\n  users: [{}]\n  clients:\n    \
         - {{id: spa, name: Example Shop, redirect_uris: [\"{callback}\"], grants: [authorization_code, refresh_token], \
         scopes: [openid, offline_access, read]}}\n    \
         - {{id: own, trusted: true, redirect_uris: [\"{callback}\"], grants: [authorization_code], \
         scopes: [openid, read]}}\n    \
         - {{id: far, trusted: true, redirect_uris: [\"{}\"], origins: [\"{}\"], grants: [authorization_code], \
         scopes: [openid, read]}}\n\
         routes:\n  - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n",
        plot.port,
        users.join(", "),
        callback.replace("/cb", "/far"),
        callback.replace("127.0.0.1", "localhost").replace("/cb", "")
    ));
    let house = plot.start(&yaml);
    let script = clients::script("chromium.mjs");
    let mut command = Command::new(clients::node());
    command.arg(script).args([format!("http://127.0.0.1:{}", house.port).as_str(), &callback, PASSWORD]);
    if let Ok(pictures) = std::env::var("PORTCULLIS_PICTURES") {
        command.arg(pictures);
    }
    let ran = command.output().expect("`.ci/test` installs node");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("is content"), "{said}");
}

/// The console of the admin listener, driven and looked at; `PORTCULLIS_PICTURES=folder` keeps the pictures.
#[test]
#[allow(clippy::disallowed_methods, reason = "whether there are pictures is for whoever runs the tests to say")]
fn chromium_reads_the_console_and_asks_it_why() {
    let plot = Plot::new();
    let yaml = plot.yaml(&format!(
        "authority: {{issuer: \"http://127.0.0.1:{}\", scopes: {{read: See your orders}}}}\nroutes:\n  \
         - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n  \
         - {{match: POST /hooks/**, access: public, respond: {{status: 204}}}}\n",
        plot.port
    ));
    let house = plot.start(&yaml);
    for target in ["/read", "/read", "/nowhere/with/a/path/that/is/longer/than/a/narrow/window/is/wide"] {
        house.log_of(&house.get(target));
    }
    house.rewrite(&yaml.replace("POST /hooks/**, access: public", "POST /hooks/**, access: authenticated"));
    assert_eq!(house.reload().status, 200);
    let mut command = Command::new(clients::node());
    let (admin, gateway) = (format!("http://127.0.0.1:{}", house.admin), format!("http://127.0.0.1:{}", house.port));
    command.arg(clients::script("console.mjs")).args([admin, gateway]);
    if let Ok(pictures) = std::env::var("PORTCULLIS_PICTURES") {
        command.arg(pictures);
    }
    let ran = command.output().expect("`.ci/test` installs node");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("is content"), "{said}");
}

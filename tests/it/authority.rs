//! The token endpoint hosted here, and its tokens at the gateway.

use crate::support::House;
use crate::support::house::Plot;

const HASH: &str = "sha256:cd577fe2561ebff23505db0bb006300c7cdecbd46bc0e03c449afafaca2c25bf";

fn house() -> House {
    let plot = Plot::new();
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\n\
         authority:\n  issuer: http://127.0.0.1:{}\n  scopes: {{read: Read, write: Write}}\n  clients:\n    \
         - {{id: demo, secret: {{hash: \"{HASH}\"}}, grants: [client_credentials], scopes: [read]}}\n\
         routes:\n  - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n  \
         - {{match: GET /write, access: {{scope: write}}, respond: echo}}\n",
        plot.port
    ));
    plot.start(&yaml)
}

fn token(house: &House) -> String {
    let answer =
        house.post_form("/oauth/token", "", "grant_type=client_credentials&client_id=demo&client_secret=demo-secret");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((answer.header("cache-control"), answer.header("x-frame-options")), ("no-store", "DENY"));
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_of_the_hosted_authority_opens_what_its_scopes_allow() {
    let house = house();
    let token = token(&house);
    assert_eq!(house.get_with("/read", &token).status, 200);
    let refused = house.get_with("/write", &token);
    assert_eq!((refused.status, refused.code().as_str()), (403, "scope_missing"));
    assert_eq!(house.mentions(&token), 0, "a token stands in a log");
    assert_eq!(house.mentions("demo-secret"), 0, "a secret stands in a log");
}

#[test]
fn metadata_leads_to_the_other_endpoints() {
    let house = house();
    let ask =
        |path: &str| house.raw(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")).json();
    let metadata = ask("/.well-known/oauth-authorization-server");
    let issuer = format!("http://127.0.0.1:{}", house.port);
    assert_eq!(metadata["issuer"], issuer);
    assert_eq!(metadata["token_endpoint"], format!("{issuer}/oauth/token"));
    assert_eq!(metadata["jwks_uri"], format!("{issuer}/oauth/jwks"));
    let keys = ask("/oauth/jwks");
    assert_eq!(keys["keys"][0]["kty"], "EC");
    assert!(keys["keys"][0].get("d").is_none());
}

#[test]
fn the_signing_key_outlives_the_process() {
    let mut house = house();
    let token = token(&house);
    house.restart();
    assert_eq!(house.get_with("/read", &token).status, 200, "a token made before the restart is still good");
}

#[test]
fn a_wrong_secret_is_refused_alike_for_known_and_unknown_clients() {
    let house = house();
    for client in ["demo", "nobody"] {
        let form = format!("grant_type=client_credentials&client_id={client}&client_secret=wrong");
        let answer = house.post_form("/oauth/token", "", &form);
        assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_client")));
    }
    let get = house.raw("GET /oauth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    assert_eq!((get.status, get.header("allow")), (405, "OPTIONS, POST"));
}

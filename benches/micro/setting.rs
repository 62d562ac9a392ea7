//! What several groups stand on: a request's head, a caller, an issuer with a key of its own.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::Method;
use portcullis::gate::{Caller, Head, Identity};
use portcullis::ground::{Clock as _, Digest, Fields, SystemClock, Time};
use portcullis::token::Claims;
use portcullis::token::jwt::Algorithm;
use portcullis::token::jwt::sign::{Signer, generate_pkcs8};
use serde_json::json;

pub const ISSUER: &str = "https://login.example.com";
pub const AUDIENCE: &str = "https://api.example.com";
pub const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

pub fn now() -> Time {
    SystemClock.now()
}

pub fn head(headers: &Fields, client: IpAddr) -> Head<'_> {
    Head {
        method: &Method::GET,
        host: "api.example.com",
        path: "/v1/orders/7",
        query: None,
        client,
        secure: true,
        headers,
    }
}

/// A caller with five scopes, three roles and a tenant.
pub fn caller() -> Caller {
    let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    let claims = Claims {
        revocable: None,
        issuer: "corp".into(),
        subject: Some("alice".into()),
        client: Some("web".into()),
        scopes: names(&["invoices:read", "orders:read", "orders:write", "profile", "stock:read"]),
        roles: names(&["auditor", "clerk", "employee"]),
        expires: now().plus(std::time::Duration::from_secs(3600)),
        fresh_until: now().plus(std::time::Duration::from_secs(300)),
        key: None,
        id: None,
        all: [("sub".to_owned(), json!("alice")), ("tenant".to_owned(), json!("acme"))].into_iter().collect(),
        digest: Digest::of(b"alice"),
    };
    Caller::Known(std::rc::Rc::new(Identity::new(Arc::new(claims))))
}

/// A new key of an issuer.
pub fn signer(algorithm: Algorithm) -> Signer {
    let pkcs8 = generate_pkcs8(algorithm).expect("a key");
    Signer::from_pkcs8(algorithm, &pkcs8).expect("the same key")
}

/// The key set file of an issuer with that key.
pub fn key_set(signer: &Signer) -> String {
    json!({"keys": [signer.public_jwk()]}).to_string()
}

/// An access token that many lives of a cache entry do not outlast; `id` tells it from others.
pub fn token(signer: &Signer, id: usize) -> String {
    let claims = json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "client_id": "web",
        "scope": "invoices:read orders:read orders:write profile stock:read",
        "roles": ["auditor", "clerk", "employee"],
        "tenant": "acme",
        "iat": now().secs(),
        "exp": 32_503_680_000_u64, // the year 3000
        "jti": format!("{id:032x}"),
    });
    signer.sign("at+jwt", &claims).expect("signed")
}

//! What all servers share: a certificate, an issuer's key and its tokens, and the upstream behind them.

use std::path::Path;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use portcullis::token::jwt::Algorithm;
use portcullis::token::jwt::sign::{Signer, generate_pkcs8};
use serde_json::json;

use crate::support::{Running, folder, free_port, nginx};

pub struct Scene {
    pub folder: tempfile::TempDir,
    pub upstream: u16,
    /// The hot token.
    pub token: String,
    _upstream: Running,
}

impl Scene {
    /// With so many tokens.
    pub fn new(tokens: usize) -> Self {
        let folder = folder();
        let home = folder.path();
        let write = |name: &str, text: &[u8]| std::fs::write(home.join(name), text).expect("it can be written");
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        write("tls.crt", certificate.as_bytes());
        write("tls.key", key.as_bytes());
        write("tls.pem", format!("{certificate}{key}").as_bytes());

        let pkcs8 = generate_pkcs8(Algorithm::Rs256).expect("a key");
        let signer = Signer::from_pkcs8(Algorithm::Rs256, &pkcs8).expect("the same key");
        write("issuer.pkcs8", &pkcs8);
        let pair = RsaKeyPair::from_pkcs8(&pkcs8).expect("the same key");
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a public key");
        let text = base64_simd::STANDARD.encode_to_string(der.as_ref());
        write(
            "issuer.pub",
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines(&text)).as_bytes(),
        );
        write("jwks.json", json!({ "keys": [signer.public_jwk()] }).to_string().as_bytes());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
        let token = |number: usize| signer.sign("at+jwt", &claims(number, now)).expect("a token");
        let all: Vec<String> = (0..tokens).map(token).collect();
        write("tokens", all.join("\n").as_bytes());
        write("big", &vec![b'x'; 64 * 1024]);
        let upstream = free_port();
        let running = nginx("upstream", home, &behind(upstream, home), upstream, Some(0));
        Self { upstream, token: all[0].clone(), _upstream: running, folder }
    }
}

/// What a token says, apart from its number the same for all.
pub fn claims(number: usize, now: u64) -> serde_json::Value {
    json!({
        "iss": "https://issuer.test", "aud": "https://api.test", "sub": format!("user-{number}"),
        "client_id": "bench", "iat": now, "exp": now + 7200, "jti": format!("token-{number}"),
        "scope": "orders:read", "name": "Somebody Somewhere", "tenant": "a-tenant-of-ours",
    })
}

/// PEM has at most 64 characters in a line.
fn lines(text: &str) -> String {
    text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>().join("\n")
}

fn behind(port: u16, home: &Path) -> String {
    let home = home.display();
    format!(
        "daemon off; worker_processes 1; pid upstream.pid; error_log error.log warn; worker_rlimit_nofile 65000;\n\
         events {{ worker_connections 60000; }}\n\
         http {{ access_log off; keepalive_timeout 3600s; keepalive_requests 1000000000; default_type application/json;\n\
           server {{ listen 127.0.0.1:{port} backlog=4096; root {home};\n\
             location = /big {{ sendfile on; }} location = /jwks.json {{ }}\n\
             location / {{ return 200 '{{\"id\":7,\"items\":[{{\"sku\":\"A-1001\",\"count\":2}},\
             {{\"sku\":\"B-2002\",\"count\":1}}],\"total\":\"42.50\",\"currency\":\"EUR\",\"state\":\"sent\"}}'; }} }} }}\n"
    )
}

//! An issuer that obeys: discovery, keys, introspection, and tokens of any kind.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64_simd::URL_SAFE_NO_PAD;
use portcullis::token::jwt::Algorithm;
use portcullis::token::jwt::sign::{Signer, generate_pkcs8};
use serde_json::{Value, json};

use super::upstream::{Reply, Seen, Upstream};

pub const AUDIENCE: &str = "https://api.test";

/// A server with one signing key, whose answers a test can change.
pub struct Issuer {
    server: Upstream,
    state: Arc<Mutex<State>>,
}

struct State {
    signer: Arc<Signer>,
    pkcs8: Vec<u8>,
    published: Vec<Value>,
    /// Instead of every answer.
    broken: Option<(u16, String)>,
    /// Answers of introspection, by token.
    opaque: Vec<(String, Value)>,
}

fn signer(algorithm: Algorithm) -> (Arc<Signer>, Vec<u8>) {
    let pkcs8 = generate_pkcs8(algorithm).unwrap();
    (Arc::new(Signer::from_pkcs8(algorithm, &pkcs8).unwrap()), pkcs8)
}

impl Issuer {
    pub fn start() -> Self {
        let (signer, pkcs8) = signer(Algorithm::Es256);
        let published = vec![signer.public_jwk()];
        let state = State { signer, pkcs8, published, broken: None, opaque: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let answering = Arc::clone(&state);
        Self { server: Upstream::start(move |seen| answer(seen, &answering.lock().unwrap())), state }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// The claims of a good token.
    pub fn claims(&self, scope: &str) -> Value {
        let now = now();
        json!({
            "iss": self.url(), "aud": AUDIENCE, "sub": "alice", "client_id": "web", "iat": now, "nbf": now,
            "exp": now + 600, "jti": "1", "scope": scope,
        })
    }

    /// A good token with these scopes.
    pub fn token(&self, scope: &str) -> String {
        self.sign("at+jwt", &self.claims(scope))
    }

    /// A good token in which `change` has its way with the claims.
    pub fn token_with(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.claims("read");
        change(&mut claims);
        self.sign("at+jwt", &claims)
    }

    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        self.state.lock().unwrap().signer.sign(typ, claims).unwrap()
    }

    /// The name of the key that signs.
    pub fn kid(&self) -> String {
        self.state.lock().unwrap().signer.kid().to_string()
    }

    /// Its public form.
    pub fn jwk(&self) -> Value {
        self.state.lock().unwrap().signer.public_jwk()
    }

    /// Signs any header and payload with ES256, whatever they say.
    pub fn sign_text(&self, header: &str, payload: &str) -> String {
        let pkcs8 = self.state.lock().unwrap().pkcs8.clone();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).unwrap();
        let text =
            format!("{}.{}", URL_SAFE_NO_PAD.encode_to_string(header), URL_SAFE_NO_PAD.encode_to_string(payload));
        let signature = pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode_to_string(signature.as_ref()))
    }

    pub fn sign_headed(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// Good claims under an HMAC with this secret.
    pub fn signed_hs256(&self, secret: &[u8]) -> String {
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": self.kid()}).to_string();
        let claims = self.claims("read").to_string();
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode_to_string(header), URL_SAFE_NO_PAD.encode_to_string(claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode_to_string(tag.as_ref()))
    }

    /// The public key in forms that somebody could take for a secret.
    pub fn public_forms(&self) -> Vec<Vec<u8>> {
        let pkcs8 = self.state.lock().unwrap().pkcs8.clone();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).unwrap();
        let der: Vec<u8> = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap().as_ref().to_vec();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
            base64_simd::STANDARD.encode_to_string(&der)
        );
        let jwk = self.jwk();
        vec![
            pair.public_key().as_ref().to_vec(),
            der,
            format!("{pem}\n").into_bytes(),
            pem.into_bytes(),
            jwk.to_string().into_bytes(),
            jwk["x"].as_str().unwrap().as_bytes().to_vec(),
        ]
    }

    /// How often its keys were fetched.
    pub fn fetches(&self) -> usize {
        self.asked("/jwks")
    }

    /// A new key; the old one stays published.
    pub fn rotate(&self) {
        let mut state = self.state.lock().unwrap();
        (state.signer, state.pkcs8) = signer(Algorithm::Es256);
        let jwk = state.signer.public_jwk();
        state.published.push(jwk);
    }

    /// A key that nobody publishes signs from now on.
    pub fn sign_with_an_unknown_key(&self) {
        let mut state = self.state.lock().unwrap();
        (state.signer, state.pkcs8) = signer(Algorithm::Es256);
    }

    /// Everything is answered like this from now on.
    pub fn break_down(&self, status: u16, body: &str) {
        self.state.lock().unwrap().broken = Some((status, body.to_owned()));
    }

    /// These keys are published from now on.
    pub fn publish(&self, keys: Vec<Value>) {
        self.state.lock().unwrap().published = keys;
    }

    /// No token is known any more.
    pub fn forget(&self) {
        self.state.lock().unwrap().opaque.clear();
    }

    /// Introspection of `token` says this.
    pub fn know(&self, token: &str, answer: Value) {
        self.state.lock().unwrap().opaque.push((token.to_owned(), answer));
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.server.seen().iter().filter(|seen| seen.target == path).count()
    }
}

fn answer(seen: &Seen, state: &State) -> Reply {
    if let Some((status, body)) = &state.broken {
        return Reply::with(*status, "Content-Type: text/html\r\n", body);
    }
    let issuer = format!("http://{}", seen.header("host"));
    let json = |value: Value| Reply::with(200, "Content-Type: application/json\r\n", &value.to_string());
    match seen.target.as_str() {
        "/.well-known/openid-configuration" => json(json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/jwks") })),
        "/jwks" => json(json!({ "keys": state.published })),
        "/introspect" => {
            let form = String::from_utf8_lossy(&seen.body).into_owned();
            let known =
                state.opaque.iter().find(|(token, _)| form.split('&').any(|pair| pair == format!("token={token}")));
            json(known.map_or(json!({ "active": false }), |(_, answer)| answer.clone()))
        }
        _ => Reply::with(404, "", ""),
    }
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

//! The authority from outside: requests in, answers out, time turned by hand. Names begin with the rule they prove.

mod account;
mod assertion;
mod audit;
mod authorization;
mod browser;
mod client_authentication;
mod code;
mod documents;
mod endpoints;
mod guessing;
mod keys;
mod logins;
mod parameters;
mod promises;
mod properties;
mod refresh;
mod registration;
mod reloading;
mod tokens;
mod transfer;

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use serde_json::Value;
use tokio::runtime::Handle;

use super::*;
use crate::ground::{Clock as _, ManualClock, Secret, SystemRandom, Time};
use crate::store::{Memory, SigningKey};

const ISSUER: &str = "https://as.test";
const NOW: u64 = 1_800_000_000;
const SECRET: &str = "reporting-secret-0123456789";
const FORM: &str = "application/x-www-form-urlencoded";

/// An authority with a few clients, its clock and its store.
struct House {
    authority: Authority,
    clock: Arc<ManualClock>,
    store: SharedStore,
}

impl House {
    async fn open() -> Self {
        Self::with(parts()).await
    }

    async fn with(parts: Parts) -> Self {
        Self::on(Arc::new(Memory::default()), parts).await
    }

    async fn on(store: SharedStore, parts: Parts) -> Self {
        // Made once for all tests: an RSA key takes longer than most of them.
        static KEYS: tokio::sync::OnceCell<Vec<SigningKey>> = tokio::sync::OnceCell::const_new();
        for key in KEYS.get_or_init(made_keys).await {
            store.first_signing_key(key.clone()).await.unwrap();
        }
        Self::anew(store, parts).await
    }

    /// One that makes keys of its own.
    async fn anew(store: SharedStore, parts: Parts) -> Self {
        let clock = ManualClock::at(Time::from_secs(NOW));
        let settings = Settings::new(parts).unwrap_or_else(|faults| panic!("{faults:?}"));
        let authority = Authority::open(settings, Equipment::default(), &context(&store, &clock)).await.unwrap();
        authority.reconcile().await.unwrap();
        Self { authority, clock, store }
    }

    async fn ask(&self, request: Asking) -> Answer {
        let response = self.authority.answer(request.endpoint, request.incoming).await;
        let answer = Answer::of(response);
        answer.holds_the_rules_of_every_answer(request.endpoint);
        answer
    }

    /// A token request of `reporting`, with its right secret and these further parameters.
    async fn token(&self, parameters: &str) -> Answer {
        self.ask(post(format!("grant_type=client_credentials&{parameters}")).basic("reporting", SECRET)).await
    }
}

/// The keys that an authority with people makes at its first start.
async fn made_keys() -> Vec<SigningKey> {
    let (store, clock): (SharedStore, _) = (Arc::new(Memory::default()), ManualClock::at(Time::from_secs(NOW)));
    let settings = Settings::new(browser::people()).unwrap();
    Authority::open(settings, Equipment::default(), &context(&store, &clock)).await.unwrap();
    store.signing_keys().await.unwrap()
}

/// What the authority is given beside its settings.
fn context(store: &SharedStore, clock: &Arc<ManualClock>) -> Context {
    let http = crate::dial::client::Client::with_roots(rustls::RootCertStore::empty(), Default::default()).unwrap();
    Context {
        clock: clock.clone(),
        store: Arc::clone(store),
        control: Handle::current(),
        http,
        random: Arc::new(SystemRandom),
    }
}

/// The file that most tests start from.
fn parts() -> Parts {
    Parts {
        resource: Some(Resource::new("https://api.test").unwrap()),
        scopes: ["read", "write", "admin"].map(|name| (scope(name), format!("Do {name}"))).into(),
        clients: vec![client(reporting())],
        ..Parts::of(Issuer::new(ISSUER).unwrap())
    }
}

/// Signed tokens that live as long as this.
fn lasting(span: Duration) -> settings::AccessTokens {
    settings::AccessTokens { lasts: Some(span), ..Default::default() }
}

/// The JWK set as it is published.
fn published(house: &House) -> String {
    String::from_utf8(house.authority.ring.document().body().to_vec()).unwrap()
}

fn reporting() -> ClientParts {
    ClientParts {
        secrets: vec![clear(SECRET)],
        grants: vec![Grant::ClientCredentials],
        scopes: vec![scope("read"), scope("write")],
        ..ClientParts::named("reporting")
    }
}

fn with_clients(clients: Vec<ClientParts>) -> Parts {
    Parts { clients: clients.into_iter().map(client).collect(), ..parts() }
}

fn client(parts: ClientParts) -> Client {
    Client::new(parts).unwrap()
}

fn scope(name: &str) -> ScopeName {
    ScopeName::new(name).unwrap()
}

fn clear(secret: &str) -> ClientSecret {
    ClientSecret::clear(&Secret::new(secret)).unwrap()
}

/// As cheap as Argon2id can be made: what is tested is the path, not the price.
fn argon2id(secret: &str) -> ClientSecret {
    let cheap = argon2::Params::new(8, 1, 1, None).unwrap();
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, cheap);
    let hash: PasswordHash = hasher.hash_password_with_salt(secret.as_bytes(), b"0123456789abcdef").unwrap();
    ClientSecret::hashed(&hash.to_string()).unwrap()
}

/// A request in the making.
struct Asking {
    endpoint: Endpoint,
    incoming: Incoming,
}

fn post(body: impl AsRef<[u8]>) -> Asking {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(FORM));
    Asking {
        endpoint: Endpoint::Token,
        incoming: Incoming {
            method: Method::POST,
            headers,
            path: String::new(),
            query: None,
            body: Bytes::copy_from_slice(body.as_ref()),
            client: "192.0.2.1".parse().unwrap(),
            request_id: "0123456789abcdef".into(),
        },
    }
}

fn get(endpoint: Endpoint) -> Asking {
    let mut asking = post("").method(Method::GET);
    asking.endpoint = endpoint;
    asking.incoming.headers.clear();
    asking
}

impl Asking {
    fn method(mut self, method: Method) -> Self {
        self.incoming.method = method;
        self
    }

    fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.incoming.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    fn without(mut self, name: HeaderName) -> Self {
        self.incoming.headers.remove(name);
        self
    }

    fn query(mut self, query: &str) -> Self {
        self.incoming.query = Some(query.to_owned());
        self
    }

    fn from(mut self, address: &str) -> Self {
        self.incoming.client = address.parse().unwrap();
        self
    }

    /// Basic credentials, not encoded any further.
    fn basic(self, id: &str, secret: &str) -> Self {
        let value = base64_simd::STANDARD.encode_to_string(format!("{id}:{secret}"));
        self.header(http::header::AUTHORIZATION, &format!("Basic {value}"))
    }
}

/// An answer, read.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn of(response: Response<Bytes>) -> Self {
        let (head, body) = response.into_parts();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Self { status: head.status.as_u16(), headers: head.headers, body }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self, member: &str) -> &str {
        self.body[member].as_str().unwrap_or_default()
    }

    /// Status and OAuth error code.
    #[track_caller]
    fn is_refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.text("error")), (status, code), "{}", self.body);
        assert!(self.body.get("access_token").is_none());
    }

    #[track_caller]
    fn is_granted(&self) {
        assert_eq!(self.status, 200, "{}", self.body);
        assert!(!self.text("access_token").is_empty());
    }

    /// `g_05_…` and `g_06_…`, on every answer of every test.
    fn holds_the_rules_of_every_answer(&self, endpoint: Endpoint) {
        match endpoint {
            Endpoint::Token | Endpoint::Introspect | Endpoint::Userinfo => {
                assert_eq!(self.header("cache-control"), "no-store");
                assert_eq!(self.header("pragma"), "no-cache");
                assert_eq!(self.header("content-type"), "application/json");
                assert_eq!(self.header("access-control-allow-origin"), "", "no script may read the token endpoint");
            }
            Endpoint::Jwks | Endpoint::Metadata => {
                assert_eq!(self.header("access-control-allow-origin"), "*");
                assert_eq!(self.header("access-control-allow-credentials"), "");
            }
            Endpoint::Revoke => assert_eq!(self.header("cache-control"), "no-store"),
            Endpoint::Authorize | Endpoint::Login | Endpoint::Consent | Endpoint::Account | Endpoint::Logout => {
                assert_eq!(self.header("cache-control"), "no-store");
                assert_eq!(self.header("access-control-allow-origin"), "", "no script may read a page (G-10)");
                assert!(![307, 308].contains(&self.status), "G-12");
            }
            Endpoint::Assets => {}
        }
        for member in ["error", "error_description"] {
            let plain = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
            assert!(self.text(member).bytes().all(plain), "{}", self.body);
        }
        if self.status >= 400 && endpoint == Endpoint::Token {
            assert_eq!(self.text("request_id"), "0123456789abcdef");
            assert!(!self.text("error_description").is_empty());
        }
        if endpoint != Endpoint::Userinfo {
            assert_eq!(self.status == 401, self.text("error") == "invalid_client");
        }
        assert_eq!([429, 503].contains(&self.status), !self.header("retry-after").is_empty());
    }
}

/// Lets `span` pass.
fn wait(house: &House, span: Duration) {
    house.clock.advance(span);
}

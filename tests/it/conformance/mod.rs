//! The modules of the public OpenID Connect conformance suite (basic, configuration and RP-initiated logout profiles) under
//! their names, in our own code, over sockets. What a module wants is what its name says to those who run the suite.

mod basic;
mod logout;
mod parameters;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::support::browser::VERIFIER;
use crate::support::house::Plot;
use crate::support::{Answer, Browser, House};

pub const CALLBACK: &str = "https://app.example.com/cb";
pub const BYE: &str = "https://app.example.com/bye";
pub const SECRET: &str = "web-secret-0123456789abcdef";
const PERSON: (&str, &str) = ("alice", "a sentence of alice");

/// A provider with a client and a person; one for all modules that run at the same time.
fn provider() -> Arc<House> {
    static HOUSE: Mutex<Weak<House>> = Mutex::new(Weak::new());
    let mut shared = HOUSE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(house) = shared.upgrade() {
        return house;
    }
    let plot = Plot::new();
    plot.write("alice", PERSON.1);
    plot.write("web", SECRET);
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\n\
         authority:\n  issuer: http://127.0.0.1:{}\n  scopes: {{read: Read}}\n  \
         users: [{{name: alice, email: alice@example.com, profile: {{name: Alice A., locale: en}}, password: {{file: alice}}}}]\n  \
         clients:\n    - {{id: web, secret: {{file: web}}, redirect_uris: [\"{CALLBACK}\"], \
         post_logout_redirect_uris: [\"{BYE}\"], grants: [authorization_code, refresh_token], \
         scopes: [openid, profile, email, offline_access, read]}}\n\
         routes:\n  - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n",
        plot.port
    ));
    let house = Arc::new(plot.start(&yaml));
    *shared = Arc::downgrade(&house);
    house
}

/// What a module does, with a browser of its own.
pub struct Run {
    pub house: Arc<House>,
    pub cookies: BTreeMap<String, String>,
}

/// Where a request has ended.
pub enum End {
    /// Back at the client.
    Client(BTreeMap<String, String>),
    Page(Answer),
}

impl End {
    pub fn client(self) -> BTreeMap<String, String> {
        match self {
            Self::Client(parameters) => parameters,
            Self::Page(page) => panic!("a page: {} {}", page.status, page.text()),
        }
    }

    pub fn code(self) -> String {
        let parameters = self.client();
        parameters.get("code").unwrap_or_else(|| panic!("{parameters:?}")).clone()
    }

    pub fn error(self) -> String {
        self.client().remove("error").unwrap_or_default()
    }

    pub fn page(self) -> Answer {
        match self {
            Self::Page(page) => page,
            Self::Client(parameters) => panic!("at the client: {parameters:?}"),
        }
    }
}

impl Run {
    pub fn new() -> Self {
        Self { house: provider(), cookies: BTreeMap::new() }
    }

    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.house.port)
    }

    /// The query of a request: the usual one with these members in place of, or behind, its own; an empty one is left out.
    pub fn query(&self, changes: &[(&str, &str)]) -> String {
        let usual = [
            ("response_type", "code"),
            ("client_id", "web"),
            ("redirect_uri", CALLBACK),
            ("scope", "openid"),
            ("state", "a state"),
            ("nonce", "n-1"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ];
        let mut members: Vec<(&str, &str)> =
            usual.into_iter().filter(|(own, _)| !changes.iter().any(|(name, _)| name == own)).collect();
        members.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish()
    }

    pub fn with_browser<T>(&mut self, act: impl FnOnce(&mut Browser<'_>) -> T) -> T {
        let house = Arc::clone(&self.house);
        let mut browser = Browser::with(&house, std::mem::take(&mut self.cookies));
        let done = act(&mut browser);
        self.cookies = browser.into_cookies();
        done
    }

    /// Sends the browser, signs in and allows wherever it is asked to, and says where that ends.
    pub fn authorize(&mut self, changes: &[(&str, &str)]) -> End {
        let target = format!("/oauth/authorize?{}", self.query(changes));
        let page = self.with_browser(|browser| browser.through(&target, PERSON));
        end(page)
    }

    /// The page that comes first, without anybody doing anything.
    pub fn first(&mut self, changes: &[(&str, &str)]) -> End {
        let target = format!("/oauth/authorize?{}", self.query(changes));
        let page = self.with_browser(|browser| {
            let first = browser.get(&target);
            browser.follow(first)
        });
        end(page)
    }

    pub fn redeem(&self, code: &str) -> Answer {
        let basic = base64_simd::STANDARD.encode_to_string(format!("web:{SECRET}"));
        self.redeem_with(code, &format!("Authorization: Basic {basic}\r\n"), "")
    }

    pub fn redeem_with(&self, code: &str, headers: &str, more: &str) -> Answer {
        let form =
            format!("grant_type=authorization_code&code={code}&redirect_uri={CALLBACK}&code_verifier={VERIFIER}{more}");
        self.house.post_form("/oauth/token", headers, &form)
    }

    /// Signs in and redeems; the token answer.
    pub fn tokens(&mut self, changes: &[(&str, &str)]) -> Value {
        let code = self.authorize(changes).code();
        let answer = self.redeem(&code);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    pub fn get(&self, target: &str, headers: &str) -> Answer {
        self.house.raw(format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Connection: close\r\n\r\n"))
    }

    pub fn userinfo(&self, token: &Value) -> Answer {
        self.get("/oauth/userinfo", &format!("Authorization: Bearer {}\r\n", token.as_str().unwrap()))
    }

    /// The claims of an ID token whose signature, issuer, audience and nonce have been checked by a library.
    pub fn claims(&self, tokens: &Value) -> Value {
        let token = tokens["id_token"].as_str().expect("an ID token");
        let header = jsonwebtoken::decode_header(token).unwrap();
        assert_eq!(header.alg, Algorithm::RS256);
        let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(self.get("/oauth/jwks", "").json()).unwrap();
        let key = DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).expect("its key is published")).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&["web"]);
        validation.set_issuer(&[self.issuer()]);
        jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims
    }

    pub fn metadata(&self) -> Value {
        self.get("/.well-known/openid-configuration", "").json()
    }
}

fn end(page: Answer) -> End {
    let location = page.header("location").to_owned();
    if !location.starts_with("https://app.example.com/") {
        return End::Page(page);
    }
    let parsed = url::Url::parse(&location).unwrap();
    End::Client(parsed.query_pairs().into_owned().collect())
}

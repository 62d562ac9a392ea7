//! A browser that keeps cookies and walks our pages, and the people and clients of its tests.

use std::collections::BTreeMap;

use url::Url;

use super::*;
use crate::authority::redirect::RedirectUri;
use crate::authority::scope::Role;
use crate::store::FileUser;

pub(super) const CALLBACK: &str = "https://app.test/cb?keep=1";
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(super) const PASSWORD: &str = "a sentence of alice";

/// An authority with people.
pub(super) async fn house() -> House {
    House::with(people()).await
}

/// `alice` is a clerk, `bob` is nobody; `web` is confidential, `spa` public, `own` trusted.
pub(super) fn people() -> Parts {
    let scopes = ["openid", "profile", "email", "offline_access", "read", "write"].map(scope);
    let grants = vec![Grant::AuthorizationCode, Grant::RefreshToken];
    let web = ClientParts {
        name: Some("Example Shop".into()),
        secrets: vec![clear(SECRET)],
        redirect_uris: vec![RedirectUri::new(CALLBACK).unwrap()],
        post_logout_redirect_uris: vec![RedirectUri::new("https://app.test/bye").unwrap()],
        grants: grants.clone(),
        scopes: scopes.to_vec(),
        resources: vec![Resource::new("https://billing.test").unwrap()],
        ..ClientParts::named("web")
    };
    let spa = ClientParts { secrets: vec![], ..ClientParts { name: None, id: "spa".into(), ..web.clone() } };
    let own = ClientParts { id: "own".into(), trusted: true, ..web.clone() };
    let user = |name: &str, roles: &[&str]| FileUser {
        id: format!("usr_{name}"),
        id_is_written: true,
        name: name.into(),
        email: Some(format!("{name}@example.test")),
        email_verified: true,
        profile: r#"{"name":"Somebody"}"#.into(),
        password: Some(cheap_hash(PASSWORD)),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    };
    Parts {
        resources: vec![settings::ResourceParts {
            resource: Resource::new("https://billing.test").unwrap(),
            scopes: Some(vec![scope("read")]),
            format: None,
            access_tokens_for: None,
        }],
        roles: vec![Role { name: "clerk".into(), scopes: vec![scope("write")] }],
        users: vec![user("alice", &["clerk"]), user("bob", &[])],
        ..with_clients(vec![reporting(), web, spa, own])
    }
}

pub(super) fn cheap_hash(password: &str) -> String {
    let cheap = argon2::Params::new(8, 1, 1, None).unwrap();
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, cheap);
    let hash: PasswordHash = hasher.hash_password_with_salt(password.as_bytes(), b"0123456789abcdef").unwrap();
    hash.to_string()
}

/// A page or a redirect.
pub(super) struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub html: String,
}

impl Page {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn location(&self) -> &str {
        self.header("location")
    }

    /// Chromium holds a form to its page's `form-action` on all the redirects that answer it.
    fn lets_its_forms_go_to(&self, location: &str) {
        let Ok(url) = Url::parse(location) else { return };
        let (policy, origin) = (self.header("content-security-policy"), url.origin().ascii_serialization());
        let forms = policy.split(';').find_map(|part| part.trim().strip_prefix("form-action ")).unwrap_or_default();
        let may = origin == ISSUER || forms.split(' ').any(|own| own == origin);
        assert!(may, "a browser would not follow to {origin} from a page with `form-action {forms}`");
    }

    /// The parameters that a client gets.
    pub(super) fn answer(&self) -> BTreeMap<String, String> {
        let url = Url::parse(self.location()).unwrap_or_else(|_| panic!("{} {}", self.status, self.html));
        let fragment = url.fragment().unwrap_or_default().to_owned();
        let pairs = url::form_urlencoded::parse(fragment.as_bytes()).into_owned();
        url.query_pairs().into_owned().chain(pairs).collect()
    }

    /// A hidden field.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let (_, rest) = self.html.split_once(&format!("name=\"{name}\" value=\""))?;
        Some(rest.split('"').next()?.to_owned())
    }

    /// Values of all fields of this name.
    pub(super) fn fields(&self, name: &str) -> Vec<String> {
        let start = format!("name=\"{name}\" value=\"");
        let parts = self.html.split(&start).skip(1);
        parts.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
    }
}

pub(super) struct Browser<'h> {
    house: &'h House,
    pub cookies: BTreeMap<String, String>,
}

impl<'h> Browser<'h> {
    pub(super) fn new(house: &'h House) -> Self {
        Self { house, cookies: BTreeMap::new() }
    }

    pub(super) async fn get(&mut self, target: &str) -> Page {
        self.send(Method::GET, target, None, &[]).await
    }

    pub(super) async fn post(&mut self, target: &str, form: &[(&str, &str)]) -> Page {
        let origin = [("origin", ISSUER), ("sec-fetch-site", "same-origin")];
        self.send(Method::POST, target, Some(form), &origin).await
    }

    pub(super) async fn send(
        &mut self,
        method: Method,
        target: &str,
        form: Option<&[(&str, &str)]>,
        headers: &[(&'static str, &str)],
    ) -> Page {
        let target = target.strip_prefix(ISSUER).unwrap_or(target);
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let paths = Endpoint::paths(self.house.authority.settings().issuer());
        let endpoint = paths.iter().find(|(_, _, own)| own == path).map_or(Endpoint::Account, |(own, _, _)| *own);
        let body = form.map(|form| url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish());
        let mut asking = post(body.as_deref().unwrap_or_default()).method(method);
        if form.is_none() {
            asking.incoming.headers.clear();
        }
        asking.endpoint = endpoint;
        asking.incoming.path = path.to_owned();
        asking.incoming.query = query.map(str::to_owned);
        for (name, value) in headers {
            asking = asking.header(HeaderName::from_static(name), value);
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            asking = asking.header(http::header::COOKIE, &cookies.join("; "));
        }
        let (head, body) = self.house.authority.answer(endpoint, asking.incoming).await.into_parts();
        for line in head.headers.get_all(http::header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            assert!(line.starts_with("__Host-"), "UI-03: {line}");
            for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
                assert!(line.contains(part), "UI-03: {line}");
            }
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let html = String::from_utf8(body.to_vec()).unwrap();
        assert!(!html.contains(PASSWORD), "a password stands on a page");
        Page { status: head.status.as_u16(), headers: head.headers, html }
    }

    /// Follows our own redirects to a page, or to the client.
    pub(super) async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..6 {
            if page.status != 303 || page.location().starts_with("https://app.test") {
                return page;
            }
            let to = page.location().to_owned();
            page = self.get(&to).await;
        }
        panic!("round in circles: {}", page.location())
    }

    /// Sends a form of a page, its hidden fields with it.
    pub(super) async fn submit(&mut self, page: &Page, target: &str, more: &[(&str, &str)]) -> Page {
        let hidden: Vec<(&str, String)> =
            ["csrf", "t"].into_iter().filter_map(|name| Some((name, page.field(name)?))).collect();
        let mut form: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (*name, value.as_str())).collect();
        form.extend(more);
        let answer = self.post(target, &form).await;
        let end = self.follow(answer).await;
        page.lets_its_forms_go_to(end.location());
        end
    }

    pub(super) async fn log_in(&mut self, page: &Page, name: &str) -> Page {
        self.submit(page, "/login", &[("username", name), ("password", PASSWORD)]).await
    }

    pub(super) async fn allow(&mut self, page: &Page) -> Page {
        let scopes = page.fields("scope");
        let mut form = vec![("decision", "allow")];
        form.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
        self.submit(page, "/consent", &form).await
    }

    /// The whole way, whatever pages it takes.
    pub(super) async fn through(&mut self, target: &str, name: &str) -> Page {
        let first = self.get(target).await;
        let mut page = self.follow(first).await;
        for _ in 0..3 {
            if page.html.contains("name=\"password\"") {
                page = self.log_in(&page, name).await;
            } else if page.html.contains("name=\"decision\"") {
                page = self.allow(&page).await;
            }
        }
        page
    }
}

/// An authorization request with these parameters in place of, or beside, the usual ones; an empty value leaves one out.
pub(super) fn authorize(changes: &[(&str, &str)]) -> String {
    let mut parameters: Vec<(&str, &str)> = vec![
        ("response_type", "code"),
        ("client_id", "web"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid read"),
        ("state", "a state & more"),
        ("nonce", "n-0S6"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        parameters.retain(|(own, _)| own != name);
        if !value.is_empty() {
            parameters.push((name, value));
        }
    }
    let mut serializer = url::form_urlencoded::Serializer::new(String::new());
    format!("/oauth/authorize?{}", serializer.extend_pairs(parameters).finish())
}

impl House {
    /// A code for alice by this request.
    pub(super) async fn code(&self, changes: &[(&str, &str)]) -> String {
        let page = Browser::new(self).through(&authorize(changes), "alice").await;
        page.answer().remove("code").unwrap_or_else(|| panic!("{}", page.location()))
    }

    pub(super) async fn redeem(&self, client: &str, code: &str, more: &str) -> Answer {
        let form = format!("grant_type=authorization_code&code={code}&code_verifier={VERIFIER}{more}");
        self.of(client, form).await
    }

    pub(super) async fn refresh(&self, client: &str, token: &str, more: &str) -> Answer {
        self.of(client, format!("grant_type=refresh_token&refresh_token={token}{more}")).await
    }

    /// A form to the token endpoint from this client.
    pub(super) async fn of(&self, client: &str, form: String) -> Answer {
        match client {
            "spa" => self.ask(post(format!("{form}&client_id=spa"))).await,
            _ => self.ask(post(form).basic(client, SECRET)).await,
        }
    }

    /// Tokens of alice for this client and scope.
    pub(super) async fn tokens(&self, client: &str, scope: &str) -> Answer {
        let code = self.code(&[("client_id", client), ("scope", scope)]).await;
        let answer = self.redeem(client, &code, "").await;
        answer.is_granted();
        answer
    }

    pub(super) async fn at(&self, endpoint: Endpoint, client: &str, form: &str) -> Answer {
        let mut asking = match client {
            "spa" => post(format!("{form}&client_id=spa")),
            _ => post(form).basic(client, SECRET),
        };
        asking.endpoint = endpoint;
        self.ask(asking).await
    }

    pub(super) async fn is_active(&self, token: &str) -> bool {
        self.at(Endpoint::Introspect, "web", &format!("token={token}")).await.body["active"] == true
    }

    pub(super) async fn userinfo(&self, token: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        self.ask(get(Endpoint::Userinfo).header(http::header::AUTHORIZATION, &bearer)).await
    }
}

/// The claims of a signed token, unverified.
pub(super) fn payload(token: &str) -> Value {
    let text = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).unwrap()).unwrap()
}

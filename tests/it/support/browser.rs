//! A browser that keeps cookies and walks the authority's pages over sockets.

use std::collections::BTreeMap;

use super::{Answer, House};

/// `S256` of RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub struct Browser<'h> {
    house: &'h House,
    cookies: BTreeMap<String, String>,
}

impl<'h> Browser<'h> {
    pub fn new(house: &'h House) -> Self {
        Self { house, cookies: BTreeMap::new() }
    }

    /// One that has been here before.
    pub fn with(house: &'h House, cookies: BTreeMap<String, String>) -> Self {
        Self { house, cookies }
    }

    pub fn into_cookies(self) -> BTreeMap<String, String> {
        self.cookies
    }

    pub fn get(&mut self, target: &str) -> Answer {
        self.send("GET", target, None)
    }

    /// Sends a form of a page, its hidden fields with it.
    pub fn submit(&mut self, page: &Answer, target: &str, fields: &[(&str, &str)]) -> Answer {
        let html = page.text();
        let mut form = Vec::new();
        for name in ["csrf", "t"] {
            if let Some(value) = field(&html, name) {
                form.push(format!("{name}={value}"));
            }
        }
        form.extend(fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))));
        let answer = self.send("POST", target, Some(form.join("&")));
        self.follow(answer)
    }

    /// Follows redirects as long as they stay here.
    pub fn follow(&mut self, mut answer: Answer) -> Answer {
        while answer.status == 303 && answer.header("location").starts_with('/') {
            let to = answer.header("location").to_owned();
            answer = self.get(&to);
        }
        answer
    }

    /// A code for this user and client, whatever pages it takes.
    pub fn code(&mut self, client: &str, redirect_uri: &str, scope: &str, (name, password): (&str, &str)) -> String {
        let first = self.get(&format!(
            "/oauth/authorize?response_type=code&client_id={client}&redirect_uri={}&scope={}&code_challenge={CHALLENGE}\
             &code_challenge_method=S256",
            encoded(redirect_uri),
            encoded(scope)
        ));
        let page = self.allow(first, (name, password));
        let location = page.header("location");
        let code =
            location.split("code=").nth(1).unwrap_or_else(|| panic!("{} {location} {}", page.status, page.text()));
        code.split('&').next().unwrap().to_owned()
    }

    /// Follows this address, signs in and allows wherever that is asked for.
    pub fn through(&mut self, target: &str, person: (&str, &str)) -> Answer {
        let first = self.get(target);
        self.allow(first, person)
    }

    fn allow(&mut self, first: Answer, (name, password): (&str, &str)) -> Answer {
        let mut page = self.follow(first);
        if page.text().contains("name=\"password\"") {
            page = self.submit(&page, "/login", &[("username", name), ("password", password)]);
        }
        if page.text().contains("name=\"decision\"") {
            let html = page.text();
            let scopes: Vec<&str> =
                html.split("name=\"scope\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
            let mut fields = vec![("decision", "allow")];
            fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
            page = self.submit(&page, "/consent", &fields);
        }
        page
    }

    fn send(&mut self, method: &str, target: &str, form: Option<String>) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookie = if cookies.is_empty() { String::new() } else { format!("Cookie: {}\r\n", cookies.join("; ")) };
        let (kind, body) = match form {
            Some(form) => ("Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\n", form),
            None => ("", String::new()),
        };
        let answer = self.house.raw(format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookie}{kind}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ));
        for line in answer.headers("set-cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

fn field(html: &str, name: &str) -> Option<String> {
    let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\""))?;
    Some(rest.split('"').next()?.to_owned())
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

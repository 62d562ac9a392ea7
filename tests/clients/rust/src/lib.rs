//! A browser for the clients under test: keeps cookies, signs alice in, allows everything, and says where it was sent.

use std::collections::BTreeMap;
use std::error::Error;

use oauth2::reqwest::Certificate;
use oauth2::reqwest::blocking::Client;
use oauth2::reqwest::redirect::Policy;
use oauth2::url::Url;

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// What a client is told: issuer, redirect URI, secret, password, and a file with the issuer's certificate.
pub struct Told {
    pub issuer: String,
    pub redirect_uri: String,
    pub secret: String,
    pub password: String,
    certificate: Certificate,
}

impl Told {
    pub fn from_arguments() -> Outcome<Self> {
        let mut arguments = std::env::args().skip(1);
        let mut next = || arguments.next().ok_or("arguments: issuer, redirect URI, secret, password, certificate");
        let (issuer, redirect_uri, secret, password) = (next()?, next()?, next()?, next()?);
        let certificate = Certificate::from_pem(&std::fs::read(next()?)?)?;
        Ok(Self { issuer, redirect_uri, secret, password, certificate })
    }

    /// A client of HTTP as both crates want it: one that follows no redirect.
    pub fn http(&self) -> Outcome<Client> {
        let trusting = Client::builder().add_root_certificate(self.certificate.clone());
        Ok(trusting.redirect(Policy::none()).build()?)
    }
}

pub fn check(truth: bool, what: &str) -> Outcome<()> {
    if truth { Ok(()) } else { Err(format!("not so: {what}").into()) }
}

/// A parameter of the address that a client was called back with.
pub fn parameter(url: &Url, name: &str) -> Outcome<String> {
    let found = url.query_pairs().find(|(own, _)| own == name);
    found.map(|(_, value)| value.into_owned()).ok_or_else(|| format!("no {name} in {url}").into())
}

pub struct Page {
    pub to: Option<String>,
    pub html: String,
}

pub struct Browser {
    http: Client,
    issuer: Url,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub fn new(told: &Told) -> Outcome<Self> {
        Ok(Self { http: told.http()?, issuer: Url::parse(&told.issuer)?, cookies: BTreeMap::new() })
    }

    /// From the address that a client sends alice to, to the one that she is sent back to.
    pub fn walk(&mut self, url: &Url, password: &str) -> Outcome<Url> {
        let mut page = self.get(url.as_str())?;
        for _ in 0..12 {
            page = match page.to {
                Some(to) if !to.starts_with('/') => return Ok(Url::parse(&to)?),
                Some(to) => self.get(&to)?,
                None if page.html.contains("name=\"password\"") => {
                    self.submit(&page, "/login", &["csrf", "t"], &[("username", "alice"), ("password", password)])?
                }
                None if page.html.contains("name=\"decision\"") => {
                    self.submit(&page, "/consent", &["csrf", "t", "scope"], &[("decision", "allow")])?
                }
                None => return Err(format!("stuck at {}", page.html).into()),
            };
        }
        Err("round in circles".into())
    }

    pub fn get(&mut self, target: &str) -> Outcome<Page> {
        self.send(target, None)
    }

    /// Sends a form: the fields of these names as the page has them, and what alice fills in.
    fn submit(&mut self, page: &Page, target: &str, kept: &[&str], filled: &[(&str, &str)]) -> Outcome<Page> {
        let mut form = fields(&page.html, kept);
        form.extend(filled.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.send(target, Some(&form))
    }

    /// Cookies are kept by hand, because they are for TLS and this machine alone.
    fn send(&mut self, target: &str, form: Option<&[(String, String)]>) -> Outcome<Page> {
        let url = self.issuer.join(target)?;
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = match form {
            Some(form) => self.http.post(url).form(form).header("origin", self.issuer.origin().ascii_serialization()),
            None => self.http.get(url),
        };
        let answer = request.header("cookie", cookies.join("; ")).send()?;
        for line in answer.headers().get_all("set-cookie") {
            let line = line.to_str()?;
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).ok_or("a cookie")?;
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let to = answer.headers().get("location").map(|to| to.to_str().map(str::to_owned)).transpose()?;
        Ok(Page { to, html: answer.text()? })
    }
}

/// The fields of a page that have one of these names, with the values that stand there.
fn fields(html: &str, names: &[&str]) -> Vec<(String, String)> {
    let field = |rest: &str| {
        let (name, rest) = rest.split_once("\" value=\"")?;
        let (value, _) = rest.split_once('"')?;
        names.contains(&name).then(|| (name.to_owned(), value.to_owned()))
    };
    html.split("name=\"").skip(1).filter_map(field).collect()
}

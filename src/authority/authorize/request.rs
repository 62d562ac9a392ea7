//! What a client asks of a browser's user, read from the parameters of the request.
//!
//! Client and redirect URI come first: as long as they are in doubt nobody is sent anywhere. Everything else that is wrong
//! is told to the client, later, by redirect.

use serde::{Deserialize, Serialize};

use crate::authority::client::Client;
use crate::authority::error::OAuthError;
use crate::authority::form::Form;
use crate::authority::grant::Grant;
use crate::authority::pkce::Challenge;
use crate::authority::scope::{self, OPENID};
use crate::authority::{Authority, resource};
use crate::ground::Time;

/// Most bytes of `state`, `nonce`, `login_hint` and the like.
const LONGEST: usize = 2048;

/// An authorization request whose client and redirect URI are known to belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::authority) struct Request {
    pub client: String,
    pub redirect_uri: String,
    pub state: Option<String>,
    pub mode: Mode,
    /// No page may be shown (`prompt=none`).
    pub silent: bool,
    pub ui_locales: Option<String>,
    pub ask: Ask,
}

/// How the answer travels (OAuth 2.0 Multiple Response Type Encoding Practices; Form Post Response Mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::authority) enum Mode {
    Query,
    Fragment,
    FormPost,
}

/// What is asked, or what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::authority) enum Ask {
    Good(Box<Asked>),
    Fault(Fault),
}

/// An error for the client (RFC 6749 section 4.1.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::authority) struct Fault {
    pub code: String,
    pub description: String,
}

/// A request without faults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::authority) struct Asked {
    pub response: Response,
    /// What was asked for and the client may have.
    pub scope: Vec<String>,
    pub resources: Vec<String>,
    pub challenge: Option<String>,
    pub nonce: Option<String>,
    pub login_hint: Option<String>,
    /// The user must have proven who they are since then, in milliseconds since 1970 (`prompt=login`, `max_age`).
    pub fresh_since: Option<u64>,
    pub asks_consent: bool,
    pub asks_account: bool,
    /// `auth_time` belongs into the ID token.
    pub tells_auth_time: bool,
    /// `sub` of a valid `id_token_hint`.
    pub hinted_user: Option<String>,
}

/// What the client wants back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::authority) enum Response {
    Code,
    /// The implicit grant, for clients that are switched on for it alone.
    Token,
    IdTokenToken,
}

/// A request that goes no further than a page of ours.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::authority) enum Invalid {
    /// Who asks, or where the answer would go, is in doubt (AZ-02). A word and a sentence for the developer.
    Page(&'static str, &'static str),
    Method,
}

impl Request {
    pub(in crate::authority) fn read(form: &Form, authority: &Authority) -> Result<Self, Invalid> {
        let page = |sentence| Invalid::Page("invalid_request", sentence);
        if form.is_repeated("client_id") || form.is_repeated("redirect_uri") {
            return Err(page("client_id or redirect_uri was sent twice"));
        }
        let registry = authority.registry.load();
        let client = form.one("client_id").ok_or(page("the request names no client_id"))?;
        let client = registry.client(client).ok_or(Invalid::Page("invalid_client", "no client has this client_id"))?;
        let redirect_uri = redirect_uri(form, client)?;
        let silent = form.one("prompt").is_some_and(|prompt| prompt.split(' ').any(|word| word == "none"));
        let kind = kind(form, client);
        let mode = mode(form, kind.as_ref().ok().copied());
        let ask = kind.and_then(|kind| {
            mode.clone()?;
            asked(form, client, kind, authority)
        });
        Ok(Self {
            client: client.id().to_string(),
            redirect_uri,
            state: form.one("state").filter(|state| state.len() <= LONGEST).map(str::to_owned),
            mode: mode.unwrap_or_else(|_| kind_mode(form)),
            silent,
            ui_locales: form.one("ui_locales").filter(|list| list.len() <= LONGEST).map(str::to_owned),
            ask: match ask {
                Ok(asked) => Ask::Good(Box::new(asked)),
                Err(fault) => Ask::Fault(fault),
            },
        })
    }
}

impl Fault {
    pub(in crate::authority) fn new(code: &str, description: &str) -> Self {
        Self { code: code.to_owned(), description: description.to_owned() }
    }
}

impl From<OAuthError> for Fault {
    fn from(error: OAuthError) -> Self {
        Self::new(error.code(), error.description())
    }
}

/// The registered URI that is named; the only one there is when none is named and OpenID Connect does not ask for one.
fn redirect_uri(form: &Form, client: &Client) -> Result<String, Invalid> {
    let page = |sentence| Invalid::Page("invalid_request", sentence);
    match form.one("redirect_uri") {
        Some(named) if client.redirect_uri(named).is_some() => Ok(named.to_owned()),
        Some(_) => Err(page("the redirect_uri is not registered for this client, letter by letter")),
        None => match client.parts().redirect_uris.as_slice() {
            [only] => Ok(only.as_str().to_owned()),
            [] => Err(page("the client has no redirect URI")),
            [_, _, ..] => Err(page("the redirect_uri is missing, and the client has several")),
        },
    }
}

/// `response_type` is a set of words (Multiple Response Types section 3).
fn kind(form: &Form, client: &Client) -> Result<Response, Fault> {
    let Some(text) = form.one("response_type") else {
        return Err(Fault::new("invalid_request", "the response_type is missing"));
    };
    let mut words: Vec<&str> = text.split(' ').collect();
    words.sort_unstable();
    let (kind, grant) = match words.as_slice() {
        ["code"] => (Response::Code, Grant::AuthorizationCode),
        ["token"] => (Response::Token, Grant::Implicit),
        ["id_token", "token"] => (Response::IdTokenToken, Grant::Implicit),
        ["id_token"] if client.may_use(Grant::Implicit) => {
            let which = "an ID token alone is not given here: the response_types are code, token and id_token token";
            return Err(Fault::new("unsupported_response_type", which));
        }
        _ => return Err(Fault::new("unsupported_response_type", "this response_type is not supported")),
    };
    if !client.may_use(grant) {
        return Err(match grant {
            // Where nobody uses it, it does not exist.
            Grant::Implicit => Fault::new("unsupported_response_type", "this response_type is not supported"),
            _ => Fault::new("unauthorized_client", "the client is not registered for this response_type"),
        });
    }
    Ok(kind)
}

fn mode(form: &Form, kind: Option<Response>) -> Result<Mode, Fault> {
    let in_front = kind.is_none_or(|kind| kind == Response::Code);
    match form.one("response_mode") {
        None if in_front => Ok(Mode::Query),
        None => Ok(Mode::Fragment),
        Some("query") if in_front => Ok(Mode::Query),
        Some("fragment") if !in_front => Ok(Mode::Fragment),
        Some("form_post") => Ok(Mode::FormPost),
        Some(_) => Err(Fault::new("invalid_request", "this response_mode is not supported for this response_type")),
    }
}

/// How to tell a client that its mode is not understood: where its response type would have put the answer.
fn kind_mode(form: &Form) -> Mode {
    let in_front = form.one("response_type").is_none_or(|kind| kind.split(' ').any(|word| word == "code"));
    if in_front { Mode::Query } else { Mode::Fragment }
}

fn asked(form: &Form, client: &Client, response: Response, authority: &Authority) -> Result<Asked, Fault> {
    let invalid = |description| Fault::new("invalid_request", description);
    if form.has_repeated() {
        return Err(invalid("a parameter was sent twice"));
    }
    for (name, code) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ] {
        if form.one(name).is_some() {
            return Err(Fault::new(code, "this way to send a request is not supported"));
        }
    }
    for name in ["state", "nonce", "login_hint", "ui_locales", "acr_values", "display", "claims_locales"] {
        if form.one(name).is_some_and(|value| value.len() > LONGEST) {
            return Err(invalid("a parameter is too long"));
        }
    }
    let can_refresh = response == Response::Code && client.may_use(Grant::RefreshToken);
    let scope = scope::for_user(form.one("scope"), client, can_refresh)?;
    let resources = resource::for_grant(form, client, &authority.settings)?;
    let nonce = form.one("nonce").map(str::to_owned);
    let is_openid = scope.iter().any(|scope| scope == OPENID);
    if response == Response::IdTokenToken && (nonce.is_none() || !is_openid) {
        return Err(invalid("an ID token by redirect needs the scope openid and a nonce"));
    }
    let prompt = Prompt::read(form)?;
    let now = authority.clock.now();
    let max_age = max_age(form)?;
    Ok(Asked {
        response,
        resources: resources.into_iter().map(|resource| resource.as_str().to_owned()).collect(),
        challenge: challenge(form, client, response, is_openid && nonce.is_some())?,
        nonce,
        login_hint: form.one("login_hint").map(str::to_owned),
        fresh_since: fresh_since(&prompt, max_age, now),
        asks_consent: prompt.consent,
        asks_account: prompt.select_account,
        tells_auth_time: max_age.is_some() || prompt.login,
        hinted_user: form.one("id_token_hint").and_then(|hint| authority.hinted_user(hint)),
        scope,
    })
}

/// RFC 7636 for everyone; without it only a confidential client of OpenID Connect whose registration says so, and then its
/// nonce does that work (AZ-07, AZ-08).
fn challenge(form: &Form, client: &Client, response: Response, has_nonce: bool) -> Result<Option<String>, Fault> {
    let invalid = |description| Fault::new("invalid_request", description);
    match (form.one("code_challenge"), form.one("code_challenge_method")) {
        (Some(text), Some("S256")) => match Challenge::new(text) {
            Some(challenge) => Ok(Some(challenge.into_text())),
            None => Err(invalid("the code_challenge must be 43 to 128 unreserved characters")),
        },
        (Some(_), Some(_) | None) => Err(invalid("the code_challenge_method must be S256")),
        (None, _) if response != Response::Code => Ok(None),
        (None, None) if client.parts().may_omit_pkce && has_nonce => Ok(None),
        (None, Some(_) | None) => Err(invalid("code challenge required (RFC 7636, method S256)")),
    }
}

/// The words of `prompt` (Core section 3.1.2.1).
struct Prompt {
    login: bool,
    consent: bool,
    select_account: bool,
}

impl Prompt {
    fn read(form: &Form) -> Result<Self, Fault> {
        let words: Vec<&str> = form.one("prompt").map(|text| text.split(' ').collect()).unwrap_or_default();
        if words.contains(&"none") && words.len() > 1 {
            return Err(Fault::new("invalid_request", "prompt none stands alone"));
        }
        for word in &words {
            // `create` is optional, and people cannot register themselves here.
            if !["none", "login", "consent", "select_account", "create"].contains(word) {
                return Err(Fault::new("invalid_request", "this prompt is not known"));
            }
        }
        let has = |word| words.contains(&word);
        Ok(Self { login: has("login"), consent: has("consent"), select_account: has("select_account") })
    }
}

fn max_age(form: &Form) -> Result<Option<u64>, Fault> {
    let Some(text) = form.one("max_age") else { return Ok(None) };
    let seconds = text.parse::<u32>().map_err(|_| Fault::new("invalid_request", "max_age is a number of seconds"))?;
    Ok(Some(u64::from(seconds)))
}

/// Login now, or not longer ago than `max_age`; zero means now (AZ-13).
fn fresh_since(prompt: &Prompt, max_age: Option<u64>, now: Time) -> Option<u64> {
    match max_age {
        _ if prompt.login => Some(now.millis()),
        Some(seconds) => Some(now.minus(std::time::Duration::from_secs(seconds)).millis()),
        None => None,
    }
}

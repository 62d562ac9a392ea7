//! What each page shows.

use askama::Template;

use super::Frame;

/// The login page.
pub(in crate::authority) struct Login<'a> {
    pub csrf: &'a str,
    pub transaction: &'a str,
    /// Whom it leads to.
    pub client: Option<&'a str>,
    /// What to write into the first field.
    pub name: &'a str,
    pub notice: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "login.html", config = "src/authority/page/askama.toml")]
pub(super) struct LoginPage<'a> {
    frame: Frame<'a>,
    csrf: &'a str,
    transaction: &'a str,
    client: Option<&'a str>,
    name: &'a str,
    notice: Option<&'a str>,
}

pub(super) fn login<'a>(frame: Frame<'a>, view: &Login<'a>) -> LoginPage<'a> {
    let Login { csrf, transaction, client, name, notice } = *view;
    LoginPage { frame, csrf, transaction, client, name, notice }
}

#[derive(Template)]
#[template(path = "second_factor.html", config = "src/authority/page/askama.toml")]
pub(super) struct SecondFactor<'a> {
    pub frame: Frame<'a>,
    pub csrf: &'a str,
    pub transaction: &'a str,
    pub notice: Option<&'a str>,
}

/// Which account?
pub(in crate::authority) struct Choose<'a> {
    pub csrf: &'a str,
    pub transaction: &'a str,
    pub user: &'a str,
}

#[derive(Template)]
#[template(path = "choose.html", config = "src/authority/page/askama.toml")]
pub(super) struct ChoosePage<'a> {
    frame: Frame<'a>,
    csrf: &'a str,
    transaction: &'a str,
    user: &'a str,
}

pub(super) fn choose<'a>(frame: Frame<'a>, view: &Choose<'a>) -> ChoosePage<'a> {
    ChoosePage { frame, csrf: view.csrf, transaction: view.transaction, user: view.user }
}

/// May the client have this?
pub(in crate::authority) struct Consent<'a> {
    pub csrf: &'a str,
    pub transaction: &'a str,
    pub client: &'a str,
    /// Where the browser goes afterwards.
    pub host: &'a str,
    pub resource: &'a str,
    pub scopes: &'a [ConsentScope],
    pub loopback: bool,
    /// It cannot prove who it is.
    pub public: bool,
    pub user: &'a str,
}

pub(in crate::authority) struct ConsentScope {
    pub name: String,
    /// In words.
    pub text: String,
}

#[derive(Template)]
#[template(path = "consent.html", config = "src/authority/page/askama.toml")]
pub(super) struct ConsentPage<'a> {
    frame: Frame<'a>,
    csrf: &'a str,
    transaction: &'a str,
    client: &'a str,
    host: &'a str,
    resource: &'a str,
    scopes: &'a [ConsentScope],
    loopback: bool,
    public: bool,
    user: &'a str,
}

pub(super) fn consent<'a>(frame: Frame<'a>, view: &Consent<'a>) -> ConsentPage<'a> {
    let Consent { csrf, transaction, client, host, resource, scopes, loopback, public, user } = *view;
    ConsentPage { frame, csrf, transaction, client, host, resource, scopes, loopback, public, user }
}

#[derive(Template)]
#[template(path = "logout.html", config = "src/authority/page/askama.toml")]
pub(super) struct Logout<'a> {
    pub frame: Frame<'a>,
    pub csrf: &'a str,
    pub carried: Option<&'a str>,
    pub user: &'a str,
}

#[derive(Template)]
#[template(path = "message.html", config = "src/authority/page/askama.toml")]
pub(super) struct Message<'a> {
    pub frame: Frame<'a>,
    pub title: &'a str,
    pub sentence: &'a str,
    pub detail: Option<&'a str>,
    pub link: Option<(&'a str, &'a str)>,
    pub request_id: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "form_post.html", config = "src/authority/page/askama.toml")]
pub(super) struct FormPost<'a> {
    pub frame: Frame<'a>,
    pub to: &'a str,
    pub parameters: &'a [(&'static str, String)],
    pub nonce: &'a str,
}

/// The account page.
pub(in crate::authority) struct Account<'a> {
    pub csrf: &'a str,
    pub user: &'a str,
    pub notice: Option<&'a str>,
    /// The notice tells of something that was done.
    pub good: bool,
    pub sessions: &'a [AccountSession],
    pub applications: &'a [AccountApplication],
    /// Fewest characters of a new password.
    pub least: usize,
    pub has_factor: bool,
    pub codes_left: usize,
    pub setup: Option<Setup<'a>>,
    /// Just made, and shown this once.
    pub recovery_codes: &'a [String],
}

pub(in crate::authority) struct AccountSession {
    pub sid: String,
    pub device: String,
    pub address: String,
    /// As people write it.
    pub seen: String,
    pub here: bool,
}

pub(in crate::authority) struct AccountApplication {
    pub client: String,
    pub name: String,
    pub scopes: Vec<String>,
}

/// A second factor that is being set up.
#[derive(Clone, Copy)]
pub(in crate::authority) struct Setup<'a> {
    /// SVG made here, of a secret made here.
    pub picture: &'a str,
    pub secret: &'a str,
    pub carried: &'a str,
}

#[derive(Template)]
#[template(path = "account.html", config = "src/authority/page/askama.toml")]
pub(super) struct AccountPage<'a> {
    frame: Frame<'a>,
    csrf: &'a str,
    user: &'a str,
    notice: Option<&'a str>,
    good: bool,
    sessions: &'a [AccountSession],
    applications: &'a [AccountApplication],
    least: usize,
    has_factor: bool,
    codes_left: usize,
    setup: Option<Setup<'a>>,
    recovery_codes: &'a [String],
}

pub(super) fn account<'a>(frame: Frame<'a>, view: &Account<'a>) -> AccountPage<'a> {
    AccountPage {
        frame,
        csrf: view.csrf,
        user: view.user,
        notice: view.notice,
        good: view.good,
        sessions: view.sessions,
        applications: view.applications,
        least: view.least,
        has_factor: view.has_factor,
        codes_left: view.codes_left,
        setup: view.setup,
        recovery_codes: view.recovery_codes,
    }
}

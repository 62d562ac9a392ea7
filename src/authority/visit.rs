//! A browser at our pages: which one it is, and who is signed in there.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{constant_time, hmac};
use base64_simd::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{COOKIE, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Response};

use super::Authority;
use super::audit;
use super::endpoint::Incoming;
use super::error::OAuthError;
use super::rotation::MacKey;
use crate::ground::{Digest, Time};
use crate::store::{Proven, Session, User};

/// The cookie that names the browser: what forms and transactions are bound to before anybody is signed in.
const BROWSER: &str = "__Host-portcullis-browser";
/// The cookie of the session.
const SESSION: &str = "__Host-portcullis-session";
/// The accounts that have been signed in to from this browser: marks that only we can make.
const KNOWN: &str = "__Host-portcullis-known";

/// How long a browser keeps its name and marks.
const KEPT: Duration = Duration::from_secs(400 * 24 * 3600);
/// How many accounts a browser is known to.
const MOST_KNOWN: usize = 5;
/// The session's last use is written down when it is so much later.
const TOUCH: Duration = Duration::from_secs(60);

/// What the value of a session's cookie begins with.
const SESSION_PREFIX: &str = "pc_ss_";

/// One request of a browser.
pub(super) struct Visit {
    /// The value of its cookie.
    browser: String,
    /// It came without one.
    is_new: bool,
    /// Without one, it gets this. Not where another site may have posted: then our cookies stayed at home, and this one
    /// would replace them.
    gets_name: bool,
    pub session: Option<(Session, User)>,
    /// There is a cookie of a session that is over.
    is_stale: bool,
    /// Marks of accounts, as they came.
    known: Vec<String>,
    cookies: Vec<HeaderValue>,
}

impl Visit {
    /// What stands for the browser in transactions.
    pub(super) fn browser_mark(&self) -> Digest {
        Digest::of(self.browser.as_bytes())
    }

    pub(super) fn user(&self) -> Option<&User> {
        self.session.as_ref().map(|(_, user)| user)
    }

    /// The digest of the session's cookie, for its successor.
    pub(super) fn session_digest(&self) -> Option<Digest> {
        self.session.as_ref().map(|(session, _)| session.digest)
    }

    /// Something is sealed for this browser that it has to be known by later, even if another site has posted it.
    pub(super) fn needs_name(&mut self) {
        self.gets_name = true;
    }

    /// Adds the cookies to an answer.
    pub(super) fn dress(mut self, mut response: Response<Bytes>) -> Response<Bytes> {
        if self.is_new && self.gets_name {
            self.cookies.extend(cookie(BROWSER, &self.browser, Some(KEPT)));
        }
        if self.is_stale && !self.cookies.iter().any(|line| line.as_bytes().starts_with(SESSION.as_bytes())) {
            self.cookies.extend(cookie(SESSION, "", Some(Duration::ZERO)));
        }
        for line in self.cookies {
            response.headers_mut().append(SET_COOKIE, line);
        }
        response
    }
}

impl Authority {
    /// Who is it? A store that fails is an error: nobody is taken for signed out by mistake.
    pub(super) async fn visit(&self, incoming: &Incoming) -> Result<Visit, OAuthError> {
        let cookies = Cookies::read(&incoming.headers);
        let browser = cookies.one(BROWSER).filter(|value| value.len() == 43).map(str::to_owned);
        let is_new = browser.is_none();
        let session = match cookies.one(SESSION) {
            Some(value) => self.session(value).await?,
            None => None,
        };
        let known = cookies.one(KNOWN).unwrap_or_default();
        Ok(Visit {
            browser: browser.unwrap_or_else(|| self.random.token(32)),
            is_new,
            gets_name: incoming.method != Method::POST,
            is_stale: session.is_none() && cookies.one(SESSION).is_some(),
            session,
            known: known.split('.').filter(|mark| mark.len() == 43).take(MOST_KNOWN).map(str::to_owned).collect(),
            cookies: Vec::new(),
        })
    }

    async fn session(&self, value: &str) -> Result<Option<(Session, User)>, OAuthError> {
        if !value.starts_with(SESSION_PREFIX) || value.len() != SESSION_PREFIX.len() + 43 {
            return Ok(None);
        }
        let (digest, now) = (Digest::of(value.as_bytes()), self.clock.now());
        let Some((session, user)) = self.store.session(digest, now).await? else { return Ok(None) };
        if now.since(session.seen) >= TOUCH {
            let idle_end = now.plus(self.settings.sessions.idle).min(session.ends);
            self.store.touch_session(digest, now, idle_end).await?;
        }
        Ok(Some((session, user)))
    }

    /// Signs `user` in at this browser: a new session under a new cookie; the old one is dead (UI-04). The same user keeps
    /// their `sid`, so that what was granted in the old session goes on. `false`: the user is not any more who was proven.
    pub(super) async fn sign_in(
        &self,
        visit: &mut Visit,
        incoming: &Incoming,
        user: User,
        (how, methods): (&'static str, &[&str]),
    ) -> Result<bool, OAuthError> {
        let now = self.clock.now();
        let value = format!("{SESSION_PREFIX}{}", self.random.token(32));
        let before = visit.session.as_ref().map(|(session, _)| session);
        let same = before.filter(|session| session.user == user.id);
        let session = Session {
            digest: Digest::of(value.as_bytes()),
            sid: same.map_or_else(|| self.random.token(16), |session| session.sid.clone()),
            user: user.id.clone(),
            made: same.map_or(now, |session| session.made),
            authenticated: now,
            methods: methods.iter().map(|&method| method.to_owned()).collect(),
            seen: now,
            idle_end: now.plus(self.settings.sessions.idle),
            ends: now.plus(self.settings.sessions.lasts),
            device: device(&incoming.headers),
            address: incoming.client.to_string(),
        };
        let replaced = visit.session_digest();
        let (proven, end) = (Proven::of(&user), self.tokens_end(now));
        if !self.store.open_session(session.clone(), proven, replaced, now, end).await? {
            return Ok(false);
        }
        // Told before anybody can use it.
        self.tell(audit::login_ok(&user.id, how, incoming)).await?;
        if replaced.is_some() && same.is_none() {
            self.revocations_changed();
        }
        visit.cookies.extend(cookie(SESSION, &value, None));
        self.make_known(visit, &user.id)?;
        visit.session = Some((session, user));
        Ok(true)
    }

    /// Takes the session's cookie away.
    pub(super) fn sign_out_here(&self, visit: &mut Visit) {
        visit.session = None;
        visit.cookies.extend(cookie(SESSION, "", Some(Duration::ZERO)));
    }

    /// Whether the user has signed in from this browser before (UI-07): gives what stands for the pair. A mark is as good
    /// under any symmetric key that there still is; what stands for the pair is the one under the newest.
    pub(super) fn known_device(&self, visit: &Visit, user: &str) -> Option<[u8; 32]> {
        let marks = self.device_marks(visit, user).ok()?;
        let is_it = |mark: &[u8; 32]| visit.known.iter().any(|own| is_text_of(mark, own));
        // Each is looked at, wherever it stands.
        let known = marks.iter().filter(|mark| is_it(mark)).count() > 0;
        marks.first().copied().filter(|_| known)
    }

    /// Adds the browser's mark for the user; those under older keys give way to it.
    fn make_known(&self, visit: &mut Visit, user: &str) -> Result<(), OAuthError> {
        let marks = self.device_marks(visit, user)?;
        let Some(newest) = marks.first() else { return Ok(()) };
        let of_others = |own: &&String| !marks.iter().any(|mark| is_text_of(mark, own));
        let others = visit.known.iter().filter(of_others).take(MOST_KNOWN - 1).cloned();
        let known: Vec<String> = std::iter::once(URL_SAFE_NO_PAD.encode_to_string(newest)).chain(others).collect();
        visit.cookies.extend(cookie(KNOWN, &known.join("."), Some(KEPT)));
        Ok(())
    }

    fn device_marks(&self, visit: &Visit, user: &str) -> Result<Vec<[u8; 32]>, OAuthError> {
        self.macs("device", &[visit.browser.as_bytes(), user.as_bytes()])
    }

    /// The token of a form: bound to the browser, to what the form is about, and to the session where there has to be one.
    pub(super) fn csrf(&self, visit: &Visit, about: &[u8], with_session: bool) -> Result<String, OAuthError> {
        let newest = self.csrf_tokens(visit, about, with_session)?.into_iter().next();
        let newest = newest.ok_or_else(|| OAuthError::Internal("there is no symmetric key".into()))?;
        Ok(URL_SAFE_NO_PAD.encode_to_string(newest))
    }

    fn csrf_tokens(&self, visit: &Visit, about: &[u8], with_session: bool) -> Result<Vec<[u8; 32]>, OAuthError> {
        let sid = visit.session.as_ref().filter(|_| with_session).map_or("", |(session, _)| &session.sid);
        self.macs("csrf", &[visit.browser.as_bytes(), about, sid.as_bytes()])
    }

    /// Whether a form came from our page in this browser (UI-02): the token, and what the browser says about its origin.
    pub(super) fn is_ours(
        &self,
        visit: &Visit,
        incoming: &Incoming,
        token: Option<&str>,
        (about, with_session): (&[u8], bool),
    ) -> Result<bool, OAuthError> {
        let expected = self.csrf_tokens(visit, about, with_session)?;
        let token = token.unwrap_or_default();
        let same = expected.iter().filter(|expected| is_text_of(expected, token)).count() > 0;
        Ok(same && !visit.is_new && self.came_from_here(&incoming.headers))
    }

    /// `Sec-Fetch-Site` and `Origin`, where the browser sends them.
    fn came_from_here(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let site = text("sec-fetch-site").is_none_or(|site| site == "same-origin");
        let origin = text("origin").is_none_or(|origin| origin == self.settings.issuer.origin());
        site && origin
    }

    /// What stands for `parts`, by each symmetric key that is good, the newest first: a page may have been open, and a
    /// cookie kept, since before the newest began.
    fn macs(&self, purpose: &str, parts: &[&[u8]]) -> Result<Vec<[u8; 32]>, OAuthError> {
        let mac = |own: &Arc<MacKey>| {
            let mut over = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &own.derived(purpose)));
            for part in parts {
                // With their lengths, so that no two lists run together.
                over.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                over.update(part);
            }
            over.sign().as_ref().try_into().map_err(|_| OAuthError::Internal("a MAC of another length".into()))
        };
        self.ring.macs().iter().map(mac).collect()
    }
}

/// Compares in the same time wherever they differ.
fn is_text_of(mac: &[u8; 32], text: &str) -> bool {
    let own = URL_SAFE_NO_PAD.encode_to_string(mac);
    constant_time::verify_slices_are_equal(own.as_bytes(), text.as_bytes()).is_ok()
}

/// The cookies of a request, by name. A name that comes twice has no value: one of them was slipped in.
struct Cookies<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Cookies<'a> {
    fn read(headers: &'a HeaderMap) -> Self {
        let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        Self(lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('=')).collect())
    }

    fn one(&self, name: &str) -> Option<&'a str> {
        let mut found = self.0.iter().filter(|(own, _)| *own == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            (None | Some(_), _) => None,
        }
    }
}

/// `__Host-`: from this host alone, over TLS alone, for all paths (RFC 6265bis section 4.1.3.2). Without `lasts` it goes
/// with the browser's session.
fn cookie(name: &str, value: &str, lasts: Option<Duration>) -> Option<HeaderValue> {
    let age = lasts.map(|lasts| format!("; Max-Age={}", lasts.as_secs())).unwrap_or_default();
    HeaderValue::try_from(format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}")).ok()
}

/// What people may recognise their device by: printable and short.
fn device(headers: &HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    agent.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

/// Whether a session's login is as fresh as something asks for.
pub(super) fn is_fresh(session: &Session, since: Option<u64>) -> bool {
    since.is_none_or(|since| session.authenticated >= Time::from_millis(since))
}

//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): an application sends the browser here to end the session.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::Authority;
use super::audit;
use super::endpoint::{Incoming, LOGIN};
use super::error::OAuthError;
use super::form::Form;
use super::page::{Framing, Plain};
use super::redirect::form_target;
use super::reply::see_other;
use super::visit::Visit;
use crate::token::jwt::{Compact, jwk};

/// What a page carries between question and answer: where to go afterwards.
const PURPOSE: &str = "logout";

/// What the request may lead to.
struct Wish {
    /// A registered address, `state` included.
    to: Option<String>,
    /// `sub` of a good hint.
    user: Option<String>,
    hinted: bool,
}

impl Authority {
    pub(super) async fn logout(&self, incoming: &Incoming, visit: &mut Visit) -> Result<Response<Bytes>, OAuthError> {
        let form = match incoming.method {
            Method::GET | Method::HEAD => Form::parse(incoming.query.as_deref().unwrap_or_default().as_bytes())?,
            Method::POST => Form::read(&incoming.headers, &incoming.body)?,
            _ => return Err(OAuthError::Method { allow: "GET, HEAD, POST" }),
        };
        if let (&Method::POST, Some(decision)) = (&incoming.method, form.one("decision")) {
            return self.answered(decision, &form, incoming, visit).await;
        }
        let wish = self.wish(&form);
        let Some((session, user)) = visit.session.as_ref() else {
            return Ok(self.left(wish.to, incoming));
        };
        // A hint of this very user says that the application means this session; anybody else has to be asked (LO-02).
        if wish.hinted && wish.user.as_deref() == Some(&user.id) {
            let sid = session.sid.clone();
            self.end_here(&sid, visit, incoming).await?;
            return Ok(self.left(wish.to, incoming));
        }
        let csrf = self.csrf(visit, PURPOSE.as_bytes(), true)?;
        let carried = wish.to.as_ref().map(|to| self.seal(PURPOSE, to.as_bytes())).transpose()?;
        let target = wish.to.as_deref().map(form_target);
        let framing = target.map_or_else(Framing::page, |target| Framing::page().sends_to(&target));
        let words = self.pages.words(form.one("ui_locales"), &incoming.headers);
        Ok(self.pages.logout(words, (&csrf, carried.as_deref()), &user.name, &framing))
    }

    async fn answered(
        &self,
        decision: &str,
        form: &Form,
        incoming: &Incoming,
        visit: &mut Visit,
    ) -> Result<Response<Bytes>, OAuthError> {
        if visit.session.is_some() && !self.is_ours(visit, incoming, form.one("csrf"), (PURPOSE.as_bytes(), true))? {
            return Ok(self.forged_page(incoming));
        }
        if decision != "leave" {
            return Ok(see_other(&self.path(super::endpoint::ACCOUNT)));
        }
        if let Some(sid) = visit.session.as_ref().map(|(session, _)| session.sid.clone()) {
            self.end_here(&sid, visit, incoming).await?;
        }
        let to = form.one("t").and_then(|text| self.open_sealed(PURPOSE, text));
        Ok(self.left(to.and_then(|to| String::from_utf8(to).ok()), incoming))
    }

    /// Ends the session with the grants that were made in it, but for those of offline use (LO-03).
    pub(super) async fn end_here(&self, sid: &str, visit: &mut Visit, incoming: &Incoming) -> Result<(), OAuthError> {
        if let Some(user) = visit.user().map(|user| user.id.clone()) {
            let now = self.clock.now();
            self.store.end_session(user.clone(), sid.to_owned(), now, self.tokens_end(now)).await?;
            self.revocations_changed();
            self.tell(audit::logout(&user, sid, incoming)).await?;
        }
        self.sign_out_here(visit);
        Ok(())
    }

    /// Where the request may lead: the address counts only for a client that is known by a good hint or by name, and when it
    /// is registered letter by letter (LO-01).
    fn wish(&self, form: &Form) -> Wish {
        let hint = form.one("id_token_hint");
        let claims = hint.and_then(|hint| self.hint(hint));
        let hinted = hint.is_some();
        let text = |name: &str| claims.as_ref().and_then(|claims| claims.get(name)).and_then(Value::as_str);
        let named = form.one("client_id");
        let client = match (text("aud"), named) {
            _ if hinted && claims.is_none() => None,
            (Some(audience), Some(named)) if audience != named => None,
            (Some(id), _) | (None, Some(id)) => Some(id.to_owned()),
            (None, None) => None,
        };
        let registry = self.registry.load();
        let client = client.and_then(|id| registry.client(&id).cloned());
        let to = client.and_then(|client| {
            let asked = form.one("post_logout_redirect_uri")?;
            client.parts().post_logout_redirect_uris.iter().find(|own| own.is(asked)).map(|_| asked.to_owned())
        });
        Wish { to: to.map(|to| with_state(to, form.one("state"))), user: text("sub").map(str::to_owned), hinted }
    }

    fn left(&self, to: Option<String>, incoming: &Incoming) -> Response<Bytes> {
        if let Some(to) = to {
            return see_other(&to);
        }
        let words = self.pages.words(None, &incoming.headers);
        let again = self.path(LOGIN);
        self.pages.plain(
            words,
            &Plain {
                status: StatusCode::OK,
                title: words.t("logout.done"),
                sentence: words.t("logout.done_lead"),
                detail: None,
                link: Some((&again, words.t("logout.again"))),
                request_id: None,
            },
        )
    }

    /// The claims of an ID token that was made here, over or not: as a hint an old one is as good (RP-Initiated Logout
    /// section 2, Core section 3.1.2.1).
    fn hint(&self, text: &str) -> Option<serde_json::Map<String, Value>> {
        let compact = Compact::split(text)?;
        let header = compact.header().ok()?;
        // An access token is no hint (JO-03).
        if header.typ.as_deref() != Some("jwt") {
            return None;
        }
        let keys = self.ring.key_set().load();
        let jwk::Choice::Keys(fitting) = keys.choose(header.kid.as_deref(), header.algorithm) else { return None };
        fitting.iter().find(|key| compact.is_signed_by(key))?;
        let claims = compact.claims().ok()?;
        (claims.get("iss").and_then(Value::as_str) == Some(self.settings.issuer.as_str())).then_some(claims)
    }

    /// Whose ID token the hint of an authorization request is.
    pub(super) fn hinted_user(&self, hint: &str) -> Option<String> {
        self.hint(hint)?.get("sub")?.as_str().map(str::to_owned)
    }
}

fn with_state(to: String, state: Option<&str>) -> String {
    let Some(state) = state else { return to };
    let separator = if to.contains('?') { '&' } else { '?' };
    let mut serializer = Serializer::new(String::new());
    serializer.append_pair("state", state);
    format!("{to}{separator}{}", serializer.finish())
}

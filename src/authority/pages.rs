//! Pages that end a way: errors, and what is over.

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::Authority;
use super::authorize::request::Request;
use super::endpoint::{ACCOUNT, Incoming};
use super::error::OAuthError;
use super::page::Plain;
use super::redirect::form_target;
use super::reply;

impl Authority {
    /// A path under the issuer, as browsers of this host know it.
    pub(super) fn path(&self, page: &str) -> String {
        format!("{}{page}", self.settings.issuer.path())
    }

    pub(super) fn asset(&self, incoming: &Incoming) -> Response<Bytes> {
        self.pages.asset(&incoming.path, &incoming.method).unwrap_or_else(|| {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        })
    }

    /// A request of a client that goes nowhere (AZ-02): a page for the developer, without what the request said.
    pub(super) fn error_page(
        &self,
        incoming: &Incoming,
        code: &'static str,
        sentence: &'static str,
    ) -> Response<Bytes> {
        let words = self.pages.words(None, &incoming.headers);
        let detail = format!("{code}: {sentence}");
        self.pages.plain(
            words,
            &Plain {
                status: StatusCode::BAD_REQUEST,
                title: words.t("error.title"),
                sentence: words.t("error.request"),
                detail: Some(&detail),
                link: None,
                request_id: Some(&incoming.request_id),
            },
        )
    }

    pub(super) fn expired_page(&self, incoming: &Incoming) -> Response<Bytes> {
        self.start_again(incoming, (StatusCode::BAD_REQUEST, "error.expired"))
    }

    /// A form without its token, or from elsewhere (UI-02).
    pub(super) fn forged_page(&self, incoming: &Incoming) -> Response<Bytes> {
        self.start_again(incoming, (StatusCode::FORBIDDEN, "error.forged"))
    }

    fn start_again(&self, incoming: &Incoming, (status, sentence): (StatusCode, &str)) -> Response<Bytes> {
        let words = self.pages.words(None, &incoming.headers);
        let account = self.path(ACCOUNT);
        self.pages.plain(
            words,
            &Plain {
                status,
                title: words.t("error.title"),
                sentence: words.t(sentence),
                detail: None,
                link: Some((&account, words.t("error.again"))),
                request_id: Some(&incoming.request_id),
            },
        )
    }

    /// Back and reload lead here, never to a second code (AZ-22).
    pub(super) fn already_completed(&self, incoming: &Incoming) -> Response<Bytes> {
        let words = self.pages.words(None, &incoming.headers);
        self.pages.plain(
            words,
            &Plain {
                status: StatusCode::OK,
                title: words.t("completed.title"),
                sentence: words.t("completed.lead"),
                detail: None,
                link: None,
                request_id: None,
            },
        )
    }

    pub(super) fn form_post(&self, request: &Request, parameters: &[(&'static str, String)]) -> Response<Bytes> {
        let words = self.pages.words(request.ui_locales.as_deref(), &http::HeaderMap::new());
        let nonce = self.random.token(16);
        self.pages.form_post(words, &request.redirect_uri, parameters, (&form_target(&request.redirect_uri), &nonce))
    }

    /// What goes wrong at a page: the same causes as elsewhere, shown to a person.
    pub(super) fn failed_page(&self, incoming: &Incoming, error: &OAuthError) -> Response<Bytes> {
        let status = error.status();
        if let OAuthError::Method { .. } = error {
            return error.clone().into_response(&incoming.request_id);
        }
        if status.is_server_error() {
            tracing::error!(request.id = &*incoming.request_id, "a page failed: {error}");
        }
        let words = self.pages.words(None, &incoming.headers);
        let (sentence, detail) = if status.is_server_error() {
            (words.t("error.internal"), None)
        } else {
            (words.t("error.request"), Some(error.description()))
        };
        let mut answer = self.pages.plain(
            words,
            &Plain {
                status,
                title: words.t("error.title"),
                sentence,
                detail,
                link: None,
                request_id: Some(&incoming.request_id),
            },
        );
        if incoming.method == Method::HEAD {
            *answer.body_mut() = Bytes::new();
        }
        match error.wait() {
            Some(wait) => reply::after(wait, answer),
            None => answer,
        }
    }
}

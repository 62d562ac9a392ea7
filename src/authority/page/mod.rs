//! Pages for people: views in, whole answers out. Knows no store and decides nothing.
//!
//! What somebody else has written, a client's name or a user's, is text and never markup: the templates escape it. No page
//! runs a script but the one that carries an answer to a client, which runs exactly one.

mod headers;
mod look;
mod views;
mod words;

pub(super) use headers::Framing;
pub use look::{Brand, BrandParts};
pub(super) use views::{Account, AccountApplication, AccountSession, Choose, Consent, ConsentScope, Login, Setup};
pub(super) use words::Words;
pub use words::check_text;

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use self::look::Look;
use self::views::{FormPost, Logout, Message, SecondFactor};
use self::words::Catalogue;

/// Everything that pages are made with.
pub(super) struct Pages {
    /// Path of the issuer, in front of every address.
    prefix: String,
    brand: Brand,
    look: Look,
    catalogue: Arc<Catalogue>,
}

/// What every page has around it.
pub(super) struct Frame<'a> {
    pub words: Words<'a>,
    pub brand: &'a str,
    pub style: &'a str,
    pub logo: Option<&'a str>,
    pub prefix: &'a str,
}

/// A plain page: a title, a sentence, perhaps a way on.
pub(super) struct Plain<'a> {
    pub status: StatusCode,
    pub title: &'a str,
    pub sentence: &'a str,
    pub detail: Option<&'a str>,
    pub link: Option<(&'a str, &'a str)>,
    pub request_id: Option<&'a str>,
}

impl Pages {
    pub(super) fn new(prefix: &str, brand: Brand) -> Self {
        let look = Look::new(prefix, &brand);
        let catalogue = Catalogue::with(brand.texts());
        Self { prefix: prefix.to_owned(), brand, look, catalogue: Arc::new(catalogue) }
    }

    pub(super) fn title(&self) -> &str {
        self.brand.title()
    }

    /// The words for a browser: what the request asks for, else what the browser prefers.
    pub(super) fn words(&self, ui_locales: Option<&str>, headers: &HeaderMap) -> Words<'_> {
        self.catalogue.choose(ui_locales, headers.get(http::header::ACCEPT_LANGUAGE))
    }

    /// `framing` of this and the next pages names where the client is, if one waits: their forms may end there.
    pub(super) fn login(
        &self,
        words: Words<'_>,
        view: &Login<'_>,
        status: StatusCode,
        framing: &Framing,
    ) -> Response<Bytes> {
        answer(status, views::login(self.frame(words), view).render(), framing)
    }

    pub(super) fn second_factor(
        &self,
        words: Words<'_>,
        (csrf, transaction): (&str, &str),
        (status, notice): (StatusCode, Option<&str>),
        framing: &Framing,
    ) -> Response<Bytes> {
        let page = SecondFactor { frame: self.frame(words), csrf, transaction, notice };
        answer(status, page.render(), framing)
    }

    pub(super) fn choose(&self, words: Words<'_>, view: &Choose<'_>, framing: &Framing) -> Response<Bytes> {
        answer(StatusCode::OK, views::choose(self.frame(words), view).render(), framing)
    }

    pub(super) fn consent(&self, words: Words<'_>, view: &Consent<'_>, framing: &Framing) -> Response<Bytes> {
        let page = views::consent(self.frame(words), view);
        answer(StatusCode::OK, page.render(), framing)
    }

    pub(super) fn account(&self, words: Words<'_>, view: &Account<'_>, status: StatusCode) -> Response<Bytes> {
        answer(status, views::account(self.frame(words), view).render(), &Framing::page())
    }

    pub(super) fn logout(
        &self,
        words: Words<'_>,
        (csrf, carried): (&str, Option<&str>),
        user: &str,
        framing: &Framing,
    ) -> Response<Bytes> {
        let page = Logout { frame: self.frame(words), csrf, carried, user };
        answer(StatusCode::OK, page.render(), framing)
    }

    pub(super) fn plain(&self, words: Words<'_>, plain: &Plain<'_>) -> Response<Bytes> {
        let page = Message {
            frame: self.frame(words),
            title: plain.title,
            sentence: plain.sentence,
            detail: plain.detail,
            link: plain.link,
            request_id: plain.request_id,
        };
        answer(plain.status, page.render(), &Framing::page())
    }

    /// A form that carries an answer to a client by itself (OAuth 2.0 Form Post Response Mode).
    pub(super) fn form_post(
        &self,
        words: Words<'_>,
        to: &str,
        parameters: &[(&'static str, String)],
        (target, nonce): (&str, &str),
    ) -> Response<Bytes> {
        let page = FormPost { frame: self.frame(words), to, parameters, nonce };
        answer(StatusCode::OK, page.render(), &Framing::page().sends_only_to(target).with_script(nonce))
    }

    /// Style sheet and logo, under names that change with their contents.
    pub(super) fn asset(&self, path: &str, method: &Method) -> Option<Response<Bytes>> {
        let asset = self.look.asset(path)?;
        let mut response = Response::new(if *method == Method::HEAD { Bytes::new() } else { asset.bytes.clone() });
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(asset.bytes.len()));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        // A picture may be a document too: it must not act as one.
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox"),
        );
        if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", asset.name)) {
            headers.insert(ETAG, tag);
        }
        Some(response)
    }

    fn frame<'a>(&'a self, words: Words<'a>) -> Frame<'a> {
        Frame {
            words,
            brand: self.brand.title(),
            style: self.look.style(),
            logo: self.look.logo(),
            prefix: &self.prefix,
        }
    }
}

fn answer(status: StatusCode, page: askama::Result<String>, framing: &Framing) -> Response<Bytes> {
    let (status, page) = match page {
        Ok(page) => (status, page),
        Err(cause) => {
            tracing::error!("a page cannot be rendered: {cause}");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be shown".to_owned())
        }
    };
    let mut response = Response::new(Bytes::from(page));
    *response.status_mut() = status;
    framing.dress(response.headers_mut());
    response
}

#[cfg(test)]
mod tests;

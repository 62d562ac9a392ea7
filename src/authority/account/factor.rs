//! The second factor on the account page: set up with a picture, confirmed by a code, taken away again.

use bytes::Bytes;
use http::{Response, StatusCode};
use qrcodegen::{QrCode, QrCodeEcc};
use std::fmt::Write as _;

use super::{Owner, Said};
use crate::authority::Authority;
use crate::authority::endpoint::Incoming;
use crate::authority::error::OAuthError;
use crate::authority::form::Form;
use crate::authority::prove::totp_context;
use crate::authority::visit::Visit;
use crate::authority::{audit, recovery, totp};
use crate::ground::Digest;
use crate::store::{SecondFactor, Spare};

/// What the form of an unconfirmed factor carries its secret under.
const SETUP: &str = "second factor";

impl Authority {
    pub(super) async fn begin_factor(
        &self,
        owner: Owner,
        visit: &Visit,
        incoming: &Incoming,
        again: Option<(Vec<u8>, &str)>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let (secret, notice) = match again {
            Some((secret, notice)) => (secret, Some(notice.to_owned())),
            None => (totp::new_secret(&*self.random).to_vec(), None),
        };
        let address = totp::address(&secret, self.pages.title(), &owner.user.name);
        let picture =
            picture(&address).ok_or_else(|| OAuthError::Internal("the picture of a key is too large".into()))?;
        let carried = self.seal(SETUP, &[owner.user.id.as_bytes(), &[0], &secret].concat())?;
        let status = if notice.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let setup = Some((picture, grouped(&totp::base32(&secret)), carried));
        let said = Said { notice, setup, ..Said::default() };
        self.show_account(&owner, visit, incoming, said, status).await
    }

    pub(super) async fn confirm_factor(
        &self,
        form: &Form,
        mut owner: Owner,
        visit: &Visit,
        incoming: &Incoming,
    ) -> Result<Response<Bytes>, OAuthError> {
        let carried = form.one("t").and_then(|text| self.open_sealed(SETUP, text));
        let own = [owner.user.id.as_bytes(), &[0]].concat();
        let Some(secret) = carried.as_ref().and_then(|text| text.strip_prefix(own.as_slice())) else {
            return Ok(self.expired_page(incoming));
        };
        let now = self.clock.now();
        let Some(step) = totp::check(secret, form.one("code").unwrap_or_default(), now, None) else {
            let words = self.pages.words(None, &incoming.headers);
            let again = Some((secret.to_vec(), words.t("code.wrong")));
            return self.begin_factor(owner, visit, incoming, again).await;
        };
        let id = owner.user.id.clone();
        let sealed = self.sealer.seal(&totp_context(&id), secret);
        let sealed = sealed.map_err(|cause| OAuthError::Internal(cause.to_string()))?;
        let factor = SecondFactor { secret: sealed, made: now, last_step: Some(step) };
        let codes = recovery::new_codes(&*self.random);
        let digests: Vec<Digest> = codes.iter().filter_map(|code| recovery::digest(code)).collect();
        let spare = Spare::Session(owner.session.sid.clone());
        let (kept, end) = (digests.clone(), self.tokens_end(now));
        self.store.set_second_factor(id.clone(), Some(factor.clone()), kept, spare, now, end).await?;
        self.revocations_changed();
        self.tell(audit::second_factor_set(&id, incoming)).await?;
        (owner.user.second_factor, owner.user.recovery) = (Some(factor), digests);
        self.show_codes(owner, visit, incoming, ("account.factor_done", codes)).await
    }

    pub(super) async fn new_codes(
        &self,
        mut owner: Owner,
        visit: &Visit,
        incoming: &Incoming,
    ) -> Result<Response<Bytes>, OAuthError> {
        let codes = recovery::new_codes(&*self.random);
        let digests: Vec<Digest> = codes.iter().filter_map(|code| recovery::digest(code)).collect();
        self.store.set_recovery(owner.user.id.clone(), digests.clone()).await?;
        self.tell(audit::recovery_codes_made(&owner.user.id, incoming)).await?;
        owner.user.recovery = digests;
        self.show_codes(owner, visit, incoming, ("account.factor_done", codes)).await
    }

    pub(super) async fn remove_factor(&self, owner: Owner, incoming: &Incoming) -> Result<Response<Bytes>, OAuthError> {
        let spare = Spare::Session(owner.session.sid.clone());
        let now = self.clock.now();
        let (id, end) = (owner.user.id.clone(), self.tokens_end(now));
        self.store.set_second_factor(id, None, Vec::new(), spare, now, end).await?;
        self.revocations_changed();
        self.tell(audit::second_factor_removed(&owner.user.id, incoming)).await?;
        Ok(self.to_account("factor_gone"))
    }

    async fn show_codes(
        &self,
        owner: Owner,
        visit: &Visit,
        incoming: &Incoming,
        (notice, recovery_codes): (&str, Vec<String>),
    ) -> Result<Response<Bytes>, OAuthError> {
        let words = self.pages.words(None, &incoming.headers);
        let said = Said { notice: Some(words.t(notice).to_owned()), good: true, recovery_codes, ..Said::default() };
        self.show_account(&owner, visit, incoming, said, StatusCode::OK).await
    }
}

/// The address as a picture that apps read: squares of one path, on white whatever the page's colours are.
fn picture(address: &str) -> Option<String> {
    let code = QrCode::encode_text(address, QrCodeEcc::Medium).ok()?;
    let (size, mut path) = (code.size(), String::new());
    for row in 0..size {
        for column in (0..size).filter(|column| code.get_module(*column, row)) {
            // Writing into a text cannot fail.
            let _ = write!(path, "M{column} {row}h1v1h-1z");
        }
    }
    Some(format!(
        r##"<svg viewBox="-2 -2 {0} {0}" role="img" aria-label="QR"><path fill="#fff" d="M-2-2h{0}v{0}h-{0}z"/><path fill="#000" d="{path}"/></svg>"##,
        size + 4
    ))
}

/// In groups of four, for typing.
fn grouped(text: &str) -> String {
    text.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

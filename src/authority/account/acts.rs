//! What people do on the account page.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{Owner, Said};
use crate::authority::Authority;
use crate::authority::audit;
use crate::authority::endpoint::{Incoming, LOGIN};
use crate::authority::error::OAuthError;
use crate::authority::form::Form;
use crate::authority::password::{self, Unfit};
use crate::authority::reply::see_other;
use crate::authority::visit::Visit;
use crate::ground::Secret;
use crate::store::Spare;

/// The text for `done` in the page's address.
pub(super) fn done_text(done: &str) -> Option<&'static str> {
    match done {
        "ended" => Some("account.ended"),
        "others" => Some("account.others_ended"),
        "revoked" => Some("account.revoked"),
        "password" => Some("account.password_done"),
        "factor_gone" => Some("account.factor_gone"),
        _ => None,
    }
}

impl Authority {
    pub(super) async fn act(
        &self,
        form: &Form,
        owner: Owner,
        visit: &mut Visit,
        incoming: &Incoming,
    ) -> Result<Response<Bytes>, OAuthError> {
        let now = self.clock.now();
        let (user, end) = (owner.user.id.clone(), self.tokens_end(now));
        match form.one("action").unwrap_or_default() {
            "leave" => {
                let sid = owner.session.sid.clone();
                self.end_here(&sid, visit, incoming).await?;
                Ok(see_other(&self.path(LOGIN)))
            }
            "leave_everywhere" => {
                self.store.end_sessions(user.clone(), Spare::None, now, end).await?;
                self.revocations_changed();
                self.tell(audit::sessions_ended(&user, incoming)).await?;
                self.sign_out_here(visit);
                Ok(see_other(&self.path(LOGIN)))
            }
            "end_session" => {
                let sid = form.one("sid").unwrap_or_default().to_owned();
                if self.store.end_session(user.clone(), sid.clone(), now, end).await? {
                    self.revocations_changed();
                    self.tell(audit::logout(&user, &sid, incoming)).await?;
                }
                Ok(self.to_account("ended"))
            }
            "end_others" => {
                self.store.end_sessions(user.clone(), Spare::Session(owner.session.sid), now, end).await?;
                self.revocations_changed();
                self.tell(audit::sessions_ended(&user, incoming)).await?;
                Ok(self.to_account("others"))
            }
            "revoke" => {
                let client = form.one("client").unwrap_or_default().to_owned();
                self.store.withdraw_consent(user.clone(), client.clone(), now, end).await?;
                self.revocations_changed();
                self.tell(audit::consent_withdrawn(&user, &client)).await?;
                Ok(self.to_account("revoked"))
            }
            action => {
                if let Some(answer) = self.ask_again(&owner, visit)? {
                    return Ok(answer);
                }
                self.act_freshly(action, form, owner, visit, incoming).await
            }
        }
    }

    /// Acts that want a fresh login.
    async fn act_freshly(
        &self,
        action: &str,
        form: &Form,
        owner: Owner,
        visit: &Visit,
        incoming: &Incoming,
    ) -> Result<Response<Bytes>, OAuthError> {
        match action {
            "set_password" => self.set_password(form, owner, visit, incoming).await,
            "begin_factor" => self.begin_factor(owner, visit, incoming, None).await,
            "confirm_factor" => self.confirm_factor(form, owner, visit, incoming).await,
            "new_codes" => self.new_codes(owner, visit, incoming).await,
            "remove_factor" => self.remove_factor(owner, incoming).await,
            _ => Err(OAuthError::Malformed("the form names no action of this page")),
        }
    }

    async fn set_password(
        &self,
        form: &Form,
        owner: Owner,
        visit: &Visit,
        incoming: &Incoming,
    ) -> Result<Response<Bytes>, OAuthError> {
        let new = Secret::new(form.one("new_password").unwrap_or_default());
        let words = self.pages.words(None, &incoming.headers);
        let user = &owner.user;
        let about = [user.name.as_str(), user.email.as_deref().unwrap_or_default(), self.pages.title()];
        if let Err(unfit) = self.password_rules.check(new.expose(), user.second_factor.is_some(), &about) {
            let notice = match unfit {
                Unfit::TooShort(least) => words.f("account.password_short", least),
                Unfit::TooLong => words.t("account.password_long").to_owned(),
                Unfit::Common => words.t("account.password_common").to_owned(),
            };
            let said = Said { notice: Some(notice), ..Said::default() };
            return self.show_account(&owner, visit, incoming, said, StatusCode::UNPROCESSABLE_ENTITY).await;
        }
        let random = std::sync::Arc::clone(&self.random);
        let hash = self.desk.hashing().turn().await?.run(move || password::hash(&new, &*random)).await?;
        let hash = hash.map_err(OAuthError::Internal)?;
        let now = self.clock.now();
        let (id, spare) = (user.id.clone(), Spare::Session(owner.session.sid.clone()));
        self.store.set_password(id.clone(), hash, spare, now, self.tokens_end(now)).await?;
        self.revocations_changed();
        self.tell(audit::password_changed(&id, incoming)).await?;
        Ok(self.to_account("password"))
    }
}

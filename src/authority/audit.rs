//! What the authority has to tell the audit log, and the log of events.

use std::fmt::Write as _;
use std::net::IpAddr;

use tracing::{info, warn};

use super::Authority;
use super::endpoint::Incoming;
use super::error::OAuthError;
use super::grant::Grant;
use super::token::{Seen, Tokens};
use crate::ground::Digest;
use crate::store::GrantId;

/// Something worth telling: a dotted word, and what it is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Event {
    pub name: &'static str,
    pub subject: String,
    pub client: String,
    pub grant: String,
    pub session: String,
    pub token: String,
    pub scope: String,
    pub source: Option<IpAddr>,
    pub request_id: String,
    /// Somebody may be doing harm.
    pub is_alarming: bool,
}

fn event(name: &'static str) -> Event {
    Event { name, ..Event::default() }
}

fn by(name: &'static str, subject: &str, incoming: &Incoming) -> Event {
    Event {
        subject: subject.to_owned(),
        source: Some(incoming.client),
        request_id: incoming.request_id.to_string(),
        ..event(name)
    }
}

/// A code came a second time; everything that came of it is revoked.
pub(super) fn code_replayed(client: &str, subject: &str, grant: GrantId) -> Event {
    Event { is_alarming: true, ..grant_event("code.replayed", client, subject, grant) }
}

/// A refresh token came after its successor was in use; its grant is revoked.
pub(super) fn refresh_replayed(client: &str, subject: &str, grant: GrantId) -> Event {
    Event { is_alarming: true, ..grant_event("refresh.replayed", client, subject, grant) }
}

pub(super) fn grant_revoked(client: &str, subject: &str, grant: GrantId) -> Event {
    grant_event("grant.revoked", client, subject, grant)
}

pub(super) fn token_revoked(client: &str, subject: &str, token: &str) -> Event {
    Event { client: client.into(), subject: subject.into(), token: token.into(), ..event("token.revoked") }
}

pub(super) fn login_ok(subject: &str, method: &'static str, incoming: &Incoming) -> Event {
    let name = match method {
        "mfa" => "login.second_factor_ok",
        "password_grant" => "login.password_grant_ok",
        _ => "login.ok",
    };
    by(name, subject, incoming)
}

/// The name may be a password in the wrong field, so only its digest is told.
pub(super) fn login_failed(name: &str, incoming: &Incoming) -> Event {
    Event { is_alarming: true, ..by("login.failed", &masked(name), incoming) }
}

pub(super) fn second_factor_failed(subject: &str, incoming: &Incoming) -> Event {
    Event { is_alarming: true, ..by("login.second_factor_failed", subject, incoming) }
}

pub(super) fn throttled(name: &str, source: IpAddr) -> Event {
    Event { subject: masked(name), source: Some(source), is_alarming: true, ..event("login.throttled") }
}

pub(super) fn consent_given(subject: &str, client: &str, scope: &str) -> Event {
    Event { subject: subject.into(), client: client.into(), scope: scope.into(), ..event("consent.given") }
}

pub(super) fn consent_denied(subject: &str, client: &str) -> Event {
    Event { subject: subject.into(), client: client.into(), ..event("consent.denied") }
}

pub(super) fn consent_withdrawn(subject: &str, client: &str) -> Event {
    Event { subject: subject.into(), client: client.into(), ..event("consent.withdrawn") }
}

pub(super) fn logout(subject: &str, sid: &str, incoming: &Incoming) -> Event {
    Event { session: sid.into(), ..by("session.ended", subject, incoming) }
}

pub(super) fn sessions_ended(subject: &str, incoming: &Incoming) -> Event {
    by("sessions.ended", subject, incoming)
}

pub(super) fn password_changed(subject: &str, incoming: &Incoming) -> Event {
    by("password.changed", subject, incoming)
}

pub(super) fn second_factor_set(subject: &str, incoming: &Incoming) -> Event {
    by("second_factor.set", subject, incoming)
}

pub(super) fn second_factor_removed(subject: &str, incoming: &Incoming) -> Event {
    by("second_factor.removed", subject, incoming)
}

pub(super) fn recovery_codes_made(subject: &str, incoming: &Incoming) -> Event {
    by("recovery_codes.made", subject, incoming)
}

pub(super) fn keys_made(id: &str) -> Event {
    Event { token: id.into(), ..event("key.made") }
}

fn grant_event(name: &'static str, client: &str, subject: &str, grant: GrantId) -> Event {
    Event { client: client.into(), subject: subject.into(), grant: written(grant), ..event(name) }
}

fn masked(name: &str) -> String {
    format!("sha256:{:?}", Digest::of(name.as_bytes()))
}

fn written(grant: GrantId) -> String {
    grant.0.iter().fold(String::new(), |mut text, byte| {
        // Writing into a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Authority {
    /// Tells the audit log. An act is acknowledged only when this has succeeded.
    #[allow(clippy::unused_async, reason = "a writer may have to wait for its disk")]
    pub(super) async fn tell(&self, event: Event) -> Result<(), OAuthError> {
        let Event { name, subject, client, grant, session, token, scope, source, request_id, is_alarming } = event;
        let source = source.map(|source| source.to_string()).unwrap_or_default();
        if is_alarming {
            warn!(
                target: "portcullis::audit",
                {
                    subject, client.id = client, grant.id = grant, session.id = session, token.id = token, scope,
                    client.address = source, request.id = request_id
                },
                "{name}"
            );
        } else {
            info!(
                target: "portcullis::audit",
                {
                    subject, client.id = client, grant.id = grant, session.id = session, token.id = token, scope,
                    client.address = source, request.id = request_id
                },
                "{name}"
            );
        }
        Ok(())
    }

    /// One line per request to the token endpoint: who got what, or why not. Never a secret, never a token.
    #[allow(clippy::unused_async, reason = "a writer may have to wait for its disk")]
    pub(super) async fn tell_of_token(
        &self,
        request: &Incoming,
        seen: &Seen,
        result: &Result<Tokens, OAuthError>,
    ) -> Result<(), OAuthError> {
        let (request_id, source) = (&*request.request_id, request.client);
        let client = seen.client.as_deref().unwrap_or_default();
        let grant = seen.grant.map_or("", Grant::name);
        match result {
            Ok(tokens) => info!(
                target: "portcullis::audit",
                {
                    request.id = request_id, client.id = client, client.address = %source, grant.name = grant,
                    outcome = "granted", token.id = tokens.access.id, scope = tokens.access.scope,
                    subject = tokens.subject, grant.id = tokens.family.map(written).unwrap_or_default(),
                    repeated = tokens.repeated
                },
                "access token issued"
            ),
            Err(error) => tell_refusal("access token", request, seen, error),
        }
        Ok(())
    }

    /// The same for an endpoint that refused.
    pub(super) fn refused(&self, what: &'static str, request: &Incoming, seen: &Seen, error: &OAuthError) {
        tell_refusal(what, request, seen, error);
    }
}

fn tell_refusal(what: &'static str, request: &Incoming, seen: &Seen, error: &OAuthError) {
    let (request_id, source) = (&*request.request_id, request.client);
    let client = seen.client.as_deref().unwrap_or_default();
    let grant = seen.grant.map_or("", Grant::name);
    if error.status().is_server_error() && !matches!(error, OAuthError::Busy { .. }) {
        warn!(
            target: "portcullis::audit",
            {
                request.id = request_id, client.id = client, client.address = %source, grant.name = grant,
                outcome = "failed", refusal.code = error.code(), cause = %error
            },
            "{what} not issued"
        );
    } else {
        info!(
            target: "portcullis::audit",
            {
                request.id = request_id, client.id = client, client.address = %source, grant.name = grant,
                outcome = "refused", refusal.code = error.code(), cause = %error
            },
            "{what} refused"
        );
    }
}

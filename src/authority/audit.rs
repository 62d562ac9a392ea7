//! What the authority has to tell the audit log, and the log of events.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{debug, info, warn};

use super::Authority;
use super::endpoint::Incoming;
use super::error::OAuthError;
use super::grant::Grant;
use super::token::{Seen, Tokens};
use crate::ground::Digest;
use crate::observe::audit::{Audit, Event, NAMES};
use crate::store::{GrantId, Reconciled};

fn by(name: &'static str, subject: &str, incoming: &Incoming) -> Event {
    Event {
        subject: subject.to_owned(),
        source: incoming.client.to_string(),
        request_id: incoming.request_id.to_string(),
        ..Event::named(name)
    }
}

/// A code came a second time; everything that came of it is revoked.
pub(super) fn code_replayed(client: &str, subject: &str, grant: GrantId) -> Event {
    grant_event("code.replayed", client, subject, grant)
}

/// A refresh token came after its successor was in use; its grant is revoked.
pub(super) fn refresh_replayed(client: &str, subject: &str, grant: GrantId) -> Event {
    grant_event("refresh.replayed", client, subject, grant)
}

pub(super) fn grant_revoked(client: &str, subject: &str, grant: GrantId) -> Event {
    grant_event("grant.revoked", client, subject, grant)
}

pub(super) fn token_revoked(client: &str, subject: &str, token: &str) -> Event {
    Event { client: client.into(), subject: subject.into(), id: token.into(), ..Event::named("token.revoked") }
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
    by("login.failed", &masked(name), incoming)
}

pub(super) fn second_factor_failed(subject: &str, incoming: &Incoming) -> Event {
    by("login.second_factor_failed", subject, incoming)
}

pub(super) fn throttled(name: &str, source: IpAddr) -> Event {
    Event { subject: masked(name), source: source.to_string(), ..Event::named("login.throttled") }
}

pub(super) fn consent_given(subject: &str, client: &str, scope: &str) -> Event {
    Event { subject: subject.into(), client: client.into(), scope: scope.into(), ..Event::named("consent.given") }
}

pub(super) fn consent_denied(subject: &str, client: &str) -> Event {
    Event { subject: subject.into(), client: client.into(), ..Event::named("consent.denied") }
}

pub(super) fn consent_withdrawn(subject: &str, client: &str) -> Event {
    Event { subject: subject.into(), client: client.into(), ..Event::named("consent.withdrawn") }
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
    Event { id: id.into(), detail: "by schedule".into(), ..Event::named("key.made") }
}

/// Users and clients of the file were brought in.
pub(super) fn file_read(report: &Reconciled, clients_gone: &[String]) -> Event {
    let part = |what: &str, names: &[String]| {
        if names.is_empty() { None } else { Some(format!("{what} {}", names.join(" "))) }
    };
    let parts = [
        part("users added:", &report.added),
        part("users changed:", &report.changed),
        part("users renamed:", &report.renamed),
        part("users gone:", &report.removed),
        part("clients gone:", clients_gone),
    ];
    let detail = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
    Event { detail, ..Event::named("file.read") }
}

fn grant_event(name: &'static str, client: &str, subject: &str, grant: GrantId) -> Event {
    Event { client: client.into(), subject: subject.into(), grant: written(grant), ..Event::named(name) }
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
    pub(super) async fn tell(&self, event: Event) -> Result<(), OAuthError> {
        self.told.count(event.event);
        let Some(audit) = &self.audit else { return Ok(()) };
        audit.write(event).await.map_err(|fault| OAuthError::Store(fault.to_string()))
    }

    /// The same for the token endpoint, and a line in the log of events: who got what, or why not. Never a secret, never a
    /// token.
    pub(super) async fn tell_of_token(
        &self,
        request: &Incoming,
        seen: &Seen,
        result: &Result<Tokens, OAuthError>,
    ) -> Result<(), OAuthError> {
        let grant = seen.grant.map_or("", Grant::name);
        let client = seen.client.clone().unwrap_or_default();
        match result {
            Ok(tokens) => {
                // The audit log has it already: who wants it here as well asks for `portcullis::audit=debug`.
                debug!(
                    target: "portcullis::audit",
                    {
                        request.id = &*request.request_id, client.id = client, client.address = %request.client,
                        grant.name = grant, outcome = "granted", token.id = tokens.access.id,
                        scope = tokens.access.scope
                    },
                    "access token issued"
                );
                let name = match (seen.grant, tokens.repeated) {
                    (Some(Grant::RefreshToken), true) => "token.repeated",
                    (Some(Grant::RefreshToken), false) => "token.refreshed",
                    (_, _) => "token.issued",
                };
                self.tell(Event {
                    client,
                    grant: tokens.family.map(written).unwrap_or_default(),
                    id: tokens.access.id.clone(),
                    scope: tokens.access.scope.clone(),
                    detail: grant.to_owned(),
                    ..by(name, &tokens.subject, request)
                })
                .await
            }
            Err(error) => {
                tell_refusal("access token", request, seen, error);
                self.tell_of_refusal(grant, request, client, error).await
            }
        }
    }

    /// The same for another endpoint that refused. Gives what is answered: the refusal, or that it could not be told.
    pub(super) async fn refused(
        &self,
        what: &'static str,
        request: &Incoming,
        seen: Seen,
        error: OAuthError,
    ) -> OAuthError {
        tell_refusal(what, request, &seen, &error);
        let told = self.tell_of_refusal(what, request, seen.client.unwrap_or_default(), &error).await;
        told.err().unwrap_or(error)
    }

    /// `what` was asked for, as far as that is known.
    async fn tell_of_refusal(
        &self,
        what: &str,
        request: &Incoming,
        client: String,
        error: &OAuthError,
    ) -> Result<(), OAuthError> {
        let name = match error {
            OAuthError::Client { .. } | OAuthError::TooManyFailures { .. } => "client.failed",
            // The store, or this log, may be what failed: the answer is the same either way.
            OAuthError::Store(_) => return Ok(()),
            _ => "token.refused",
        };
        let detail = format!("{what} {}: {error}", error.code());
        self.tell(Event { client, detail: detail.trim_start().to_owned(), ..by(name, "", request) }).await
    }

    /// How often each event has happened; for metrics.
    pub fn events(&self) -> Vec<(&'static str, u64)> {
        self.told.all()
    }

    /// Groups of events that the audit log has not taken; for metrics.
    pub fn audit_failures(&self) -> u64 {
        self.audit.as_ref().map_or(0, Audit::failures)
    }
}

/// How often each event has happened.
pub(super) struct Told(Vec<AtomicU64>);

impl Default for Told {
    fn default() -> Self {
        Self(NAMES.iter().map(|_| AtomicU64::new(0)).collect())
    }
}

impl Told {
    fn count(&self, event: &str) {
        let place = NAMES.iter().position(|(name, _)| *name == event);
        if let Some(count) = place.and_then(|place| self.0.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn all(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        NAMES.iter().map(|(name, _)| *name).zip(counts).collect()
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

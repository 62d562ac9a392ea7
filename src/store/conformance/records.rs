//! Records to keep, each whole and odd enough that a forgotten column shows.

use std::time::Duration;

use crate::ground::{Digest, Time};
use crate::store::{
    AccessToken, Allowed, Code, Consent, FileUser, Grant, GrantId, KeptClient, Origin, Proven, Session, SharedStore,
    Turning, User,
};

/// Now, for every case.
pub(in crate::store) const NOW: Time = Time::from_secs(1_800_000_000);
/// No access token of now lives beyond it.
pub(in crate::store) const TOKENS_END: Time = Time::from_secs(1_800_003_600);

pub(in crate::store) fn after(seconds: u64) -> Time {
    NOW.plus(Duration::from_secs(seconds))
}

pub(in crate::store) fn digest(of: &str) -> Digest {
    Digest::of(of.as_bytes())
}

pub(in crate::store) fn user(id: &str, name: &str) -> User {
    User {
        id: id.to_owned(),
        name: name.to_owned(),
        email: Some(format!("{name}@example.com")),
        email_verified: true,
        profile: "{\"name\":\"Ärger 'quoted'\"}".to_owned(),
        password: Some("$argon2id$1".to_owned()),
        roles: vec!["admin".to_owned(), "reader".to_owned()],
        disabled: false,
        origin: Origin::Command,
        made: NOW,
        second_factor: None,
        recovery: vec![],
    }
}

/// As if the user had just signed in.
pub(in crate::store) async fn proven(store: &SharedStore, id: &str) -> Proven {
    Proven::of(&store.user(id.to_owned()).await.unwrap().unwrap())
}

pub(in crate::store) fn written(id: &str, name: &str, password: &str, roles: &[&str]) -> FileUser {
    FileUser {
        id: id.to_owned(),
        id_is_written: false,
        name: name.to_owned(),
        email: None,
        email_verified: false,
        profile: "{}".to_owned(),
        password: Some(password.to_owned()),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
    }
}

pub(in crate::store) fn session(cookie: &str, sid: &str, user: &str) -> Session {
    Session {
        digest: digest(cookie),
        sid: sid.to_owned(),
        user: user.to_owned(),
        made: NOW,
        authenticated: NOW.minus(Duration::from_millis(1)),
        methods: vec!["pwd".to_owned(), "otp".to_owned()],
        seen: NOW,
        idle_end: after(100),
        ends: after(1000),
        device: "Browser; 'odd'".to_owned(),
        address: "2001:db8::1".to_owned(),
    }
}

pub(in crate::store) fn allowed(user: &str, session: Option<&str>) -> Allowed {
    Allowed {
        user: user.to_owned(),
        session: session.map(str::to_owned),
        scope: "openid read".to_owned(),
        resources: vec!["https://api.example.com".to_owned(), "https://b.example.com".to_owned()],
        offline: false,
        authenticated: NOW.minus(Duration::from_secs(7)),
        methods: vec!["pwd".to_owned()],
        tells_auth_time: true,
    }
}

pub(in crate::store) fn code(text: &str) -> Code {
    Code {
        digest: digest(text),
        client: "spa".to_owned(),
        redirect_uri: "https://app.example.com/cb?x=1".to_owned(),
        challenge: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()),
        nonce: Some("n-0S6".to_owned()),
        allowed: allowed("u1", None),
        made: NOW,
        ends: after(60),
        misses: 0,
        grant: None,
    }
}

pub(in crate::store) fn grant(number: u8, client: &str, user: &str) -> Grant {
    Grant {
        id: GrantId([number; 16]),
        client: client.to_owned(),
        allowed: allowed(user, Some("s1")),
        nonce: Some("n".to_owned()),
        salt: [number ^ 255; 16],
        refreshable: true,
        made: NOW,
        idle_end: after(500),
        ends: after(5000),
        generation: 0,
        superseded: None,
        confirmed: false,
        epoch: 0,
        revoked: false,
        used: NOW,
    }
}

pub(in crate::store) fn turning() -> Turning {
    let seconds = Duration::from_secs;
    Turning { rotates: true, grace: seconds(5), retry: seconds(60), idle: seconds(500) }
}

pub(in crate::store) fn token(text: &str, grant: Option<&Grant>) -> AccessToken {
    AccessToken {
        digest: digest(text),
        id: format!("jti of {text}"),
        client: grant.map_or("service", |grant| &grant.client).to_owned(),
        subject: grant.map_or("service", |grant| &grant.allowed.user).to_owned(),
        grant: grant.map(|grant| (grant.id, grant.generation, grant.epoch)),
        claims: "{\"scope\":\"read\"}".to_owned(),
        ends: after(300),
    }
}

pub(in crate::store) fn client(id: &str) -> KeptClient {
    KeptClient {
        id: id.to_owned(),
        registration: "{\"grants\":[\"client_credentials\"]}".to_owned(),
        made: NOW,
        disabled: false,
    }
}

pub(in crate::store) fn consent(user: &str, client: &str, scopes: &[&str]) -> Consent {
    Consent {
        user: user.to_owned(),
        client: client.to_owned(),
        resource: "https://api.example.com".to_owned(),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        given: NOW,
    }
}

//! The lines of a file: one for each row of a store, each as JSON under the name of what it is. Every field of a row is
//! named here; a row that got another one does not compile.

use serde::{Deserialize, Serialize};

use super::form;
use crate::ground::{Digest, Time};
use crate::store::whole::{KeptGrant, KeptUser, Mark, Row};
use crate::store::{
    AccessToken, Allowed, Code, Consent, Grant, GrantId, KeptClient, Origin, Revocation, Revoked, SecondFactor,
    SecretUse, Session, SigningKey, User,
};

/// A line.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Row", rename_all = "snake_case")]
pub(super) enum Line {
    Key(#[serde(with = "KeyLine")] SigningKey),
    Client(#[serde(with = "ClientLine")] KeptClient),
    SecretUse(#[serde(with = "SecretUseLine")] SecretUse),
    Declared(String),
    User(#[serde(with = "KeptUserLine")] KeptUser),
    Retired(String),
    Session(#[serde(with = "SessionLine")] Session),
    Consent(#[serde(with = "ConsentLine")] Consent),
    Grant(#[serde(with = "KeptGrantLine")] KeptGrant),
    Code(#[serde(with = "CodeLine")] Code),
    Finished(#[serde(with = "MarkLine")] Mark),
    Token(#[serde(with = "TokenLine")] AccessToken),
    Revocation(#[serde(with = "RevocationLine")] Revocation),
    Assertion(#[serde(with = "MarkLine")] Mark),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "SigningKey", deny_unknown_fields)]
struct KeyLine {
    id: String,
    algorithm: String,
    #[serde(with = "form::sealed", rename = "sealed")]
    pkcs8: Vec<u8>,
    #[serde(with = "form::time")]
    made: Time,
    #[serde(with = "form::time")]
    starts: Time,
    #[serde(with = "form::time_if_any")]
    ends: Option<Time>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "KeptClient", deny_unknown_fields)]
struct ClientLine {
    id: String,
    registration: String,
    #[serde(with = "form::time")]
    made: Time,
    disabled: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "SecretUse", deny_unknown_fields)]
struct SecretUseLine {
    client: String,
    secret: String,
    #[serde(with = "form::time")]
    used: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "KeptUser", deny_unknown_fields)]
struct KeptUserLine {
    #[serde(with = "UserLine", rename = "row")]
    user: User,
    file_hash: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "User", deny_unknown_fields)]
struct UserLine {
    id: String,
    name: String,
    email: Option<String>,
    email_verified: bool,
    profile: String,
    password: Option<String>,
    roles: Vec<String>,
    disabled: bool,
    #[serde(with = "OriginLine")]
    origin: Origin,
    #[serde(with = "form::time")]
    made: Time,
    #[serde(with = "form::factor")]
    second_factor: Option<SecondFactor>,
    #[serde(with = "form::digests")]
    recovery: Vec<Digest>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Origin", rename_all = "snake_case")]
enum OriginLine {
    File,
    Command,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Session", deny_unknown_fields)]
struct SessionLine {
    #[serde(with = "form::digest")]
    digest: Digest,
    sid: String,
    user: String,
    #[serde(with = "form::time")]
    made: Time,
    #[serde(with = "form::time")]
    authenticated: Time,
    methods: Vec<String>,
    #[serde(with = "form::time")]
    seen: Time,
    #[serde(with = "form::time")]
    idle_end: Time,
    #[serde(with = "form::time")]
    ends: Time,
    device: String,
    address: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Consent", deny_unknown_fields)]
struct ConsentLine {
    user: String,
    client: String,
    resource: String,
    scopes: Vec<String>,
    #[serde(with = "form::time")]
    given: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "KeptGrant", deny_unknown_fields)]
struct KeptGrantLine {
    #[serde(with = "GrantLine", rename = "row")]
    grant: Grant,
    #[serde(with = "form::time")]
    until: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Grant", deny_unknown_fields)]
struct GrantLine {
    #[serde(with = "form::id")]
    id: GrantId,
    client: String,
    #[serde(with = "AllowedLine")]
    allowed: Allowed,
    nonce: Option<String>,
    #[serde(with = "form::salt")]
    salt: [u8; 16],
    refreshable: bool,
    #[serde(with = "form::time")]
    made: Time,
    #[serde(with = "form::time")]
    idle_end: Time,
    #[serde(with = "form::time")]
    ends: Time,
    generation: u32,
    #[serde(with = "form::time_if_any")]
    superseded: Option<Time>,
    confirmed: bool,
    epoch: u32,
    revoked: bool,
    #[serde(with = "form::time")]
    used: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Allowed", deny_unknown_fields)]
struct AllowedLine {
    user: String,
    session: Option<String>,
    scope: String,
    resources: Vec<String>,
    offline: bool,
    #[serde(with = "form::time")]
    authenticated: Time,
    methods: Vec<String>,
    tells_auth_time: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Code", deny_unknown_fields)]
struct CodeLine {
    #[serde(with = "form::digest")]
    digest: Digest,
    client: String,
    redirect_uri: String,
    challenge: Option<String>,
    nonce: Option<String>,
    #[serde(with = "AllowedLine")]
    allowed: Allowed,
    #[serde(with = "form::time")]
    made: Time,
    #[serde(with = "form::time")]
    ends: Time,
    misses: u32,
    #[serde(with = "form::id_if_any")]
    grant: Option<GrantId>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Mark", deny_unknown_fields)]
struct MarkLine {
    #[serde(with = "form::digest")]
    digest: Digest,
    #[serde(with = "form::time")]
    until: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "AccessToken", deny_unknown_fields)]
struct TokenLine {
    #[serde(with = "form::digest")]
    digest: Digest,
    id: String,
    client: String,
    subject: String,
    #[serde(with = "form::made_of")]
    grant: Option<(GrantId, u32, u32)>,
    claims: String,
    #[serde(with = "form::time")]
    ends: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Revocation", deny_unknown_fields)]
struct RevocationLine {
    number: u64,
    #[serde(with = "RevokedLine")]
    what: Revoked,
    #[serde(with = "form::time")]
    until: Time,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Revoked", rename_all = "snake_case", deny_unknown_fields)]
enum RevokedLine {
    Token(String),
    Grant {
        #[serde(with = "form::id")]
        id: GrantId,
        below_epoch: u32,
    },
    Client {
        id: String,
        #[serde(with = "form::time")]
        issued_until: Time,
    },
}

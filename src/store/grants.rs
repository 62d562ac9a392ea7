//! Codes, grants and opaque access tokens.
//!
//! A grant is one row for the whole family of tokens that came from one act of consent: its refresh token is derived from
//! the row and never kept, and what rotates is a number.

use std::time::Duration;

use super::{Act, Proven};
use crate::ground::{Digest, Time};

/// Names a grant: 128 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantId(pub [u8; 16]);

/// An authorization code as it is kept (RFC 6749 section 4.1.2), and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// SHA-256 of the code.
    pub digest: Digest,
    pub client: String,
    /// The redirect URI of the request, as it was compared.
    pub redirect_uri: String,
    /// `S256` challenge (RFC 7636); `None` only for clients that may go without.
    pub challenge: Option<String>,
    pub nonce: Option<String>,
    /// What was allowed.
    pub allowed: Allowed,
    pub made: Time,
    /// No tokens from here on.
    pub ends: Time,
    /// How often it was presented with a wrong verifier.
    pub misses: u32,
    /// Set once it is redeemed: to find what to revoke when it comes again.
    pub grant: Option<GrantId>,
}

/// What a user allowed a client, at a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub user: String,
    /// `sid` of the session it was allowed in.
    pub session: Option<String>,
    /// Space separated.
    pub scope: String,
    /// Resources (RFC 8707), at least one.
    pub resources: Vec<String>,
    /// It outlives the session (`offline_access`).
    pub offline: bool,
    pub authenticated: Time,
    /// `amr` (RFC 8176).
    pub methods: Vec<String>,
    /// `auth_time` was asked for, by `max_age` or as a claim.
    pub tells_auth_time: bool,
}

/// A grant: a family of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub id: GrantId,
    pub client: String,
    pub allowed: Allowed,
    pub nonce: Option<String>,
    /// A random number that goes into the refresh token's MAC.
    pub salt: [u8; 16],
    /// Whether there are refresh tokens.
    pub refreshable: bool,
    pub made: Time,
    /// Over when not refreshed until then.
    pub idle_end: Time,
    /// Over in any case.
    pub ends: Time,
    /// Generation of the current refresh token, from 0.
    pub generation: u32,
    /// When the current generation replaced the one before.
    pub superseded: Option<Time>,
    /// The holder has shown that it has the current generation.
    pub confirmed: bool,
    /// Access tokens of a lower epoch are refused.
    pub epoch: u32,
    pub revoked: bool,
    pub used: Time,
}

/// What became of a code that was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeem {
    /// It was the first time: the grant is kept, and the code knows it.
    Granted,
    /// It was redeemed before; this is its grant.
    Again(GrantId),
    /// Unknown, over or burnt.
    Gone,
}

/// How refresh tokens of a client behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turning {
    /// Each use makes a new one (public clients); otherwise the one there is stays (confidential ones).
    pub rotates: bool,
    /// How long the one before is answered again without question.
    pub grace: Duration,
    /// How long it is answered again when nobody has shown to have got the new one.
    pub retry: Duration,
    /// Moved by each use, never past the grant's own end.
    pub idle: Duration,
}

/// What became of a refresh token that was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Good: the grant as it stands now, whose generation is that of the refresh token to answer with.
    Good(Box<Grant>),
    /// An old one, in the hands of a second holder: the grant has been revoked in the same act.
    Replayed,
    /// There is no such grant, or it is over or revoked.
    Gone,
}

/// An opaque access token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// SHA-256 of the token.
    pub digest: Digest,
    /// `jti`.
    pub id: String,
    pub client: String,
    /// `sub`.
    pub subject: String,
    pub grant: Option<(GrantId, u32, u32)>,
    /// All claims as they stand in a signed token, as a JSON object.
    pub claims: String,
    pub ends: Time,
}

/// Something that the gateway refuses from now on, though its signature is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The access token with this `jti`.
    Token(String),
    /// Access tokens of a grant below an epoch; all of them with `u32::MAX`.
    Grant { id: GrantId, below_epoch: u32 },
    /// Access tokens of a client that were issued up to this moment.
    Client { id: String, issued_until: Time },
}

/// A revocation in the order in which they happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Grows with each; has gaps.
    pub number: u64,
    pub what: Revoked,
    /// Until then some token that it is about may live.
    pub until: Time,
}

/// Whose grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    Grant(GrantId),
    User(String),
    Client(String),
    UserAt { user: String, client: String },
}

/// Grants.
pub trait Grants {
    /// Keeps a code, and notes that its transaction is finished until `remember`; `false` and no change when it was finished
    /// before, or when the session it was allowed in has ended.
    fn keep_code(&self, code: Code, transaction: Digest, remember: Time) -> Act<'_, bool>;

    /// Notes that a transaction is finished without a code (denied); `false` when it was before.
    fn finish_transaction(&self, transaction: Digest, remember: Time) -> Act<'_, bool>;

    /// Whether a transaction is finished.
    fn is_finished(&self, transaction: Digest) -> Act<'_, bool>;

    /// The code, redeemed ones too as long as their grant lives.
    fn code(&self, digest: Digest) -> Act<'_, Option<Code>>;

    /// Notes a wrong verifier; from the fifth on the code is burnt.
    fn miss_code(&self, digest: Digest) -> Act<'_, ()>;

    /// Uses up a code and keeps its grant. Of two callers at the same moment exactly one gets `Granted`; the other, now and
    /// as long as the grant lives, gets `Again`.
    fn redeem_code(&self, digest: Digest, grant: Grant, now: Time) -> Act<'_, Redeem>;

    /// Keeps a grant that came without a code, of somebody who is signed in (implicit grant).
    fn keep_grant(&self, grant: Grant) -> Act<'_, ()>;

    /// Keeps the grant of a login (password grant): `false` and no change when what was proven does not hold any more.
    fn keep_proven_grant(&self, grant: Grant, proven: Proven) -> Act<'_, bool>;

    /// The grant, whatever became of it.
    fn grant(&self, id: GrantId) -> Act<'_, Option<Grant>>;

    /// Live grants, latest first; at most `most`.
    fn grants(&self, whose: Option<Whose>, now: Time, most: usize) -> Act<'_, Vec<Grant>>;

    /// Presents the refresh token of a generation: `turning::turn` on the row, in one act. Replay revokes the grant and its
    /// tokens up to `tokens_end`.
    fn turn_grant(&self, id: GrantId, generation: u32, turning: Turning, now: Time, tokens_end: Time) -> Act<'_, Turn>;

    /// Somebody holds what was made of this generation: its predecessor's answer was not lost. Nothing happens when the
    /// grant has moved on.
    fn confirm_grant(&self, id: GrantId, generation: u32) -> Act<'_, ()>;

    /// Revokes grants with their opaque tokens, and signed ones up to `tokens_end`. Gives how many lived.
    fn revoke_grants(&self, whose: Whose, now: Time, tokens_end: Time) -> Act<'_, usize>;

    /// Keeps an opaque access token.
    fn keep_token(&self, token: AccessToken) -> Act<'_, ()>;

    /// The opaque access token, when it lives and neither it nor its grant or client is revoked.
    fn token(&self, digest: Digest, now: Time) -> Act<'_, Option<AccessToken>>;

    /// Revokes one access token of either form by its `jti`.
    fn revoke_token(&self, id: String, until: Time) -> Act<'_, ()>;

    /// Whether an access token of this `jti`, grant and epoch, client and issue time is revoked: for introspection, which
    /// must not be a moment behind.
    fn is_revoked(
        &self,
        id: String,
        grant: Option<(GrantId, u32)>,
        client: String,
        issued: Time,
        now: Time,
    ) -> Act<'_, bool>;

    /// Revocations after `number`, oldest first, at most `most`, without those whose time is over.
    fn revocations(&self, after: u64, now: Time, most: usize) -> Act<'_, Vec<Revocation>>;

    /// Uses up the `jti` of a client assertion until `until`: `true` once (RFC 7523 section 3).
    fn use_assertion(&self, id: Digest, until: Time) -> Act<'_, bool>;
}

impl Grant {
    /// When it is over if nothing happens any more.
    pub fn end(&self) -> Time {
        self.ends.min(self.idle_end)
    }

    /// Neither revoked nor over.
    pub fn lives(&self, now: Time) -> bool {
        !self.revoked && now < self.end()
    }
}

impl Whose {
    pub fn owns(&self, grant: &Grant) -> bool {
        match self {
            Self::Grant(id) => grant.id == *id,
            Self::User(user) => grant.allowed.user == *user,
            Self::Client(client) => grant.client == *client,
            Self::UserAt { user, client } => grant.allowed.user == *user && grant.client == *client,
        }
    }

    /// Whether it would own the grant that a code gives.
    pub fn awaits(&self, code: &Code) -> bool {
        match self {
            Self::Grant(_) => false,
            Self::User(user) => code.allowed.user == *user,
            Self::Client(client) => code.client == *client,
            Self::UserAt { user, client } => code.allowed.user == *user && code.client == *client,
        }
    }
}

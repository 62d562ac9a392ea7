//! Users, their sessions and what they consented to.

pub(super) mod matching;

use super::Act;
use crate::ground::{Digest, Time};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `sub`: random, never given to anybody else (OpenID Connect Core section 2).
    pub id: String,
    /// What they log in with, as written. Unique without regard to case; see `folded`.
    pub name: String,
    pub email: Option<String>,
    pub email_verified: bool,
    /// Claims of the scope `profile` as a JSON object: `name`, `given_name`, `locale`.
    pub profile: String,
    /// A hash as `authority::password` writes it; `None`: cannot log in by password.
    pub password: Option<String>,
    /// Sorted.
    pub roles: Vec<String>,
    pub disabled: bool,
    pub origin: Origin,
    pub made: Time,
    pub second_factor: Option<SecondFactor>,
    /// Digests of unused recovery codes, in no order.
    pub recovery: Vec<Digest>,
}

/// Who says what a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// gateway.yaml; its name, e-mail, roles and initial password follow the file.
    File,
    /// A command.
    Command,
}

/// TOTP of a user (RFC 6238).
#[derive(Clone, PartialEq, Eq)]
pub struct SecondFactor {
    /// As the caller sealed it.
    pub secret: Vec<u8>,
    pub made: Time,
    /// The last time step that was accepted; each is accepted once.
    pub last_step: Option<u64>,
}

/// Never the secret.
impl std::fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecondFactor").field("made", &self.made).finish_non_exhaustive()
    }
}

/// A user as the file writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileUser {
    /// The id for a user who is new, or the one the file demands.
    pub id: String,
    /// The file demands this id: a user of this name with another id is another person, and one of this id the same under
    /// another name.
    pub id_is_written: bool,
    pub name: String,
    pub email: Option<String>,
    pub email_verified: bool,
    pub profile: String,
    /// The hash in the file. It is taken over when it is another than the file's last one, so that a password changed on
    /// the account page stays until the file says something new.
    pub password: Option<String>,
    pub roles: Vec<String>,
}

/// What reading the users of the file again has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    pub added: Vec<String>,
    /// Names of users who lost roles or had another password set; their tokens or grants are revoked.
    pub changed: Vec<String>,
    /// Users who stay who they are, by a written `subject`, and have another name: `old -> new`.
    pub renamed: Vec<String>,
    /// Names of users the file names no more: user, sessions, grants and consents are gone.
    pub removed: Vec<String>,
    /// Names or ids that belong to others (a name to a user made by a command); the file's entry is not taken, but for a
    /// user who is known by a written id: of that one the name alone stays what it was.
    pub conflicts: Vec<String>,
}

/// A signed-in browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the cookie's value.
    pub digest: Digest,
    /// What others may know it by: `sid` in ID tokens and on the account page.
    pub sid: String,
    pub user: String,
    pub made: Time,
    /// When the user last proved who they are (`auth_time`).
    pub authenticated: Time,
    /// How: `pwd`, `otp`, `mfa` (RFC 8176).
    pub methods: Vec<String>,
    /// When it was last used, to a minute.
    pub seen: Time,
    /// Over when it has not been used until then.
    pub idle_end: Time,
    /// Over in any case.
    pub ends: Time,
    /// From the `User-Agent` header, at most 200 characters.
    pub device: String,
    pub address: String,
}

/// What a user allowed a client to have at a resource (one row for the three).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    pub user: String,
    pub client: String,
    pub resource: String,
    /// Sorted.
    pub scopes: Vec<String>,
    pub given: Time,
}

/// Who was proven at a login, and by what. What comes of it is kept only while all of that still holds: between the two a
/// new password may have ended everything that came of the old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    pub user: String,
    /// The hash that the password was held against.
    pub password: Option<String>,
    /// Whether there was a second factor to prove as well.
    pub second_factor: bool,
}

impl Proven {
    pub fn of(user: &User) -> Self {
        Self { user: user.id.clone(), password: user.password.clone(), second_factor: user.second_factor.is_some() }
    }

    /// Whether it still holds of the user as they are now.
    pub(super) fn holds(&self, now: Option<&User>) -> bool {
        now.is_some_and(|user| !user.disabled && *self == Self::of(user))
    }
}

/// Which sessions an act spares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spare {
    None,
    /// The one with this `sid`, in which the user is doing it.
    Session(String),
}

impl FileUser {
    /// The user that is made of it.
    pub(crate) fn into_user(self, now: Time) -> User {
        let mut roles = self.roles;
        roles.sort_unstable();
        User {
            id: self.id,
            name: self.name,
            email: self.email,
            email_verified: self.email_verified,
            profile: self.profile,
            password: self.password,
            roles,
            disabled: false,
            origin: Origin::File,
            made: now,
            second_factor: None,
            recovery: Vec::new(),
        }
    }
}

/// The form in which names are compared: trimmed and in lower case. Two names that differ in case only are one name.
pub fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

/// People.
pub trait People {
    /// The user of this name, in any case.
    fn user_named(&self, name: String) -> Act<'_, Option<User>>;

    fn user(&self, id: String) -> Act<'_, Option<User>>;

    /// Whether the id was that of a user who has been removed; `add_user` never takes it again.
    fn is_retired(&self, id: String) -> Act<'_, bool>;

    /// All users, by folded name.
    fn users(&self) -> Act<'_, Vec<User>>;

    /// Keeps a new user; `false` and no change when name or id is taken, by a removed user's id too.
    fn add_user(&self, user: User) -> Act<'_, bool>;

    /// Removes a user with sessions, grants and consents; the id is never used again. `false` when there is none.
    fn remove_user(&self, id: String, now: Time, tokens_end: Time) -> Act<'_, bool>;

    /// Sets a password: ends all sessions but the spared one and revokes all grants of the user (their tokens up to
    /// `tokens_end`). `false` when there is no such user.
    fn set_password(&self, id: String, hash: String, spare: Spare, now: Time, tokens_end: Time) -> Act<'_, bool>;

    /// Replaces the hash of the same password by a better one, when it still is `old`.
    fn rehash_password(&self, id: String, old: String, new: String) -> Act<'_, bool>;

    /// Sets name claims and e-mail.
    fn set_profile(&self, id: String, email: Option<String>, email_verified: bool, profile: String) -> Act<'_, bool>;

    /// Sets the roles. When one is taken away, tokens of the user's grants made so far are refused from now on (the grants
    /// live: a refresh gets what the roles give now).
    fn set_roles(&self, id: String, roles: Vec<String>, now: Time, tokens_end: Time) -> Act<'_, bool>;

    /// Disables or enables; disabling ends sessions and revokes grants.
    fn disable_user(&self, id: String, disabled: bool, now: Time, tokens_end: Time) -> Act<'_, bool>;

    /// Sets or removes the second factor together with the recovery codes: ends all sessions but the spared one and revokes
    /// all grants of the user, as a new password does.
    #[expect(clippy::too_many_arguments, reason = "one act: the factor, its codes, and what ends with the one before")]
    fn set_second_factor(
        &self,
        id: String,
        factor: Option<SecondFactor>,
        recovery: Vec<Digest>,
        spare: Spare,
        now: Time,
        tokens_end: Time,
    ) -> Act<'_, bool>;

    /// Second factors whose secret, as it is kept, does not begin with the byte `first`: user and secret, at most `most`.
    fn second_factors_besides(&self, first: u8, most: usize) -> Act<'_, Vec<(String, Vec<u8>)>>;

    /// Replaces the sealed secret of a second factor, when it still is `old`: after the operator gave an encryption key.
    fn reseal_second_factor(&self, id: String, old: Vec<u8>, new: Vec<u8>) -> Act<'_, bool>;

    /// Replaces the recovery codes.
    fn set_recovery(&self, id: String, recovery: Vec<Digest>) -> Act<'_, bool>;

    /// Uses up a time step: `true` once, and only when it is later than the last one used.
    fn use_step(&self, id: String, step: u64) -> Act<'_, bool>;

    /// Uses up a recovery code: `true` once.
    fn use_recovery(&self, id: String, code: Digest) -> Act<'_, bool>;

    /// The hash that the file gave last to the user of this id, where it is written, and otherwise to that of this name.
    fn file_password(&self, name: String, id: Option<String>) -> Act<'_, Option<String>>;

    /// Brings the users of the file into the store in one act.
    fn reconcile_users(&self, users: Vec<FileUser>, now: Time, tokens_end: Time) -> Act<'_, Reconciled>;

    /// Opens a session of who was proven. The one it replaces is dead (login, step-up: an old cookie opens nothing); its
    /// grants go on when both have one `sid`, and otherwise end as by `end_session`. `false` and no change when what was
    /// proven does not hold any more.
    fn open_session(
        &self,
        session: Session,
        proven: Proven,
        replaces: Option<Digest>,
        now: Time,
        tokens_end: Time,
    ) -> Act<'_, bool>;

    /// The session of this cookie, unless it is over, with its user, unless disabled.
    fn session(&self, digest: Digest, now: Time) -> Act<'_, Option<(Session, User)>>;

    /// Moves the idle end, never past the absolute one.
    fn touch_session(&self, digest: Digest, seen: Time, idle_end: Time) -> Act<'_, ()>;

    /// Live sessions of a user, latest use first.
    fn sessions(&self, user: String, now: Time) -> Act<'_, Vec<Session>>;

    /// Ends one session of a user, and revokes the grants made in it that were not for offline use. `false`: no such session.
    fn end_session(&self, user: String, sid: String, now: Time, tokens_end: Time) -> Act<'_, bool>;

    /// Ends all sessions of a user but the spared one, and revokes all grants of the user, offline ones too ("sign out
    /// everywhere"). Gives the number of sessions ended.
    fn end_sessions(&self, user: String, spare: Spare, now: Time, tokens_end: Time) -> Act<'_, usize>;

    /// What the user has allowed the client at the resource.
    fn consent(&self, user: String, client: String, resource: String) -> Act<'_, Option<Consent>>;

    fn consents(&self, user: String) -> Act<'_, Vec<Consent>>;

    /// Adds to what is allowed already.
    fn remember_consent(&self, consent: Consent) -> Act<'_, ()>;

    /// Withdraws every consent of the user to the client and revokes the client's grants of this user.
    fn withdraw_consent(&self, user: String, client: String, now: Time, tokens_end: Time) -> Act<'_, ()>;
}

//! The verbs of people in PostgreSQL; how their rows look stands in `users` and `sessions`.

use super::column::{column, kept, kept_if_any, text, text_if_any};
use super::revoke::{self, Ending};
use super::users::{self, COLUMNS};
use super::{Postgres, reconcile, sessions};
use crate::ground::{Digest, Time};
use crate::store::people::folded;
use crate::store::{Act, Consent, FileUser, People, Proven, Reconciled, SecondFactor, Session, Spare, User, Whose};

impl People for Postgres {
    fn user_named(&self, name: String) -> Act<'_, Option<User>> {
        self.repeatable("read a user", name, |db, name| Box::pin(users::named(db, name, "")))
    }

    fn user(&self, id: String) -> Act<'_, Option<User>> {
        self.repeatable("read a user", id, |db, id| Box::pin(users::user(db, id, "")))
    }

    fn is_retired(&self, id: String) -> Act<'_, bool> {
        self.repeatable("look for a removed user", id, |db, id| Box::pin(users::is_retired(db, id)))
    }

    fn users(&self) -> Act<'_, Vec<User>> {
        self.repeatable("read the users", (), |db, ()| {
            Box::pin(async move {
                let all = format!("SELECT {COLUMNS} FROM portcullis.person ORDER BY folded");
                db.rows(&all, &[]).await?.iter().map(users::row).collect()
            })
        })
    }

    fn add_user(&self, user: User) -> Act<'_, bool> {
        self.once("keep a user", user, |db, user| Box::pin(users::add(db, user, None)))
    }

    fn remove_user(&self, id: String, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.once("remove a user", (id, now, tokens_end), |db, (id, now, tokens_end)| {
            Box::pin(users::remove(db, id, *now, *tokens_end))
        })
    }

    fn set_password(&self, id: String, hash: String, spare: Spare, now: Time, tokens_end: Time) -> Act<'_, bool> {
        let input = (id, hash, spare, now, tokens_end);
        self.once("set a password", input, |db, (id, hash, spare, now, tokens_end)| {
            Box::pin(async move {
                let set = "UPDATE portcullis.person SET password = $2 WHERE id = $1";
                let done = db.execute(set, &[&kept(id), &kept(hash)]).await?;
                sessions::end_all(db, id, spare).await?;
                revoke::grants(db, &Ending::Whose(&Whose::User(id.clone())), *now, *tokens_end).await?;
                Ok(done > 0)
            })
        })
    }

    fn rehash_password(&self, id: String, old: String, new: String) -> Act<'_, bool> {
        self.once("hash a password anew", (id, old, new), |db, (id, old, new)| {
            Box::pin(async move {
                let change = "UPDATE portcullis.person SET password = $3 WHERE id = $1 AND password = $2";
                Ok(db.execute(change, &[&kept(id), &kept(old), &kept(new)]).await? > 0)
            })
        })
    }

    fn set_profile(&self, id: String, email: Option<String>, verified: bool, profile: String) -> Act<'_, bool> {
        self.repeatable("set a profile", (id, email, verified, profile), |db, (id, email, verified, profile)| {
            Box::pin(async move {
                let change = "UPDATE portcullis.person SET email = $2, email_verified = $3, profile = $4 WHERE id = $1";
                let email = kept_if_any(email.as_deref());
                Ok(db.execute(change, &[&kept(id), &email, verified, &kept(profile)]).await? > 0)
            })
        })
    }

    fn set_roles(&self, id: String, roles: Vec<String>, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.once("set roles", (id, roles, now, tokens_end), |db, (id, roles, now, tokens_end)| {
            Box::pin(users::set_roles(db, id, roles.clone(), *now, *tokens_end))
        })
    }

    fn disable_user(&self, id: String, disabled: bool, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.once("disable a user", (id, disabled, now, tokens_end), |db, (id, disabled, now, tokens_end)| {
            Box::pin(async move {
                let change = "UPDATE portcullis.person SET disabled = $2 WHERE id = $1";
                let done = db.execute(change, &[&kept(id), disabled]).await?;
                if *disabled {
                    sessions::end_all(db, id, &Spare::None).await?;
                    revoke::grants(db, &Ending::Whose(&Whose::User(id.clone())), *now, *tokens_end).await?;
                }
                Ok(done > 0)
            })
        })
    }

    fn set_second_factor(
        &self,
        id: String,
        factor: Option<SecondFactor>,
        recovery: Vec<Digest>,
        spare: Spare,
        now: Time,
        tokens_end: Time,
    ) -> Act<'_, bool> {
        let input = (id, factor, recovery, spare, now, tokens_end);
        self.once("set a second factor", input, |db, (id, factor, recovery, spare, now, tokens_end)| {
            Box::pin(async move {
                let (secret, made, step) = match factor {
                    Some(factor) => (Some(&factor.secret), Some(column(factor.made)), factor.last_step),
                    None => (None, None, None),
                };
                let step = step.and_then(|step| i64::try_from(step).ok());
                let set = "UPDATE portcullis.person SET totp = $2, totp_made = $3, totp_step = $4 WHERE id = $1";
                let done = db.execute(set, &[&kept(id), &secret, &made, &step]).await?;
                sessions::end_all(db, id, spare).await?;
                revoke::grants(db, &Ending::Whose(&Whose::User(id.clone())), *now, *tokens_end).await?;
                if done > 0 {
                    users::set_recovery(db, id, recovery).await?;
                }
                Ok(done > 0)
            })
        })
    }

    fn second_factors_besides(&self, first: u8, most: usize) -> Act<'_, Vec<(String, Vec<u8>)>> {
        self.repeatable("read second factors", (first, most), |db, (first, most)| {
            Box::pin(async move {
                let find = "SELECT id, totp FROM portcullis.person
                            WHERE totp IS NOT NULL AND substring(totp FROM 1 FOR 1) <> $1 LIMIT $2";
                let most = i64::try_from(*most).unwrap_or(i64::MAX);
                let rows = db.rows(find, &[&&[*first][..], &most]).await?;
                rows.iter().map(|row| Ok((text(row, "id")?, row.try_get("totp")?))).collect()
            })
        })
    }

    fn reseal_second_factor(&self, id: String, old: Vec<u8>, new: Vec<u8>) -> Act<'_, bool> {
        self.once("seal a second factor anew", (id, old, new), |db, (id, old, new)| {
            Box::pin(async move {
                let change = "UPDATE portcullis.person SET totp = $3 WHERE id = $1 AND totp = $2";
                Ok(db.execute(change, &[&kept(id), old, new]).await? > 0)
            })
        })
    }

    fn set_recovery(&self, id: String, recovery: Vec<Digest>) -> Act<'_, bool> {
        self.once("set recovery codes", (id, recovery), |db, (id, recovery)| {
            Box::pin(async move {
                let is_there = users::user(db, id, "FOR UPDATE").await?.is_some();
                if is_there {
                    users::set_recovery(db, id, recovery).await?;
                }
                Ok(is_there)
            })
        })
    }

    fn use_step(&self, id: String, step: u64) -> Act<'_, bool> {
        self.once("use up a time step", (id, step), |db, (id, step)| {
            Box::pin(async move {
                let change = "UPDATE portcullis.person SET totp_step = $2
                              WHERE id = $1 AND totp IS NOT NULL AND (totp_step IS NULL OR totp_step < $2)";
                Ok(db.execute(change, &[&kept(id), &i64::try_from(*step).unwrap_or(i64::MAX)]).await? > 0)
            })
        })
    }

    fn use_recovery(&self, id: String, code: Digest) -> Act<'_, bool> {
        self.once("use up a recovery code", (id, code), |db, (id, code)| {
            Box::pin(async move {
                let change = "DELETE FROM portcullis.recovery_code WHERE person = $1 AND digest = $2";
                Ok(db.execute(change, &[&kept(id), &&code.as_bytes()[..]]).await? > 0)
            })
        })
    }

    fn file_password(&self, name: String, id: Option<String>) -> Act<'_, Option<String>> {
        self.repeatable("read a password's hash", (name, id), |db, (name, id)| {
            Box::pin(async move {
                let find = "SELECT file_hash FROM portcullis.person WHERE from_file AND
                            CASE WHEN $2::text IS NULL THEN folded = $1 ELSE id = $2 END";
                let row = db.maybe(find, &[&kept(&folded(name)), &kept_if_any(id.as_deref())]).await?;
                Ok(row.map(|row| text_if_any(&row, "file_hash")).transpose()?.flatten())
            })
        })
    }

    fn reconcile_users(&self, users: Vec<FileUser>, now: Time, tokens_end: Time) -> Act<'_, Reconciled> {
        self.once("bring in the users of the file", (users, now, tokens_end), |db, (users, now, tokens_end)| {
            Box::pin(reconcile::users(db, users, (*now, *tokens_end)))
        })
    }

    fn open_session(
        &self,
        session: Session,
        proven: Proven,
        replaces: Option<Digest>,
        now: Time,
        tokens_end: Time,
    ) -> Act<'_, bool> {
        let input = (session, proven, replaces, now, tokens_end);
        self.once("open a session", input, |db, (session, proven, replaces, now, tokens_end)| {
            Box::pin(async move {
                let holds = users::holds(db, proven).await?;
                if holds {
                    sessions::open(db, session, *replaces, (*now, *tokens_end)).await?;
                }
                Ok(holds)
            })
        })
    }

    fn session(&self, digest: Digest, now: Time) -> Act<'_, Option<(Session, User)>> {
        self.repeatable("read a session", (digest, now), |db, (digest, now)| {
            Box::pin(async move {
                let Some(session) = sessions::live(db, *digest, *now).await? else { return Ok(None) };
                let user = users::user(db, &session.user, "").await?.filter(|user| !user.disabled);
                Ok(user.map(|user| (session, user)))
            })
        })
    }

    fn touch_session(&self, digest: Digest, seen: Time, idle_end: Time) -> Act<'_, ()> {
        self.repeatable("note the use of a session", (digest, seen, idle_end), |db, (digest, seen, idle_end)| {
            Box::pin(async move {
                let touch = "UPDATE portcullis.session SET seen = $2, idle_end = least($3, ends) WHERE digest = $1";
                let values = (&digest.as_bytes()[..], column(*seen), column(*idle_end));
                db.execute(touch, &[&values.0, &values.1, &values.2]).await.map(drop)
            })
        })
    }

    fn sessions(&self, user: String, now: Time) -> Act<'_, Vec<Session>> {
        self.repeatable("list sessions", (user, now), |db, (user, now)| Box::pin(sessions::of_user(db, user, *now)))
    }

    fn end_session(&self, user: String, sid: String, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.once("end a session", (user, sid, now, tokens_end), |db, (user, sid, now, tokens_end)| {
            Box::pin(async move {
                let end = "DELETE FROM portcullis.session WHERE person = $1 AND sid = $2";
                let ended = db.execute(end, &[&kept(user), &kept(sid)]).await? > 0;
                if ended {
                    revoke::grants(db, &Ending::Session(sid), *now, *tokens_end).await?;
                }
                Ok(ended)
            })
        })
    }

    fn end_sessions(&self, user: String, spare: Spare, now: Time, tokens_end: Time) -> Act<'_, usize> {
        self.once("end sessions", (user, spare, now, tokens_end), |db, (user, spare, now, tokens_end)| {
            Box::pin(async move {
                let ended = sessions::end_all(db, user, spare).await?;
                revoke::grants(db, &Ending::Whose(&Whose::User(user.clone())), *now, *tokens_end).await?;
                Ok(ended)
            })
        })
    }

    fn consent(&self, user: String, client: String, resource: String) -> Act<'_, Option<Consent>> {
        self.repeatable("read a consent", (user, client, resource), |db, (user, client, resource)| {
            Box::pin(async move {
                let find = "SELECT person, client, resource, scopes, given FROM portcullis.consent
                            WHERE person = $1 AND client = $2 AND resource = $3";
                let row = db.maybe(find, &[&kept(user), &kept(client), &kept(resource)]).await?;
                row.map(|row| users::consent(&row)).transpose()
            })
        })
    }

    fn consents(&self, user: String) -> Act<'_, Vec<Consent>> {
        self.repeatable("list consents", user, |db, user| {
            Box::pin(async move {
                let find = "SELECT person, client, resource, scopes, given FROM portcullis.consent
                            WHERE person = $1 ORDER BY client, resource";
                db.rows(find, &[&kept(user)]).await?.iter().map(users::consent).collect()
            })
        })
    }

    fn remember_consent(&self, consent: Consent) -> Act<'_, ()> {
        self.repeatable("remember a consent", consent, |db, consent| Box::pin(users::remember(db, consent)))
    }

    fn withdraw_consent(&self, user: String, client: String, now: Time, tokens_end: Time) -> Act<'_, ()> {
        self.once("withdraw a consent", (user, client, now, tokens_end), |db, (user, client, now, tokens_end)| {
            Box::pin(async move {
                let forget = "DELETE FROM portcullis.consent WHERE person = $1 AND client = $2";
                db.execute(forget, &[&kept(user), &kept(client)]).await?;
                let whose = Whose::UserAt { user: user.clone(), client: client.clone() };
                revoke::grants(db, &Ending::Whose(&whose), *now, *tokens_end).await.map(drop)
            })
        })
    }
}

//! How users and consents look in PostgreSQL, and the acts on them that several verbs share. A user's table is `person`:
//! `user` is a word of the language.

use tokio_postgres::Row;

use super::column::{at, at_if_any, column, kept, kept_if_any, list, text, text_if_any, texts};
use super::fault::Failure;
use super::revoke::{self, Ending};
use super::session::Session;
use crate::ground::{Digest, Time};
use crate::store::people::folded;
use crate::store::{Consent, Origin, Proven, SecondFactor, User, Whose};

/// Columns of a user, with the recovery codes that are left.
pub(super) const COLUMNS: &str = "person.id, person.name, person.email, person.email_verified, person.profile, person.password, person.roles, \
     person.disabled, person.from_file, person.made AS since, person.totp, person.totp_made, person.totp_step, \
     ARRAY(SELECT digest FROM portcullis.recovery_code WHERE recovery_code.person = person.id ORDER BY digest) AS recovery";

pub(super) fn row(row: &Row) -> Result<User, Failure> {
    let secret: Option<Vec<u8>> = row.try_get("totp")?;
    let made = at_if_any(row, "totp_made")?;
    let step: Option<i64> = row.try_get("totp_step")?;
    let last_step = step.and_then(|step| u64::try_from(step).ok());
    let recovery: Vec<&[u8]> = row.try_get("recovery")?;
    let code = |bytes: &[u8]| bytes.try_into().map(Digest::from_bytes).map_err(|_| Failure::damaged("recovery"));
    let from_file: bool = row.try_get("from_file")?;
    Ok(User {
        id: text(row, "id")?,
        name: text(row, "name")?,
        email: text_if_any(row, "email")?,
        email_verified: row.try_get("email_verified")?,
        profile: text(row, "profile")?,
        password: text_if_any(row, "password")?,
        roles: texts(row, "roles")?,
        disabled: row.try_get("disabled")?,
        origin: if from_file { Origin::File } else { Origin::Command },
        made: at(row, "since")?,
        second_factor: secret.map(|secret| SecondFactor { secret, made: made.unwrap_or_default(), last_step }),
        recovery: recovery.into_iter().map(code).collect::<Result<_, _>>()?,
    })
}

pub(super) async fn named(db: &Session, name: &str, held: &str) -> Result<Option<User>, Failure> {
    let find = format!("SELECT {COLUMNS} FROM portcullis.person WHERE folded = $1 {held}");
    let found = db.maybe(&find, &[&kept(&folded(name))]).await?;
    found.map(|found| row(&found)).transpose()
}

pub(super) async fn user(db: &Session, id: &str, held: &str) -> Result<Option<User>, Failure> {
    let find = format!("SELECT {COLUMNS} FROM portcullis.person WHERE id = $1 {held}");
    let found = db.maybe(&find, &[&kept(id)]).await?;
    found.map(|found| row(&found)).transpose()
}

/// Whether what was proven at a login still is so, and until the end of the transaction remains so.
pub(super) async fn holds(db: &Session, proven: &Proven) -> Result<bool, Failure> {
    Ok(proven.holds(user(db, &proven.user, "FOR SHARE").await?.as_ref()))
}

pub(super) async fn is_retired(db: &Session, id: &str) -> Result<bool, Failure> {
    Ok(db.maybe("SELECT FROM portcullis.retired WHERE id = $1", &[&kept(id)]).await?.is_some())
}

/// Keeps a user whose name and id are free. `file_hash` is what the file says of the password.
pub(super) async fn add(db: &Session, user: &User, file_hash: Option<&str>) -> Result<bool, Failure> {
    // Not while the user of this id is being removed: the id would be given twice.
    db.alone_with(&user.id).await?;
    if is_retired(db, &user.id).await? {
        return Ok(false);
    }
    insert(db, user, file_hash, "ON CONFLICT DO NOTHING").await
}

/// `false`: it was passed over, as `conflict` says.
pub(super) async fn insert(
    db: &Session,
    user: &User,
    file_hash: Option<&str>,
    conflict: &str,
) -> Result<bool, Failure> {
    let factor = user.second_factor.as_ref();
    let step = factor.and_then(|factor| factor.last_step).and_then(|step| i64::try_from(step).ok());
    let done = db
        .execute(
            &format!(
                "INSERT INTO portcullis.person
                     (id, folded, name, email, email_verified, profile, password, roles, disabled, from_file, file_hash,
                      made, totp, totp_made, totp_step)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) {conflict}"
            ),
            &[
                &kept(&user.id),
                &kept(&folded(&user.name)),
                &kept(&user.name),
                &kept_if_any(user.email.as_deref()),
                &user.email_verified,
                &kept(&user.profile),
                &kept_if_any(user.password.as_deref()),
                &list(&user.roles),
                &user.disabled,
                &(user.origin == Origin::File),
                &kept_if_any(file_hash),
                &column(user.made),
                &factor.map(|factor| &factor.secret),
                &factor.map(|factor| column(factor.made)),
                &step,
            ],
        )
        .await?;
    if done > 0 && !user.recovery.is_empty() {
        set_recovery(db, &user.id, &user.recovery).await?;
    }
    Ok(done > 0)
}

/// Removes a user with everything that hangs on them; the id is never used again.
pub(super) async fn remove(db: &mut Session, id: &str, now: Time, tokens_end: Time) -> Result<bool, Failure> {
    db.alone_with(id).await?;
    // Sessions, consents and recovery codes go with the row.
    let done = db.execute("DELETE FROM portcullis.person WHERE id = $1", &[&kept(id)]).await?;
    if done > 0 {
        let retire = "INSERT INTO portcullis.retired (id) VALUES ($1) ON CONFLICT DO NOTHING";
        db.execute(retire, &[&kept(id)]).await?;
        revoke::grants(db, &Ending::Whose(&Whose::User(id.to_owned())), now, tokens_end).await?;
    }
    Ok(done > 0)
}

pub(super) async fn set_roles(
    db: &mut Session,
    id: &str,
    mut roles: Vec<String>,
    now: Time,
    tokens_end: Time,
) -> Result<bool, Failure> {
    let Some(before) = user(db, id, "FOR UPDATE").await? else { return Ok(false) };
    roles.sort_unstable();
    db.execute("UPDATE portcullis.person SET roles = $2 WHERE id = $1", &[&kept(id), &list(&roles)]).await?;
    if before.roles.iter().any(|role| !roles.contains(role)) {
        revoke::turn_epochs(db, id, now, tokens_end).await?;
    }
    Ok(true)
}

pub(super) async fn set_recovery(db: &Session, id: &str, recovery: &[Digest]) -> Result<(), Failure> {
    db.execute("DELETE FROM portcullis.recovery_code WHERE person = $1", &[&kept(id)]).await?;
    let codes: Vec<&[u8]> = recovery.iter().map(|code| &code.as_bytes()[..]).collect();
    db.execute(
        "INSERT INTO portcullis.recovery_code (person, digest) SELECT $1, unnest($2::bytea[]) ON CONFLICT DO NOTHING",
        &[&kept(id), &codes],
    )
    .await
    .map(drop)
}

pub(super) fn consent(row: &Row) -> Result<Consent, Failure> {
    Ok(Consent {
        user: text(row, "person")?,
        client: text(row, "client")?,
        resource: text(row, "resource")?,
        scopes: texts(row, "scopes")?,
        given: at(row, "given")?,
    })
}

/// What is allowed already and what is new, sorted, in one statement: of two at the same moment neither is lost.
pub(super) async fn remember(db: &Session, given: &Consent) -> Result<(), Failure> {
    db.execute(
        "INSERT INTO portcullis.consent (person, client, resource, scopes, given)
         VALUES ($1, $2, $3, ARRAY(SELECT DISTINCT scope COLLATE \"C\" FROM unnest($4::text[]) AS scope ORDER BY 1), $5)
         ON CONFLICT (person, client, resource) DO UPDATE SET given = excluded.given, scopes =
             ARRAY(SELECT DISTINCT scope COLLATE \"C\" FROM unnest(consent.scopes || excluded.scopes) AS scope ORDER BY 1)",
        &[
            &kept(&given.user),
            &kept(&given.client),
            &kept(&given.resource),
            &list(&given.scopes),
            &column(given.given),
        ],
    )
    .await
    .map(drop)
}

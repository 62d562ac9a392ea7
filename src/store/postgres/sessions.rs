//! Sessions in PostgreSQL.

use tokio_postgres::Row;

use super::column::{Value, at, column, digest, kept, list, text, texts};
use super::fault::Failure;
use super::revoke::{self, Ending};
use super::session::Session as Db;
use crate::ground::{Digest, Time};
use crate::store::{Allowed, Session, Spare};

pub(super) async fn open(
    db: &mut Db,
    session: &Session,
    replaces: Option<Digest>,
    (now, tokens_end): (Time, Time),
) -> Result<(), Failure> {
    if let Some(digest) = replaces {
        let replace = "DELETE FROM portcullis.session WHERE digest = $1 RETURNING sid";
        let replaced = db.maybe(replace, &[&&digest.as_bytes()[..]]).await?;
        let replaced = replaced.map(|row| text(&row, "sid")).transpose()?;
        if let Some(sid) = replaced.filter(|sid| *sid != session.sid) {
            revoke::grants(db, &Ending::Session(&sid), now, tokens_end).await?;
        }
    }
    insert(db, session).await
}

/// Whether the session of what was allowed has not ended; it is held, so that it ends after what is kept now. A new sign-in
/// replaces its row: whoever waited for that one finds nothing, and looks once more.
pub(super) async fn is_open(db: &Db, allowed: &Allowed) -> Result<bool, Failure> {
    let Some(sid) = &allowed.session else { return Ok(true) };
    let find = "SELECT FROM portcullis.session WHERE person = $1 AND sid = $2 FOR KEY SHARE";
    for _ in 0..2 {
        if !db.rows(find, &[&kept(&allowed.user), &kept(sid)]).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) async fn insert(db: &Db, session: &Session) -> Result<(), Failure> {
    db.execute(
        "INSERT INTO portcullis.session
             (digest, sid, person, made, authenticated, methods, seen, idle_end, ends, device, address)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &[
            &&session.digest.as_bytes()[..],
            &kept(&session.sid),
            &kept(&session.user),
            &column(session.made),
            &column(session.authenticated),
            &list(&session.methods),
            &column(session.seen),
            &column(session.idle_end),
            &column(session.ends),
            &kept(&session.device),
            &kept(&session.address),
        ],
    )
    .await
    .map(drop)
}

/// Columns of a session, each under its own name.
pub(super) const COLUMNS: &str = "session.digest, session.sid, session.person, session.made, session.authenticated, \
                                  session.methods, session.seen, session.idle_end, session.ends, session.device, \
                                  session.address";

pub(super) async fn live(db: &Db, digest: Digest, now: Time) -> Result<Option<Session>, Failure> {
    let find = format!("SELECT {COLUMNS} FROM portcullis.session WHERE digest = $1 AND least(idle_end, ends) > $2");
    let found = db.maybe(&find, &[&&digest.as_bytes()[..], &column(now)]).await?;
    found.map(|found| row(&found)).transpose()
}

pub(super) async fn of_user(db: &Db, user: &str, now: Time) -> Result<Vec<Session>, Failure> {
    let find = format!(
        "SELECT {COLUMNS} FROM portcullis.session WHERE person = $1 AND least(idle_end, ends) > $2 ORDER BY seen DESC"
    );
    db.rows(&find, &[&kept(user), &column(now)]).await?.iter().map(row).collect()
}

/// Ends a user's sessions; the grants are the caller's business.
pub(super) async fn end_all(db: &Db, user: &str, spare: &Spare) -> Result<usize, Failure> {
    let spared = match spare {
        Spare::None => None,
        Spare::Session(sid) => Some(kept(sid)),
    };
    let user = kept(user);
    let values: [Value<'_>; 2] = [&user, &spared];
    let end = "DELETE FROM portcullis.session WHERE person = $1 AND ($2::text IS NULL OR sid <> $2)";
    Ok(usize::try_from(db.execute(end, &values).await?).unwrap_or(usize::MAX))
}

pub(super) fn row(row: &Row) -> Result<Session, Failure> {
    Ok(Session {
        digest: digest(row, "digest")?,
        sid: text(row, "sid")?,
        user: text(row, "person")?,
        made: at(row, "made")?,
        authenticated: at(row, "authenticated")?,
        methods: texts(row, "methods")?,
        seen: at(row, "seen")?,
        idle_end: at(row, "idle_end")?,
        ends: at(row, "ends")?,
        device: text(row, "device")?,
        address: text(row, "address")?,
    })
}

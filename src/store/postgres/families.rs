//! How codes and grants look in PostgreSQL. A grant's table is `family`: `grant` is a word of the language.

use tokio_postgres::Row;

use super::column::{
    at, at_if_any, bytes, column, digest, grant_id, grant_id_if_any, kept, kept_if_any, list, number, text,
    text_if_any, texts,
};
use super::fault::Failure;
use super::session::Session;
use crate::ground::Time;
use crate::store::{Allowed, Code, Grant};

/// Columns of a code.
pub(super) const CODE: &str = "digest, client, redirect_uri, challenge, nonce, person, session, scope, resources, \
                               offline, authenticated, methods, tells_time, made, ends, misses, family";

/// Columns of a grant.
pub(super) const FAMILY: &str = "id, client, person, session, scope, resources, offline, authenticated, methods, \
                                 tells_time, nonce, salt, refreshable, made, idle_end, ends, generation, superseded, \
                                 confirmed, epoch, revoked, used";

pub(super) fn code_row(row: &Row) -> Result<Code, Failure> {
    Ok(Code {
        digest: digest(row, "digest")?,
        client: text(row, "client")?,
        redirect_uri: text(row, "redirect_uri")?,
        challenge: text_if_any(row, "challenge")?,
        nonce: text_if_any(row, "nonce")?,
        allowed: allowed(row)?,
        made: at(row, "made")?,
        ends: at(row, "ends")?,
        misses: number(row, "misses")?,
        grant: grant_id_if_any(row, "family")?,
    })
}

pub(super) fn row(row: &Row) -> Result<Grant, Failure> {
    Ok(Grant {
        id: grant_id(row, "id")?,
        client: text(row, "client")?,
        allowed: allowed(row)?,
        nonce: text_if_any(row, "nonce")?,
        salt: bytes(row, "salt")?,
        refreshable: row.try_get("refreshable")?,
        made: at(row, "made")?,
        idle_end: at(row, "idle_end")?,
        ends: at(row, "ends")?,
        generation: number(row, "generation")?,
        superseded: at_if_any(row, "superseded")?,
        confirmed: row.try_get("confirmed")?,
        epoch: number(row, "epoch")?,
        revoked: row.try_get("revoked")?,
        used: at(row, "used")?,
    })
}

fn allowed(row: &Row) -> Result<Allowed, Failure> {
    Ok(Allowed {
        user: text(row, "person")?,
        session: text_if_any(row, "session")?,
        scope: text(row, "scope")?,
        resources: texts(row, "resources")?,
        offline: row.try_get("offline")?,
        authenticated: at(row, "authenticated")?,
        methods: texts(row, "methods")?,
        tells_auth_time: row.try_get("tells_time")?,
    })
}

pub(super) async fn insert_code(db: &Session, code: &Code) -> Result<(), Failure> {
    let allowed = &code.allowed;
    db.execute(
        "INSERT INTO portcullis.code
             (digest, client, redirect_uri, challenge, nonce, person, session, scope, resources, offline, authenticated,
              methods, tells_time, made, ends, misses, family)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        &[
            &&code.digest.as_bytes()[..],
            &kept(&code.client),
            &kept(&code.redirect_uri),
            &kept_if_any(code.challenge.as_deref()),
            &kept_if_any(code.nonce.as_deref()),
            &kept(&allowed.user),
            &kept_if_any(allowed.session.as_deref()),
            &kept(&allowed.scope),
            &list(&allowed.resources),
            &allowed.offline,
            &column(allowed.authenticated),
            &list(&allowed.methods),
            &allowed.tells_auth_time,
            &column(code.made),
            &column(code.ends),
            &i64::from(code.misses),
            &code.grant.as_ref().map(|grant| &grant.0[..]),
        ],
    )
    .await
    .map(drop)
}

/// `until`: when the row goes.
pub(super) async fn insert(db: &Session, grant: &Grant, until: Time) -> Result<(), Failure> {
    let allowed = &grant.allowed;
    db.execute(
        "INSERT INTO portcullis.family
             (id, client, person, session, scope, resources, offline, authenticated, methods, tells_time, nonce, salt,
              refreshable, made, idle_end, ends, generation, superseded, confirmed, epoch, revoked, used, until)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)",
        &[
            &&grant.id.0[..],
            &kept(&grant.client),
            &kept(&allowed.user),
            &kept_if_any(allowed.session.as_deref()),
            &kept(&allowed.scope),
            &list(&allowed.resources),
            &allowed.offline,
            &column(allowed.authenticated),
            &list(&allowed.methods),
            &allowed.tells_auth_time,
            &kept_if_any(grant.nonce.as_deref()),
            &&grant.salt[..],
            &grant.refreshable,
            &column(grant.made),
            &column(grant.idle_end),
            &column(grant.ends),
            &i64::from(grant.generation),
            &grant.superseded.map(column),
            &grant.confirmed,
            &i64::from(grant.epoch),
            &grant.revoked,
            &column(grant.used),
            &column(until),
        ],
    )
    .await
    .map(drop)
}

/// Writes what a turn changes.
pub(super) async fn turn(db: &Session, grant: &Grant) -> Result<(), Failure> {
    db.execute(
        "UPDATE portcullis.family
         SET generation = $2, superseded = $3, confirmed = $4, used = $5, idle_end = $6, until = $7 WHERE id = $1",
        &[
            &&grant.id.0[..],
            &i64::from(grant.generation),
            &grant.superseded.map(column),
            &grant.confirmed,
            &column(grant.used),
            &column(grant.idle_end),
            &column(grant.end()),
        ],
    )
    .await
    .map(drop)
}

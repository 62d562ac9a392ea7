//! Opaque access tokens and revocations in SQLite.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::column::{at, column, digest, time};
use super::revoke::hexadecimal;
use crate::ground::{Digest, Time};
use crate::store::{AccessToken, GrantId, Revocation, Revoked};

pub(super) fn insert(file: &Connection, token: &AccessToken) -> rusqlite::Result<()> {
    let (grant, generation, epoch) = match token.grant {
        Some((grant, generation, epoch)) => (Some(grant.0), Some(generation), Some(epoch)),
        None => (None, None, None),
    };
    file.prepare_cached("INSERT INTO access_token VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            token.digest.as_bytes(),
            token.id,
            token.client,
            token.subject,
            grant,
            generation,
            epoch,
            token.claims,
            column(token.ends),
        ])
        .map(drop)
}

/// The token, unless it is over or its grant is gone, revoked or has turned its epoch.
pub(super) fn live(file: &Connection, digest: Digest, now: Time) -> rusqlite::Result<Option<AccessToken>> {
    file.prepare_cached(
        "SELECT token.* FROM access_token AS token LEFT JOIN grant_ ON grant_.id = token.grant_id
         WHERE token.digest = ?1 AND token.ends > ?2
         AND (token.grant_id IS NULL OR (grant_.revoked = 0 AND token.epoch >= grant_.epoch))",
    )?
    .query_row(params![digest.as_bytes(), column(now)], row)
    .optional()
}

pub(super) fn row(row: &Row<'_>) -> rusqlite::Result<AccessToken> {
    let grant: Option<[u8; 16]> = row.get("grant_id")?;
    let grant = match grant {
        Some(id) => Some((GrantId(id), row.get("generation")?, row.get("epoch")?)),
        None => None,
    };
    Ok(AccessToken {
        digest: digest(row, "digest")?,
        id: row.get("id")?,
        client: row.get("client")?,
        subject: row.get("subject")?,
        grant,
        claims: row.get("claims")?,
        ends: at(row, "ends")?,
    })
}

pub(super) fn is_revoked(
    file: &Connection,
    id: &str,
    grant: Option<(GrantId, u32)>,
    client: &str,
    (issued, now): (Time, Time),
) -> rusqlite::Result<bool> {
    let (grant, epoch) = grant.map_or((None, 0), |(grant, epoch)| (Some(hexadecimal(grant)), epoch));
    file.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM revocation WHERE kind = 'token' AND name = ?1 AND until > ?6)
             OR EXISTS (SELECT 1 FROM revocation WHERE kind = 'grant' AND name = ?2 AND bound > ?3 AND until > ?6)
             OR EXISTS (SELECT 1 FROM revocation WHERE kind = 'client' AND name = ?4 AND bound >= ?5 AND until > ?6)",
    )?
    .query_row(params![id, grant, epoch, client, column(issued), column(now)], |row| row.get(0))
}

pub(super) fn revocations(file: &Connection, after: u64, now: Time, most: usize) -> rusqlite::Result<Vec<Revocation>> {
    let (after, most) = (i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(most).unwrap_or(i64::MAX));
    file.prepare_cached("SELECT * FROM revocation WHERE number > ?1 AND until > ?2 ORDER BY number LIMIT ?3")?
        .query_map(params![after, column(now), most], revocation)?
        .collect()
}

pub(super) fn revocation(row: &Row<'_>) -> rusqlite::Result<Revocation> {
    let (kind, name, bound): (String, String, i64) = (row.get("kind")?, row.get("name")?, row.get("bound")?);
    let what = match kind.as_str() {
        "token" => Revoked::Token(name),
        "client" => Revoked::Client { id: name, issued_until: time(bound) },
        _ => {
            let id = u128::from_str_radix(&name, 16).unwrap_or_default();
            Revoked::Grant { id: GrantId(id.to_be_bytes()), below_epoch: u32::try_from(bound).unwrap_or(u32::MAX) }
        }
    };
    let number: i64 = row.get("number")?;
    Ok(Revocation { number: u64::try_from(number).unwrap_or(0), what, until: at(row, "until")? })
}

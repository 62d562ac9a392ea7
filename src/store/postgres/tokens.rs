//! Opaque access tokens and revocations in PostgreSQL.

use tokio_postgres::Row;

use super::column::{at, column, digest, grant_id_if_any, kept, number, text, time};
use super::fault::Failure;
use super::revoke::hexadecimal;
use super::session::Session;
use crate::ground::{Digest, Time};
use crate::store::{AccessToken, GrantId, Revocation, Revoked};

/// May be repeated: a digest is never another token's. `false`: it was there.
pub(super) async fn insert(db: &Session, token: &AccessToken) -> Result<bool, Failure> {
    let (grant, generation, epoch) = match &token.grant {
        Some((grant, generation, epoch)) => (Some(&grant.0[..]), Some(i64::from(*generation)), Some(i64::from(*epoch))),
        None => (None, None, None),
    };
    db.execute(
        "INSERT INTO portcullis.access_token (digest, id, client, subject, family, generation, epoch, claims, ends)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (digest) DO NOTHING",
        &[
            &&token.digest.as_bytes()[..],
            &kept(&token.id),
            &kept(&token.client),
            &kept(&token.subject),
            &grant,
            &generation,
            &epoch,
            &kept(&token.claims),
            &column(token.ends),
        ],
    )
    .await
    .map(|done| done > 0)
}

/// Columns of an access token.
pub(super) const COLUMNS: &str = "token.digest, token.id, token.client, token.subject, token.family, token.generation, token.epoch, token.claims, \
     token.ends";

/// The token, unless it is over or its grant is gone, revoked or has turned its epoch.
pub(super) async fn live(db: &Session, digest: Digest, now: Time) -> Result<Option<AccessToken>, Failure> {
    let find = format!(
        "SELECT {COLUMNS} FROM portcullis.access_token AS token
         LEFT JOIN portcullis.family ON family.id = token.family
         WHERE token.digest = $1 AND token.ends > $2
         AND (token.family IS NULL OR (NOT family.revoked AND token.epoch >= family.epoch))"
    );
    let found = db.maybe(&find, &[&&digest.as_bytes()[..], &column(now)]).await?;
    found.map(|found| row(&found)).transpose()
}

pub(super) fn row(row: &Row) -> Result<AccessToken, Failure> {
    let grant = match grant_id_if_any(row, "family")? {
        Some(id) => Some((id, number(row, "generation")?, number(row, "epoch")?)),
        None => None,
    };
    Ok(AccessToken {
        digest: digest(row, "digest")?,
        id: text(row, "id")?,
        client: text(row, "client")?,
        subject: text(row, "subject")?,
        grant,
        claims: text(row, "claims")?,
        ends: at(row, "ends")?,
    })
}

pub(super) async fn is_revoked(
    db: &Session,
    id: &str,
    grant: Option<(GrantId, u32)>,
    client: &str,
    (issued, now): (Time, Time),
) -> Result<bool, Failure> {
    let (grant, epoch) = grant.map_or((None, 0), |(grant, epoch)| (Some(hexadecimal(grant)), i64::from(epoch)));
    let find =
        "SELECT EXISTS (SELECT FROM portcullis.revocation WHERE kind = 'token' AND name = $1 AND until > $6)
             OR EXISTS (SELECT FROM portcullis.revocation WHERE kind = 'grant' AND name = $2 AND bound > $3 AND until > $6)
             OR EXISTS (SELECT FROM portcullis.revocation WHERE kind = 'client' AND name = $4 AND bound >= $5 AND until > $6)
             AS found";
    let row = db.one(find, &[&kept(id), &grant, &epoch, &kept(client), &column(issued), &column(now)]).await?;
    Ok(row.try_get("found")?)
}

pub(super) async fn revocations(db: &Session, after: u64, now: Time, most: usize) -> Result<Vec<Revocation>, Failure> {
    let (after, most) = (i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(most).unwrap_or(i64::MAX));
    let find = "SELECT number, kind, name, bound, until FROM portcullis.revocation WHERE number > $1 AND until > $2
                ORDER BY number LIMIT $3";
    db.rows(find, &[&after, &column(now), &most]).await?.iter().map(revocation).collect()
}

pub(super) fn revocation(row: &Row) -> Result<Revocation, Failure> {
    let (kind, name) = (text(row, "kind")?, text(row, "name")?);
    let bound: i64 = row.try_get("bound")?;
    let what = match kind.as_str() {
        "token" => Revoked::Token(name),
        "client" => Revoked::Client { id: name, issued_until: time(bound) },
        "grant" => {
            let id = u128::from_str_radix(&name, 16).map_err(|_| Failure::damaged("name"))?;
            Revoked::Grant { id: GrantId(id.to_be_bytes()), below_epoch: u32::try_from(bound).unwrap_or(u32::MAX) }
        }
        _ => return Err(Failure::damaged("kind")),
    };
    let number: i64 = row.try_get("number")?;
    Ok(Revocation { number: u64::try_from(number).unwrap_or(0), what, until: at(row, "until")? })
}

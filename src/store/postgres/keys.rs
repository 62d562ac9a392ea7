//! Keys in PostgreSQL.

use tokio_postgres::Row;

use super::column::{at, at_if_any, column, kept, text};
use super::fault::Failure;
use super::session::Session;
use super::{KEYS, Postgres};
use crate::ground::Digest;
use crate::store::{Act, KeptKeySet, Keys, SigningKey, Succession};

impl Keys for Postgres {
    fn signing_keys(&self) -> Act<'_, Vec<SigningKey>> {
        self.repeatable("read the signing keys", (), |db, ()| {
            Box::pin(async move {
                let all = "SELECT id, algorithm, pkcs8, made, starts, ends FROM portcullis.signing_key
                           ORDER BY made, position";
                db.rows(all, &[]).await?.iter().map(signing_key).collect()
            })
        })
    }

    fn first_signing_key(&self, key: SigningKey) -> Act<'_, SigningKey> {
        self.once("keep a signing key", key, |db, key| Box::pin(first_signing_key(db, key)))
    }

    fn succeed_signing_key(&self, after: String, key: SigningKey, succession: Succession) -> Act<'_, bool> {
        self.once("keep a new signing key", (after, key, succession), |db, (after, key, succession)| {
            Box::pin(succeed(db, after, key, *succession))
        })
    }

    fn reseal_signing_key(&self, id: String, old: Vec<u8>, new: Vec<u8>) -> Act<'_, bool> {
        self.once("seal a signing key anew", (id, old, new), |db, (id, old, new)| {
            Box::pin(async move {
                let change = "UPDATE portcullis.signing_key SET pkcs8 = $3 WHERE id = $1 AND pkcs8 = $2";
                Ok(db.execute(change, &[&kept(id), old, new]).await? > 0)
            })
        })
    }

    fn key_set(&self, issuer: String) -> Act<'_, Option<KeptKeySet>> {
        self.repeatable("read a kept key set", issuer, |db, issuer| {
            Box::pin(async move {
                let find = "SELECT document, fetched FROM portcullis.key_set WHERE issuer = $1";
                let row = db.maybe(find, &[&named(issuer)]).await?;
                let set =
                    |row: Row| Ok(KeptKeySet { document: text(&row, "document")?, fetched: at(&row, "fetched")? });
                row.map(set).transpose()
            })
        })
    }

    fn keep_key_set(&self, issuer: String, set: KeptKeySet) -> Act<'_, ()> {
        self.repeatable("keep a key set", (issuer, set), |db, (issuer, set)| {
            Box::pin(async move {
                let keep = "INSERT INTO portcullis.key_set (issuer, document, fetched) VALUES ($1, $2, $3)
                            ON CONFLICT (issuer) DO UPDATE SET document = excluded.document, fetched = excluded.fetched
                            WHERE excluded.fetched >= key_set.fetched";
                db.execute(keep, &[&named(issuer), &kept(&set.document), &column(set.fetched)]).await.map(drop)
            })
        })
    }
}

fn named(issuer: &str) -> Vec<u8> {
    Digest::of(issuer.as_bytes()).as_bytes().to_vec()
}

/// Who makes keys is alone: whoever comes second finds the key.
async fn first_signing_key(db: &mut Session, key: &SigningKey) -> Result<SigningKey, Failure> {
    db.alone(KEYS).await?;
    let first = "SELECT id, algorithm, pkcs8, made, starts, ends FROM portcullis.signing_key WHERE algorithm = $1
                 ORDER BY made, position LIMIT 1";
    match db.maybe(first, &[&kept(&key.algorithm)]).await? {
        Some(row) => signing_key(&row),
        None => insert(db, key).await.map(|()| key.clone()),
    }
}

async fn succeed(db: &mut Session, after: &str, key: &SigningKey, succession: Succession) -> Result<bool, Failure> {
    db.alone(KEYS).await?;
    let newest =
        "SELECT id FROM portcullis.signing_key WHERE algorithm = $1 ORDER BY starts DESC, position DESC LIMIT 1";
    let newest = db.maybe(newest, &[&kept(&key.algorithm)]).await?;
    let newest = newest.map(|row| text(&row, "id")).transpose()?;
    if newest.as_deref() != Some(after) {
        return Ok(false);
    }
    match succession {
        Succession::Planned { old_ends } => {
            let change = "UPDATE portcullis.signing_key SET ends = least(coalesce(ends, $2), $2) WHERE algorithm = $1";
            db.execute(change, &[&kept(&key.algorithm), &column(old_ends)]).await?;
        }
        Succession::Emergency => {
            db.execute("DELETE FROM portcullis.signing_key WHERE algorithm = $1", &[&kept(&key.algorithm)]).await?;
        }
    }
    insert(db, key).await.map(|()| true)
}

pub(super) async fn insert(db: &mut Session, key: &SigningKey) -> Result<(), Failure> {
    insert_row(db, key).await?;
    db.changed.push("keys");
    Ok(())
}

/// Without a word to others.
pub(super) async fn insert_row(db: &Session, key: &SigningKey) -> Result<(), Failure> {
    db.execute(
        "INSERT INTO portcullis.signing_key (id, algorithm, pkcs8, made, starts, ends) VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            &kept(&key.id),
            &kept(&key.algorithm),
            &key.pkcs8,
            &column(key.made),
            &column(key.starts),
            &key.ends.map(column),
        ],
    )
    .await
    .map(drop)
}

pub(super) fn signing_key(row: &Row) -> Result<SigningKey, Failure> {
    Ok(SigningKey {
        id: text(row, "id")?,
        algorithm: text(row, "algorithm")?,
        pkcs8: row.try_get("pkcs8")?,
        made: at(row, "made")?,
        starts: at(row, "starts")?,
        ends: at_if_any(row, "ends")?,
    })
}

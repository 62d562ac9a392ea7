//! Revoking: rows that are marked, tokens that go, and the word that gateways wait for, all in the act that caused it.

use tokio_postgres::Row;

use super::column::{bytes, column, kept, number};
use super::fault::Failure;
use super::session::Session;
use crate::ground::Time;
use crate::store::{GrantId, Revoked, Whose};

/// Which live grants an act ends.
pub(super) enum Ending<'a> {
    Whose(&'a Whose),
    /// Those made in a session that were not for offline use.
    Session(&'a str),
}

/// The word on which the gateways of one database hear of each other.
pub(super) const CHANNEL: &str = "portcullis";

/// Revokes live grants with their tokens; gives how many there were. Codes that would become such grants go as well, and
/// first: that waits for whoever redeems one of them right now, whose grant is then found.
pub(super) async fn grants(
    db: &mut Session,
    which: &Ending<'_>,
    now: Time,
    tokens_end: Time,
) -> Result<usize, Failure> {
    codes(db, which, now).await?;
    let ids = found(db, which, now).await?;
    families(db, &ids, tokens_end).await?;
    Ok(ids.len())
}

/// Forgets codes that could still be redeemed; in an order, as `found`.
async fn codes(db: &Session, which: &Ending<'_>, now: Time) -> Result<(), Failure> {
    const HEAD: &str = "DELETE FROM portcullis.code WHERE digest = ANY(ARRAY(
                            SELECT digest FROM portcullis.code WHERE family IS NULL AND ends > $1 AND ";
    const TAIL: &str = " ORDER BY digest FOR UPDATE))";
    let delete = |condition: &str| [HEAD, condition, TAIL].concat();
    let now = column(now);
    match which {
        Ending::Whose(Whose::Grant(_)) => Ok(0),
        Ending::Whose(Whose::User(user)) => db.execute(&delete("person = $2"), &[&now, &kept(user)]).await,
        Ending::Whose(Whose::Client(client)) => db.execute(&delete("client = $2"), &[&now, &kept(client)]).await,
        Ending::Whose(Whose::UserAt { user, client }) => {
            db.execute(&delete("person = $2 AND client = $3"), &[&now, &kept(user), &kept(client)]).await
        }
        Ending::Session(sid) => db.execute(&delete("session = $2 AND NOT offline"), &[&now, &kept(sid)]).await,
    }
    .map(drop)
}

/// Revokes these grants.
pub(super) async fn families(db: &mut Session, ids: &[GrantId], tokens_end: Time) -> Result<(), Failure> {
    if ids.is_empty() {
        return Ok(());
    }
    let names: Vec<&[u8]> = ids.iter().map(|id| &id.0[..]).collect();
    db.execute(
        "UPDATE portcullis.family SET revoked = true, epoch = $2, until = $3 WHERE id = ANY($1)",
        &[&names, &i64::from(u32::MAX), &column(tokens_end)],
    )
    .await?;
    db.execute("DELETE FROM portcullis.access_token WHERE family = ANY($1)", &[&names]).await?;
    let told = ids.iter().map(|id| (Revoked::Grant { id: *id, below_epoch: u32::MAX }, tokens_end));
    db.revoked.extend(told);
    Ok(())
}

/// Access tokens that a user's grants have given so far are refused from now on; the grants live.
pub(super) async fn turn_epochs(db: &mut Session, user: &str, now: Time, tokens_end: Time) -> Result<(), Failure> {
    let ids = found(db, &Ending::Whose(&Whose::User(user.to_owned())), now).await?;
    let names: Vec<&[u8]> = ids.iter().map(|id| &id.0[..]).collect();
    let turn = "UPDATE portcullis.family SET epoch = epoch + 1 WHERE id = ANY($1) RETURNING id, epoch";
    for row in db.rows(turn, &[&names]).await? {
        let what = Revoked::Grant { id: GrantId(bytes(&row, "id")?), below_epoch: number(&row, "epoch")? };
        db.revoked.push((what, tokens_end));
    }
    Ok(())
}

/// Everything that a client holds.
pub(super) async fn client(db: &mut Session, id: &str, now: Time, tokens_end: Time) -> Result<(), Failure> {
    grants(db, &Ending::Whose(&Whose::Client(id.to_owned())), now, tokens_end).await?;
    db.execute("DELETE FROM portcullis.access_token WHERE client = $1", &[&kept(id)]).await?;
    db.revoked.push((Revoked::Client { id: id.to_owned(), issued_until: now }, tokens_end));
    Ok(())
}

/// Writes down what a verb has revoked and changed, and calls the other gateways. The row of `version` is held until the
/// commit, so that no number is seen before a smaller one: who reads on from the last number misses nothing.
pub(super) async fn tell(db: &mut Session) -> Result<(), Failure> {
    let (revoked, mut changed) = (std::mem::take(&mut db.revoked), std::mem::take(&mut db.changed));
    if revoked.is_empty() && changed.is_empty() {
        return Ok(());
    }
    // Always in this order: two that wait for each other would be a deadlock.
    changed.sort_unstable();
    changed.dedup();
    for subject in changed {
        db.execute("UPDATE portcullis.version SET number = number + 1 WHERE subject = $1", &[&subject]).await?;
    }
    let columns = columns(&revoked);
    if !revoked.is_empty() {
        db.execute(
            "WITH turn AS (
                 UPDATE portcullis.version SET number = number + cardinality($1::text[])
                 WHERE subject = 'revocations' RETURNING number - cardinality($1::text[]) AS before
             )
             INSERT INTO portcullis.revocation (number, kind, name, bound, until)
             SELECT turn.before + one.place, one.kind, one.name, one.bound, one.until
             FROM turn, unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
                 WITH ORDINALITY AS one (kind, name, bound, until, place)",
            &[&columns.0, &columns.1, &columns.2, &columns.3],
        )
        .await?;
    }
    db.execute("SELECT pg_notify($1, '')", &[&CHANNEL]).await.map(drop)
}

type Columns = (Vec<&'static str>, Vec<String>, Vec<i64>, Vec<i64>);

fn columns(revoked: &[(Revoked, Time)]) -> Columns {
    let mut columns = Columns::default();
    for (what, until) in revoked {
        let (kind, name, bound) = written(what);
        columns.0.push(kind);
        columns.1.push(name);
        columns.2.push(bound);
        columns.3.push(column(*until));
    }
    columns
}

/// Kind, name and bound.
pub(super) fn written(what: &Revoked) -> (&'static str, String, i64) {
    match what {
        Revoked::Token(id) => ("token", kept(id).into_owned(), 0),
        Revoked::Grant { id, below_epoch } => ("grant", hexadecimal(*id), i64::from(*below_epoch)),
        Revoked::Client { id, issued_until } => ("client", kept(id).into_owned(), column(*issued_until)),
    }
}

/// How the id of a grant stands in the list of revocations.
pub(super) fn hexadecimal(id: GrantId) -> String {
    format!("{:032x}", u128::from_be_bytes(id.0))
}

/// Live grants, held until the end of the transaction; in the order of their ids, so that two who hold many do not wait for
/// each other.
async fn found(db: &Session, which: &Ending<'_>, now: Time) -> Result<Vec<GrantId>, Failure> {
    const HEAD: &str = "SELECT id FROM portcullis.family WHERE NOT revoked AND until > $1 AND ";
    const TAIL: &str = " ORDER BY id FOR UPDATE";
    let select = |condition: &str| [HEAD, condition, TAIL].concat();
    let now = column(now);
    let rows: Vec<Row> = match which {
        Ending::Whose(Whose::Grant(wanted)) => db.rows(&select("id = $2"), &[&now, &&wanted.0[..]]).await?,
        Ending::Whose(Whose::User(user)) => db.rows(&select("person = $2"), &[&now, &kept(user)]).await?,
        Ending::Whose(Whose::Client(client)) => db.rows(&select("client = $2"), &[&now, &kept(client)]).await?,
        Ending::Whose(Whose::UserAt { user, client }) => {
            db.rows(&select("person = $2 AND client = $3"), &[&now, &kept(user), &kept(client)]).await?
        }
        Ending::Session(sid) => db.rows(&select("session = $2 AND NOT offline"), &[&now, &kept(sid)]).await?,
    };
    rows.iter().map(|row| bytes(row, "id").map(GrantId)).collect()
}

//! Revoking: rows that are marked, tokens that go, and the word that gateways wait for, all in the act that caused it.

use rusqlite::{Connection, params};

use super::column::{column, grant_id};
use crate::ground::Time;
use crate::store::{GrantId, Revoked, Whose};

/// Which live grants an act ends.
pub(super) enum Ending<'a> {
    Whose(&'a Whose),
    /// Those made in a session that were not for offline use.
    Session(&'a str),
}

/// Revokes live grants with their tokens; gives how many there were. Codes that would become such grants go as well.
pub(super) fn grants(file: &Connection, which: &Ending<'_>, now: Time, tokens_end: Time) -> rusqlite::Result<usize> {
    codes(file, which, now)?;
    let ids = found(file, which, now)?;
    for id in &ids {
        grant(file, *id, tokens_end)?;
    }
    Ok(ids.len())
}

/// Forgets codes that could still be redeemed.
fn codes(file: &Connection, which: &Ending<'_>, now: Time) -> rusqlite::Result<()> {
    let delete = |condition: &str| format!("DELETE FROM code WHERE grant_id IS NULL AND ends > ?1 AND {condition}");
    let now = column(now);
    match which {
        Ending::Whose(Whose::Grant(_)) => Ok(0),
        Ending::Whose(Whose::User(user)) => file.prepare_cached(&delete("user = ?2"))?.execute(params![now, user]),
        Ending::Whose(Whose::Client(client)) => {
            file.prepare_cached(&delete("client = ?2"))?.execute(params![now, client])
        }
        Ending::Whose(Whose::UserAt { user, client }) => {
            file.prepare_cached(&delete("user = ?2 AND client = ?3"))?.execute(params![now, user, client])
        }
        Ending::Session(sid) => {
            file.prepare_cached(&delete("session = ?2 AND offline = 0"))?.execute(params![now, sid])
        }
    }
    .map(drop)
}

/// Revokes one grant.
pub(super) fn grant(file: &Connection, id: GrantId, tokens_end: Time) -> rusqlite::Result<()> {
    file.prepare_cached("UPDATE grant_ SET revoked = 1, epoch = ?2, until = ?3 WHERE id = ?1")?.execute(params![
        id.0,
        u32::MAX,
        column(tokens_end)
    ])?;
    file.prepare_cached("DELETE FROM access_token WHERE grant_id = ?1")?.execute([id.0])?;
    publish(file, &Revoked::Grant { id, below_epoch: u32::MAX }, tokens_end)
}

/// Access tokens that a user's grants have given so far are refused from now on; the grants live.
pub(super) fn turn_epochs(file: &Connection, user: &str, now: Time, tokens_end: Time) -> rusqlite::Result<()> {
    for id in found(file, &Ending::Whose(&Whose::User(user.to_owned())), now)? {
        let below_epoch: u32 = file
            .prepare_cached("UPDATE grant_ SET epoch = epoch + 1 WHERE id = ?1 RETURNING epoch")?
            .query_row([id.0], |row| row.get(0))?;
        publish(file, &Revoked::Grant { id, below_epoch }, tokens_end)?;
    }
    Ok(())
}

/// Everything that a client holds.
pub(super) fn client(file: &Connection, id: &str, now: Time, tokens_end: Time) -> rusqlite::Result<()> {
    grants(file, &Ending::Whose(&Whose::Client(id.to_owned())), now, tokens_end)?;
    file.prepare_cached("DELETE FROM access_token WHERE client = ?1")?.execute([id])?;
    publish(file, &Revoked::Client { id: id.to_owned(), issued_until: now }, tokens_end)
}

pub(super) fn publish(file: &Connection, what: &Revoked, until: Time) -> rusqlite::Result<()> {
    let (kind, name, bound) = columns(what);
    file.prepare_cached("INSERT INTO revocation (kind, name, bound, until) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![kind, name, bound, column(until)])
        .map(drop)
}

/// Kind, name and bound.
pub(super) fn columns(what: &Revoked) -> (&'static str, String, i64) {
    match what {
        Revoked::Token(id) => ("token", id.clone(), 0),
        Revoked::Grant { id, below_epoch } => ("grant", hexadecimal(*id), i64::from(*below_epoch)),
        Revoked::Client { id, issued_until } => ("client", id.clone(), column(*issued_until)),
    }
}

/// How the id of a grant stands in the list of revocations.
pub(super) fn hexadecimal(id: GrantId) -> String {
    format!("{:032x}", u128::from_be_bytes(id.0))
}

fn found(file: &Connection, which: &Ending<'_>, now: Time) -> rusqlite::Result<Vec<GrantId>> {
    const LIVE: &str = "revoked = 0 AND until > ?1";
    let select = |condition: &str| format!("SELECT id FROM grant_ WHERE {condition} AND {LIVE}");
    let now = column(now);
    let id = |row: &rusqlite::Row<'_>| grant_id(row, "id");
    match which {
        Ending::Whose(Whose::Grant(wanted)) => {
            file.prepare_cached(&select("id = ?2"))?.query_map(params![now, wanted.0], id)?.collect()
        }
        Ending::Whose(Whose::User(user)) => {
            file.prepare_cached(&select("user = ?2"))?.query_map(params![now, user], id)?.collect()
        }
        Ending::Whose(Whose::Client(client)) => {
            file.prepare_cached(&select("client = ?2"))?.query_map(params![now, client], id)?.collect()
        }
        Ending::Whose(Whose::UserAt { user, client }) => file
            .prepare_cached(&select("user = ?2 AND client = ?3"))?
            .query_map(params![now, user, client], id)?
            .collect(),
        Ending::Session(sid) => {
            file.prepare_cached(&select("session = ?2 AND offline = 0"))?.query_map(params![now, sid], id)?.collect()
        }
    }
}

//! Everything that is in the file, out and in.

use rusqlite::{Connection, ErrorCode, ffi, params};

use super::column::{at, column, digest};
use super::fault::fault;
use super::{Sqlite, changed, clients, grants, keys, open, people, revoke, sessions, tokens};
use crate::ground::Time;
use crate::store::whole::{
    Clash, Incoming, KeptGrant, KeptUser, Mark, Outgoing, PAGE, Pages, Part, Row, Taken, Tally, Whole,
};
use crate::store::{Act, StoreFault};

/// Where the rows of a part are, which of them are not over at `?1`, and their order.
pub(super) const fn source(part: Part) -> (&'static str, &'static str, &'static str) {
    const ALL: &str = "TRUE";
    match part {
        Part::Keys => ("signing_key", "(ends IS NULL OR ends > ?1)", "position"),
        Part::Clients => ("client", ALL, "id"),
        Part::SecretUses => ("secret_use", ALL, "client, secret"),
        Part::Declared => ("declared", "kind = 'client'", "id"),
        Part::Users => ("user", ALL, "id"),
        Part::Retired => ("retired", ALL, "id"),
        Part::Sessions => ("session", "min(idle_end, ends) > ?1", "digest"),
        Part::Consents => ("consent", ALL, "user, client, resource"),
        Part::Grants => ("grant_", "until > ?1", "id"),
        Part::Codes => (
            "code",
            "((grant_id IS NULL AND ends > ?1) OR grant_id IN (SELECT id FROM grant_ WHERE until > ?1))",
            "digest",
        ),
        Part::Finished => ("finished", "until > ?1", "digest"),
        Part::Tokens => ("access_token", "ends > ?1", "digest"),
        Part::Revocations => ("revocation", "until > ?1", "number"),
        Part::Assertions => ("assertion", "until > ?1", "id"),
    }
}

impl Whole for Sqlite {
    fn tally(&self) -> Act<'_, Tally> {
        self.reader.run("count what it holds", tally)
    }

    /// On a connection of its own: the verbs of others go on while it waits for whoever takes the pages.
    fn take_out(&self, now: Time) -> Act<'_, Outgoing> {
        const ACT: &str = "read everything that it holds";
        let path = self.path.clone();
        let (begun, outgoing) = tokio::sync::oneshot::channel();
        let work = move || match begin(&path, now) {
            Err(cause) => drop(begun.send(Err(cause))),
            Ok((file, tally)) => {
                let (pages, outgoing) = Outgoing::channel(tally);
                if begun.send(Ok(outgoing)).is_ok()
                    && let Err(cause) = read(&file, now, &pages)
                {
                    // Whoever took them may have gone away.
                    let _ = pages.blocking_send(Err(fault(ACT, &cause)));
                }
            }
        };
        let started = std::thread::Builder::new().name("store-export".to_owned()).spawn(work);
        Box::pin(async move {
            started.map_err(|cause| StoreFault { act: ACT, cause: cause.to_string() })?;
            let ended = || StoreFault { act: ACT, cause: "its thread has ended".to_owned() };
            outgoing.await.unwrap_or_else(|_| Err(ended()))
        })
    }

    fn take_in(&self, mut rows: Incoming) -> Act<'_, Taken> {
        self.writer.run("take everything in", move |file| {
            file.execute_batch("SAVEPOINT everything")?;
            let taken = take_in(file, &mut rows)?;
            let is_kept = taken == Taken::All;
            file.execute_batch(if is_kept {
                "RELEASE everything"
            } else {
                "ROLLBACK TO everything; RELEASE everything"
            })?;
            Ok(taken)
        })
    }
}

fn tally(file: &Connection) -> rusqlite::Result<Tally> {
    let mut tally = Tally::default();
    for part in Part::ALL {
        let (table, _, _) = source(part);
        let count: i64 = file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        tally.add(part, u64::try_from(count).unwrap_or(0));
    }
    Ok(tally)
}

/// A connection that sees one moment, and how many rows it sees.
fn begin(path: &std::path::Path, now: Time) -> Result<(Connection, Tally), StoreFault> {
    let file = open::connect(path)?;
    let counted = || -> rusqlite::Result<Tally> {
        file.pragma_update(None, "query_only", true)?;
        file.execute_batch("BEGIN")?;
        let mut tally = Tally::default();
        for part in Part::ALL {
            let (table, live, _) = source(part);
            let count = format!("SELECT count(*) FROM {table} WHERE {live} AND ?1 IS NOT NULL");
            let count: i64 = file.query_row(&count, [column(now)], |row| row.get(0))?;
            tally.add(part, u64::try_from(count).unwrap_or(0));
        }
        Ok(tally)
    };
    let tally = counted().map_err(|cause| fault("count what it holds", &cause))?;
    Ok((file, tally))
}

/// Hands all rows on, as long as somebody takes them.
fn read(file: &Connection, now: Time, pages: &Pages) -> rusqlite::Result<()> {
    let mut page = Vec::with_capacity(PAGE);
    for part in Part::ALL {
        let (table, live, order) = source(part);
        let mut select =
            file.prepare(&format!("SELECT * FROM {table} WHERE {live} AND ?1 IS NOT NULL ORDER BY {order}"))?;
        let mut rows = select.query([column(now)])?;
        while let Some(found) = rows.next()? {
            page.push(row(file, part, found)?);
            if page.len() == PAGE && pages.blocking_send(Ok(std::mem::take(&mut page))).is_err() {
                return Ok(());
            }
        }
    }
    if !page.is_empty() {
        // Nobody to take them: nobody to tell, either.
        let _ = pages.blocking_send(Ok(page));
    }
    Ok(())
}

fn row(file: &Connection, part: Part, row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(match part {
        Part::Keys => Row::Key(keys::signing_key(row)?),
        Part::Clients => Row::Client(clients::client(row)?),
        Part::SecretUses => Row::SecretUse(clients::secret_use(row)?),
        Part::Declared => Row::Declared(row.get("id")?),
        Part::Users => {
            let user = people::with_recovery(file, people::user_row(row)?)?;
            Row::User(KeptUser { user, file_hash: row.get("file_hash")? })
        }
        Part::Retired => Row::Retired(row.get("id")?),
        Part::Sessions => Row::Session(sessions::row(row)?),
        Part::Consents => Row::Consent(people::consent_row(row)?),
        Part::Grants => Row::Grant(KeptGrant { grant: grants::grant_row(row)?, until: at(row, "until")? }),
        Part::Codes => Row::Code(grants::code_row(row)?),
        Part::Finished => Row::Finished(Mark { digest: digest(row, "digest")?, until: at(row, "until")? }),
        Part::Tokens => Row::Token(tokens::row(row)?),
        Part::Revocations => Row::Revocation(tokens::revocation(row)?),
        Part::Assertions => Row::Assertion(Mark { digest: digest(row, "id")?, until: at(row, "until")? }),
    })
}

/// In the transaction that the writer has open.
fn take_in(file: &Connection, rows: &mut Incoming) -> rusqlite::Result<Taken> {
    let there = tally(file)?;
    if there.total() > 0 {
        return Ok(Taken::Occupied(there));
    }
    let mut count = 0;
    loop {
        match rows.next_blocking() {
            None => return Ok(Taken::BrokenOff),
            Some(None) => break,
            Some(Some(page)) => {
                for row in page {
                    if let Err(cause) = insert(file, &row) {
                        let Some(why) = clash(&cause) else { return Err(cause) };
                        return Ok(Taken::Clash { row: count, why });
                    }
                    count += 1;
                }
            }
        }
    }
    changed(file, "clients")?;
    changed(file, "keys")?;
    Ok(Taken::All)
}

fn clash(cause: &rusqlite::Error) -> Option<Clash> {
    match cause {
        rusqlite::Error::SqliteFailure(failure, _) if failure.code == ErrorCode::ConstraintViolation => {
            let is_orphan = failure.extended_code == ffi::SQLITE_CONSTRAINT_FOREIGNKEY;
            Some(if is_orphan { Clash::Orphan } else { Clash::Twice })
        }
        _ => None,
    }
}

fn insert(file: &Connection, row: &Row) -> rusqlite::Result<()> {
    match row {
        Row::Key(key) => keys::insert(file, key),
        Row::Client(client) => file
            .prepare_cached("INSERT INTO client (id, registration, made, disabled) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![client.id, client.registration, column(client.made), client.disabled])
            .map(drop),
        Row::SecretUse(one) => file
            .prepare_cached("INSERT INTO secret_use VALUES (?1, ?2, ?3)")?
            .execute(params![one.client, one.secret, column(one.used)])
            .map(drop),
        Row::Declared(id) => file.prepare_cached("INSERT INTO declared VALUES ('client', ?1)")?.execute([id]).map(drop),
        Row::User(kept) => people::insert(file, &kept.user, kept.file_hash.as_deref(), "INSERT").map(drop),
        Row::Retired(id) => file.prepare_cached("INSERT INTO retired VALUES (?1)")?.execute([id]).map(drop),
        Row::Session(session) => sessions::insert(file, session),
        Row::Consent(one) => people::insert_consent(file, one),
        Row::Grant(kept) => grants::insert_grant(file, &kept.grant, kept.until),
        Row::Code(code) => grants::insert_code(file, code),
        Row::Finished(mark) => insert_mark(file, "finished", mark),
        Row::Token(token) => tokens::insert(file, token),
        Row::Revocation(one) => {
            let (kind, name, bound) = revoke::columns(&one.what);
            let number = i64::try_from(one.number).unwrap_or(i64::MAX);
            file.prepare_cached(
                "INSERT INTO revocation (number, kind, name, bound, until) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![number, kind, name, bound, column(one.until)])
            .map(drop)
        }
        Row::Assertion(mark) => insert_mark(file, "assertion", mark),
    }
}

fn insert_mark(file: &Connection, table: &str, mark: &Mark) -> rusqlite::Result<()> {
    file.prepare_cached(&format!("INSERT INTO {table} VALUES (?1, ?2)"))?
        .execute(params![mark.digest.as_bytes(), column(mark.until)])
        .map(drop)
}

//! Everything that is in the database, out and in.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use tokio_postgres::error::SqlState;

use super::column::{Value, at, column, digest, kept, list, text, text_if_any};
use super::fault::Failure;
use super::session::Session;
use super::verb::Office;
use super::{FILE, KEYS, Postgres, clients, families, keys, revoke, sessions, tokens, users};
use crate::ground::Time;
use crate::store::whole::{
    Clash, Incoming, KeptGrant, KeptUser, Mark, Outgoing, PAGE, Pages, Part, Row, Taken, Tally, Whole,
};
use crate::store::{Act, StoreFault};

/// It may take as long as it takes.
const PATIENTLY: &str = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// Where the rows of a part are, which of them are not over at `$1`, and their order.
pub(super) const fn source(part: Part) -> (&'static str, &'static str, &'static str) {
    const ALL: &str = "TRUE";
    match part {
        Part::Keys => ("signing_key", "(ends IS NULL OR ends > $1)", "position"),
        Part::Clients => ("client", ALL, "id"),
        Part::SecretUses => ("secret_use", ALL, "client, secret"),
        Part::Declared => ("declared", "kind = 'client'", "id"),
        Part::Users => ("person", ALL, "id"),
        Part::Retired => ("retired", ALL, "id"),
        Part::Sessions => ("session", "least(idle_end, ends) > $1", "digest"),
        Part::Consents => ("consent", ALL, "person, client, resource"),
        Part::Grants => ("family", "until > $1", "id"),
        Part::Codes => (
            "code",
            "((family IS NULL AND ends > $1) OR family IN (SELECT id FROM portcullis.family WHERE until > $1))",
            "digest",
        ),
        Part::Finished => ("finished", "until > $1", "digest"),
        Part::Tokens => ("access_token", "ends > $1", "digest"),
        Part::Revocations => ("revocation", "until > $1", "number"),
        Part::Assertions => ("assertion", "until > $1", "id"),
    }
}

fn columns(part: Part) -> String {
    match part {
        Part::Keys => "id, algorithm, pkcs8, made, starts, ends".to_owned(),
        Part::Clients => "id, registration, made, disabled".to_owned(),
        Part::SecretUses => "client, secret, used".to_owned(),
        Part::Declared | Part::Retired => "id".to_owned(),
        Part::Users => format!("{}, person.file_hash", users::COLUMNS),
        Part::Sessions => sessions::COLUMNS.to_owned(),
        Part::Consents => "person, client, resource, scopes, given".to_owned(),
        Part::Grants => format!("{}, until", families::FAMILY),
        Part::Codes => families::CODE.to_owned(),
        Part::Finished => "digest, until".to_owned(),
        Part::Tokens => tokens::COLUMNS.to_owned(),
        Part::Revocations => "number, kind, name, bound, until".to_owned(),
        Part::Assertions => "id, until".to_owned(),
    }
}

/// Beside the tables of all parts: rows of theirs lie in it.
pub(super) const WITH_USERS: &str = "recovery_code";

impl Whole for Postgres {
    fn tally(&self) -> Act<'_, Tally> {
        const ACT: &str = "count what it holds";
        let office = Arc::clone(&self.office);
        let counting = self.office.control.spawn(async move {
            let db = Session::on(office.pool.get().await?);
            db.plain(&format!("BEGIN READ ONLY; {PATIENTLY}")).await?;
            tally(&db).await
        });
        Box::pin(async move {
            let ended = |_| StoreFault { act: ACT, cause: "the gateway is ending".to_owned() };
            counting.await.map_err(ended)?.map_err(|failure: Failure| failure.told(ACT))
        })
    }

    fn take_out(&self, now: Time) -> Act<'_, Outgoing> {
        const ACT: &str = "read everything that it holds";
        let office = Arc::clone(&self.office);
        let (begun, outgoing) = tokio::sync::oneshot::channel();
        self.office.control.spawn(async move {
            match begin(&office, now).await {
                Err(failure) => drop(begun.send(Err(failure.told(ACT)))),
                Ok((db, tally)) => {
                    let (pages, outgoing) = Outgoing::channel(tally);
                    if begun.send(Ok(outgoing)).is_ok()
                        && let Err(failure) = read(&db, now, &pages).await
                    {
                        // Whoever took them may have gone away.
                        let _ = pages.send(Err(failure.told(ACT))).await;
                    }
                }
            }
        });
        Box::pin(async move {
            let ended = || StoreFault { act: ACT, cause: "the gateway is ending".to_owned() };
            outgoing.await.unwrap_or_else(|_| Err(ended()))
        })
    }

    fn take_in(&self, rows: Incoming) -> Act<'_, Taken> {
        const ACT: &str = "take everything in";
        let office = Arc::clone(&self.office);
        let taking = self.office.control.spawn(async move { take_in(&office, rows).await });
        Box::pin(async move {
            let ended = |_| StoreFault { act: ACT, cause: "the gateway is ending".to_owned() };
            taking.await.map_err(ended)?.map_err(|failure| failure.told(ACT))
        })
    }
}

async fn tally(db: &Session) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    for part in Part::ALL {
        let (table, _, _) = source(part);
        let row = db.one(&format!("SELECT count(*) AS rows FROM portcullis.{table}"), &[]).await?;
        tally.add(part, u64::try_from(row.try_get::<_, i64>("rows")?).unwrap_or(0));
    }
    Ok(tally)
}

/// A transaction that sees one moment, and how many rows it sees. Dropped, its connection is closed.
async fn begin(office: &Office, now: Time) -> Result<(Session, Tally), Failure> {
    let db = Session::on(office.pool.get().await?);
    db.plain(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {PATIENTLY}")).await?;
    let mut tally = Tally::default();
    for part in Part::ALL {
        let (table, live, _) = source(part);
        let count = format!("SELECT count(*) AS rows FROM portcullis.{table} WHERE {live} AND $1::bigint IS NOT NULL");
        let row = db.one(&count, &[&column(now)]).await?;
        tally.add(part, u64::try_from(row.try_get::<_, i64>("rows")?).unwrap_or(0));
    }
    Ok((db, tally))
}

/// Hands all rows on, as long as somebody takes them.
async fn read(db: &Session, now: Time, pages: &Pages) -> Result<(), Failure> {
    let mut page = Vec::with_capacity(PAGE);
    for part in Part::ALL {
        let (table, live, order) = source(part);
        let columns = columns(part);
        let alias = if part == Part::Tokens { "AS token" } else { "" };
        let select = format!(
            "SELECT {columns} FROM portcullis.{table} {alias} WHERE {live} AND $1::bigint IS NOT NULL ORDER BY {order}"
        );
        let rows = db.stream(&select, &[column(now)]).await?;
        let mut rows = std::pin::pin!(rows);
        while let Some(found) = rows.next().await {
            page.push(row(part, &found?)?);
            if page.len() == PAGE && pages.send(Ok(std::mem::take(&mut page))).await.is_err() {
                return Ok(());
            }
        }
    }
    if !page.is_empty() {
        // Nobody to take them: nobody to tell, either.
        let _ = pages.send(Ok(page)).await;
    }
    Ok(())
}

fn row(part: Part, row: &tokio_postgres::Row) -> Result<Row, Failure> {
    Ok(match part {
        Part::Keys => Row::Key(keys::signing_key(row)?),
        Part::Clients => Row::Client(clients::client(row)?),
        Part::SecretUses => Row::SecretUse(clients::secret_use(row)?),
        Part::Declared => Row::Declared(text(row, "id")?),
        Part::Users => Row::User(KeptUser { user: users::row(row)?, file_hash: text_if_any(row, "file_hash")? }),
        Part::Retired => Row::Retired(text(row, "id")?),
        Part::Sessions => Row::Session(sessions::row(row)?),
        Part::Consents => Row::Consent(users::consent(row)?),
        Part::Grants => Row::Grant(KeptGrant { grant: families::row(row)?, until: at(row, "until")? }),
        Part::Codes => Row::Code(families::code_row(row)?),
        Part::Finished => Row::Finished(Mark { digest: digest(row, "digest")?, until: at(row, "until")? }),
        Part::Tokens => Row::Token(tokens::row(row)?),
        Part::Revocations => Row::Revocation(tokens::revocation(row)?),
        Part::Assertions => Row::Assertion(Mark { digest: digest(row, "id")?, until: at(row, "until")? }),
    })
}

/// One transaction. Where it is dropped on its way the connection is closed, and nothing of it is kept.
async fn take_in(office: &Office, rows: Incoming) -> Result<Taken, Failure> {
    let mut db = Session::on(office.pool.get().await?);
    db.plain(&format!("BEGIN; {PATIENTLY}; SET LOCAL lock_timeout = '10s'")).await?;
    let taken = filled(&db, rows).await?;
    if taken == Taken::All {
        db.commit().await?;
    } else {
        db.plain("ROLLBACK").await?;
    }
    db.give_back();
    Ok(taken)
}

async fn filled(db: &Session, mut rows: Incoming) -> Result<Taken, Failure> {
    // A gateway that starts waits here for its turn, and everybody who writes waits for the tables.
    db.alone(FILE).await?;
    db.alone(KEYS).await?;
    let tables = Part::ALL.map(|part| source(part).0).join(", portcullis.");
    db.plain(&format!("LOCK TABLE portcullis.{tables}, portcullis.{WITH_USERS} IN EXCLUSIVE MODE")).await?;
    let there = tally(db).await?;
    if there.total() > 0 {
        return Ok(Taken::Occupied(there));
    }
    let mut count = 0;
    let mut last = 0;
    loop {
        match rows.next().await {
            None => return Ok(Taken::BrokenOff),
            Some(None) => break,
            Some(Some(page)) => {
                if let Some((place, why)) = insert_page(db, &page).await? {
                    return Ok(Taken::Clash { row: count + place, why });
                }
                count += u64::try_from(page.len()).unwrap_or(0);
                last = page.iter().map(number).fold(last, i64::max);
            }
        }
    }
    // In the order in which others take these rows.
    for subject in ["clients", "keys"] {
        db.execute("UPDATE portcullis.version SET number = number + 1 WHERE subject = $1", &[&subject]).await?;
    }
    let risen = "UPDATE portcullis.version SET number = greatest(number, $1) WHERE subject = 'revocations'";
    db.execute(risen, &[&last]).await?;
    db.execute("SELECT pg_notify($1, '')", &[&revoke::CHANNEL]).await?;
    Ok(Taken::All)
}

/// The number of a revocation.
fn number(row: &Row) -> i64 {
    i64::try_from(row.key().0).unwrap_or(i64::MAX)
}

/// All rows of a page, the next on their way while the database works on the last. The first that clashes, and its place.
async fn insert_page(db: &Session, page: &[Row]) -> Result<Option<(u64, Clash)>, Failure> {
    let mut place = 0;
    for run in page.chunk_by(|one, other| one.part() == other.part()) {
        let Some((first, rest)) = run.split_first() else { continue };
        let (mut flying, mut rest) = (FuturesOrdered::new(), Some(rest));
        flying.push_back(insert(db, first));
        while let Some(done) = flying.next().await {
            match done {
                Ok(true) => place += 1,
                Ok(false) => return Ok(Some((place, Clash::Twice))),
                Err(failure) => return clash(&failure).map_or(Err(failure), |why| Ok(Some((place, why)))),
            }
            // The first went alone: it has prepared the statement.
            for row in rest.take().into_iter().flatten() {
                flying.push_back(insert(db, row));
            }
        }
    }
    Ok(None)
}

fn clash(failure: &Failure) -> Option<Clash> {
    let Failure::Database(cause) = failure else { return None };
    match cause.code() {
        Some(code) if *code == SqlState::UNIQUE_VIOLATION => Some(Clash::Twice),
        Some(code) if *code == SqlState::FOREIGN_KEY_VIOLATION => Some(Clash::Orphan),
        Some(_) | None => None,
    }
}

/// `false`: one like it was there.
async fn insert(db: &Session, row: &Row) -> Result<bool, Failure> {
    match row {
        Row::Key(key) => keys::insert_row(db, key).await?,
        Row::Client(client) => {
            let insert = "INSERT INTO portcullis.client (id, registration, made, disabled) VALUES ($1, $2, $3, $4)";
            let (id, registration) = (kept(&client.id), kept(&client.registration));
            plainly(db, insert, &[&id, &registration, &column(client.made), &client.disabled]).await?;
        }
        Row::SecretUse(one) => {
            let insert = "INSERT INTO portcullis.secret_use (client, secret, used) VALUES ($1, $2, $3)";
            plainly(db, insert, &[&kept(&one.client), &kept(&one.secret), &column(one.used)]).await?;
        }
        Row::Declared(id) => {
            plainly(db, "INSERT INTO portcullis.declared (kind, id) VALUES ('client', $1)", &[&kept(id)]).await?;
        }
        Row::User(one) => return users::insert(db, &one.user, one.file_hash.as_deref(), "").await,
        Row::Retired(id) => plainly(db, "INSERT INTO portcullis.retired (id) VALUES ($1)", &[&kept(id)]).await?,
        Row::Session(session) => sessions::insert(db, session).await?,
        Row::Consent(one) => {
            let insert = "INSERT INTO portcullis.consent (person, client, resource, scopes, given)
                          VALUES ($1, $2, $3, $4, $5)";
            let (user, client, resource) = (kept(&one.user), kept(&one.client), kept(&one.resource));
            plainly(db, insert, &[&user, &client, &resource, &list(&one.scopes), &column(one.given)]).await?;
        }
        Row::Grant(one) => families::insert(db, &one.grant, one.until).await?,
        Row::Code(code) => families::insert_code(db, code).await?,
        Row::Finished(mark) => {
            let insert = "INSERT INTO portcullis.finished (digest, until) VALUES ($1, $2)";
            plainly(db, insert, &[&&mark.digest.as_bytes()[..], &column(mark.until)]).await?;
        }
        Row::Token(token) => return tokens::insert(db, token).await,
        Row::Revocation(one) => {
            let insert = "INSERT INTO portcullis.revocation (number, kind, name, bound, until)
                          VALUES ($1, $2, $3, $4, $5)";
            let (kind, name, bound) = revoke::written(&one.what);
            plainly(db, insert, &[&number(row), &kind, &name, &bound, &column(one.until)]).await?;
        }
        Row::Assertion(mark) => {
            let insert = "INSERT INTO portcullis.assertion (id, until) VALUES ($1, $2)";
            plainly(db, insert, &[&&mark.digest.as_bytes()[..], &column(mark.until)]).await?;
        }
    }
    Ok(true)
}

async fn plainly(db: &Session, insert: &str, values: &[Value<'_>]) -> Result<(), Failure> {
    db.execute(insert, values).await.map(drop)
}

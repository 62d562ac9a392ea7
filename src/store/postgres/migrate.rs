//! Brings the tables to the form that this version knows, while older and newer gateways run beside it.
//!
//! A step only adds, so that whoever knew the tables before it still finds what it knows (every statement names its columns).
//! Where that cannot be, the step says from which version on a program can work with its result; an older one then does not
//! start.

use super::TABLES;
use super::fault::Failure;
use super::session::Session;

/// One step of the form.
struct Step {
    sql: &'static str,
    /// The lowest form that a program must know to work with the result.
    oldest: i32,
}

/// The first makes form 1. A step is never changed once released; steps are added.
const STEPS: &[Step] = &[Step { sql: include_str!("schema_1.sql"), oldest: 1 }];

/// Runs the steps that are missing, all or none. Of two gateways that start at the same moment one runs them while the other
/// waits and then finds them done.
pub(super) async fn up_to_date(db: &mut Session) -> Result<(), Failure> {
    // A step may take long in large tables, and so may the wait for another gateway's.
    db.plain("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0").await?;
    suits(db).await?;
    db.alone(TABLES).await?;
    let known = i32::try_from(STEPS.len()).unwrap_or(i32::MAX);
    let found = match found(db).await? {
        Some((version, oldest)) if oldest > known => return Err(newer(version, oldest, known)),
        Some((version, _)) => version,
        None => 0,
    };
    if found >= known {
        return Ok(());
    }
    if found == 0 {
        begin(db).await?;
    }
    let done = usize::try_from(found).unwrap_or(0);
    for step in STEPS.iter().skip(done) {
        db.plain(step.sql).await?;
    }
    let oldest = STEPS.last().map_or(1, |step| step.oldest);
    db.plain(&format!("UPDATE portcullis.form SET version = {known}, oldest = {oldest}")).await?;
    tracing::info!(from = found, to = known, "the tables in PostgreSQL were brought up to date");
    Ok(())
}

/// What no later statement would say as clearly.
async fn suits(db: &Session) -> Result<(), Failure> {
    let row = db
        .one(
            "SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding,
                    current_setting('fsync') = 'off' OR current_setting('synchronous_commit') = 'off' AS forgets",
            &[],
        )
        .await?;
    let (version, encoding): (i32, &str) = (row.try_get("version")?, row.try_get("encoding")?);
    if version < 120_000 {
        return Err(Failure::Unfit("the server is older than PostgreSQL 12; use a newer one".to_owned()));
    }
    if encoding != "UTF8" {
        let cause = format!("the database has the encoding {encoding}; make one with `ENCODING 'UTF8'`");
        return Err(Failure::Unfit(cause));
    }
    if row.try_get("forgets")? {
        tracing::warn!(
            "`fsync` or `synchronous_commit` is off: after a crash of the database acknowledged grants and revocations may \
             be gone"
        );
    }
    Ok(())
}

/// The form of the tables, and the lowest that a program must know. `None`: there are none.
async fn found(db: &Session) -> Result<Option<(i32, i32)>, Failure> {
    let there = db.one("SELECT to_regclass('portcullis.form') IS NOT NULL AS there", &[]).await?;
    if !there.try_get::<_, bool>("there")? {
        return Ok(None);
    }
    let row = db.one("SELECT version, oldest FROM portcullis.form", &[]).await?;
    Ok(Some((row.try_get("version")?, row.try_get("oldest")?)))
}

fn newer(version: i32, oldest: i32, known: i32) -> Failure {
    Failure::Unfit(format!(
        "the tables are those of a newer version of Portcullis (form {version}, for programs that know form {oldest}; this \
         one knows form {known}); run that version, or name another database"
    ))
}

/// The schema may be there, made by somebody with more rights than ours.
async fn begin(db: &Session) -> Result<(), Failure> {
    let there = db.one("SELECT to_regnamespace('portcullis') IS NOT NULL AS there", &[]).await?;
    if !there.try_get::<_, bool>("there")? {
        db.plain("CREATE SCHEMA portcullis").await?;
    }
    db.plain(
        "CREATE TABLE portcullis.form (version int NOT NULL, oldest int NOT NULL);
         INSERT INTO portcullis.form VALUES (0, 0)",
    )
    .await
}

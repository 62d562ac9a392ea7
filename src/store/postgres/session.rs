//! One connection in the hands of one verb.

use deadpool_postgres::Object;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Row, RowStream};

use super::column::{Value, kept};
use super::fault::Failure;
use super::revoke;
use crate::ground::Time;
use crate::store::Revoked;

/// Names of our locks in a database that others may use too: `PcAc` and `PcId` in ASCII.
const ACTS: i32 = 0x5063_4163;
const IDS: i32 = 0x5063_4964;

/// What a server says that is about to end.
const ENDING: [SqlState; 2] = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN];

/// A connection, and what the verb that holds it has to tell others when it is done. Unless it is given back it is closed:
/// a verb that was dropped on its way leaves no transaction open.
pub(super) struct Session {
    /// `None` only while being dropped.
    client: Option<Object>,
    /// Revoked, and until when that is said.
    pub(super) revoked: Vec<(Revoked, Time)>,
    /// Subjects that have changed.
    pub(super) changed: Vec<&'static str>,
}

impl Session {
    pub(super) fn on(client: Object) -> Self {
        Self { client: Some(client), revoked: Vec::new(), changed: Vec::new() }
    }

    fn client(&self) -> Result<&Object, Failure> {
        self.client.as_ref().ok_or_else(|| Failure::unreachable("it was given back"))
    }

    /// Gives the number of rows.
    pub(super) async fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, Failure> {
        let client = self.client()?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.execute(&statement, values).await?)
    }

    pub(super) async fn rows(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Failure> {
        let client = self.client()?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.query(&statement, values).await?)
    }

    /// Rows as they come, for more of them than there should be at once.
    pub(super) async fn stream(&self, sql: &str, values: &[i64]) -> Result<RowStream, Failure> {
        let client = self.client()?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.query_raw(&statement, values).await?)
    }

    pub(super) async fn maybe(&self, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>, Failure> {
        let client = self.client()?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.query_opt(&statement, values).await?)
    }

    pub(super) async fn one(&self, sql: &str, values: &[Value<'_>]) -> Result<Row, Failure> {
        let client = self.client()?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.query_one(&statement, values).await?)
    }

    /// Statements without values, as they are.
    pub(super) async fn plain(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.client()?.batch_execute(sql).await?)
    }

    /// Until the end of the transaction nobody else is in an act of this kind.
    pub(super) async fn alone(&self, act: i32) -> Result<(), Failure> {
        self.execute("SELECT pg_advisory_xact_lock($1, $2)", &[&ACTS, &act]).await.map(drop)
    }

    /// Until the end of the transaction nobody else does something to who has this id.
    pub(super) async fn alone_with(&self, id: &str) -> Result<(), Failure> {
        self.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", &[&IDS, &kept(id)]).await.map(drop)
    }

    /// Tells what was changed, then commits. Last of all, because from the first telling on every other teller waits.
    pub(super) async fn commit(&mut self) -> Result<(), Failure> {
        revoke::tell(self).await?;
        match self.client()?.batch_execute("COMMIT").await {
            Ok(()) => Ok(()),
            // The server has said that it is not done; one that ends may have done it before.
            Err(cause) if cause.code().is_some_and(|code| !ENDING.contains(code)) => Err(Failure::Database(cause)),
            Err(cause) => Err(Failure::Unknown(cause)),
        }
    }

    /// Back to the pool, clean.
    pub(super) fn give_back(mut self) {
        drop(self.client.take());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            // Out of the pool and closed.
            drop(Object::take(client));
        }
    }
}

//! What went wrong, in the words of whoever runs the database, and whether it is worth another try.

use std::error::Error as _;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::StoreFault;

/// Why a verb, or a try of it, was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no connection to be had, and whether waiting could help.
    Unreachable { cause: String, may_pass: bool },
    /// More verbs run than there are connections, and none came free.
    Crowded,
    /// The server takes no connection more, whoever opened those it has.
    Full(String),
    /// The database said no, or the connection broke.
    Database(Error),
    /// The connection broke while it was committing: nobody knows whether that was done.
    Unknown(Error),
    /// A row holds what was never written there.
    Damaged(String),
    /// This database, or what is in it, is not for us.
    Unfit(String),
}

impl From<Error> for Failure {
    fn from(cause: Error) -> Self {
        Self::Database(cause)
    }
}

impl From<PoolError> for Failure {
    fn from(cause: PoolError) -> Self {
        match cause {
            PoolError::Timeout(TimeoutType::Wait) => Self::Crowded,
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => Self::unreachable("it does not answer"),
            PoolError::Backend(cause) if cause.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => {
                Self::Full(in_words(&cause))
            }
            PoolError::Backend(cause) => Self::Unreachable { cause: in_words(&cause), may_pass: may_pass(&cause) },
            PoolError::Closed | PoolError::NoRuntimeSpecified => Self::unreachable("the gateway is ending"),
            PoolError::PostCreateHook(cause) => Self::unreachable(cause.to_string()),
        }
    }
}

impl Failure {
    pub(super) fn unreachable(cause: impl Into<String>) -> Self {
        Self::Unreachable { cause: cause.into(), may_pass: true }
    }

    /// Whether waiting could help when the store cannot be opened.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { may_pass, .. } => *may_pass,
            Self::Crowded | Self::Full(_) | Self::Unknown(_) => true,
            Self::Damaged(_) | Self::Unfit(_) => false,
            Self::Database(cause) => may_pass(cause),
        }
    }

    pub(super) fn damaged(name: &str) -> Self {
        Self::Damaged(format!("the column `{name}` holds what cannot stand there"))
    }

    /// Nothing was done, and the next try may go better. Not for what is unknown: to do it twice would be worse.
    pub(super) fn is_worth_a_try(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Full(_) => true,
            Self::Crowded | Self::Unknown(_) | Self::Damaged(_) | Self::Unfit(_) => false,
            Self::Database(cause) => match cause.code() {
                Some(code) => passes(code),
                None => is_broken(cause),
            },
        }
    }

    /// The next verb on this connection would meet the same: a server that ends, or one that only reads since another took
    /// over.
    pub(super) fn spoils_its_connection(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Crowded | Self::Full(_) | Self::Unknown(_) => true,
            Self::Damaged(_) | Self::Unfit(_) => false,
            Self::Database(cause) => cause.code().is_none_or(|code| {
                [
                    SqlState::READ_ONLY_SQL_TRANSACTION,
                    SqlState::FEATURE_NOT_SUPPORTED,
                    SqlState::ADMIN_SHUTDOWN,
                    SqlState::CRASH_SHUTDOWN,
                    SqlState::CANNOT_CONNECT_NOW,
                    SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                ]
                .contains(code)
            }),
        }
    }

    /// It says that the database is away for a pool of so many connections, not that it does not like a statement. A server
    /// that is full serves whoever has a connection.
    pub(super) fn is_absence(&self, connections: usize) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Full(_) => connections == 0,
            Self::Crowded | Self::Damaged(_) | Self::Unfit(_) => false,
            Self::Database(cause) | Self::Unknown(cause) => {
                cause.code().map_or_else(|| is_broken(cause), |code| passes(code) && self.spoils_its_connection())
            }
        }
    }

    pub(super) fn told(&self, act: &'static str) -> StoreFault {
        StoreFault { act, cause: self.in_words() }
    }

    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Unreachable { cause, .. } => format!("PostgreSQL cannot be reached: {cause}"),
            Self::Crowded => "all connections to PostgreSQL are busy; raise `store.postgres.connections`, or look for \
                              statements that wait (`pg_stat_activity`)"
                .to_owned(),
            Self::Database(cause) => in_words(cause),
            Self::Unknown(cause) => format!("the connection broke while it was written: {}", in_words(cause)),
            Self::Full(cause) | Self::Damaged(cause) | Self::Unfit(cause) => cause.clone(),
        }
    }
}

/// Two transactions in each other's way, a server that goes or comes, one that has become a replica, a table that got a
/// column meanwhile.
fn passes(code: &SqlState) -> bool {
    [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::FEATURE_NOT_SUPPORTED,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        SqlState::TOO_MANY_CONNECTIONS,
    ]
    .contains(code)
}

/// A connection that is gone, and not a value that could not be turned into ours.
fn is_broken(cause: &Error) -> bool {
    cause.is_closed() || cause.source().is_some_and(|source| source.is::<std::io::Error>())
}

/// What PostgreSQL says, and what to do about it where that is known. Never a value of a row.
pub(super) fn in_words(cause: &Error) -> String {
    let Some(told) = cause.as_db_error() else {
        let source = cause.source().map(|source| format!(": {source}"));
        return format!("{cause}{}", source.unwrap_or_default());
    };
    let advice = match told.code() {
        code if [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(code) => {
            "check user and password in the connection string, and `pg_hba.conf`"
        }
        code if *code == SqlState::INVALID_CATALOG_NAME => "make the database, or name another one",
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "grant the role what it lacks: docs/postgresql.md has the statements"
        }
        code if *code == SqlState::TOO_MANY_CONNECTIONS => {
            "all gateways together open more connections than the server has: lower `store.postgres.connections`, or \
             raise `max_connections`"
        }
        code if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
            "this server is a replica, or was made read-only: name the primary, or all of them"
        }
        code if *code == SqlState::DISK_FULL => "the disk of the server is full",
        code if *code == SqlState::QUERY_CANCELED => "it took too long: look for what holds its locks",
        code if [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT].contains(code) => {
            "a pooler between loses prepared statements: give PgBouncer `max_prepared_statements`, or `pool_mode = session`"
        }
        code if [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN].contains(code) => {
            "the tables are not those of this version"
        }
        _ => "",
    };
    let said = format!("PostgreSQL says: {} ({})", told.message(), told.code().code());
    if advice.is_empty() { said } else { format!("{said}; {advice}") }
}

/// Whether waiting could help when the store cannot be opened: not where somebody has to write something else first.
fn may_pass(cause: &Error) -> bool {
    if let Some(code) = cause.code() {
        return passes(code);
    }
    // A name that does not resolve yet, nobody who listens, a server that closes at once because it is starting. What TLS
    // says stands in errors of these two kinds.
    let never = [std::io::ErrorKind::InvalidData, std::io::ErrorKind::InvalidInput];
    let source = cause.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    cause.is_closed() || source.is_some_and(|source| !never.contains(&source.kind()))
}

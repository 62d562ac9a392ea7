//! How our values look in columns.

use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};
use serde::Serialize;

use crate::ground::{Digest, Time};
use crate::store::GrantId;

/// SQLite's integers are signed; the end of time is far enough away either way.
pub(super) fn column(time: Time) -> i64 {
    i64::try_from(time.millis()).unwrap_or(i64::MAX)
}

pub(super) fn time(column: i64) -> Time {
    Time::from_millis(u64::try_from(column).unwrap_or(0))
}

pub(super) fn at(row: &Row<'_>, name: &str) -> Result<Time> {
    row.get(name).map(time)
}

pub(super) fn at_if_any(row: &Row<'_>, name: &str) -> Result<Option<Time>> {
    row.get(name).map(|column: Option<i64>| column.map(time))
}

pub(super) fn number(row: &Row<'_>, name: &str) -> Result<u32> {
    row.get(name)
}

/// A list of texts as JSON.
pub(super) fn list(texts: &[impl Serialize]) -> String {
    serde_json::to_string(texts).unwrap_or_else(|_| "[]".to_owned())
}

pub(super) fn texts(row: &Row<'_>, name: &str) -> Result<Vec<String>> {
    let text: String = row.get(name)?;
    serde_json::from_str(&text).map_err(|cause| Error::FromSqlConversionFailure(0, Type::Text, Box::new(cause)))
}

pub(super) fn digest(row: &Row<'_>, name: &str) -> Result<Digest> {
    row.get(name).map(Digest::from_bytes)
}

pub(super) fn grant_id(row: &Row<'_>, name: &str) -> Result<GrantId> {
    row.get(name).map(GrantId)
}

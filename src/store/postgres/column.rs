//! How our values look in columns.

use std::borrow::Cow;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::fault::Failure;
use crate::ground::{Digest, Time};
use crate::store::GrantId;

/// What a statement is given.
pub(super) type Value<'a> = &'a (dyn ToSql + Sync);

/// PostgreSQL's integers are signed; the end of time is far enough away either way.
pub(super) fn column(time: Time) -> i64 {
    i64::try_from(time.millis()).unwrap_or(i64::MAX)
}

pub(super) fn time(column: i64) -> Time {
    Time::from_millis(u64::try_from(column).unwrap_or(0))
}

/// Stands before what it hides.
const ESCAPE: char = '\u{1}';

/// A text as a column can have it: PostgreSQL's has no NUL, so that is written as two characters. No two texts become one.
pub(super) fn kept(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', ESCAPE]) {
        Cow::Owned(text.replace(ESCAPE, "\u{1}1").replace('\0', "\u{1}0"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The text that a column has.
pub(super) fn plain(text: String) -> String {
    if text.contains(ESCAPE) { text.replace("\u{1}0", "\0").replace("\u{1}1", "\u{1}") } else { text }
}

pub(super) fn kept_if_any(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(kept)
}

pub(super) fn list(texts: &[String]) -> Vec<Cow<'_, str>> {
    texts.iter().map(|text| kept(text)).collect()
}

pub(super) fn text(row: &Row, name: &str) -> Result<String, Failure> {
    Ok(plain(row.try_get(name)?))
}

pub(super) fn text_if_any(row: &Row, name: &str) -> Result<Option<String>, Failure> {
    Ok(row.try_get::<_, Option<String>>(name)?.map(plain))
}

pub(super) fn texts(row: &Row, name: &str) -> Result<Vec<String>, Failure> {
    Ok(row.try_get::<_, Vec<String>>(name)?.into_iter().map(plain).collect())
}

pub(super) fn at(row: &Row, name: &str) -> Result<Time, Failure> {
    Ok(time(row.try_get(name)?))
}

pub(super) fn at_if_any(row: &Row, name: &str) -> Result<Option<Time>, Failure> {
    Ok(row.try_get::<_, Option<i64>>(name)?.map(time))
}

/// A count or a number of ours, none of which is negative.
pub(super) fn number(row: &Row, name: &str) -> Result<u32, Failure> {
    let number: i64 = row.try_get(name)?;
    u32::try_from(number).map_err(|_| Failure::damaged(name))
}

/// Bytes of a fixed length.
pub(super) fn bytes<const N: usize>(row: &Row, name: &str) -> Result<[u8; N], Failure> {
    let bytes: &[u8] = row.try_get(name)?;
    bytes.try_into().map_err(|_| Failure::damaged(name))
}

pub(super) fn digest(row: &Row, name: &str) -> Result<Digest, Failure> {
    bytes(row, name).map(Digest::from_bytes)
}

pub(super) fn grant_id(row: &Row, name: &str) -> Result<GrantId, Failure> {
    bytes(row, name).map(GrantId)
}

pub(super) fn grant_id_if_any(row: &Row, name: &str) -> Result<Option<GrantId>, Failure> {
    let bytes: Option<&[u8]> = row.try_get(name)?;
    let id = bytes.map(|bytes| bytes.try_into().map(GrantId));
    id.transpose().map_err(|_| Failure::damaged(name))
}

#[cfg(test)]
mod tests {
    use super::{kept, plain};

    #[test]
    fn every_text_comes_back_and_no_two_are_kept_as_one() {
        let texts = ["", "a", "\0", "\u{1}", "\u{1}0", "\u{1}1", "\0\u{1}", "\u{1}\0", "\u{1}10", "x\0y\u{1}z"];
        let mut seen = std::collections::HashSet::new();
        for text in texts {
            let stored = kept(text).into_owned();
            assert!(!stored.contains('\0'));
            assert_eq!(plain(stored.clone()), text, "{text:?}");
            assert!(seen.insert(stored), "{text:?}");
        }
    }
}

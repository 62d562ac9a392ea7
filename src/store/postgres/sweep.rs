//! Forgets what is over. Gateways do it side by side: each passes over the rows that another has in hand.

use super::column::column;
use super::fault::Failure;
use super::session::Session;
use crate::ground::Time;

/// What goes when, each by an index on its end.
const SWEEPS: [(&str, &str); 8] = [
    ("family", "until <= $1"),
    ("code", "family IS NULL AND ends <= $1"),
    ("session", "least(idle_end, ends) <= $1"),
    ("access_token", "ends <= $1"),
    ("finished", "until <= $1"),
    ("assertion", "until <= $1"),
    ("revocation", "until <= $1"),
    ("signing_key", "ends <= $1"),
];

/// Each kind is a statement by itself: one that fails takes nothing back.
pub(super) async fn sweep(db: &mut Session, now: Time, most: usize) -> Result<usize, Failure> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut gone = 0;
    for (table, over) in SWEEPS {
        let sweep = format!(
            "DELETE FROM portcullis.{table} WHERE ctid = ANY(ARRAY(
                 SELECT ctid FROM portcullis.{table} WHERE {over} LIMIT $2 FOR UPDATE SKIP LOCKED))"
        );
        gone += usize::try_from(db.execute(&sweep, &[&column(now), &most]).await?).unwrap_or(0);
    }
    Ok(gone)
}

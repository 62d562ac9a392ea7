//! Brings the users of the file into the table.

use rusqlite::{Connection, OptionalExtension, params};

use super::column::list;
use super::people::{add, named, remove};
use super::revoke::{self, Ending};
use super::sessions;
use crate::ground::Time;
use crate::store::people::folded;
use crate::store::{FileUser, Origin, Reconciled, Spare, User, Whose};

pub(super) fn users(
    file: &Connection,
    users: Vec<FileUser>,
    (now, tokens_end): (Time, Time),
) -> rusqlite::Result<Reconciled> {
    let mut report = Reconciled::default();
    let names: Vec<String> = users.iter().map(|user| folded(&user.name)).collect();
    let mut rows = file.prepare_cached("SELECT id, folded, name FROM user WHERE from_file = 1 ORDER BY folded")?;
    let known: Vec<(String, String, String)> =
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    for (id, _, name) in known.into_iter().filter(|(_, folded, _)| !names.contains(folded)) {
        remove(file, &id, now, tokens_end)?;
        report.removed.push(name);
    }
    for written in users {
        one(file, written, (now, tokens_end), &mut report)?;
    }
    Ok(report)
}

fn one(file: &Connection, written: FileUser, times: (Time, Time), report: &mut Reconciled) -> rusqlite::Result<()> {
    let name = written.name.clone();
    match named(file, &name)? {
        Some(User { origin: Origin::Command, .. }) => report.conflicts.push(name),
        Some(before) if written.id_is_written && written.id != before.id => {
            remove(file, &before.id, times.0, times.1)?;
            report.removed.push(name);
            introduce(file, written, times.0, report)?;
        }
        Some(before) => {
            if update(file, before, written, times)? {
                report.changed.push(name);
            }
        }
        None => introduce(file, written, times.0, report)?,
    }
    Ok(())
}

fn introduce(file: &Connection, written: FileUser, now: Time, report: &mut Reconciled) -> rusqlite::Result<()> {
    if written.id_is_written {
        // Who writes an id wants this very person back.
        file.prepare_cached("DELETE FROM retired WHERE id = ?1")?.execute([&written.id])?;
    }
    let (name, hash) = (written.name.clone(), written.password.clone());
    if add(file, &written.into_user(now), hash.as_deref())? {
        report.added.push(name);
    } else {
        report.conflicts.push(name);
    }
    Ok(())
}

/// Whether a role was lost or another password set.
fn update(
    file: &Connection,
    before: User,
    written: FileUser,
    (now, tokens_end): (Time, Time),
) -> rusqlite::Result<bool> {
    let last: Option<Option<String>> = file
        .prepare_cached("SELECT file_hash FROM user WHERE id = ?1")?
        .query_row([&before.id], |row| row.get(0))
        .optional()?;
    let news = last != Some(written.password.clone());
    let is_other = news && before.password != written.password;
    let lost = before.roles.iter().any(|role| !written.roles.contains(role));
    let mut roles = written.roles;
    roles.sort_unstable();
    let password = if is_other { &written.password } else { &before.password };
    file.prepare_cached(
        "UPDATE user SET name = ?2, email = ?3, email_verified = ?4, profile = ?5, password = ?6, roles = ?7,
         file_hash = ?8 WHERE id = ?1",
    )?
    .execute(params![
        before.id,
        written.name,
        written.email,
        written.email_verified,
        written.profile,
        password,
        list(&roles),
        written.password,
    ])?;
    if is_other {
        sessions::end_all(file, &before.id, &Spare::None)?;
        revoke::grants(file, &Ending::Whose(&Whose::User(before.id)), now, tokens_end)?;
    } else if lost {
        revoke::turn_epochs(file, &before.id, now, tokens_end)?;
    }
    Ok(lost || is_other)
}

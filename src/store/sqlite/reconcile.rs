//! Brings the users of the file into the table.

use rusqlite::{Connection, OptionalExtension, params};

use super::column::list;
use super::people::{add, named, remove, user};
use super::revoke::{self, Ending};
use super::sessions;
use crate::ground::Time;
use crate::store::people::folded;
use crate::store::people::matching::{Known, matched};
use crate::store::{FileUser, Origin, Reconciled, Spare, User, Whose};

pub(super) fn users(
    file: &Connection,
    users: Vec<FileUser>,
    (now, tokens_end): (Time, Time),
) -> rusqlite::Result<Reconciled> {
    let matched = matched(known(file, &users)?, users);
    let mut report = Reconciled { conflicts: matched.conflicts, ..Reconciled::default() };
    for gone in matched.gone {
        remove(file, &gone.id, now, tokens_end)?;
        report.removed.push(gone.name);
    }
    for (before, name) in matched.renamed {
        // Nobody's name while names change hands: a folded one begins with no blank.
        let aside = "UPDATE user SET folded = char(10) || id WHERE id = ?1";
        file.prepare_cached(aside)?.execute([&before.id])?;
        report.renamed.push(format!("{} -> {name}", before.name));
    }
    for (id, written) in matched.stay {
        let name = written.name.clone();
        let Some(before) = user(file, &id)? else { continue };
        if update(file, before, written, (now, tokens_end))? {
            report.changed.push(name);
        }
    }
    for written in matched.new {
        introduce(file, written, now, &mut report)?;
    }
    Ok(report)
}

/// All users of the file, and those of commands whose names these want.
fn known(file: &Connection, users: &[FileUser]) -> rusqlite::Result<Vec<Known>> {
    let mut rows = file.prepare_cached("SELECT id, name FROM user WHERE from_file = 1")?;
    let filed = rows.query_map([], |row| Ok(Known { id: row.get(0)?, name: row.get(1)?, origin: Origin::File }))?;
    let mut known = filed.collect::<rusqlite::Result<Vec<_>>>()?;
    for user in users {
        if let Some(User { id, name, origin: Origin::Command, .. }) = named(file, &user.name)? {
            known.push(Known { id, name, origin: Origin::Command });
        }
    }
    Ok(known)
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
         file_hash = ?8, folded = ?9 WHERE id = ?1",
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
        folded(&written.name),
    ])?;
    if is_other {
        sessions::end_all(file, &before.id, &Spare::None)?;
        revoke::grants(file, &Ending::Whose(&Whose::User(before.id)), now, tokens_end)?;
    } else if lost {
        revoke::turn_epochs(file, &before.id, now, tokens_end)?;
    }
    Ok(lost || is_other)
}

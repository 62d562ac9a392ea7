//! Brings the users of the file into the table. One gateway at a time: two that start together would add each user twice,
//! and only one of them may say that it did.

use super::FILE;
use super::column::{kept, kept_if_any, list, text, text_if_any};
use super::fault::Failure;
use super::revoke::{self, Ending};
use super::session::Session;
use super::sessions;
use super::users::{add, remove, user};
use crate::ground::Time;
use crate::store::people::folded;
use crate::store::people::matching::{Known, matched};
use crate::store::{FileUser, Origin, Reconciled, Spare, User, Whose};

pub(super) async fn users(
    db: &mut Session,
    users: &[FileUser],
    (now, tokens_end): (Time, Time),
) -> Result<Reconciled, Failure> {
    db.alone(FILE).await?;
    let matched = matched(known(db, users).await?, users.to_vec());
    let mut report = Reconciled { conflicts: matched.conflicts, ..Reconciled::default() };
    for gone in matched.gone {
        remove(db, &gone.id, now, tokens_end).await?;
        report.removed.push(gone.name);
    }
    for (before, name) in matched.renamed {
        // Nobody's name while names change hands: a folded one begins with no blank.
        let aside = "UPDATE portcullis.person SET folded = chr(10) || id WHERE id = $1";
        db.execute(aside, &[&kept(&before.id)]).await?;
        report.renamed.push(format!("{} -> {name}", before.name));
    }
    for (id, written) in matched.stay {
        let name = written.name.clone();
        let Some(before) = user(db, &id, "FOR UPDATE").await? else { continue };
        if update(db, before, written, (now, tokens_end)).await? {
            report.changed.push(name);
        }
    }
    for written in matched.new {
        introduce(db, written, now, &mut report).await?;
    }
    Ok(report)
}

/// All users of the file, and those of commands whose names these want.
async fn known(db: &Session, users: &[FileUser]) -> Result<Vec<Known>, Failure> {
    let names: Vec<String> = users.iter().map(|user| folded(&user.name)).collect();
    let find = "SELECT id, name, from_file FROM portcullis.person WHERE from_file OR folded = ANY($1)";
    let rows = db.rows(find, &[&list(&names)]).await?;
    let known = rows.iter().map(|row| {
        let origin = if row.try_get("from_file")? { Origin::File } else { Origin::Command };
        Ok(Known { id: text(row, "id")?, name: text(row, "name")?, origin })
    });
    known.collect()
}

async fn introduce(db: &mut Session, written: FileUser, now: Time, report: &mut Reconciled) -> Result<(), Failure> {
    if written.id_is_written {
        // Who writes an id wants this very person back.
        db.execute("DELETE FROM portcullis.retired WHERE id = $1", &[&kept(&written.id)]).await?;
    }
    let (name, hash) = (written.name.clone(), written.password.clone());
    if add(db, &written.into_user(now), hash.as_deref()).await? {
        report.added.push(name);
    } else {
        report.conflicts.push(name);
    }
    Ok(())
}

/// Whether a role was lost or another password set.
async fn update(
    db: &mut Session,
    before: User,
    written: FileUser,
    (now, tokens_end): (Time, Time),
) -> Result<bool, Failure> {
    let last = db.maybe("SELECT file_hash FROM portcullis.person WHERE id = $1", &[&kept(&before.id)]).await?;
    let last = last.map(|row| text_if_any(&row, "file_hash")).transpose()?;
    let news = last != Some(written.password.clone());
    let is_other = news && before.password != written.password;
    let lost = before.roles.iter().any(|role| !written.roles.contains(role));
    let mut roles = written.roles;
    roles.sort_unstable();
    let password = if is_other { &written.password } else { &before.password };
    db.execute(
        "UPDATE portcullis.person SET name = $2, email = $3, email_verified = $4, profile = $5, password = $6,
         roles = $7, file_hash = $8, folded = $9 WHERE id = $1",
        &[
            &kept(&before.id),
            &kept(&written.name),
            &kept_if_any(written.email.as_deref()),
            &written.email_verified,
            &kept(&written.profile),
            &kept_if_any(password.as_deref()),
            &list(&roles),
            &kept_if_any(written.password.as_deref()),
            &kept(&folded(&written.name)),
        ],
    )
    .await?;
    if is_other {
        sessions::end_all(db, &before.id, &Spare::None).await?;
        revoke::grants(db, &Ending::Whose(&Whose::User(before.id)), now, tokens_end).await?;
    } else if lost {
        revoke::turn_epochs(db, &before.id, now, tokens_end).await?;
    }
    Ok(lost || is_other)
}

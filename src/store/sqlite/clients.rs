//! Clients in SQLite.

use rusqlite::{Connection, Row, params};

use super::column::{at, column};
use super::{Sqlite, changed, revoke};
use crate::ground::Time;
use crate::store::{Act, Clients, KeptClient, SecretUse};

impl Clients for Sqlite {
    fn clients(&self) -> Act<'_, Vec<KeptClient>> {
        self.reader.run("read the clients", |file| {
            let mut rows = file.prepare_cached("SELECT id, registration, made, disabled FROM client ORDER BY id")?;
            rows.query_map([], client)?.collect()
        })
    }

    fn add_client(&self, client: KeptClient) -> Act<'_, bool> {
        self.writer.run("keep a client", move |file| {
            let added = file
                .prepare_cached(
                    "INSERT OR IGNORE INTO client (id, registration, made, disabled) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![client.id, client.registration, column(client.made), client.disabled])?;
            noted(file, added)
        })
    }

    fn change_client(&self, id: String, old: String, new: String) -> Act<'_, bool> {
        self.writer.run("change a client", move |file| {
            let done = file
                .prepare_cached("UPDATE client SET registration = ?3 WHERE id = ?1 AND registration = ?2")?
                .execute(params![id, old, new])?;
            noted(file, done)
        })
    }

    fn disable_client(&self, id: String, disabled: bool, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.writer.run("disable a client", move |file| {
            let done =
                file.prepare_cached("UPDATE client SET disabled = ?2 WHERE id = ?1")?.execute(params![id, disabled])?;
            if done > 0 && disabled {
                revoke::client(file, &id, now, tokens_end)?;
            }
            noted(file, done)
        })
    }

    fn remove_client(&self, id: String, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.writer.run("remove a client", move |file| {
            let done = file.prepare_cached("DELETE FROM client WHERE id = ?1")?.execute([&id])?;
            if done > 0 {
                file.prepare_cached("DELETE FROM consent WHERE client = ?1")?.execute([&id])?;
                file.prepare_cached("DELETE FROM secret_use WHERE client = ?1")?.execute([&id])?;
                revoke::client(file, &id, now, tokens_end)?;
            }
            noted(file, done)
        })
    }

    fn end_client(&self, id: String, now: Time, tokens_end: Time) -> Act<'_, ()> {
        self.writer.run("end a client", move |file| revoke::client(file, &id, now, tokens_end))
    }

    fn reconcile_clients(&self, named: Vec<String>, now: Time, tokens_end: Time) -> Act<'_, Vec<String>> {
        self.writer.run("note the clients of the file", move |file| {
            let mut rows = file.prepare_cached("SELECT id FROM declared WHERE kind = 'client' ORDER BY id")?;
            let before: Vec<String> = rows.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let gone: Vec<String> = before.into_iter().filter(|id| !named.contains(id)).collect();
            for id in &gone {
                file.prepare_cached("DELETE FROM declared WHERE kind = 'client' AND id = ?1")?.execute([id])?;
                revoke::client(file, id, now, tokens_end)?;
            }
            for id in &named {
                file.prepare_cached("INSERT OR IGNORE INTO declared VALUES ('client', ?1)")?.execute([id])?;
            }
            Ok(gone)
        })
    }

    fn secrets_used(&self, uses: Vec<SecretUse>) -> Act<'_, ()> {
        self.writer.run("note the use of secrets", move |file| {
            let mut note = file.prepare_cached(
                "INSERT INTO secret_use VALUES (?1, ?2, ?3)
                 ON CONFLICT (client, secret) DO UPDATE SET used = max(used, excluded.used)",
            )?;
            for one in &uses {
                note.execute(params![one.client, one.secret, column(one.used)])?;
            }
            Ok(())
        })
    }

    fn secret_uses(&self) -> Act<'_, Vec<SecretUse>> {
        self.reader.run("read the use of secrets", |file| {
            let mut rows =
                file.prepare_cached("SELECT client, secret, used FROM secret_use ORDER BY client, secret")?;
            rows.query_map([], secret_use)?.collect()
        })
    }
}

/// Other processes hear of it when something was done.
fn noted(file: &Connection, done: usize) -> rusqlite::Result<bool> {
    if done > 0 {
        changed(file, "clients")?;
    }
    Ok(done > 0)
}

pub(super) fn client(row: &Row<'_>) -> rusqlite::Result<KeptClient> {
    Ok(KeptClient {
        id: row.get("id")?,
        registration: row.get("registration")?,
        made: at(row, "made")?,
        disabled: row.get("disabled")?,
    })
}

pub(super) fn secret_use(row: &Row<'_>) -> rusqlite::Result<SecretUse> {
    Ok(SecretUse { client: row.get("client")?, secret: row.get("secret")?, used: at(row, "used")? })
}

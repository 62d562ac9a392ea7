//! Clients in PostgreSQL.

use tokio_postgres::Row;

use super::column::{at, column, kept, text};
use super::fault::Failure;
use super::session::Session;
use super::{FILE, Postgres, revoke};
use crate::ground::Time;
use crate::store::{Act, Clients, KeptClient, SecretUse};

impl Clients for Postgres {
    fn clients(&self) -> Act<'_, Vec<KeptClient>> {
        self.repeatable("read the clients", (), |db, ()| {
            Box::pin(async move {
                let all = "SELECT id, registration, made, disabled FROM portcullis.client ORDER BY id";
                db.rows(all, &[]).await?.iter().map(client).collect()
            })
        })
    }

    fn add_client(&self, client: KeptClient) -> Act<'_, bool> {
        self.once("keep a client", client, |db, client| {
            Box::pin(async move {
                let add = "INSERT INTO portcullis.client (id, registration, made, disabled) VALUES ($1, $2, $3, $4)
                           ON CONFLICT DO NOTHING";
                let (id, registration) = (kept(&client.id), kept(&client.registration));
                let added = db.execute(add, &[&id, &registration, &column(client.made), &client.disabled]).await?;
                Ok(noted(db, added))
            })
        })
    }

    fn change_client(&self, id: String, old: String, new: String) -> Act<'_, bool> {
        self.once("change a client", (id, old, new), |db, (id, old, new)| {
            Box::pin(async move {
                let change = "UPDATE portcullis.client SET registration = $3 WHERE id = $1 AND registration = $2";
                let done = db.execute(change, &[&kept(id), &kept(old), &kept(new)]).await?;
                Ok(noted(db, done))
            })
        })
    }

    fn disable_client(&self, id: String, disabled: bool, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.once("disable a client", (id, disabled, now, tokens_end), |db, (id, disabled, now, tokens_end)| {
            Box::pin(async move {
                let change = "UPDATE portcullis.client SET disabled = $2 WHERE id = $1";
                let done = db.execute(change, &[&kept(id), disabled]).await?;
                if done > 0 && *disabled {
                    revoke::client(db, id, *now, *tokens_end).await?;
                }
                Ok(noted(db, done))
            })
        })
    }

    fn remove_client(&self, id: String, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.once("remove a client", (id, now, tokens_end), |db, (id, now, tokens_end)| {
            Box::pin(async move {
                let done = db.execute("DELETE FROM portcullis.client WHERE id = $1", &[&kept(id)]).await?;
                if done > 0 {
                    db.execute("DELETE FROM portcullis.consent WHERE client = $1", &[&kept(id)]).await?;
                    db.execute("DELETE FROM portcullis.secret_use WHERE client = $1", &[&kept(id)]).await?;
                    revoke::client(db, id, *now, *tokens_end).await?;
                }
                Ok(noted(db, done))
            })
        })
    }

    fn end_client(&self, id: String, now: Time, tokens_end: Time) -> Act<'_, ()> {
        self.once("end a client", (id, now, tokens_end), |db, (id, now, tokens_end)| {
            Box::pin(revoke::client(db, id, *now, *tokens_end))
        })
    }

    fn reconcile_clients(&self, named: Vec<String>, now: Time, tokens_end: Time) -> Act<'_, Vec<String>> {
        self.once("note the clients of the file", (named, now, tokens_end), |db, (named, now, tokens_end)| {
            Box::pin(async move {
                db.alone(FILE).await?;
                let before = "SELECT id FROM portcullis.declared WHERE kind = 'client' ORDER BY id";
                let before = db.rows(before, &[]).await?;
                let before: Vec<String> = before.iter().map(|row| text(row, "id")).collect::<Result<_, _>>()?;
                let gone: Vec<String> = before.into_iter().filter(|id| !named.contains(id)).collect();
                for id in &gone {
                    let forget = "DELETE FROM portcullis.declared WHERE kind = 'client' AND id = $1";
                    db.execute(forget, &[&kept(id)]).await?;
                    revoke::client(db, id, *now, *tokens_end).await?;
                }
                for id in named {
                    let note =
                        "INSERT INTO portcullis.declared (kind, id) VALUES ('client', $1) ON CONFLICT DO NOTHING";
                    db.execute(note, &[&kept(id)]).await?;
                }
                Ok(gone)
            })
        })
    }

    fn secrets_used(&self, uses: Vec<SecretUse>) -> Act<'_, ()> {
        self.once("note the use of secrets", uses, |db, uses| {
            Box::pin(async move {
                // In one order, so that two gateways with the same clients do not wait for each other.
                let mut uses: Vec<&SecretUse> = uses.iter().collect();
                uses.sort_by(|one, other| (&one.client, &one.secret).cmp(&(&other.client, &other.secret)));
                for one in uses {
                    let note = "INSERT INTO portcullis.secret_use (client, secret, used) VALUES ($1, $2, $3)
                                ON CONFLICT (client, secret) DO UPDATE SET used = greatest(secret_use.used, excluded.used)";
                    db.execute(note, &[&kept(&one.client), &kept(&one.secret), &column(one.used)]).await?;
                }
                Ok(())
            })
        })
    }

    fn secret_uses(&self) -> Act<'_, Vec<SecretUse>> {
        self.repeatable("read the use of secrets", (), |db, ()| {
            Box::pin(async move {
                let all = "SELECT client, secret, used FROM portcullis.secret_use ORDER BY client, secret";
                db.rows(all, &[]).await?.iter().map(secret_use).collect()
            })
        })
    }
}

/// Other processes hear of it when something was done.
fn noted(db: &mut Session, done: u64) -> bool {
    if done > 0 {
        db.changed.push("clients");
    }
    done > 0
}

pub(super) fn client(row: &Row) -> Result<KeptClient, Failure> {
    Ok(KeptClient {
        id: text(row, "id")?,
        registration: text(row, "registration")?,
        made: at(row, "made")?,
        disabled: row.try_get("disabled")?,
    })
}

pub(super) fn secret_use(row: &Row) -> Result<SecretUse, Failure> {
    Ok(SecretUse { client: text(row, "client")?, secret: text(row, "secret")?, used: at(row, "used")? })
}

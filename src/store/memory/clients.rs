//! Clients in memory.

use std::collections::BTreeSet;

use super::{Memory, Rows};
use crate::ground::Time;
use crate::store::{Act, Clients, KeptClient, Revoked, SecretUse, Whose};

impl Clients for Memory {
    fn clients(&self) -> Act<'_, Vec<KeptClient>> {
        self.act(|rows| rows.clients.values().cloned().collect())
    }

    fn add_client(&self, client: KeptClient) -> Act<'_, bool> {
        self.act(move |rows| {
            if rows.clients.contains_key(&client.id) {
                return false;
            }
            rows.versions.clients += 1;
            rows.clients.insert(client.id.clone(), client);
            true
        })
    }

    fn change_client(&self, id: String, old: String, new: String) -> Act<'_, bool> {
        self.act(move |rows| {
            let client = rows.clients.get_mut(&id).filter(|client| client.registration == old);
            let changed = client.map(|client| client.registration = new).is_some();
            rows.versions.clients += u64::from(changed);
            changed
        })
    }

    fn disable_client(&self, id: String, disabled: bool, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.act(move |rows| {
            let Some(client) = rows.clients.get_mut(&id) else { return false };
            client.disabled = disabled;
            rows.versions.clients += 1;
            if disabled {
                rows.revoke_client(&id, now, tokens_end);
            }
            true
        })
    }

    fn remove_client(&self, id: String, now: Time, tokens_end: Time) -> Act<'_, bool> {
        self.act(move |rows| {
            if rows.clients.remove(&id).is_none() {
                return false;
            }
            rows.versions.clients += 1;
            rows.consents.retain(|(_, client, _), _| *client != id);
            rows.secret_uses.retain(|(client, _), _| *client != id);
            rows.revoke_client(&id, now, tokens_end);
            true
        })
    }

    fn end_client(&self, id: String, now: Time, tokens_end: Time) -> Act<'_, ()> {
        self.act(move |rows| rows.revoke_client(&id, now, tokens_end))
    }

    fn reconcile_clients(&self, named: Vec<String>, now: Time, tokens_end: Time) -> Act<'_, Vec<String>> {
        self.act(move |rows| {
            let named: BTreeSet<String> = named.into_iter().collect();
            let before = rows.named_clients.replace(named.clone()).unwrap_or_default();
            let gone: Vec<String> = before.difference(&named).cloned().collect();
            for id in &gone {
                rows.revoke_client(id, now, tokens_end);
            }
            gone
        })
    }

    fn secrets_used(&self, uses: Vec<SecretUse>) -> Act<'_, ()> {
        self.act(move |rows| {
            for one in uses {
                let key = (one.client.clone(), one.secret.clone());
                let kept = rows.secret_uses.entry(key).or_insert_with(|| one.clone());
                kept.used = kept.used.max(one.used);
            }
        })
    }

    fn secret_uses(&self) -> Act<'_, Vec<SecretUse>> {
        self.act(|rows| rows.secret_uses.values().cloned().collect())
    }
}

impl Rows {
    /// Everything that a client holds.
    fn revoke_client(&mut self, id: &str, now: Time, tokens_end: Time) {
        self.revoke_grants(&Whose::Client(id.to_owned()), now, tokens_end);
        self.tokens.retain(|_, token| token.client != id);
        self.revoke(Revoked::Client { id: id.to_owned(), issued_until: now }, tokens_end);
    }
}

//! Grants by command.

use super::{Administration, Refused, wish};
use crate::ground::Time;
use crate::store::{GrantId, Whose};

/// A grant in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantLine {
    /// Hexadecimal.
    pub id: String,
    pub client: String,
    /// The user's name, or the id of one who is gone.
    pub user: String,
    pub scope: String,
    pub offline: bool,
    pub made: Time,
    pub used: Time,
    pub ends: Time,
}

impl Administration {
    /// Live grants, latest first.
    pub async fn grants(
        &self,
        user: Option<&str>,
        client: Option<&str>,
        most: usize,
    ) -> Result<Vec<GrantLine>, Refused> {
        let whose = self.whose(None, user, client).await?;
        let mut lines = Vec::new();
        for grant in self.store.grants(whose, self.clock.now(), most).await? {
            let known = self.store.user(grant.allowed.user.clone()).await?;
            lines.push(GrantLine {
                id: format!("{:032x}", u128::from_be_bytes(grant.id.0)),
                ends: grant.end(),
                client: grant.client,
                user: known.map_or(grant.allowed.user, |user| user.name),
                scope: grant.allowed.scope,
                offline: grant.allowed.offline,
                made: grant.made,
                used: grant.used,
            });
        }
        Ok(lines)
    }

    /// Revokes one grant, or all of a user, a client, or both together. Gives how many there were.
    pub async fn revoke_grants(
        &self,
        id: Option<&str>,
        user: Option<&str>,
        client: Option<&str>,
    ) -> Result<usize, Refused> {
        let whose = self.whose(id, user, client).await?;
        let whose = whose.ok_or_else(|| wish("say which: an id, `--user NAME` or `--client ID`"))?;
        let now = self.clock.now();
        let detail = format!("revoked: {}", [id, user, client].into_iter().flatten().collect::<Vec<_>>().join(" "));
        let count = self.store.revoke_grants(whose, now, self.tokens_end(now)).await?;
        self.tell("admin.grant", "", format!("{detail}; {count} grants")).await?;
        Ok(count)
    }

    async fn whose(
        &self,
        id: Option<&str>,
        user: Option<&str>,
        client: Option<&str>,
    ) -> Result<Option<Whose>, Refused> {
        let user = match user {
            Some(name) => Some(self.named(name).await?.id),
            None => None,
        };
        Ok(match (id, user, client) {
            (Some(id), None, None) => Some(Whose::Grant(read(id)?)),
            (Some(_), _, _) => return Err(wish("an id says which grant it is: leave `--user` and `--client` out")),
            (None, Some(user), Some(client)) => Some(Whose::UserAt { user, client: client.to_owned() }),
            (None, Some(user), None) => Some(Whose::User(user)),
            (None, None, Some(client)) => Some(Whose::Client(client.to_owned())),
            (None, None, None) => None,
        })
    }
}

fn read(id: &str) -> Result<GrantId, Refused> {
    let number = (id.len() == 32).then(|| u128::from_str_radix(id, 16).ok()).flatten();
    let number = number.ok_or_else(|| wish("a grant's id is 32 hexadecimal digits, as `grant list` shows them"))?;
    Ok(GrantId(number.to_be_bytes()))
}

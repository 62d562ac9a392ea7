//! Keys by command.

use super::{Administration, Refused, wish};
use crate::authority::rotation::{self, LEAD};
use crate::ground::Time;
use crate::store::{SigningKey, Succession};

/// A key in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLine {
    pub id: String,
    pub algorithm: String,
    pub made: Time,
    pub starts: Time,
    pub ends: Option<Time>,
    /// It signs now.
    pub signs: bool,
}

impl Administration {
    /// All keys, by algorithm and then by age.
    pub async fn keys(&self) -> Result<Vec<KeyLine>, Refused> {
        let (keys, now) = (self.store.signing_keys().await?, self.clock.now());
        let newest = |key: &SigningKey| {
            let begun = keys.iter().filter(|other| other.algorithm == key.algorithm && other.starts <= now);
            begun.max_by_key(|other| other.starts).map(|other| other.id.clone())
        };
        let mut lines: Vec<KeyLine> = keys
            .iter()
            .map(|key| KeyLine {
                signs: newest(key).as_ref() == Some(&key.id),
                id: key.id.clone(),
                algorithm: key.algorithm.clone(),
                made: key.made,
                starts: key.starts,
                ends: key.ends,
            })
            .collect();
        lines.sort_by(|one, other| (&one.algorithm, one.starts).cmp(&(&other.algorithm, other.starts)));
        Ok(lines)
    }

    /// Makes successors. By plan they begin in a day, when everybody knows them, and no token fails. In an emergency they
    /// begin now and the old ones are gone: every token that they signed is refused from here on. Gives the new ones.
    pub async fn rotate_keys(&self, algorithm: Option<&str>, emergency: bool) -> Result<Vec<KeyLine>, Refused> {
        let (keys, now) = (self.store.signing_keys().await?, self.clock.now());
        let mut names: Vec<&str> = keys.iter().map(|key| key.algorithm.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        // The symmetric key is no signing key of tokens: refresh tokens depend on it, and only its name asks for it.
        names.retain(|name| algorithm.map_or(*name != rotation::MAC, |asked| *name == asked));
        if names.is_empty() {
            return Err(wish("there is no such key yet: the gateway makes its keys at its first start"));
        }
        let mut made = Vec::new();
        for name in names {
            let newest = keys.iter().filter(|key| key.algorithm == name).max_by_key(|key| key.starts);
            let Some(newest) = newest else { continue };
            if newest.starts > now && !emergency {
                return Err(wish(format!("a successor for {name} is waiting for its time already")));
            }
            let starts = if emergency { now } else { now.plus(LEAD) };
            let key = rotation::new_key(name, (now, starts), &*self.random, &self.sealer);
            let key = key.map_err(|fault| wish(fault.to_string()))?;
            let succession = if emergency {
                Succession::Emergency
            } else {
                Succession::Planned { old_ends: starts.plus(rotation::lasts(name, self.settings.longest_token())) }
            };
            if !self.store.succeed_signing_key(newest.id.clone(), key.clone(), succession).await? {
                return Err(wish("somebody else has made a key at the same moment; look at `key list`"));
            }
            let how = if emergency { "by command, at once" } else { "by command" };
            self.tell("key.made", &key.id, how).await?;
            let (id, algorithm) = (key.id, key.algorithm);
            made.push(KeyLine { id, algorithm, made: now, starts, ends: None, signs: emergency });
        }
        Ok(made)
    }
}

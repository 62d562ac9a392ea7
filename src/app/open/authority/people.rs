//! The users of the plan, as the store takes them.

use anyhow::anyhow;

use crate::authority::USER_ID;
use crate::authority::password::{self, PasswordHash};
use crate::config::plan::authority::{Password, User};
use crate::ground::{Random, Secret, SystemRandom};
use crate::store::{FileUser, SharedStore};

/// Passwords that references lead to in clear are hashed here, once: as long as the clear text fits the hash that the store
/// has, that hash stays, or every reload would look like a changed password.
pub(super) async fn users(planned: &[User], store: &SharedStore, random: &dyn Random) -> anyhow::Result<Vec<FileUser>> {
    let mut users = Vec::with_capacity(planned.len());
    for user in planned {
        let profile: serde_json::Map<String, serde_json::Value> =
            user.profile.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect();
        users.push(FileUser {
            id: user.subject.clone().unwrap_or_else(|| format!("{USER_ID}{}", random.token(16))),
            id_is_written: user.subject.is_some(),
            name: user.name.clone(),
            email: user.email.clone(),
            email_verified: user.email_verified,
            profile: serde_json::Value::Object(profile).to_string(),
            password: hash(user, store).await?,
            roles: user.roles.clone(),
        });
    }
    Ok(users)
}

async fn hash(user: &User, store: &SharedStore) -> anyhow::Result<Option<String>> {
    match &user.password {
        None => Ok(None),
        Some(Password::Hash(hash)) => {
            PasswordHash::new(hash).map_err(|cause| anyhow!("user `{}`: {cause}", user.name))?;
            Ok(Some(hash.clone()))
        }
        Some(Password::Clear(secret)) => clear(user, secret.clone(), store).await.map(Some),
    }
}

async fn clear(user: &User, secret: Secret, store: &SharedStore) -> anyhow::Result<String> {
    let kept = store.file_password(user.name.clone(), user.subject.clone()).await?;
    let hashing = tokio::task::spawn_blocking(move || {
        let known = kept.as_deref().and_then(|kept| PasswordHash::new(kept).ok());
        let fits =
            known.is_some_and(|known| password::verify_or_decoy(Some(&known), &secret) != password::Verdict::Wrong);
        match kept.filter(|_| fits) {
            Some(kept) => Ok(kept),
            None => password::hash(&secret, &SystemRandom),
        }
    });
    hashing.await?.map_err(|cause| anyhow!("user `{}`: {cause}", user.name))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ground::Time;
    use crate::store::{Memory, Reconciled};

    #[tokio::test]
    async fn the_same_password_in_clear_is_no_news_under_another_name_of_the_same_subject() {
        let store: SharedStore = Arc::new(Memory::default());
        let read = async |name: &str| {
            let planned = User {
                name: name.into(),
                email: None,
                email_verified: false,
                subject: Some("u1".into()),
                profile: Vec::new(),
                password: Some(Password::Clear(Secret::new("a sentence nobody else would say"))),
                roles: Vec::new(),
            };
            let users = users(&[planned], &store, &SystemRandom).await.unwrap();
            store.reconcile_users(users, Time::default(), Time::default()).await.unwrap()
        };
        assert_eq!(read("alice").await.added, ["alice"]);
        let renamed = vec!["alice -> anna".to_owned()];
        assert_eq!(read("anna").await, Reconciled { renamed, ..Reconciled::default() });
    }
}

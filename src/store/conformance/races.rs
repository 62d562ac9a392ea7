//! Is every verb one act, whoever else acts at the same moment?

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::Barrier;

use super::{key, set};
use crate::store::SharedStore;

pub(super) async fn of_64_first_signing_keys_at_once_one_wins(store: &SharedStore) {
    let start = Arc::new(Barrier::new(64));
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let (store, start) = (Arc::clone(store), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                store.first_signing_key(key(&format!("key {number}"), "ES256", 1000 - number)).await.unwrap().id
            })
        })
        .collect();
    let mut winners = HashSet::new();
    for task in tasks {
        winners.insert(task.await.unwrap());
    }
    assert_eq!(winners.len(), 1);
    let kept = store.signing_keys().await.unwrap();
    assert_eq!(kept.len(), 1);
    assert!(winners.contains(&kept[0].id));
}

pub(super) async fn of_64_key_sets_at_once_the_latest_stays(store: &SharedStore) {
    let start = Arc::new(Barrier::new(64));
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let (store, start) = (Arc::clone(store), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                store.keep_key_set("corp".into(), set(&number.to_string(), number)).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.key_set("corp".into()).await.unwrap(), Some(set("63", 63)));
}

pub(super) async fn a_store_that_works_answers_a_ping(store: &SharedStore) {
    store.ping().await.unwrap();
}

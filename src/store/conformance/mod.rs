//! One suite of behaviour that every backend must pass. A new verb gets its cases here before any backend has it.

mod key_sets;
mod races;
mod signing_keys;

use std::sync::Arc;

use super::{KeptKeySet, SharedStore, SigningKey};
use crate::ground::Time;

/// A fresh and empty store, with what must outlive it (a directory, a server).
struct Fresh {
    store: SharedStore,
    _keep: Box<dyn std::any::Any>,
}

fn memory() -> Fresh {
    Fresh { store: Arc::new(super::Memory::default()), _keep: Box::new(()) }
}

#[cfg(feature = "sqlite")]
fn sqlite() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let store = super::open_sqlite(&directory.path().join("store.db")).unwrap();
    Fresh { store, _keep: Box::new(directory) }
}

/// Every case as a test of one backend.
macro_rules! backend {
    ($backend:ident: $($file:ident::$case:ident,)*) => {
        mod $backend {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let fresh = super::$backend();
                    super::$file::$case(&fresh.store).await;
                }
            )*
        }
    };
}

macro_rules! backends {
    ($($backend:ident)*) => { $(backend! { $backend:
        signing_keys::a_new_store_has_no_signing_key,
        signing_keys::the_first_key_of_an_algorithm_is_kept_and_given_back_whole,
        signing_keys::a_second_key_of_the_same_algorithm_gives_the_first,
        signing_keys::each_algorithm_has_its_own_first_key,
        signing_keys::keys_are_listed_oldest_first,
        key_sets::a_key_set_that_was_never_kept_is_none,
        key_sets::a_kept_key_set_comes_back_as_it_was,
        key_sets::a_later_key_set_replaces_an_earlier_one_and_never_the_other_way,
        key_sets::each_issuer_has_its_own_key_set,
        key_sets::odd_issuers_and_documents_are_only_data,
        races::of_64_first_signing_keys_at_once_one_wins,
        races::of_64_key_sets_at_once_the_latest_stays,
        races::a_store_that_works_answers_a_ping,
    })* };
}

backends! { memory }
#[cfg(feature = "sqlite")]
backends! { sqlite }

fn key(id: &str, algorithm: &str, made: u64) -> SigningKey {
    SigningKey {
        id: id.to_owned(),
        algorithm: algorithm.to_owned(),
        pkcs8: vec![0, 1, 255, 0],
        made: Time::from_millis(made),
        starts: Time::from_millis(made),
        ends: None,
    }
}

fn set(document: &str, fetched: u64) -> KeptKeySet {
    KeptKeySet { document: document.to_owned(), fetched: Time::from_millis(fetched) }
}

//! One suite of behaviour that every backend must pass. A new verb gets its cases here before any backend has it.

mod clients;
mod codes;
mod grants;
mod key_sets;
mod people;
mod races;
pub(super) mod records;
mod renames;
mod sessions;
mod signing_keys;
mod tokens;
pub(super) mod whole;

use std::sync::Arc;

use super::{KeptKeySet, SharedStore, SigningKey};
use crate::ground::Time;

/// A fresh and empty store, with what must outlive it (a directory, a server).
struct Fresh {
    store: SharedStore,
    _keep: Box<dyn std::any::Any>,
}

async fn memory() -> Fresh {
    Fresh { store: Arc::new(super::Memory::default()), _keep: Box::new(()) }
}

#[cfg(feature = "sqlite")]
async fn sqlite() -> Fresh {
    let directory = tempfile::tempdir().unwrap();
    let store = super::open_sqlite(&directory.path().join("store.db")).unwrap();
    Fresh { store, _keep: Box::new(directory) }
}

#[cfg(feature = "postgres")]
async fn postgres() -> Fresh {
    let (store, database) = super::postgres::tests::fresh().await;
    Fresh { store, _keep: Box::new(database) }
}

/// Every case as a test of one backend.
macro_rules! backend {
    ($backend:ident: $($file:ident::$case:ident,)*) => {
        mod $backend {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let fresh = super::$backend().await;
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
        signing_keys::a_successor_is_kept_once_and_the_old_one_goes_on_verifying,
        signing_keys::in_an_emergency_the_old_ones_of_the_algorithm_are_gone,
        signing_keys::a_key_is_sealed_anew_only_from_what_was_seen,
        key_sets::a_key_set_that_was_never_kept_is_none,
        key_sets::a_kept_key_set_comes_back_as_it_was,
        key_sets::a_later_key_set_replaces_an_earlier_one_and_never_the_other_way,
        key_sets::each_issuer_has_its_own_key_set,
        key_sets::odd_issuers_and_documents_are_only_data,
        clients::a_client_is_kept_once_and_listed_by_id,
        clients::a_registration_changes_only_from_what_was_seen,
        clients::disabling_takes_and_enabling_gives_nothing_back,
        clients::a_removed_client_leaves_no_consent_and_no_grant,
        clients::a_client_that_leaves_the_file_loses_its_grants,
        clients::a_client_is_ended_by_its_id_alone,
        clients::the_latest_use_of_a_secret_stays,
        people::a_user_comes_back_as_it_was_kept,
        people::a_name_and_an_id_belong_to_one_user_for_ever,
        people::a_removed_user_leaves_nothing_behind,
        people::a_new_password_ends_other_sessions_and_all_grants,
        people::a_better_hash_replaces_only_the_one_that_was_checked,
        people::a_disabled_user_is_signed_out_and_can_come_back,
        people::a_profile_is_replaced_whole,
        people::a_time_step_and_a_recovery_code_are_used_once,
        people::a_second_factor_that_comes_or_goes_ends_other_sessions_and_all_grants,
        people::a_second_factor_is_sealed_anew_only_from_what_was_seen,
        people::users_of_the_file_come_change_and_go_with_it,
        people::a_name_of_a_command_is_not_the_files,
        people::another_written_id_is_another_person,
        renames::whose_written_id_stays_keeps_everything_under_another_name,
        renames::names_that_change_hands_change_nobody,
        renames::who_cannot_have_the_name_of_a_command_s_user_keeps_the_old_one,
        renames::a_name_finds_nobody_whose_id_is_written_elsewhere,
        sessions::a_session_comes_back_whole_with_its_user,
        sessions::a_session_ends_idle_or_for_good,
        sessions::a_replaced_session_is_dead_and_its_grants_go_on_under_one_sid,
        sessions::what_comes_of_a_login_is_kept_only_while_what_it_proved_is_so,
        sessions::a_session_is_ended_by_its_user_only,
        sessions::signing_out_everywhere_ends_offline_grants_too,
        sessions::sessions_are_listed_latest_use_first,
        sessions::consent_grows_and_is_withdrawn_with_its_grants,
        codes::a_code_comes_back_as_it_was_kept,
        codes::a_session_that_has_ended_gives_no_code,
        codes::a_code_that_nobody_redeemed_goes_with_the_grants,
        codes::a_transaction_ends_once_with_a_code_or_without,
        codes::a_code_is_redeemed_once_and_then_names_its_grant,
        codes::a_code_is_known_as_long_as_its_grant_lives,
        codes::an_unknown_code_and_one_that_is_over_give_nothing,
        codes::the_fifth_wrong_verifier_burns_a_code,
        codes::an_assertion_is_used_once,
        grants::a_grant_comes_back_as_it_was_kept,
        grants::the_current_generation_advances_and_moves_the_idle_end,
        grants::one_that_does_not_rotate_stays,
        grants::a_lost_answer_is_given_again_until_the_new_one_is_seen,
        grants::a_replay_revokes_the_grant_and_what_came_of_it,
        grants::what_is_over_unknown_or_not_refreshable_is_gone,
        grants::grants_are_listed_by_owner_latest_first,
        grants::revoking_ends_just_the_live_grants_of_whom_it_names,
        tokens::an_opaque_token_comes_back_as_it_was_kept_until_it_ends,
        tokens::an_opaque_token_without_its_grant_is_nothing,
        tokens::a_revoked_token_is_gone_and_told,
        tokens::a_lost_role_reaches_the_tokens_made_so_far_and_no_others,
        tokens::a_disabled_client_loses_what_it_holds,
        tokens::revocations_come_in_order_once_and_not_after_their_time,
        tokens::each_subject_has_its_own_version,
        tokens::a_sweep_takes_what_is_over_and_nothing_else,
        tokens::a_revoked_grant_is_remembered_as_long_as_its_tokens_could_live,
        tokens::a_sweep_takes_no_more_than_it_may,
        whole::what_is_taken_out_is_whole_sorted_and_the_same_elsewhere,
        whole::what_was_good_is_good_elsewhere_and_what_was_used_up_is_used_up,
        whole::what_is_over_stays_behind,
        whole::what_is_taken_out_is_what_was_there_when_it_began,
        whole::a_store_that_holds_something_takes_nothing_in,
        whole::rows_that_clash_or_break_off_leave_nothing,
        whole::who_starts_while_everything_comes_in_finds_it,
        races::of_64_first_signing_keys_at_once_one_wins,
        races::of_64_key_sets_at_once_the_latest_stays,
        races::a_store_that_works_answers_a_ping,
        races::of_64_redemptions_at_once_one_is_granted,
        races::of_codes_made_and_redeemed_while_the_session_ends_no_grant_lives,
        races::of_64_refreshes_at_once_all_get_the_same_successor,
        races::of_64_ends_of_a_transaction_at_once_one_counts,
        races::of_64_uses_at_once_of_what_is_good_once_one_counts,
        races::of_64_users_of_one_name_at_once_one_is_kept,
        races::of_64_readings_of_a_file_at_once_one_adds,
        races::no_login_outlives_a_new_password_that_comes_at_the_same_moment,
    })* };
}

backends! { memory }
#[cfg(feature = "sqlite")]
backends! { sqlite }
#[cfg(feature = "postgres")]
backends! { postgres }

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

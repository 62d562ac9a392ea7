//! Attacks: requests that have broken real gateways, sent to the running binary in front of an upstream that writes down
//! the exact bytes it gets. Each test is named by what must hold; its cases carry the ids of a catalogue of classes (`S4.3`),
//! so that a class that is missing shows.
//!
//! What stops each class, on one page:
//!
//! - Lengths and line ends with two readings (S1 to S5): `serve/framing` looks at the bytes before hyper does.
//! - Bodies that are read as requests (S6, S7): hyper's bodies are read to their end or the connection is closed; an
//!   upstream connection goes back to the pool only after a whole answer to a whole request.
//! - HTTP/2 heads that mean something else in HTTP/1.1 (S8): `gate/admit` judges the parsed head again, `forward/rewrite`
//!   writes a new one. Floods (S10): `serve/frames` and h2's own bounds.
//! - Paths and hosts (S11 to S13): `gate/admit` makes the one normal form that is matched, judged and forwarded.
//! - Forwarding and identity (S14 to S17): `gate/caller` names what may not come in, `forward/identity` says who calls.
//! - Bearer tokens (S18) and their contents (S19 to S25): `gate/authenticate`, `token/jwt`. Caches (S26): `token/verifier`.
//! - The authorization server (S27 to S35) has its tests by rule in `authority/tests`.
//! - Answers of the gateway (S38): `serve/reply`. Sizes and slowness (S39, S40): `gate/admit`, `serve/connection`.
//!
//! Answered elsewhere, by the same ids:
//!
//! | ids | test |
//! |---|---|
//! | S9.7, S36.2 | `proxying::pages_of_listed_origins_may_call_and_read_refusals`, `config` (golden files of `cors`) |
//! | S21.2, S26.6, S26.7 | `token::cache`, `token::hosted`, `authority::tests::documents::rv_03_…`: tables are bounded and keyed by the digest of the whole token, revocation goes by `jti` and grant |
//! | S27.4 | `attacks::authority::nobody_is_sent_to_an_address_that_is_not_registered_letter_by_letter` |
//! | S28.2, S29.2, S29.3, S29.5 | `authority::tests::code`: `az_07`, `ac_02`, `ac_04`, `ac_05` |
//! | S30.1 to S30.5 | `authority::tests::refresh`: `rt_02` to `rt_04`; `grants::no_sudden_death_loses_an_acknowledged_grant_or_honours_a_token_twice` |
//! | S31.3, S31.4, S31.6 | `authority::tests::client_authentication`: `ca_01`, `s31_6` (the times: `cargo bench --bench scorecard -- timings`); `authority::tests::assertion`: `ca_04`, `ca_05` |
//! | S32.5, S33.1, S33.3, S33.4, S37.3 | `authority::tests`: `tk_02`, `az_21`, `ui_04`, `ui_02`, `ui_05` |
//! | S34.1, S34.2, S34.4 | `authority::tests`: `ui_06` (the times: the same bench), `s34_2`, `ui_07` |
//! | S38.3 | `forward::tests::answers`, `forward::tests::faults`, with either engine |
//! | S39.1, S39.5, S39.6 | `life::slow_heads_and_idle_connections_are_ended`, `faults::without_file_descriptors_new_connections_wait_and_nothing_ends`, `faults::a_client_that_leaves_before_its_answer_leaves_nothing_behind` |
//! | S40.5 | `authority::tests::endpoints`: `g_03` (forms alone) |
//! | S41.1, S41.2, S41.5, S41.6 | `gate::limit`: `one_customer_is_one_address_or_one_network` and its neighbours |
//! | S43.1, S43.2, S43.11 | `life::fifty_reloads_under_load_fail_no_request`, `life::a_reload_changes_what_is_answered_and_a_broken_file_changes_nothing`, `life::a_request_that_may_have_been_carried_out_is_not_sent_again` |
//! | S43.3, S43.10 | `config` (golden files) |
//! | S43.4 to S43.6 | `reasons::tokens_of_an_issuer_whose_keys_cannot_be_had_are_not_guessed_about`, `tokens::an_issuer_that_is_down_at_start_is_known_from_the_last_run`, `faults::an_issuer_that_lies_about_its_keys_changes_nothing` |
//! | S43.7 | `app::rehearsal::fault::s43_7_…` |
//! | S43.9 | `authority::tests::guessing::s43_9_…`, `gate::limit` |
//! | S43.12 | `dial::connect::tests::s43_12_…`, `dial::reach` |
//!
//! Of what this version does not have there is nothing to attack: rewriting of paths (S11.14), client certificates (S13.4),
//! device codes and registration by clients (S35.1, S35.4, S35.5).

mod answers;
mod authority;
mod bed;
mod bodies;
mod framing;
mod headers;
mod http2;
mod introspection;
mod jose;
mod syntax;
mod targets;
mod upgrades;

use bed::Bed;

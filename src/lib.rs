//! Portcullis: an OAuth 2.0 gateway in one binary. This file is the map of the house.
//!
//! A request comes in at a door (`listen`, `serve`), passes the gate where policies judge it, and goes out to an
//! upstream (`forward`) or to the house's own authorization server (`authority`). Everything it needs hangs in one
//! immutable snapshot. What happened is written in one record.
//!
//! # Floors: a room uses rooms on lower floors only (`tests/it/architecture.rs` keeps it true)
//!
//! ```text
//!  8  cli
//!  7  app
//!  6  config        serve          admin
//!  5  forward       authority
//!  4  gate
//!  3  token
//!  2  store         listen         dial
//!  1  observe
//!  0  ground
//! ```
//!
//! # Where does my change go?
//!
//! | I want to … | go to |
//! |---|---|
//! | add a key to gateway.yaml | `config/document/<section>.rs`, then `config/check/<section>.rs` |
//! | change what a key *means* | the room that owns the policy type |
//! | add a policy | a file in `gate/`, a field in `gate/policy.rs`, one line in `serve/pipeline.rs`, one section in `config/` |
//! | change the order of policies | `serve/pipeline.rs` |
//! | accept a new kind of token | `token/`, chosen in `token/verifier.rs` |
//! | add an OAuth grant | a file in `authority/grant/`, a variant in its enum |
//! | add an OAuth endpoint | a file in `authority/`, a variant in `authority/endpoint.rs` |
//! | count or remember something together with other gateways | a verb in `store/counters.rs`, then `store/redis/` |
//! | keep something new | a method in `store/mod.rs`, a case in `store/conformance/`, then each backend; a table also in `store/whole.rs`, so that it moves along |
//! | balance or retry differently | `forward/balance.rs`, `forward/attempt.rs` |
//! | add a metric or a log field | `observe/record.rs` and the writer |
//! | add a reason for refusing | `observe/reason.rs` (word), `gate/refusal.rs` (data), `serve/reply.rs` (form) |
//! | explain a decision better | `serve/explain/` (words, steps, routes) |
//! | find something worth a look in a file | `config/check/lint.rs` |
//! | say better what a change opens | `config/diff/` |
//! | show something on the console | `admin/console/`, gathered by `app/console.rs` |
//! | improve a config error message | `config/check/<section>.rs`, and its golden file |

pub mod cli;

pub mod app;

pub mod admin;
pub mod config;
pub mod serve;

pub mod authority;
pub mod forward;

pub mod gate;

pub mod token;

pub mod dial;
pub mod listen;
pub mod store;

pub mod observe;

pub mod ground;

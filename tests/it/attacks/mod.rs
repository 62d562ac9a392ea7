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

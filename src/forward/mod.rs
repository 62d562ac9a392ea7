//! HTTP out: from a permitted request to an upstream and back. Needs a `Permit`.
//!
//! In: a request with its `Permit`. Out: the upstream's answer, or a `Refusal`. Rewrites what must not pass (hop-by-hop
//! and identity headers), picks a server, keeps connections warm in a pool per worker. Everything here stays on its
//! worker's thread. Knows `gate` only for `Permit`, `Refusal`, `Head` and the list of identity names.

pub mod attempt;
pub mod balance;
pub mod body;
pub mod connection;
pub mod cookies;
pub mod echo;
pub mod fixed;
pub mod identity;
pub mod pool;
pub mod rewrite;
pub mod upgrade;
pub mod upstream;
mod whence;
mod wire;

pub use attempt::{Outgoing, send};
pub use connection::Engine;

#[cfg(test)]
mod tests;

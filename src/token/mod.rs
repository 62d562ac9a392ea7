//! Proofs of identity: from the text of a token to what is known about its bearer.
//!
//! In: a token and the time. Out: `Claims`, or a `TokenFault` that says which check failed. Keys come from key sets kept
//! fresh in the background, opaque tokens are asked about by introspection. Facts are cached, never verdicts: nothing here
//! knows what a route needs. Never prints a token.

pub mod bearer;
pub mod cache;
pub mod claims;
pub mod fault;
pub mod hold;
pub mod hosted;
mod introspect;
pub mod issuer;
pub mod jwt;
pub mod keyset;
pub mod revoked;
mod strict;
pub mod unproved;
pub mod verifier;

pub use claims::Claims;
pub use fault::TokenFault;
pub use hosted::Hosted;
pub use issuer::IssuerSettings;
pub use verifier::{Context, Verifier};

#[cfg(test)]
mod stage;

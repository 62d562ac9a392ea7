//! JSON Web Tokens: read, verify, sign (RFC 7515, 7517, 7518, 7519, 8725, 9068).
//!
//! The library of the field lets too much pass (`crit`, missing `iss` and `aud`, `typ`), so header and claims are read by
//! the typed code here, and signatures are checked by aws-lc-rs with keys that are parsed once. Algorithms are an enum
//! without `none` and without HMAC: what cannot be said cannot be confused.

pub mod algorithm;
pub mod claims;
pub mod compact;
pub mod header;
pub mod jwk;
pub mod sign;

pub use algorithm::Algorithm;
pub use compact::Compact;
pub use header::Header;
pub use jwk::KeySet;
pub use sign::{SignFault, Signer};

#[cfg(test)]
mod tests;

//! Sockets out: names to addresses, addresses to streams, TLS on top; and a small HTTP client for the control plane
//! (key sets, discovery, introspection). Knows nothing of tokens or policy.

pub mod client;
pub mod connect;
pub mod reach;
pub mod tls;

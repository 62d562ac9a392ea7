//! Sockets in. Gives streams and who is really at the other end; knows nothing of HTTP.

pub mod accept;
pub mod peer;
pub mod systemd;
pub mod tcp;
pub mod tls;

pub use peer::{Peer, Tls};

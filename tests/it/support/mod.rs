//! A house to test: the binary with a file of its own, an upstream that records, an issuer that obeys.

pub mod house;
pub mod issuer;
pub mod upstream;
pub mod wire;

pub use house::House;
pub use issuer::Issuer;
pub use upstream::{Reply, Upstream};
pub use wire::Answer;

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

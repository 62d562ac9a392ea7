//! A house to test: the binary with a file of its own, an upstream that records, an issuer that obeys.

pub mod browser;
pub mod h2;
pub mod house;
pub mod issuer;
pub mod link;
pub mod pgbouncer;
pub mod postgres;
pub mod redis;
pub mod upstream;
pub mod wire;

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

pub use browser::Browser;
pub use house::House;
pub use issuer::{Issuer, now};
pub use redis::Redis;
pub use upstream::{Reply, Upstream};
pub use wire::Answer;

/// Ports that no outgoing connection is given by itself: Linux takes those from 32768 on.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A port that nobody listens on, and that nobody takes before the test does: each is handed out once, and other runs of
/// the tests begin elsewhere.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(7919);
    let mut ports = (0..PORTS.len()).map(|_| {
        let turn = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        PORTS.start + u16::try_from(turn % u32::from(PORTS.end - PORTS.start)).unwrap()
    });
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

//! Who is at the socket.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// One accepted connection, as the operating system and TLS know it. Headers never change it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The other end; IPv4-mapped IPv6 addresses are already turned into IPv4.
    pub address: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// Position of the listener in the file.
    pub listener: usize,
    /// What TLS agreed on; `None` on a plain listener.
    pub tls: Option<Arc<Tls>>,
}

/// What a TLS handshake agreed on.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Server name of the client's hello, lower case.
    pub server_name: Option<String>,
    /// HTTP/2 by ALPN.
    pub http2: bool,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
}

impl Peer {
    pub fn ip(&self) -> IpAddr {
        self.address.ip()
    }
}

/// `::ffff:1.2.3.4` is `1.2.3.4`: one client, one address.
pub fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

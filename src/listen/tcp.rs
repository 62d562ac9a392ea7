//! Listening sockets: one per worker on the same address, so that the kernel spreads connections.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel keeps waiting per socket.
pub(super) const BACKLOG: i32 = 4096;

/// Why an address cannot be listened on, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}; {advice}")]
pub struct BindFault {
    pub address: SocketAddr,
    pub cause: io::Error,
    pub advice: &'static str,
}

/// One socket per worker on `address`, non-blocking.
///
/// A socket without SO_REUSEPORT is tried first: with it alone, a second gateway started by mistake would silently take
/// half of the first one's connections. Port 0 is one free port, the same for all workers.
pub fn bind(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, BindFault> {
    let fault = |cause: io::Error| BindFault { address, advice: advice(&cause), cause };
    let tried = open(address, Share::Alone).and_then(|socket| socket.local_addr()).map_err(fault)?;
    (0..workers.max(1)).map(|_| open(tried, Share::WithWorkers).map_err(fault)).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Share {
    /// Bound to see whether it can be, and never listening: no connection is taken that nobody would serve.
    Alone,
    WithWorkers,
}

fn open(address: SocketAddr, share: Share) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let SocketAddr::V6(v6) = address {
        // `[::]` alone means both families.
        socket.set_only_v6(!v6.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share == Share::WithWorkers)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    match share {
        Share::Alone => {}
        Share::WithWorkers => socket.listen(BACKLOG)?,
    }
    Ok(socket.into())
}

fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there (`ss -ltnp` shows which); stop it or choose another port"
        }
        io::ErrorKind::PermissionDenied => {
            "ports under 1024 need CAP_NET_BIND_SERVICE (the systemd unit gives it); or choose a higher port"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; `0.0.0.0` and `[::]` mean all of them",
        _ => "see the cause",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sockets for so many workers on a port that was free, and its address.
    fn bound(workers: usize) -> (Vec<TcpListener>, SocketAddr) {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), workers).unwrap();
        let address = sockets[0].local_addr().unwrap();
        (sockets, address)
    }

    #[test]
    fn each_worker_gets_a_socket_on_the_same_address() {
        let (sockets, address) = bound(3);
        assert_eq!(sockets.len(), 3);
        assert_ne!(address.port(), 0);
        assert!(sockets.iter().all(|socket| socket.local_addr().unwrap() == address));
    }

    #[test]
    fn all_addresses_of_ipv6_are_those_of_ipv4_too() {
        let sockets = bind("[::]:0".parse().unwrap(), 1).unwrap();
        let port = sockets[0].local_addr().unwrap().port();
        // Some containers have no IPv6 loopback; the IPv4 client is the one in question.
        let ours = ["127.0.0.1", "[::1]"].into_iter().filter(|own| TcpListener::bind(format!("{own}:0")).is_ok());
        for client in ours.map(|own| format!("{own}:{port}")) {
            assert!(std::net::TcpStream::connect(&client).is_ok(), "{client}");
        }
        let fault = bind(SocketAddr::from(([0, 0, 0, 0], port)), 1).unwrap_err();
        assert_eq!(fault.cause.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn who_comes_back_at_once_is_let_in() {
        let (mut first, address) = bound(1);
        let first = first.remove(0);
        let client = std::net::TcpStream::connect(address).unwrap();
        first.set_nonblocking(false).unwrap();
        // The end that closes first keeps the port in TIME_WAIT.
        drop(first.accept().unwrap());
        drop((first, client));
        bind(address, 2).unwrap();
    }

    #[test]
    fn a_second_gateway_on_the_same_port_is_told_so() {
        let (_first, address) = bound(2);
        let fault = bind(address, 2).unwrap_err().to_string();
        assert!(fault.contains("another program listens there"), "{fault}");
        assert!(fault.contains(&address.to_string()), "{fault}");
    }
    #[test]
    fn an_address_that_cannot_be_listened_on_comes_with_advice() {
        check("192.0.2.1:8080", io::ErrorKind::AddrNotAvailable, "no such address");
        for (kind, part) in [(io::ErrorKind::PermissionDenied, "under 1024"), (io::ErrorKind::AddrInUse, "ss -ltnp")] {
            assert!(advice(&kind.into()).contains(part));
        }

        fn check(address: &str, kind: io::ErrorKind, part: &str) {
            let fault = bind(address.parse().unwrap(), 1).unwrap_err();
            assert_eq!(fault.cause.kind(), kind);
            let message = fault.to_string();
            assert!(message.contains(address) && message.contains(part), "{message}");
        }
    }
}

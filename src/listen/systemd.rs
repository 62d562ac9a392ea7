//! Sockets that systemd has opened for us (`systemd/portcullis.socket`), so that a restart refuses nobody.

use std::net::{SocketAddr, TcpListener};

/// The sockets handed over at start (sd_listen_fds(3)); empty without socket activation.
#[derive(Default)]
pub struct Sockets {
    sockets: Vec<TcpListener>,
}

impl Sockets {
    /// Takes them from the environment, once.
    pub fn take() -> Self {
        let mut handed = listenfd::ListenFd::from_env();
        let sockets = (0..handed.len()).filter_map(|index| handed.take_tcp_listener(index).ok().flatten()).collect();
        Self { sockets }
    }

    /// The one that listens on `address`, once per worker: all of them take connections off one queue.
    pub fn for_address(&mut self, address: SocketAddr, workers: usize) -> Option<std::io::Result<Vec<TcpListener>>> {
        let index = self.sockets.iter().position(|socket| socket.local_addr().is_ok_and(|own| own == address))?;
        let socket = self.sockets.swap_remove(index);
        Some(socket.set_nonblocking(true).and_then(|()| (0..workers.max(1)).map(|_| socket.try_clone()).collect()))
    }

    /// Addresses that systemd opened and nobody took: their clients would wait forever.
    pub fn left_over(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_taken_by_its_address_once_and_shared_by_all_workers() {
        let opened = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (first, second) = (opened(), opened());
        let (one, two) = (first.local_addr().unwrap(), second.local_addr().unwrap());
        let mut sockets = Sockets { sockets: vec![first, second] };
        assert!(sockets.for_address("127.0.0.1:1".parse().unwrap(), 2).is_none());
        let taken = sockets.for_address(two, 3).unwrap().unwrap();
        assert_eq!(taken.len(), 3);
        assert!(taken.iter().all(|socket| socket.local_addr().unwrap() == two));
        // One queue: a connection is seen by whoever asks first.
        let _client = std::net::TcpStream::connect(two).unwrap();
        assert!(taken[2].accept().is_ok() && taken[0].accept().is_err(), "not blocking, and one queue");
        assert!(sockets.for_address(two, 3).is_none());
        assert_eq!(sockets.left_over(), [one]);
    }
}

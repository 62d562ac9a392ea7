//! Takes connections off a listening socket, whatever the machine is short of.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::peer::{Peer, unmapped};
use super::tcp::BACKLOG;

/// How long to wait when the machine has no descriptors or memory left: long enough not to spin, short enough to recover
/// unnoticed.
const PAUSE: Duration = Duration::from_millis(50);

/// Between two lines about it in the log: under attack, places come free and are taken again all the time.
const QUIET: Duration = Duration::from_secs(10);

/// One worker's socket on one listener.
pub struct Acceptor {
    listener: TcpListener,
    id: usize,
    /// Until when a shortage has been told of.
    told_until: Option<Instant>,
}

impl Acceptor {
    /// Must be called on the runtime that will accept. `id` is what `Peer::listener` says.
    pub fn new(listener: std::net::TcpListener, id: usize) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::from_std(listener)?, id, told_until: None })
    }

    /// The next connection; never ends and never spins. Connections that died while they waited are passed over.
    pub async fn accept(&mut self) -> (TcpStream, Peer) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    if let Some(accepted) = received(stream, address, self.id) {
                        return accepted;
                    }
                }
                Err(fault) if is_of_one_connection(&fault) => {}
                Err(fault) => {
                    self.tell(&fault);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Closes the socket and gives the connections that waited there: their clients have been let in by the kernel, which
    /// would reset them all.
    pub fn close(self) -> Vec<(TcpStream, Peer)> {
        let mut waiting = Vec::new();
        let closed = self.listener.into_std().and_then(|listener| {
            // No more than can wait: where the socket is shared with others, new ones come all the time.
            for _ in 0..BACKLOG {
                match listener.accept() {
                    Ok((stream, address)) => {
                        stream.set_nonblocking(true)?;
                        waiting.extend(received(TcpStream::from_std(stream)?, address, self.id));
                    }
                    Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => break,
                    Err(fault) if is_of_one_connection(&fault) => {}
                    Err(fault) => return Err(fault),
                }
            }
            Ok(())
        });
        if let Err(fault) = closed {
            tracing::error!(listener.id = self.id, error = %fault, "connections that waited are lost");
        }
        waiting
    }

    fn tell(&mut self, fault: &io::Error) {
        let now = Instant::now();
        if self.told_until.is_none_or(|until| now >= until) {
            self.told_until = Some(now + QUIET);
            tracing::error!(listener.id = self.id, error = %fault, "cannot accept connections; trying on");
        }
    }
}

fn received(stream: TcpStream, address: SocketAddr, id: usize) -> Option<(TcpStream, Peer)> {
    let local = stream.local_addr().ok()?;
    // A failure here means that the connection is gone already; the first read will say so.
    let _ = stream.set_nodelay(true);
    let peer = Peer { address: unmapped(address), local: unmapped(local), listener: id, tls: None };
    Some((stream, peer))
}

/// Failures of the connection that was waiting and not of the socket (accept(2), "Error handling"): Linux hands errors of
/// the network on, and a firewall's refusal. Each takes a connection off the queue, so going on at once does not spin.
fn is_of_one_connection(fault: &io::Error) -> bool {
    matches!(
        fault.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
    ) || fault.raw_os_error() == Some(libc::EPROTO)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::listen::tcp;

    fn check(code: i32, of_one_connection: bool) {
        assert_eq!(is_of_one_connection(&io::Error::from_raw_os_error(code)), of_one_connection, "errno {code}");
    }

    #[test]
    fn what_is_wrong_with_one_connection_holds_up_no_other() {
        for code in [libc::ECONNABORTED, libc::EPROTO, libc::EHOSTUNREACH, libc::ENETUNREACH, libc::EPERM, libc::EINTR]
        {
            check(code, true);
        }
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::EINVAL] {
            check(code, false);
        }
    }

    async fn accepted(address: &str, client: &str) -> (Peer, bool) {
        let listener = tcp::bind(address.parse().unwrap(), 1).unwrap().remove(0);
        let port = listener.local_addr().unwrap().port();
        let mut acceptor = Acceptor::new(listener, 7).unwrap();
        let client = client.replace("PORT", &port.to_string());
        let (_client, (stream, peer)) = tokio::join!(TcpStream::connect(client), acceptor.accept());
        (peer, stream.nodelay().unwrap())
    }

    #[tokio::test]
    async fn a_peer_is_told_by_its_own_address_and_nothing_waits_to_be_sent() {
        let (peer, nodelay) = accepted("127.0.0.1:0", "127.0.0.1:PORT").await;
        assert!(nodelay);
        assert_eq!((peer.ip().to_string().as_str(), peer.listener), ("127.0.0.1", 7));
        assert!(peer.tls.is_none());
    }

    #[tokio::test]
    async fn what_waits_when_the_socket_closes_is_handed_over() {
        let listener = tcp::bind("127.0.0.1:0".parse().unwrap(), 1).unwrap().remove(0);
        let address = listener.local_addr().unwrap();
        let acceptor = Acceptor::new(listener, 7).unwrap();
        let mut clients = Vec::new();
        for name in *b"abc" {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(&[name]).await.unwrap();
            clients.push(client);
        }
        let mut said = Vec::new();
        for ((mut stream, peer), client) in acceptor.close().into_iter().zip(&clients) {
            said.push(stream.read_u8().await.unwrap());
            assert_eq!((peer.address, peer.listener), (client.local_addr().unwrap(), 7));
            assert!(stream.nodelay().unwrap());
        }
        assert_eq!(said, b"abc");
        assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn an_ipv4_client_of_a_socket_for_both_families_is_an_ipv4_client() {
        let (peer, _) = accepted("[::]:0", "127.0.0.1:PORT").await;
        assert_eq!(
            (peer.ip().to_string(), peer.local.ip().to_string()),
            ("127.0.0.1".to_owned(), "127.0.0.1".to_owned())
        );
    }
}

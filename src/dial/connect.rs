//! Opens a stream to one server.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::reach::Reach;
use super::tls::ClientTls;
use crate::ground::Wheel;

/// Where to connect to.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// A DNS name, looked up anew for each connection, or an address without brackets.
    pub host: String,
    pub port: u16,
    pub tls: Option<(ClientTls, ServerName<'static>)>,
    /// Where the name may lead.
    pub reach: Reach,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFault {
    #[error("its name cannot be resolved: {0}")]
    Name(io::Error),
    #[error("it does not accept connections: {0}")]
    Tcp(io::Error),
    #[error("TLS failed: {0}")]
    Tls(io::Error),
    #[error("its name leads to {0}, where no server of it may be")]
    Elsewhere(IpAddr),
    /// Name, TCP and TLS together took longer than was allowed.
    #[error("there was no connection within {}", crate::ground::duration::format(*.0))]
    TimedOut(Duration),
}

/// Opens a stream within `bound`: name, TCP and TLS together.
pub async fn connect(target: &Target, bound: Duration, wheel: &Arc<Wheel>) -> Result<Stream, ConnectFault> {
    let opened = wheel.within(bound, async { secured(target, reach(target, bound, wheel).await?).await });
    opened.await.unwrap_or(Err(ConnectFault::TimedOut(bound)))
}

/// Tries the addresses of the name in turn. Each gets its share of the time, so that one that swallows packets (an IPv6
/// address without a route, say) does not take the time of those after it.
async fn reach(target: &Target, bound: Duration, wheel: &Arc<Wheel>) -> Result<TcpStream, ConnectFault> {
    let addresses = tokio::net::lookup_host((target.host.as_str(), target.port)).await.map_err(ConnectFault::Name)?;
    first(allowed(target, addresses.collect())?, bound, wheel, TcpStream::connect).await
}

/// Those of the addresses that the name may lead to.
fn allowed(target: &Target, mut addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ConnectFault> {
    if target.host.parse::<IpAddr>().is_ok() {
        return Ok(addresses);
    }
    let first = addresses.first().map(SocketAddr::ip);
    addresses.retain(|address| target.reach.allows(address.ip()));
    match first {
        Some(elsewhere) if addresses.is_empty() => Err(ConnectFault::Elsewhere(elsewhere)),
        Some(_) | None => Ok(addresses),
    }
}

async fn first(
    addresses: Vec<SocketAddr>,
    bound: Duration,
    wheel: &Arc<Wheel>,
    open: impl AsyncFn(SocketAddr) -> io::Result<TcpStream>,
) -> Result<TcpStream, ConnectFault> {
    let share = bound / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last = ConnectFault::Tcp(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    for address in addresses {
        match wheel.within(share, open(address)).await {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(fault)) => last = ConnectFault::Tcp(fault),
            None => last = ConnectFault::TimedOut(share),
        }
    }
    Err(last)
}

async fn secured(target: &Target, stream: TcpStream) -> Result<Stream, ConnectFault> {
    // Failures here mean that the connection is gone already; the first write will say so.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream)
        .set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(Duration::from_secs(60)));
    match &target.tls {
        None => Ok(Stream::Plain(stream)),
        Some((tls, name)) => {
            let stream = tls.connector().connect(name.clone(), stream).await.map_err(ConnectFault::Tls)?;
            Ok(Stream::Tls(Box::new(stream)))
        }
    }
}

/// A connection to a server.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether the socket has something to read, or has ended; asks the system nothing.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let socket = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        };
        socket.poll_read_ready(cx).map(drop)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests;

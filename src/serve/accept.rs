//! From a listening socket to connections that an engine serves.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::connection::Watch;
use super::places::Place;
use super::snapshot::DoorLimits;
use super::stream::{Rewound, Watched};
use super::strict::{self, Rest};
use super::worker::Worker;
use crate::forward::Engine;
use crate::listen::Peer;
use crate::listen::accept::Acceptor;
use crate::listen::tls::ServerTls;

/// A client of whom nothing is heard for this long is asked, by the system, whether it is there.
const ALIVE: Duration = Duration::from_secs(60);

/// A listener that one worker accepts from, until `end`.
pub struct Accepting {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Accepting {
    /// Must be called on the worker's thread.
    pub fn begin(worker: &Rc<Worker>, id: usize, listener: std::net::TcpListener, tls: Option<Arc<ServerTls>>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::task::spawn_local(accept(Rc::clone(worker), id, listener, tls, stopped));
        Self { stop, task }
    }

    /// Closes the socket. Whoever had been let in by the kernel is served all the same.
    pub async fn end(self) {
        // Nobody hears it when the socket could not be accepted from at all.
        let _ = self.stop.send(());
        if self.task.await.is_err() {
            tracing::error!("accepting ended by panic");
        }
    }
}

/// What a listener says of its connections.
#[derive(Clone, Copy)]
struct Terms {
    limits: DoorLimits,
    engine: Engine,
}

async fn accept(
    worker: Rc<Worker>,
    id: usize,
    listener: std::net::TcpListener,
    tls: Option<Arc<ServerTls>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut acceptor = match Acceptor::new(listener, id) {
        Ok(acceptor) => acceptor,
        Err(fault) => {
            tracing::error!(listener.id = id, error = %fault, "cannot accept on this listener");
            return;
        }
    };
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            _ = &mut stopped => break,
            accepted = acceptor.accept() => accepted,
        };
        take(&worker, stream, peer, tls.as_ref());
    }
    for (stream, peer) in acceptor.close() {
        take(&worker, stream, peer, tls.as_ref());
    }
}

/// Lets a connection be served by a task of its own, unless there are too many.
fn take(worker: &Rc<Worker>, stream: TcpStream, peer: Peer, tls: Option<&Arc<ServerTls>>) {
    let house = worker.house();
    let Some(door) = house.doors.get(peer.listener) else { return };
    let terms = Terms { limits: door.limits, engine: door.engine };
    let address = (!door.admission.trusts(peer.ip())).then(|| peer.ip());
    let Some(place) = worker.places.take(address, terms.limits.connections) else { return };
    prepare(&stream, terms.limits);
    let (worker, tls) = (Rc::clone(worker), tls.cloned());
    tokio::task::spawn_local(async move { serve(&worker, &place, stream, peer, tls, terms).await });
}

/// What the system is told of a connection. Fails only where the connection is gone already.
fn prepare(stream: &TcpStream, limits: DoorLimits) {
    let socket = socket2::SockRef::from(stream);
    // When we end a connection that is not being read, the system would keep its unsent bytes, megabytes of them, for as
    // long as the other side keeps its window shut.
    let _ = socket.set_tcp_user_timeout(Some(limits.body));
    // A client whose machine is gone is noticed though nothing is said to it: while it is waited for, and in tunnels.
    let _ = socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(ALIVE));
}

/// One connection from its first byte to its last. TLS is boxed, so that a plain connection holds no room for it.
async fn serve(
    worker: &Rc<Worker>,
    place: &Place,
    stream: TcpStream,
    peer: Peer,
    tls: Option<Arc<ServerTls>>,
    terms: Terms,
) {
    match tls {
        Some(tls) => Box::pin(secured(worker, place, stream, peer, &tls, terms)).await,
        None => watched(worker, place, stream, peer, terms).await,
    }
}

async fn secured(worker: &Rc<Worker>, place: &Place, stream: TcpStream, mut peer: Peer, tls: &ServerTls, terms: Terms) {
    match worker.wheel.within(terms.limits.head, Box::pin(tls.handshake(stream))).await {
        Some(Ok((stream, agreed))) => {
            peer.tls = Some(Arc::new(agreed));
            watched(worker, place, stream, peer, terms).await;
        }
        Some(Err(fault)) => {
            worker.metrics.tls_failed();
            tracing::debug!(client.address = %peer.address, error = %fault, "TLS handshake failed");
        }
        None => {
            worker.metrics.tls_failed();
            tracing::debug!(client.address = %peer.address, "TLS handshake took too long");
        }
    }
}

/// Serves one connection over any stream, as the listener of `peer` would: for tests and fuzzing.
pub async fn attend<S>(worker: &Rc<Worker>, stream: S, peer: Peer)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let house = worker.house();
    let Some(door) = house.doors.get(peer.listener) else { return };
    let terms = Terms { limits: door.limits, engine: door.engine };
    if let Some(place) = worker.places.take(None, terms.limits.connections) {
        watched(worker, &place, stream, peer, terms).await;
    }
}

async fn watched<S>(worker: &Rc<Worker>, place: &Place, stream: S, peer: Peer, terms: Terms)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let http2 = peer.tls.as_ref().is_some_and(|tls| tls.http2);
    let watch = Watch::new(terms.limits, http2, worker.ticks());
    place.watch(peer.listener, &watch);
    let peer = Rc::new(peer);
    let rest = match terms.engine {
        Engine::Strict if !http2 => match strict::serve(worker, stream, &peer, &watch).await {
            Some(rest) => rest,
            None => return,
        },
        Engine::Strict | Engine::Compat => Rest { stream, read: BytesMut::new() },
    };
    // Boxed: a connection that never comes here holds no room for it.
    let stream = Watched::new(Rewound::new(rest.stream, rest.read), Arc::clone(&watch));
    Box::pin(super::hyper::serve(worker, stream, &peer, (&watch, place.seat()), http2)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::crowd::Bounds;

    #[tokio::test]
    async fn a_client_whose_machine_is_gone_is_noticed_by_the_system() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let body = Duration::from_secs(30);
        let connections = Bounds { all: 1, of_one_address: 1 };
        prepare(&stream, DoorLimits { connections, head: body, idle: body, body, body_rate: 0 });
        let socket = socket2::SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!((socket.tcp_keepalive_time().unwrap(), socket.tcp_user_timeout().unwrap()), (ALIVE, Some(body)));
    }
}

//! From a listening socket to connections that an engine serves.

use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::connection::Watch;
use super::places::Place;
use super::snapshot::DoorLimits;
use super::stream::Watched;
use super::worker::Worker;
use crate::listen::Peer;
use crate::listen::accept::Acceptor;
use crate::listen::tls::ServerTls;

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
    let limits = door.limits;
    let address = (!door.admission.trusts(peer.ip())).then(|| peer.ip());
    let Some(place) = worker.places.take(address, limits.connections) else { return };
    let (worker, tls) = (Rc::clone(worker), tls.cloned());
    tokio::task::spawn_local(async move { serve(&worker, &place, stream, peer, tls, limits).await });
}

/// One connection from its first byte to its last. TLS is boxed, so that a plain connection holds no room for it.
async fn serve(
    worker: &Rc<Worker>,
    place: &Place,
    stream: TcpStream,
    peer: Peer,
    tls: Option<Arc<ServerTls>>,
    limits: DoorLimits,
) {
    match tls {
        Some(tls) => Box::pin(secured(worker, place, stream, peer, &tls, limits)).await,
        None => watched(worker, place, stream, peer, limits).await,
    }
}

async fn secured(
    worker: &Rc<Worker>,
    place: &Place,
    stream: TcpStream,
    mut peer: Peer,
    tls: &ServerTls,
    limits: DoorLimits,
) {
    match worker.wheel.within(limits.head, Box::pin(tls.handshake(stream))).await {
        Some(Ok((stream, agreed))) => {
            peer.tls = Some(Arc::new(agreed));
            watched(worker, place, stream, peer, limits).await;
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

async fn watched<S>(worker: &Rc<Worker>, place: &Place, stream: S, peer: Peer, limits: DoorLimits)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let http2 = peer.tls.as_ref().is_some_and(|tls| tls.http2);
    let watch = Watch::new(limits, http2, worker.ticks());
    place.watch(peer.listener, &watch);
    let stream = Watched::new(stream, Arc::clone(&watch));
    super::hyper::serve(worker, stream, &Rc::new(peer), &watch, http2).await;
}

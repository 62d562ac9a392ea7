//! From a listening socket to connections that an engine serves.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::net::TcpStream;

use super::connection::{Watch, Watched};
use super::snapshot::DoorLimits;
use super::worker::Worker;
use crate::listen::Peer;
use crate::listen::accept::Acceptor;
use crate::listen::tls::ServerTls;

/// Accepts until it is aborted.
pub async fn accept(worker: Rc<Worker>, id: usize, listener: std::net::TcpListener, tls: Option<Arc<ServerTls>>) {
    let mut acceptor = match Acceptor::new(listener, id) {
        Ok(acceptor) => acceptor,
        Err(fault) => {
            tracing::error!(listener.id = id, error = %fault, "cannot accept on this listener");
            return;
        }
    };
    loop {
        let (stream, peer) = acceptor.accept().await;
        let Some(limits) = worker.house().doors.get(id).and_then(|door| door.as_ref().map(|door| door.limits)) else {
            continue;
        };
        if worker.shared.connections.fetch_add(1, Ordering::Relaxed) >= limits.connections {
            worker.shared.connections.fetch_sub(1, Ordering::Relaxed);
            worker.metrics.connection_refused();
            continue;
        }
        let worker = Rc::clone(&worker);
        let tls = tls.clone();
        tokio::task::spawn_local(async move {
            worker.metrics.connection_opened();
            serve(&worker, stream, peer, tls, limits).await;
            worker.metrics.connection_closed();
            worker.shared.connections.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// One connection from its first byte to its last. TLS is boxed, so that a plain connection holds no room for it.
async fn serve(worker: &Rc<Worker>, stream: TcpStream, peer: Peer, tls: Option<Arc<ServerTls>>, limits: DoorLimits) {
    match tls {
        Some(tls) => Box::pin(secured(worker, stream, peer, &tls, limits)).await,
        None => watched(worker, stream, peer, limits).await,
    }
}

async fn secured(worker: &Rc<Worker>, stream: TcpStream, mut peer: Peer, tls: &ServerTls, limits: DoorLimits) {
    match worker.wheel.within(limits.head, Box::pin(tls.handshake(stream))).await {
        Some(Ok((stream, agreed))) => {
            peer.tls = Some(Arc::new(agreed));
            watched(worker, stream, peer, limits).await;
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

async fn watched<S>(worker: &Rc<Worker>, stream: S, peer: Peer, limits: DoorLimits)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let http2 = peer.tls.as_ref().is_some_and(|tls| tls.http2);
    let watch = Watch::new(limits, http2, worker.ticks());
    let id = worker.watch(peer.listener, &watch);
    let stream = Watched::new(stream, Arc::clone(&watch));
    super::hyper::serve(worker, stream, &Rc::new(peer), &watch, http2).await;
    worker.forget(id);
}

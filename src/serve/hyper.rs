//! The engine every protocol can use: hyper in, pipeline, hyper out.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{Fate, Watch, Watched};
use super::recorded::Recorded;
use super::worker::Worker;
use super::{pipeline, reply};
use crate::ground::{Body, BodyFault};
use crate::listen::Peer;

/// Larger than what admission allows, so that a head over the limit gets our own answer.
const MOST_HEAD_BYTES: usize = 64 * 1024;
/// Streams at once on one HTTP/2 connection.
const MOST_STREAMS: u32 = 256;

/// Serves one connection until it ends, is drained, or is cut.
pub async fn serve<S>(worker: &Rc<Worker>, stream: Watched<S>, peer: &Rc<Peer>, watch: &Arc<Watch>, http2: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = {
        let (worker, peer, watch) = (Rc::clone(worker), Rc::clone(peer), Arc::clone(watch));
        hyper::service::service_fn(move |request| {
            answer(Rc::clone(&worker), Rc::clone(&peer), Arc::clone(&watch), request)
        })
    };
    let io = TokioIo::new(stream);
    let ended = if http2 {
        let mut connection = Box::pin(
            http2::Builder::new(Local)
                .max_concurrent_streams(MOST_STREAMS)
                .max_header_list_size(MOST_HEAD_BYTES as u32)
                .max_pending_accept_reset_streams(Some(64))
                .serve_connection(io, service),
        );
        drive(&mut connection, watch, |connection| connection.graceful_shutdown()).await
    } else {
        let mut connection = Box::pin(
            http1::Builder::new()
                .half_close(false)
                .max_buf_size(MOST_HEAD_BYTES)
                .serve_connection(io, service)
                .with_upgrades(),
        );
        drive(&mut connection, watch, |connection| connection.graceful_shutdown()).await
    };
    if let Err(fault) = ended
        && (fault.is_parse() || fault.is_parse_too_large())
    {
        reply::unreadable(worker, peer, &fault);
    }
}

/// Polls a connection and does to it what its worker decides. It comes boxed: a future that is handed from function to
/// function by value is held once by each of them for as long as it lives.
async fn drive<C>(connection: &mut Pin<Box<C>>, watch: &Watch, drain: impl Fn(Pin<&mut C>)) -> Result<(), hyper::Error>
where
    C: Future<Output = Result<(), hyper::Error>>,
{
    let mut draining = false;
    std::future::poll_fn(|cx| {
        match watch.fate(cx) {
            Fate::GoOn => {}
            Fate::Drain if draining => {}
            Fate::Drain => {
                draining = true;
                drain(connection.as_mut());
            }
            Fate::Cut => return Poll::Ready(Ok(())),
        }
        connection.as_mut().poll(cx)
    })
    .await
}

async fn answer(
    worker: Rc<Worker>,
    peer: Rc<Peer>,
    watch: Arc<Watch>,
    request: Request<Incoming>,
) -> Result<Response<Recorded>, Infallible> {
    watch.request_begins();
    let request = request.map(|body| {
        if body.is_end_stream() { Body::Empty } else { Body::boxed(Awaited { body, watch: Arc::clone(&watch) }) }
    });
    // Boxed: an idle connection holds no room for a request, and hyper moves less about.
    let mut response = Box::pin(pipeline::handle(&worker, &peer, request)).await;
    response.body_mut().then(watch);
    Ok(response)
}

/// A request's body that marks when the client keeps us waiting for it.
struct Awaited {
    body: Incoming,
    watch: Arc<Watch>,
}

impl http_body::Body for Awaited {
    type Data = bytes::Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, BodyFault>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.watch.body_awaited(polled.is_pending());
        polled.map_err(BodyFault::Broken)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.watch.body_awaited(false);
    }
}

/// Runs hyper's HTTP/2 tasks on this thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(async move {
            task.await;
        });
    }
}

//! The engine every protocol can use: hyper in, pipeline, hyper out.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode, Version};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::{AwaitedBody, Busy, Fate, Watch};
use super::places::Seat;
use super::recorded::Recorded;
use super::stream::Watched;
use super::worker::Worker;
use super::{pipeline, reply};
use crate::ground::{Body, BodyFault, RequestHead};
use crate::listen::Peer;

/// Larger than what admission allows, so that a head over the limit gets our own answer.
const MOST_HEAD_BYTES: usize = 64 * 1024;
/// Streams at once on one HTTP/2 connection.
const MOST_STREAMS: u32 = 256;

/// As much may come of one body before it is taken, and of all bodies of a connection together: one that nobody takes holds up
/// its own stream and leaves room to the others.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;

/// Serves one connection until it ends, is drained, or is cut.
pub async fn serve<S>(
    worker: &Rc<Worker>,
    stream: Watched<S>,
    peer: &Rc<Peer>,
    (watch, seat): (&Arc<Watch>, &Arc<Seat>),
    http2: bool,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = {
        let (worker, peer, watch, seat) = (Rc::clone(worker), Rc::clone(peer), Arc::clone(watch), Arc::clone(seat));
        hyper::service::service_fn(move |mut request: Request<Incoming>| {
            if request.extensions().get::<OnUpgrade>().is_some() {
                request.extensions_mut().insert(Arc::clone(&seat));
            }
            answer(Rc::clone(&worker), Rc::clone(&peer), Arc::clone(&watch), request)
        })
    };
    let io = TokioIo::new(stream);
    let ended = if http2 {
        let mut connection = Box::pin(
            http2::Builder::new(Local)
                .max_concurrent_streams(MOST_STREAMS)
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
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
    if let (true, Some(violation)) = (http2, watch.violation()) {
        tracing::info!(client.address = %peer.address, "connection ended: {violation}");
    }
    if let Err(fault) = ended
        && (fault.is_parse() || fault.is_parse_too_large())
    {
        reply::unreadable(worker, peer, &fault, watch.violation());
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
            Fate::GoOn => return connection.as_mut().poll(cx),
            Fate::Drain => {}
            Fate::Cut => return Poll::Ready(Ok(())),
        }
        // Polled before it is drained: a request that is here already is taken.
        let polled = connection.as_mut().poll(cx);
        if polled.is_ready() || draining || watch.expects_head() {
            return polled;
        }
        draining = true;
        drain(connection.as_mut());
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
    let busy = Busy::begin(&watch);
    let http1 = request.version() < Version::HTTP_2;
    let request = request.map(|body| {
        if body.is_end_stream() { Body::Empty } else { Body::boxed(Awaited { body, mark: AwaitedBody::of(&watch) }) }
    });
    // Boxed: an idle connection holds no room for a request, and hyper moves less about.
    let (head, body) = RequestHead::of(request);
    let mut reply = Box::pin(pipeline::handle(&worker, &peer, head, body)).await;
    if http1 && watch.is_draining() {
        // hyper says so only where it was told before the request came. An upgrade has said what it needs.
        reply.close();
    }
    if reply.status == StatusCode::SWITCHING_PROTOCOLS {
        watch.becomes_tunnel();
    }
    reply.body.then(busy);
    Ok(reply.typed())
}

/// A request's body that marks when the client keeps us waiting for it.
struct Awaited {
    body: Incoming,
    mark: AwaitedBody,
}

impl http_body::Body for Awaited {
    type Data = bytes::Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, BodyFault>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.mark.is_awaited(polled.is_pending());
        polled.map_err(BodyFault::Broken)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::Empty;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::serve::connection::Ticks;
    use crate::serve::crowd::Bounds;
    use crate::serve::snapshot::DoorLimits;

    const REQUEST: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    /// Lets the other side act on what it has been given.
    async fn settle() {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }

    /// What a client says before its connection is drained, in the same moment, and after that; and how many answers it has
    /// got when the connection ends.
    async fn check(before: &[&str], meanwhile: &str, after: &str, answers: usize) {
        let long = Duration::from_secs(10);
        let limits = DoorLimits {
            connections: Bounds { all: 1, of_one_address: 1 },
            head: long,
            idle: long,
            body: long,
            body_rate: 0,
        };
        let watch = Watch::new(limits, false, Ticks::default());
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let service = hyper::service::service_fn(|_: Request<Incoming>| {
            drop(Busy::begin(&watch));
            std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new())))
        });
        let stream = TokioIo::new(Watched::new(server, Arc::clone(&watch)));
        let mut connection = Box::pin(http1::Builder::new().serve_connection(stream, service));
        let play = async {
            for piece in before {
                client.write_all(piece.as_bytes()).await.unwrap();
                settle().await;
            }
            client.write_all(meanwhile.as_bytes()).await.unwrap();
            watch.decide(Fate::Drain);
            settle().await;
            // Fails where the connection has ended.
            let _ = client.write_all(after.as_bytes()).await;
            let mut got = String::new();
            client.read_to_string(&mut got).await.unwrap();
            got
        };
        let (ended, got) = tokio::join!(drive(&mut connection, &watch, |drained| drained.graceful_shutdown()), play);
        ended.unwrap();
        assert_eq!(got.matches("HTTP/1.1 200 OK").count(), answers, "{before:?}, {meanwhile:?}, {after:?}: {got}");
    }

    #[tokio::test]
    async fn a_connection_that_drains_answers_what_is_on_its_way() {
        check(&[], "", REQUEST, 1).await;
        check(&[], REQUEST, "", 1).await;
        check(&[REQUEST], REQUEST, "", 2).await;
        for half in 1..REQUEST.len() {
            let (begun, rest) = REQUEST.split_at(half);
            check(&[begun], "", rest, 1).await;
            check(&[REQUEST], begun, rest, 2).await;
        }
    }

    #[tokio::test]
    async fn a_connection_that_drains_takes_nothing_after_that() {
        check(&[REQUEST], "", "", 1).await;
        check(&[REQUEST], "", REQUEST, 1).await;
        let begun = &REQUEST[..REQUEST.len() / 2];
        check(&[], "", &format!("{REQUEST}{begun}"), 1).await;
    }
}

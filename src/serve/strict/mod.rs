//! The engine for HTTP/1.1 as nearly everybody speaks it: our own reading, strict, without a task or a channel per request.
//!
//! It takes what has one reading and nothing else. Whatever it does not like (an upgrade, an expectation, HTTP/1.0, a head
//! that is wrong in any way) goes to hyper with all the bytes that have come, so that every refusal of a head is made in one
//! place. What it takes goes through the same pipeline in the same types.

mod answer;
mod body;
mod head;
mod line;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use http::Method;
use tokio::io::{AsyncRead, AsyncWrite};

use self::answer::Answering;
use self::body::Incoming;
use self::head::Head;
use self::line::{Begin, Line};
use super::connection::{Busy, Fate, Watch};
use super::pipeline;
use super::worker::Worker;
use crate::ground::{Body, turns};
use crate::listen::Peer;

/// A connection whose next request is not for this engine: its stream, and what has come of the request.
pub struct Rest<S> {
    pub stream: S,
    pub read: BytesMut,
}

/// Serves one connection until it ends, is drained, is cut, or says something that hyper has to answer.
pub async fn serve<S>(worker: &Rc<Worker>, stream: S, peer: &Rc<Peer>, watch: &Arc<Watch>) -> Option<Rest<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let line = Rc::new(RefCell::new(Line::new(stream, Arc::clone(watch))));
    let odd = {
        let mut serving = std::pin::pin!(requests(worker, &line, peer, watch));
        std::future::poll_fn(|cx| match watch.fate(cx) {
            Fate::GoOn | Fate::Drain => serving.as_mut().poll(cx),
            Fate::Cut => Poll::Ready(false),
        })
        .await
    };
    // Nobody else holds it: a body only knows of it.
    let line = Rc::try_unwrap(line).ok()?.into_inner();
    odd.then(|| line.into_rest())
}

/// Request after request; whether it ended with one that is not for us.
async fn requests<S>(worker: &Rc<Worker>, line: &Rc<RefCell<Line<S>>>, peer: &Rc<Peer>, watch: &Arc<Watch>) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    loop {
        match std::future::poll_fn(|cx| line.borrow_mut().poll_head(cx)).await {
            Begin::Over => break,
            Begin::Odd => return true,
            // Boxed: an idle connection holds no room for a request.
            Begin::Request(head) => {
                if !Box::pin(one(worker, line, peer, watch, head)).await {
                    break;
                }
            }
        }
    }
    Box::pin(line::close(line, &worker.wheel)).await;
    false
}

/// One request and its answer; whether the connection can carry another.
async fn one<S>(
    worker: &Rc<Worker>,
    line: &Rc<RefCell<Line<S>>>,
    peer: &Rc<Peer>,
    watch: &Arc<Watch>,
    head: Head,
) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let busy = Busy::begin(watch);
    let to_head = head.request.method == Method::HEAD;
    let body = if line.borrow().body_is_over() { Body::Empty } else { Body::boxed(Incoming::over(line)) };
    let answered = {
        let mut answering = std::pin::pin!(pipeline::handle(worker, peer, head.request, body));
        std::future::poll_fn(|cx| match answering.as_mut().poll(cx) {
            Poll::Ready(reply) => Poll::Ready(Some(reply)),
            // Who leaves takes the request along.
            Poll::Pending => line.borrow_mut().poll_gone(cx).map(|()| None),
        })
        .await
    };
    let Some(mut reply) = answered else { return false };
    if head.close || watch.is_draining() {
        reply.close();
    }
    reply.body.then(busy);
    let mut answering = Answering::begin(reply, to_head, &worker.date());
    turns::others_first().await;
    let sent = std::future::poll_fn(|cx| answering.poll(line, cx)).await;
    drop(answering);
    sent && std::future::poll_fn(|cx| Poll::Ready(line.borrow_mut().drop_body(cx))).await
}

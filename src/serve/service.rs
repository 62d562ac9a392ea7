//! The whole gateway as one tower service: for tests, benches and embedding, without a socket.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::{Request, Response};

use super::pipeline;
use super::recorded::Recorded;
use super::worker::Worker;
use crate::ground::{Body, RequestHead};
use crate::listen::Peer;

/// Answers the requests of one peer on one worker's thread.
#[derive(Clone)]
pub struct Gateway {
    worker: Rc<Worker>,
    peer: Rc<Peer>,
}

impl Gateway {
    pub fn new(worker: Rc<Worker>, peer: Peer) -> Self {
        Self { worker, peer: Rc::new(peer) }
    }
}

impl tower::Service<Request<Body>> for Gateway {
    type Response = Response<Recorded>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Recorded>, Infallible>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (worker, peer) = (Rc::clone(&self.worker), Rc::clone(&self.peer));
        let (head, body) = RequestHead::of(request);
        Box::pin(async move { Ok(pipeline::handle(&worker, &peer, head, body).await.typed()) })
    }
}

//! Who answers a permitted request: an upstream, the authority, or the file itself.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http::header::{AUTHORIZATION, HOST, UPGRADE};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::places::Seat;
use super::snapshot::{Destination, Route, Snapshot};
use super::worker::Worker;
use crate::authority::endpoint::Endpoint;
use crate::authority::{Authority, Incoming};
use crate::forward::rewrite::Facts;
use crate::forward::upgrade::{Lease, Standing};
use crate::forward::{self, Engine, Outgoing, echo};
use crate::gate::admit::Admitted;
use crate::gate::{Permit, Refusal};
use crate::ground::{Body, Reply, RequestHead, Time, Wheel};
use crate::observe::Record;
use crate::token::bearer;
use crate::token::hold::{Hold, Holding};

/// The authority reads one byte more than it allows, to see that there is one.
const MOST_FORM_BYTES: usize = 64 * 1024 + 1;
/// All of a form is here by then. Over HTTP/2 nobody else says how slowly it may come.
const MOST_FORM_TIME: Duration = Duration::from_secs(60);

/// A permitted request.
pub struct Asked<'a> {
    pub permit: &'a Permit,
    pub admitted: &'a Admitted,
    pub head: Box<RequestHead>,
    pub body: Body,
    pub now: Time,
    pub engine: Engine,
}

/// Lets the route's destination act.
pub async fn answer(
    worker: &Rc<Worker>,
    house: &Arc<Snapshot>,
    route: &Route,
    asked: Asked<'_>,
    record: &mut Record,
) -> Result<Reply, Refusal> {
    match &route.destination {
        Destination::Upstream(to) => {
            record.upstream = Some(Arc::clone(&to.series));
            let request_id = Rc::clone(&record.request_id);
            let facts = facts(house, route, &asked, &request_id, record);
            let asks = route.websocket && asked.head.fields.contains(&UPGRADE);
            let websocket = asks.then(|| lease(worker, house, route, &asked));
            let outgoing = Outgoing {
                target: &asked.admitted.target,
                facts,
                head: asked.head,
                body: asked.body,
                max_body: route.policy.body.max,
                timeouts: to.timeouts,
                websocket,
                engine: asked.engine,
            };
            forward::send(&to.upstream, &worker.pools, outgoing, record).await
        }
        Destination::Authority(endpoint) => {
            let authority = house.authority.as_ref().ok_or(Refusal::RouteUnknown)?;
            Box::pin(ask_authority(authority, *endpoint, asked, (record, &worker.wheel))).await
        }
        Destination::Fixed(fixed) => Ok(fixed.reply()),
        Destination::Echo => {
            let request_id = Rc::clone(&record.request_id);
            let facts = facts(house, route, &asked, &request_id, record);
            echo::answer(&asked.head.method, &asked.admitted.target, asked.head.fields.clone(), &facts)
        }
    }
}

/// A tunnel stands as long as the token that opened it: it ends with it, and soon after it is revoked. It keeps the seat of
/// its connection, which counts for the limits until the tunnel has ended.
fn lease(worker: &Rc<Worker>, house: &Arc<Snapshot>, route: &Route, asked: &Asked<'_>) -> Lease {
    let seat = asked.head.extensions.get::<Arc<Seat>>().map(Arc::clone);
    let claims = asked.permit.caller().claims().filter(|_| !route.websocket_outlives_token);
    let presented = bearer::find(asked.head.fields.all(&AUTHORIZATION)).ok().flatten();
    let token = presented.as_ref().and_then(|presented| presented.token().ok());
    let hold = claims.map(|claims| {
        let (verifier, clock) = (Arc::clone(&house.verifier), Arc::clone(&worker.shared.clock));
        Rc::new(Hold::new(Arc::clone(claims), token, verifier, clock))
    });
    Box::new(move || {
        let _held = &seat;
        let Some(hold) = &hold else { return Standing::Stands };
        match hold.look() {
            Holding::Yes => Standing::Stands,
            Holding::No => Standing::Ended,
            Holding::Unsure => {
                let hold = Rc::clone(hold);
                Standing::Asked(Box::pin(async move { hold.ask().await }))
            }
        }
    })
}

fn facts<'a>(house: &'a Snapshot, route: &Route, asked: &Asked<'a>, request_id: &'a str, record: &Record) -> Facts<'a> {
    let admitted = asked.admitted;
    // Nearly always in its normal form.
    let usual = asked.head.fields.first(&HOST).is_some_and(|written| *written == *admitted.host.as_bytes());
    let written = || asked.head.fields.text(&HOST).or(asked.head.authority.as_deref());
    let authority = if usual { None } else { written().map(|written| Cow::Owned(written.to_owned())) };
    Facts {
        permit: asked.permit,
        host: &admitted.host,
        authority: authority.unwrap_or(Cow::Borrowed(&admitted.host)),
        client: admitted.client,
        secure: admitted.secure,
        version: if asked.head.version == Version::HTTP_2 { Version::HTTP_2 } else { Version::HTTP_11 },
        request_id,
        traced: record.trace_id.is_some(),
        forward_token: route.forward_token,
        signer: house.signer.as_deref(),
        now: asked.now,
    }
}

/// Collects the form and lets the authority answer. What takes long, such as hashing, RSA and the store, it hands to threads
/// of their own, so that this one only waits.
async fn ask_authority(
    authority: &Arc<Authority>,
    endpoint: Endpoint,
    asked: Asked<'_>,
    (record, wheel): (&mut Record, &Arc<Wheel>),
) -> Result<Reply, Refusal> {
    let body = collect(asked.body, wheel).await?;
    record.bytes_in = Some(Rc::new(Cell::new(body.len() as u64)));
    let request = Incoming {
        headers: asked.head.fields.to_map(),
        method: asked.head.method,
        path: asked.admitted.path().to_owned(),
        query: asked.admitted.query().map(str::to_owned),
        body,
        client: asked.admitted.client,
        request_id: (*record.request_id).into(),
    };
    Ok(Reply::of(authority.answer(endpoint, request).await.map(Body::full)))
}

async fn collect(body: Body, wheel: &Arc<Wheel>) -> Result<Bytes, Refusal> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    match wheel.within(MOST_FORM_TIME, Limited::new(body, MOST_FORM_BYTES).collect()).await {
        Some(Ok(collected)) => Ok(collected.to_bytes()),
        Some(Err(fault)) if fault.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge { limit: 64 * 1024 }),
        Some(Err(_)) => Err(Refusal::Malformed { what: "the body broke off", close: true }),
        None => Err(Refusal::Malformed { what: "the body took too long", close: true }),
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::Poll;

    use super::*;
    use crate::ground::wheel::TICK;
    use crate::ground::{Clock as _, ManualClock};

    #[tokio::test]
    async fn a_form_that_does_not_end_is_refused_after_a_while() {
        let clock = ManualClock::at(Time::from_secs(0));
        let wheel = Wheel::new(clock.instant());
        let silent = Body::boxed(http_body_util::StreamBody::new(futures_util::stream::pending()));
        let mut collecting = std::pin::pin!(collect(silent, &wheel));
        let mut polled = async || std::future::poll_fn(|cx| Poll::Ready(collecting.as_mut().poll(cx))).await;
        for (span, over) in [(Duration::ZERO, false), (MOST_FORM_TIME, false), (2 * TICK, true)] {
            clock.advance(span);
            wheel.turn(clock.instant());
            let refused = matches!(polled().await, Poll::Ready(Err(Refusal::Malformed { close: true, .. })));
            assert_eq!(refused, over);
        }
    }
}

//! THE function: one request from door to door.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt as _;
use http_body::Body as _;

use super::answer::{self, Asked};
use super::decisions::Facts;
use super::recorded::{OpenRecord, Recorded};
use super::reply;
use super::snapshot::{Route, Snapshot};
use super::worker::Worker;
use crate::forward::Engine;
use crate::gate::admit::Admitted;
use crate::gate::authenticate::{self, Tokens};
use crate::gate::cors;
use crate::gate::policy::Wearer;
use crate::gate::table::{Found, Params};
use crate::gate::{Caller, Head, Policy, Refusal};
use crate::ground::{Body, Reply, RequestHead};
use crate::listen::Peer;
use crate::observe::record::TokenUse;
use crate::observe::trace::trace_id;

/// Takes one request from door to door; always answers.
pub async fn handle(worker: &Rc<Worker>, peer: &Peer, head: Box<RequestHead>, body: Body) -> Reply<Recorded> {
    let house = worker.house();
    let mut walk = Walk::begin(worker, &house, peer, &head);
    // A bug of ours is answered for, and ends neither the connection's other requests nor the worker.
    let answer = AssertUnwindSafe(walk.through(peer, head, body)).catch_unwind().await;
    let answer = answer.unwrap_or_else(|_| Err(Refusal::Internal("it panicked; standard error says where".into())));
    walk.end(answer)
}

/// What one request gathers on its way.
struct Walk<'h> {
    worker: &'h Rc<Worker>,
    house: &'h Arc<Snapshot>,
    open: OpenRecord,
    /// Whose dress the answer wears: the route's as soon as there is one.
    policy: &'h Policy,
    wearer: Wearer,
    http1: bool,
}

impl<'h> Walk<'h> {
    /// The order of the policies. Any line may end the walk with a refusal.
    async fn through(&mut self, peer: &Peer, mut asked: Box<RequestHead>, body: Body) -> Result<Reply, Refusal> {
        let admitted = self.admit(peer, &mut asked)?;
        let (route, params, preflight) = self.route(&admitted, &asked)?;
        let head = admitted.head(&asked.method, &asked.fields);
        let policy = &route.policy;
        if let (true, Some(cors)) = (preflight, &policy.cors) {
            return cors.preflight(&head).map(reply::preflight);
        }
        policy.check_upgrade(&head)?;
        let Facts { standings, observed, .. } = &mut self.open.entry.facts;
        policy.limits.take_early(&head, standings, observed).await?;
        let now = self.open.entry.record.at;
        let tokens = Tokens {
            verifier: &self.house.verifier,
            local: &self.worker.tokens,
            generation: self.house.tokens_generation(),
        };
        let caller = self.learn(policy, policy.authenticate.caller(&head, &tokens, now).await, &head)?;
        let Facts { standings, observed, .. } = &mut self.open.entry.facts;
        policy.limits.take_late(&head, &caller, standings, observed).await?;
        let permit = policy.rule.decide(caller, &head, &params, observed)?;
        policy.body.check(&head, !body.is_end_stream())?;
        let engine = self.house.doors.get(peer.listener).map_or(Engine::Compat, |door| door.engine);
        let asked = Asked { permit: &permit, admitted: &admitted, head: asked, body, now, engine };
        answer::answer(self.worker, self.house, route, asked, &mut self.open.entry.record).await
    }

    fn begin(worker: &'h Rc<Worker>, house: &'h Arc<Snapshot>, peer: &Peer, head: &RequestHead) -> Self {
        let record = worker.open_record(peer, head.method.clone(), head.version);
        let mut open = OpenRecord::new(record, Rc::clone(worker));
        open.remember = house.remembers;
        open.entry.facts.generation = house.generation;
        let origin = head.fields.first(&http::header::ORIGIN).map(Into::into);
        let wearer = Wearer { origin, secure: open.entry.record.tls };
        let http1 = head.version < http::Version::HTTP_2;
        Self { worker, house, open, policy: &house.bare, wearer, http1 }
    }

    fn admit(&mut self, peer: &Peer, head: &mut RequestHead) -> Result<Admitted, Refusal> {
        let door = self.house.doors.get(peer.listener).ok_or(Refusal::HostUnknown)?;
        let admitted = door.admission.admit(head, peer)?;
        let record = &mut self.open.entry.record;
        record.client = admitted.client;
        (record.host, record.path) = (admitted.host.clone(), admitted.path().to_owned());
        if let Some(id) = &admitted.request_id {
            record.request_id = Rc::clone(id);
        }
        self.wearer.secure = admitted.secure;
        record.trace_id = trace_id(&head.fields).map(Into::into);
        match peer.tls.as_ref().and_then(|tls| tls.server_name.as_deref()) {
            Some(shown) if shown != admitted.host && !door.same_certificate(shown, &admitted.host) => {
                Err(Refusal::HostUnknown)
            }
            Some(_) | None => Ok(admitted),
        }
    }

    /// The route, or why there is none. A preflight is for the route of the method it asks about.
    fn route(&mut self, admitted: &Admitted, head: &RequestHead) -> Result<(&'h Route, Params, bool), Refusal> {
        let asked = cors::preflight_method(&head.method, &head.fields);
        if let Some(method) = asked
            && let Found::Route { value, params } = self.house.table.find(&admitted.host, admitted.path(), &method)
            && value.policy.cors.is_some()
        {
            self.enter(value);
            self.open.entry.facts.preflight = true;
            return Ok((value, params, true));
        }
        match self.house.table.find(&admitted.host, admitted.path(), &head.method) {
            Found::Route { value, params } => {
                self.enter(value);
                Ok((value, params, false))
            }
            Found::MethodNotAllowed { allow } => Err(Refusal::MethodNotAllowed { allow }),
            Found::Unknown => Err(Refusal::RouteUnknown),
            Found::UnknownHost => Err(Refusal::HostUnknown),
        }
    }

    fn enter(&mut self, route: &'h Route) {
        self.policy = &route.policy;
        self.open.entry.record.route = Some(Arc::clone(&route.series));
    }

    /// Notes who calls, or that a token was looked at and is not good. A route that only observes takes such a caller for
    /// nobody in particular.
    fn learn(
        &mut self,
        policy: &Policy,
        judged: Result<(Caller, TokenUse), Refusal>,
        head: &Head<'_>,
    ) -> Result<Caller, Refusal> {
        if let Err(Refusal::Token { .. }) = &judged {
            self.open.entry.record.token = TokenUse::Refused;
            if self.open.remember {
                self.open.entry.facts.unproved = authenticate::unproved(head);
            }
        }
        let (caller, level) = match judged {
            Err(refusal) if policy.rule.only_observes => {
                self.open.entry.facts.observed.get_or_insert(refusal);
                return Ok(Caller::Anonymous);
            }
            judged => judged?,
        };
        self.open.entry.record.token = level;
        if let Caller::Known(identity) = &caller {
            self.open.entry.caller = Some(Rc::clone(identity));
        }
        Ok(caller)
    }

    /// Dresses the answer, whoever made it, and hands the record to its body.
    fn end(mut self, answer: Result<Reply, Refusal>) -> Reply<Recorded> {
        let mut reply = answer.unwrap_or_else(|refusal| {
            self.open.entry.record.refusal = Some(refusal.reason());
            self.open.entry.record.detail = refusal.detail();
            let reply = reply::refuse(&refusal, &self.open.entry.record.request_id, &self.house.realm, self.http1);
            self.open.entry.facts.refusal = Some(refusal);
            reply
        });
        let route = &mut self.open.entry.record.route;
        route.get_or_insert_with(|| Arc::clone(&self.house.unmatched));
        self.open.entry.record.observed = self.open.entry.facts.observed.as_ref().map(Refusal::reason);
        self.policy.dress(&self.wearer, &self.open.entry.facts.standings, &mut reply.fields);
        reply.fields.insert(&reply::X_REQUEST_ID, self.open.entry.record.request_id.as_bytes());
        self.open.entry.record.status = reply.status.as_u16();
        let open = self.open;
        reply.map(|body| Recorded::new(body, open))
    }
}

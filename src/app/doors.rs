//! The listening addresses of the process, from one configuration to the next.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};

use crate::config::plan;
use crate::forward::Engine;
use crate::gate::admit::Admission;
use crate::listen::tls::{CertificatePem, ServerTls};
use crate::listen::{systemd, tcp};
use crate::serve::crowd::Bounds;
use crate::serve::snapshot::DoorLimits;
use crate::serve::{Door, Order};

/// All addresses that are listened on. An address keeps its id as long as the process lives.
pub struct Doors {
    workers: usize,
    open: BTreeMap<SocketAddr, OpenDoor>,
    /// By id, those that have closed too.
    all: Vec<Door>,
    handed_over: systemd::Sockets,
}

#[derive(Clone)]
struct OpenDoor {
    id: usize,
    tls: Option<Arc<ServerTls>>,
}

/// A change of doors that is ready and has not happened yet.
pub struct Change {
    /// For the snapshot, by id. One that closes stays as it was.
    pub doors: Vec<Door>,
    next: BTreeMap<SocketAddr, OpenDoor>,
    opened: Vec<Opening>,
    closed: Vec<usize>,
    renewed: Vec<(Arc<ServerTls>, plan::Listener)>,
}

struct Opening {
    id: usize,
    sockets: Vec<TcpListener>,
    tls: Option<Arc<ServerTls>>,
}

impl Doors {
    pub fn new(workers: usize) -> Self {
        Self { workers, open: BTreeMap::new(), all: Vec::new(), handed_over: systemd::Sockets::take() }
    }

    /// Binds what is new. Nothing that runs is touched; dropping the change closes what was bound for it.
    pub fn prepare(&mut self, listeners: &[plan::Listener]) -> anyhow::Result<Change> {
        let mut change = Change {
            doors: self.all.clone(),
            next: BTreeMap::new(),
            opened: Vec::new(),
            closed: Vec::new(),
            renewed: Vec::new(),
        };
        for listener in listeners {
            self.prepare_one(listener, &mut change)?;
        }
        let kept = |address: &SocketAddr| change.next.contains_key(address);
        change.closed = self.open.iter().filter(|(address, _)| !kept(address)).map(|(_, door)| door.id).collect();
        Ok(change)
    }

    fn prepare_one(&mut self, listener: &plan::Listener, change: &mut Change) -> anyhow::Result<()> {
        let address = listener.address;
        let wants_tls = !listener.certificates.is_empty();
        let running = self.open.get(&address).filter(|door| door.tls.is_some() == wants_tls);
        let door = match running {
            Some(door) => {
                if let Some(tls) = &door.tls {
                    // Tried out first: a broken certificate refuses the whole reload.
                    server_tls(listener)?;
                    change.renewed.push((Arc::clone(tls), listener.clone()));
                }
                door.clone()
            }
            None => {
                anyhow::ensure!(
                    !self.open.contains_key(&address),
                    "{address} cannot change between clear and TLS while it is open; restart, or use another port"
                );
                let tls = if wants_tls { Some(Arc::new(server_tls(listener)?)) } else { None };
                let sockets = match self.handed_over.for_address(address, self.workers) {
                    Some(sockets) => sockets.with_context(|| format!("the socket that systemd opened on {address}"))?,
                    None => tcp::bind(address, self.workers)?,
                };
                let id = change.doors.len();
                change.opened.push(Opening { id, sockets, tls: tls.clone() });
                OpenDoor { id, tls }
            }
        };
        let settings = Door {
            admission: admission(listener),
            limits: limits(listener),
            tls: door.tls.clone(),
            engine: engine(listener),
        };
        match change.doors.get_mut(door.id) {
            Some(known) => *known = settings,
            None => change.doors.push(settings),
        }
        change.next.insert(address, door);
        Ok(())
    }

    /// Makes the change happen: certificates are renewed, and the orders are for all workers, one list per worker.
    pub fn commit(&mut self, change: Change) -> Vec<Vec<Order>> {
        for (tls, listener) in &change.renewed {
            if let Err(fault) = with_pems(listener, |pems| tls.renew(pems)) {
                tracing::error!(listener.address = %listener.address, error = %fault, "certificate not renewed");
            }
        }
        for address in self.handed_over.left_over() {
            tracing::warn!(%address, "systemd listens there and gateway.yaml does not: clients wait in vain");
        }
        let mut orders: Vec<Vec<Order>> = (0..self.workers).map(|_| Vec::new()).collect();
        for opening in change.opened {
            for (orders, listener) in orders.iter_mut().zip(opening.sockets) {
                orders.push(Order::Open { id: opening.id, listener, tls: opening.tls.clone() });
            }
        }
        for orders in &mut orders {
            orders.extend(change.closed.iter().map(|id| Order::Close { id: *id }));
        }
        self.open = change.next;
        self.all = change.doors;
        orders
    }
}

/// A listener's settings, for a gateway without sockets.
pub fn on_stage(listener: &plan::Listener) -> Door {
    Door { admission: admission(listener), limits: limits(listener), tls: None, engine: engine(listener) }
}

fn admission(listener: &plan::Listener) -> Admission {
    Admission { trusted: listener.trusted_proxies.clone() }
}

fn engine(listener: &plan::Listener) -> Engine {
    match listener.engine {
        plan::Engine::Strict => Engine::Strict,
        plan::Engine::Compat => Engine::Compat,
    }
}

fn limits(listener: &plan::Listener) -> DoorLimits {
    DoorLimits {
        connections: Bounds {
            all: usize::try_from(listener.limits.connections).unwrap_or(usize::MAX),
            of_one_address: usize::try_from(listener.limits.connections_per_address).unwrap_or(usize::MAX),
        },
        head: listener.limits.head_timeout,
        idle: listener.limits.idle_timeout,
        body: listener.limits.body_timeout,
        body_rate: listener.limits.body_rate,
    }
}

fn server_tls(listener: &plan::Listener) -> anyhow::Result<ServerTls> {
    with_pems(listener, ServerTls::new).map_err(|message| anyhow!("listener {}: {message}", listener.address))
}

fn with_pems<T>(
    listener: &plan::Listener,
    use_them: impl FnOnce(&[CertificatePem<'_>]) -> Result<T, String>,
) -> Result<T, String> {
    let pem = |certificate: &'_ plan::Certificate| {
        let key = certificate.key.as_ref().map(|key| key.expose().as_bytes().to_vec()).unwrap_or_default();
        (certificate.certificate.contents.clone(), key)
    };
    let pems: Vec<_> = listener.certificates.iter().map(pem).collect();
    let pems: Vec<_> = pems.iter().map(|(chain, key)| CertificatePem { chain, key }).collect();
    use_them(&pems)
}

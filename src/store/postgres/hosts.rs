//! Which of several servers is connected to: the first in turn that takes us. A silent one may not use up the time of those
//! behind it.
//!
//! tokio-postgres tries hosts, and the addresses of a name, one after the other, and bounds no more of it than the opening of
//! the socket: who accepts and says nothing keeps it for ever. So it is given one address at a time here.

use std::net::IpAddr;
use std::time::Duration;

use deadpool_postgres::Connect;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::config::{Host, LoadBalanceHosts};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::in_words;
use crate::ground::{Random, SystemRandom};

/// A connection, and its half that has to be driven.
pub(super) type Made = (Client, Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>);

/// The servers of a connection string.
#[derive(Clone)]
pub(super) struct Hosts {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
    /// For all of them together.
    pub(super) within: Duration,
}

impl Hosts {
    /// The error is what the last one said; `None`: it said nothing in its time.
    pub(super) async fn reach(&self) -> Result<Made, Option<Error>> {
        let until = Instant::now() + self.within;
        in_turn(hosts(&self.config), until, |host, until| self.reach_one(host, until)).await
    }

    async fn reach_one(&self, host: Config, until: Instant) -> Result<Made, Option<Error>> {
        let connect = |address: Config, _| async move { address.connect(self.tls.clone()).await.map_err(Some) };
        in_turn(addresses(host, &self.config).await, until, connect).await
    }
}

impl Connect for Hosts {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        Box::pin(async move {
            let (client, connection) = match self.reach().await {
                Ok(made) => made,
                Err(Some(cause)) => return Err(cause),
                // There is no error of tokio-postgres for it; the pool waits just as long, and says so.
                Err(None) => std::future::pending().await,
            };
            let driven = tokio::spawn(async move {
                if let Err(cause) = connection.await {
                    tracing::warn!("a connection to PostgreSQL has ended: {}", in_words(&cause));
                }
            });
            Ok((client, driven))
        })
    }
}

/// Tries one after the other. Each gets the same part of the time that is left, so that who fails at once leaves its part to
/// all others.
async fn in_turn<T, M, E, F>(turns: Vec<T>, until: Instant, attempt: impl Fn(T, Instant) -> F) -> Result<M, Option<E>>
where
    F: Future<Output = Result<M, Option<E>>>,
{
    let (mut waiting, mut last) = (turns.len(), None);
    for turn in turns {
        let now = Instant::now();
        let parts = u32::try_from(waiting).unwrap_or(u32::MAX);
        let end = now + until.saturating_duration_since(now) / parts;
        last = match timeout_at(end, attempt(turn, end)).await {
            Ok(Ok(made)) => return Ok(made),
            Ok(Err(cause)) => cause,
            Err(_) => None,
        };
        waiting -= 1;
    }
    Err(last)
}

/// Each of them alone. A string whose lists do not fit together stays as it is: tokio-postgres says what is wrong with it.
fn hosts(config: &Config) -> Vec<Config> {
    let (names, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = names.len().max(addresses.len());
    let fits = |listed: usize| listed == 0 || listed == count;
    if count == 0 || !fits(names.len()) || !fits(addresses.len()) || !(ports.len() == 1 || fits(ports.len())) {
        return vec![config.clone()];
    }
    let one = |index| {
        let port = ports.get(index).or(ports.first()).copied();
        only(config, names.get(index), addresses.get(index).copied(), port)
    };
    let mut hosts: Vec<Config> = (0..count).map(one).collect();
    shuffle(&mut hosts, config);
    hosts
}

/// A host at each of its addresses. A name that has none stays as it is: tokio-postgres says why.
async fn addresses(host: Config, config: &Config) -> Vec<Config> {
    let ([Host::Tcp(name)], []) = (host.get_hosts(), host.get_hostaddrs()) else { return vec![host] };
    let port = host.get_ports().first().copied().unwrap_or(5432);
    let found = tokio::net::lookup_host((name.as_str(), port)).await;
    let at = |address: std::net::SocketAddr| {
        let mut host = host.clone();
        host.hostaddr(address.ip());
        host
    };
    let mut places: Vec<Config> = found.into_iter().flatten().map(at).collect();
    if places.is_empty() {
        return vec![host];
    }
    shuffle(&mut places, config);
    places
}

/// Where the string says `load_balance_hosts=random`.
fn shuffle(places: &mut [Config], config: &Config) {
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        let chance: &dyn Random = &SystemRandom;
        fastrand::Rng::with_seed(u64::from_ne_bytes(chance.bytes())).shuffle(places);
    }
}

/// All that `config` says, at one place.
fn only(config: &Config, host: Option<&Host>, address: Option<IpAddr>, port: Option<u16>) -> Config {
    let mut only = Config::new();
    only.ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .target_session_attrs(config.get_target_session_attrs())
        .channel_binding(config.get_channel_binding())
        .load_balance_hosts(config.get_load_balance_hosts());
    config.get_user().map(|it| only.user(it));
    config.get_password().map(|it| only.password(it));
    config.get_dbname().map(|it| only.dbname(it));
    config.get_options().map(|it| only.options(it));
    config.get_application_name().map(|it| only.application_name(it));
    config.get_connect_timeout().map(|it| only.connect_timeout(*it));
    config.get_tcp_user_timeout().map(|it| only.tcp_user_timeout(*it));
    config.get_keepalives_interval().map(|it| only.keepalives_interval(it));
    config.get_keepalives_retries().map(|it| only.keepalives_retries(it));
    match host {
        Some(Host::Tcp(name)) => drop(only.host(name)),
        Some(Host::Unix(path)) => drop(only.host_path(path)),
        None => {}
    }
    address.map(|it| only.hostaddr(it));
    port.map(|it| only.port(it));
    only
}

#[cfg(test)]
mod tests;

//! `upstreams`: servers, timeouts, TLS.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use url::Host;

use super::{Check, text};
use crate::config::document::Document;
use crate::config::document::read::OneOrMany;
use crate::config::document::upstream::{Timeout as WrittenTimeout, Upstream as Written, UpstreamTls as WrittenTls};
use crate::config::place::At;
use crate::config::plan::{Balance, HostHeader, Identity, Server, Timeout, Upstream, UpstreamTls};
use crate::config::problem::Problem;

/// One for each in the file, in its order; `None` where a problem was noted.
pub(super) fn upstreams(document: &Document, check: &mut Check<'_>) -> Vec<Option<Upstream>> {
    let written = document.upstreams.as_ref().map_or(&[][..], |upstreams| &upstreams.0);
    written.iter().map(|(name, upstream)| one(name, upstream, check)).collect()
}

fn one(name: &At<String>, written: &Written, check: &mut Check<'_>) -> Option<Upstream> {
    let servers = servers(written, check);
    let seconds = Duration::from_secs;
    let usual = Timeout { connect: seconds(2), response: seconds(30), idle: seconds(60) };
    let timeout = timeout(written.timeout.as_ref(), usual, check);
    let addresses = written.addresses.as_ref().map(|addresses| self::addresses(addresses, servers.as_deref(), check));
    let tls = written.tls.as_ref().map(|tls| self::tls(tls, servers.as_deref(), check)).unwrap_or_default();
    Some(Upstream {
        name: name.value.clone(),
        servers: servers?,
        addresses,
        balance: written.balance.as_ref().map_or(Balance::RoundRobin, |at| at.value),
        timeout,
        tls,
        host: written.host.as_ref().map_or(HostHeader::Original, |at| at.value),
        identity: written.identity.as_ref().map_or(Identity::Headers, |at| at.value),
        forward_token: written.forward_token.as_ref().is_some_and(|at| at.value),
        keepalive: written.keepalive.as_ref().map_or(256, |at| at.value),
    })
}

/// A written timeout over the usual one.
pub(super) fn timeout(written: Option<&WrittenTimeout>, usual: Timeout, check: &mut Check<'_>) -> Timeout {
    Timeout {
        connect: text::span(written.and_then(|w| w.connect.as_ref()), usual.connect, check),
        response: text::span(written.and_then(|w| w.response.as_ref()), usual.response, check),
        idle: text::span(written.and_then(|w| w.idle.as_ref()), usual.idle, check),
    }
}

fn servers(written: &Written, check: &mut Check<'_>) -> Option<Vec<Server>> {
    let items = written.servers.0.as_deref()?;
    if items.is_empty() {
        let cause = "this upstream has no servers";
        check.add(Problem::at(written.place, cause).help("write for example `servers: [http://10.0.0.5:8080]`"));
    }
    text::repeated(items, check);
    let servers: Vec<Option<Server>> = items.iter().map(|at| server(at, check)).collect();
    let servers: Vec<Server> = servers.into_iter().collect::<Option<_>>()?;
    let first = servers.first();
    let other = items.iter().zip(&servers).find(|(_, server)| first.is_some_and(|first| first.https != server.https));
    if let Some((other, _)) = other {
        let problem = Problem::at(other.place, "all servers of an upstream speak the same: `http` or `https`");
        let problem = match items.first() {
            Some(first) => problem.other(first.place, "this one differs"),
            None => problem,
        };
        check.add(problem.help("make them the same, or make two upstreams"));
    }
    Some(servers)
}

fn server(at: &At<String>, check: &mut Check<'_>) -> Option<Server> {
    let example = "write for example `http://10.0.0.5:8080` or `https://orders.internal`";
    if !at.value.contains("://") {
        let cause = format!("`{}` does not say `http` or `https`", at.value);
        check.add(Problem::at(at.place, cause).help(format!("write `http://{}` or `https://{}`", at.value, at.value)));
        return None;
    }
    let url = text::address(at, "a server", check)?;
    if url.path() != "/" || url.query().is_some() {
        let cause = "a server is a scheme, a host and a port; paths go on as they came";
        let origin = url.origin().ascii_serialization();
        check.add(Problem::at(at.place, cause).help(format!("write `{origin}`")));
        return None;
    }
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => {
            check.add(Problem::at(at.place, "this server has no host").help(example));
            return None;
        }
    };
    let port = url.port_or_known_default().filter(|port| *port != 0);
    if port.is_none() {
        check.add(Problem::at(at.place, "this server has no port").help(example));
    }
    Some(Server { text: at.value.clone(), https: url.scheme() == "https", host, port: port? })
}

/// Networks for names. Servers that are written as addresses lie where the file says anyhow.
fn addresses(written: &OneOrMany<At<IpNet>>, servers: Option<&[Server]>, check: &mut Check<'_>) -> Vec<IpNet> {
    let is_name = |server: &Server| server.host.parse::<IpAddr>().is_err();
    if written.items.is_empty() {
        let cause = "no server could be reached: this list of networks is empty";
        check.add(Problem::at(written.place, cause).help("name the networks of the servers, such as `[10.0.0.0/8]`"));
    } else if servers.is_some_and(|servers| !servers.iter().any(is_name)) {
        let cause = "`addresses` does nothing here: every server is written as an address";
        check.add(Problem::at(written.place, cause).help("remove it; it is for servers that are given by name"));
    }
    written.items.iter().map(|network| network.value).collect()
}

fn tls(written: &WrittenTls, servers: Option<&[Server]>, check: &mut Check<'_>) -> UpstreamTls {
    if servers.is_some_and(|servers| !servers.iter().any(|server| server.https)) {
        let cause = "`tls` does nothing here: all servers are reached by `http`";
        check.add(Problem::at(written.place, cause).help("write `https://` before the servers, or remove `tls`"));
    }
    if let Some(name) = &written.server_name
        && rustls_pki_types::ServerName::try_from(name.value.as_str()).is_err()
    {
        let cause = format!("`{}` is not the name of a server", name.value);
        check.add(Problem::at(name.place, cause).help("write a host name alone, for example `orders.internal`"));
    }
    UpstreamTls {
        ca: written.ca.as_ref().and_then(|at| check.certificates(at, "the authorities of the upstream")),
        server_name: written.server_name.as_ref().map(|at| at.value.clone()),
    }
}

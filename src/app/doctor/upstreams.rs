//! Whether upstreams can be reached around the gateway.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use super::{Finding, Verdict};
use crate::config::Plan;

/// How long a server may take to accept.
const PATIENCE: Duration = Duration::from_secs(2);

/// Knocks at each server from where this runs.
pub fn probe(plan: &Plan, tell: &mut dyn FnMut(Finding)) {
    for upstream in &plan.upstreams {
        for server in &upstream.servers {
            let address = (server.host.as_str(), server.port).to_socket_addrs().ok().and_then(|mut all| all.next());
            let open = address.map(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok());
            let loopback = address.is_some_and(|address| address.ip().is_loopback());
            let (verdict, detail) = match open {
                Some(true) if loopback => (Verdict::Good, "open to this machine alone, by its loopback address"),
                Some(true) => (
                    Verdict::Look,
                    "it answers here without the gateway. On the gateway's own machine that is right; run this from where \
                     clients are, too: there it must not",
                ),
                Some(false) => (Verdict::Good, "it does not answer here"),
                None => (Verdict::Skipped, "its name has no address here"),
            };
            let probe = format!("{} of `{}`, past the gateway", server.text, upstream.name);
            tell(Finding { about: "upstream", probe, verdict, detail: detail.to_owned() });
        }
    }
}

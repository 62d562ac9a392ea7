//! The upstreams of a plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::anyhow;

use super::Opened;
use crate::config::Plan;
use crate::config::plan;
use crate::dial::connect::Target;
use crate::dial::reach::Reach;
use crate::dial::tls::{ClientTls, server_name};
use crate::forward::balance::Balance;
use crate::forward::upstream::{HostMode, IdentityMode, ServerSettings, Upstream, UpstreamSettings};

/// Servers that stay keep their connections and their state.
pub fn open(plan: &Plan, previous: Option<&Opened>) -> anyhow::Result<BTreeMap<Arc<str>, Arc<Upstream>>> {
    let mut opened = BTreeMap::new();
    for planned in &plan.upstreams {
        let settings = settings(planned).map_err(|message| anyhow!("upstream `{}`: {message}", planned.name))?;
        let name = Arc::clone(&settings.name);
        let old = previous.and_then(|previous| previous.upstreams.get(&name));
        opened.insert(name, Arc::new(Upstream::new(settings, old.map(|old| &**old))));
    }
    Ok(opened)
}

fn settings(planned: &plan::Upstream) -> Result<UpstreamSettings, String> {
    let tls = if planned.servers.iter().any(|server| server.https) {
        Some(ClientTls::new(planned.tls.ca.as_ref().map(|ca| ca.contents.as_slice()))?)
    } else {
        None
    };
    let reach = planned.addresses.as_deref().map(Reach::within).unwrap_or_default();
    let server = |server: &plan::Server| {
        let name = planned.tls.server_name.as_deref().unwrap_or(&server.host);
        let tls = match tls.as_ref().filter(|_| server.https) {
            Some(tls) => Some((tls.clone(), server_name(name)?)),
            None => None,
        };
        let target = Target { host: server.host.clone(), port: server.port, tls, reach: reach.clone() };
        Ok(ServerSettings { text: server.text.as_str().into(), target })
    };
    Ok(UpstreamSettings {
        name: planned.name.as_str().into(),
        servers: planned.servers.iter().map(server).collect::<Result<_, String>>()?,
        balance: match planned.balance {
            plan::Balance::RoundRobin => Balance::RoundRobin,
            plan::Balance::LeastRequest => Balance::LeastRequest,
        },
        host: match planned.host {
            plan::HostHeader::Original => HostMode::Original,
            plan::HostHeader::Server => HostMode::Server,
        },
        identity: match planned.identity {
            plan::Identity::Headers => IdentityMode::Headers,
            plan::Identity::Signed => IdentityMode::Signed,
            plan::Identity::None => IdentityMode::None,
        },
        forward_token: planned.forward_token,
        keepalive: usize::try_from(planned.keepalive).unwrap_or(usize::MAX),
    })
}

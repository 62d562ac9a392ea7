//! What the plan says of Redis, for whoever connects.

use crate::config::plan::shared::{Address, Kind as Planned, Shared};
use crate::store::redis::{Kind, Login, Settings, Tls};

/// `address` is the plan's own, which is there.
pub(super) fn settings(shared: &Shared, address: &Address) -> Settings {
    let identity = shared.tls.identity.as_ref().and_then(|(certificate, key)| {
        Some((certificate.contents.clone(), key.as_ref()?.expose().as_bytes().to_vec()))
    });
    let ca = shared.tls.ca.as_ref().map(|file| file.contents.clone());
    Settings {
        kind: match &address.kind {
            Planned::Alone => Kind::Alone,
            Planned::Sentinel { master } => Kind::Sentinel { master: master.clone() },
            Planned::Cluster => Kind::Cluster,
        },
        hosts: address.hosts.clone(),
        tls: address.tls.then_some(Tls { ca, identity }),
        login: Login { user: address.user.clone(), password: address.password.clone() },
        sentinel_login: Login { user: address.sentinel_user.clone(), password: address.sentinel_password.clone() },
        database: i64::from(address.database),
        fleet: shared.fleet.clone(),
    }
}

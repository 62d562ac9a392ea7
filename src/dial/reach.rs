//! Where the name of a server may lead: whoever answers for a name must not send us anywhere they like.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

/// Addresses that are fit for a connection. Not asked about a server that is written as an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach(Option<Arc<[IpNet]>>);

impl Reach {
    /// These networks alone.
    pub fn within(networks: &[IpNet]) -> Self {
        Self(Some(networks.into()))
    }

    /// Without networks: wherever a service can be. On link-local addresses there are the secrets of cloud machines, and
    /// the others are no single machine's.
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match &self.0 {
            Some(networks) => networks.iter().any(|network| network.contains(&address)),
            None => match address {
                IpAddr::V4(v4) => {
                    !(v4.is_link_local() || v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast())
                }
                IpAddr::V6(v6) => !(v6.is_unicast_link_local() || v6.is_unspecified() || v6.is_multicast()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_where_it_may_and_nowhere_else() {
        let networks = |list: &[&str]| Reach::within(&list.iter().map(|it| it.parse().unwrap()).collect::<Vec<_>>());
        let cases = [
            (Reach::default(), "10.0.0.5", true),
            (Reach::default(), "127.0.0.1", true),
            (Reach::default(), "2001:db8::1", true),
            (Reach::default(), "169.254.169.254", false),
            (Reach::default(), "::ffff:169.254.169.254", false),
            (Reach::default(), "fe80::1", false),
            (Reach::default(), "0.0.0.0", false),
            (Reach::default(), "::", false),
            (Reach::default(), "224.0.0.1", false),
            (Reach::default(), "255.255.255.255", false),
            (networks(&["10.0.0.0/8"]), "10.1.2.3", true),
            (networks(&["10.0.0.0/8"]), "::ffff:10.1.2.3", true),
            (networks(&["10.0.0.0/8"]), "127.0.0.1", false),
            (networks(&["10.0.0.0/8"]), "192.0.2.1", false),
            (networks(&["10.0.0.0/8", "fd00::/8"]), "fd00::5", true),
            (networks(&["169.254.0.0/16"]), "169.254.20.10", true),
        ];
        for (reach, address, allowed) in cases {
            assert_eq!(reach.allows(address.parse().unwrap()), allowed, "{reach:?} {address}");
        }
    }
}

//! Where a request came from, as its upstream is told: said anew for each client and host, and the same words for each of its
//! requests.

use std::net::IpAddr;

use http::Version;
use http::header::{FORWARDED, HeaderName, VIA};

use super::rewrite::Facts;
use crate::ground::{Fields, address};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Clients remembered by one worker; who comes to the place of another takes it.
const PLACES: usize = 256;

/// What one worker has said of late.
pub struct Whence {
    kept: [Option<Box<Kept>>; PLACES],
}

struct Kept {
    client: IpAddr,
    authority: Box<str>,
    secure: bool,
    version: Version,
    lines: Fields,
}

impl Default for Whence {
    fn default() -> Self {
        Self { kept: [const { None }; PLACES] }
    }
}

impl Whence {
    /// Adds `lines`, as they were said the last time if that is still there.
    pub(super) fn say(&mut self, facts: &Facts<'_>, fields: &mut Fields) {
        let Some(kept) = self.kept.get_mut(place(facts.client)) else { return fields.append_all(&lines(facts)) };
        if !kept.as_ref().is_some_and(|kept| kept.is_of(facts)) {
            *kept = None;
        }
        fields.append_all(&kept.get_or_insert_with(|| Box::new(Kept::of(facts))).lines);
    }
}

impl Kept {
    fn of(facts: &Facts<'_>) -> Self {
        Self {
            client: facts.client,
            authority: facts.authority.as_ref().into(),
            secure: facts.secure,
            version: facts.version,
            lines: lines(facts),
        }
    }

    fn is_of(&self, facts: &Facts<'_>) -> bool {
        self.client == facts.client
            && self.secure == facts.secure
            && self.version == facts.version
            && *self.authority == *facts.authority
    }
}

/// Below `PLACES`.
fn place(client: IpAddr) -> usize {
    let number = match client {
        IpAddr::V4(client) => u64::from(u32::from(client)),
        IpAddr::V6(client) => {
            let number = u128::from(client);
            (number >> 64) as u64 ^ number as u64
        }
    };
    // The best mixed bits of a product are its highest.
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

/// `X-Forwarded-*` and `Forwarded` (RFC 7239): one client, as the gateway knows it, and not the list it was sent.
pub(super) fn lines(facts: &Facts<'_>) -> Fields {
    let mut fields = Fields::new();
    let protocol = if facts.secure { "https" } else { "http" };
    let host = facts.authority.as_bytes();
    let (open, close) = if facts.client.is_ipv6() { ("\"[", "]\"") } else { ("", "") };
    let mut client = Vec::with_capacity(40);
    address::push(&mut client, facts.client);
    fields.append(&X_FORWARDED_FOR, &client);
    let parts: [&[u8]; 8] =
        [b"for=", open.as_bytes(), &client, close.as_bytes(), b";host=\"", host, b"\";proto=", protocol.as_bytes()];
    fields.append_parts(&FORWARDED, &parts);
    fields.append(&X_FORWARDED_HOST, host);
    fields.append(&X_FORWARDED_PROTO, protocol);
    fields.append(&VIA, if facts.version == Version::HTTP_2 { "2.0 portcullis" } else { "1.1 portcullis" });
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_a_place() {
        for text in ["0.0.0.0", "255.255.255.255", "127.0.0.1", "::", "2001:db8::7", "ffff:ffff:ffff:ffff:ffff::1"] {
            assert!(place(text.parse().unwrap()) < PLACES, "{text}");
        }
    }
}

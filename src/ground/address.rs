//! Addresses as text, where that is asked for at each request.

use std::io::Write as _;
use std::net::IpAddr;

/// The part of an address that stands for one customer: all of IPv4, the /64 of IPv6.
pub fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6) >> 64 << 64 | 1,
    }
}

/// Writes an address. Formatting by the standard library costs as much as all the rest of a line of the log.
pub fn push(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let mut buffer = itoa::Buffer::new();
            for (place, part) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(buffer.format(part).as_bytes());
            }
        }
        // Its short form is for the standard library to find. Writing to memory does not fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_everywhere() {
        for text in ["0.0.0.0", "127.0.0.1", "255.10.100.9", "::1", "2001:db8::7", "::ffff:192.0.2.1"] {
            let address: IpAddr = text.parse().unwrap();
            let mut out = Vec::new();
            push(&mut out, address);
            assert_eq!(String::from_utf8(out).unwrap(), address.to_string());
        }
    }
}

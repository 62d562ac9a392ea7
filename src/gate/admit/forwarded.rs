//! `Forwarded` (RFC 7239), as a trusted proxy writes it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::FORWARDED;

use super::address::MOST_HOPS;
use super::malformed;
use crate::gate::Refusal;
use crate::ground::{Fields, fields};

/// What the hops say, walked from the right.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub client: IpAddr,
    /// The client reached its proxy by TLS; `None`: nobody says.
    pub https: Option<bool>,
}

/// One proxy's words about who came to it.
#[derive(Default)]
struct Hop {
    /// `None` where it names nobody, or by a name that only the proxy knows.
    from: Option<IpAddr>,
    https: Option<bool>,
}

/// The rightmost address that is no trusted proxy; `None` without the header. Who is not named ends the walk: what stands
/// left of it, anyone may have written.
pub fn told(headers: &Fields, peer: IpAddr, trusted: impl Fn(IpAddr) -> bool) -> Result<Option<Told>, Refusal> {
    let mut hops = Vec::new();
    let mut is_there = false;
    for line in headers.all(&FORWARDED) {
        let wrong = || malformed("Forwarded is not of the form of RFC 7239");
        is_there = true;
        read(fields::visible(line).ok_or_else(wrong)?.trim(), &mut hops).ok_or_else(wrong)?;
        if hops.len() > MOST_HOPS {
            return Err(malformed("Forwarded lists more than 50 hops"));
        }
    }
    let mut told = Told { client: peer, https: None };
    for hop in hops.into_iter().rev() {
        let Some(client) = hop.from else { break };
        told = Told { client, https: hop.https };
        if !trusted(client) {
            break;
        }
    }
    Ok(is_there.then_some(told))
}

/// `hop, hop`, a hop being `name=value;name=value`.
fn read(line: &str, hops: &mut Vec<Hop>) -> Option<()> {
    let mut rest = line;
    while !rest.is_empty() && hops.len() <= MOST_HOPS {
        let mut hop = Hop::default();
        let mut names = Vec::new();
        loop {
            rest = rest.trim_start();
            let (name, behind) = rest.split_at(token(rest));
            let (value, behind) = value(behind.strip_prefix('=')?)?;
            let name = name.to_ascii_lowercase();
            match name.as_str() {
                "for" => hop.from = node(&value)?,
                "proto" => hop.https = Some(value.eq_ignore_ascii_case("https")),
                _ => {}
            }
            if name.is_empty() || names.contains(&name) {
                return None;
            }
            names.push(name);
            rest = behind.trim_start();
            let Some(behind) = rest.strip_prefix(';') else { break };
            rest = behind;
        }
        hops.push(hop);
        if !rest.is_empty() {
            rest = rest.strip_prefix(',')?.trim_start();
        }
    }
    Some(())
}

/// How many bytes of `text` make a token (RFC 9110 section 5.6.2).
fn token(text: &str) -> usize {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    text.bytes().take_while(|byte| is_part(*byte)).count()
}

/// A token or a quoted text, and what stands behind it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, behind) = text.split_at(token(text));
        return (!value.is_empty()).then(|| (value.to_owned(), behind));
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            other => value.push(other),
        }
    }
}

/// An address; `Some(None)` for `unknown` and a name that begins with `_` (RFC 7239 section 6).
fn node(text: &str) -> Option<Option<IpAddr>> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            return is_port(port).then(|| Some(IpAddr::V6(address).to_canonical()));
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    if !is_port(port) {
        return None;
    }
    if name.eq_ignore_ascii_case("unknown") || name.strip_prefix('_').is_some_and(is_obscure) {
        return Some(None);
    }
    Some(Some(IpAddr::V4(name.parse::<Ipv4Addr>().ok()?)))
}

/// Nothing, `:` with a number, or `:_` with a name.
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return text.is_empty() };
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    is_number || port.strip_prefix('_').is_some_and(is_obscure)
}

fn is_obscure(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

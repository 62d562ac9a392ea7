//! `listen` and `admin`: addresses, certificates, trusted proxies.

use std::net::SocketAddr;
use std::time::Duration;

use super::authority::password;
use super::{Check, file, text};
use crate::config::document::Document;
use crate::config::document::listen::{Listener as Written, ListenerLimits as WrittenLimits, Tls};
use crate::config::place::At;
use crate::config::plan::authority::Passwords;
use crate::config::plan::{Certificate, Engine, Listener, ListenerLimits, Operator};
use crate::config::problem::Problem;
use crate::ground::Secret;

/// Where the private listener is unless the file says otherwise.
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9090);

pub(super) fn listeners(document: &Document, check: &mut Check<'_>) -> Option<Vec<Listener>> {
    let written = document.listen.0.as_ref()?;
    let mut taken: Vec<&At<SocketAddr>> = Vec::new();
    let mut listeners = Vec::new();
    for listener in written {
        if let Some(address) = &listener.address.0 {
            if let Some(other) = taken.iter().find(|other| clash(other.value, address.value)) {
                let cause = format!("`{}` is taken by another listener", address.value);
                let problem = Problem::at(address.place, cause).other(other.place, "this one");
                check.add(problem.help("give one of them another port, or remove it"));
            }
            taken.push(address);
        }
        listeners.extend(one(listener, check));
    }
    Some(listeners)
}

fn one(written: &Written, check: &mut Check<'_>) -> Option<Listener> {
    let mut certificates = Vec::new();
    for tls in written.tls.iter().flat_map(|tls| &tls.items) {
        certificates.extend(certificate(tls, check));
    }
    if let Some(tls) = written.tls.as_ref().filter(|tls| tls.listed && tls.items.is_empty()) {
        let help = "name a certificate and a key, or remove `tls` for plain HTTP";
        check.add(Problem::at(tls.place, "this list of certificates is empty").help(help));
    }
    let proxies = written.trusted_proxies.as_ref().map_or(&[][..], |proxies| &proxies.items);
    if let Some(empty) = written.trusted_proxies.as_ref().filter(|list| list.listed && list.items.is_empty()) {
        let help = "remove it: no proxy is trusted unless it is named; or name your proxies, such as `[10.0.0.0/8]`";
        check.add(Problem::at(empty.place, "an empty list of proxies does nothing").help(help));
    }
    for network in proxies.iter().filter(|network| network.value.prefix_len() == 0) {
        let cause = "this trusts every client to say what its own address is";
        check.add(
            Problem::at(network.place, cause).help("name the networks of your proxies alone, such as `10.0.0.0/8`"),
        );
    }
    let limits = limits(written.limits.as_ref(), check);
    let address = written.address.0.as_ref()?.value;
    let trusted_proxies = proxies.iter().map(|network| network.value).collect();
    let engine = written.engine.as_ref().map_or(Engine::Strict, |at| at.value);
    Some(Listener { address, certificates, trusted_proxies, limits, engine })
}

fn limits(written: Option<&WrittenLimits>, check: &mut Check<'_>) -> ListenerLimits {
    let seconds = Duration::from_secs;
    ListenerLimits {
        connections: text::count(written.and_then(|w| w.connections.as_ref()), 20_000, check),
        connections_per_address: text::count(written.and_then(|w| w.connections_per_address.as_ref()), 5_000, check),
        head_timeout: text::span(written.and_then(|w| w.head_timeout.as_ref()), seconds(10), check),
        idle_timeout: text::span(written.and_then(|w| w.idle_timeout.as_ref()), seconds(60), check),
        body_rate: written.and_then(|w| w.body_rate.as_ref()).map_or(64, |at| at.value.0),
        body_timeout: text::span(written.and_then(|w| w.body_timeout.as_ref()), seconds(30), check),
    }
}

pub(super) fn certificate(tls: &Tls, check: &mut Check<'_>) -> Option<Certificate> {
    let certificate = tls.certificate.0.as_ref().and_then(|at| check.certificates(at, "the certificate"));
    let key = tls.key.0.as_ref()?;
    let pem = check.read(key, "the private key")?;
    let key_path = check.path(key);
    let Some(pem) = pem else { return Some(Certificate { certificate: certificate?, key_path, key: None }) };
    let parsed = match file::key(&pem) {
        Ok(parsed) => parsed,
        Err(cause) => {
            let cause = format!("`{}` holds no private key that can be read: {cause}", key.value);
            let help = "it must be a PEM file without a passphrase: text with `-----BEGIN PRIVATE KEY-----` in it";
            check.add(Problem::at(key.place, cause).help(help));
            return None;
        }
    };
    let certificate = certificate?;
    if !certificate.contents.is_empty() {
        fits(&certificate.contents, parsed, tls, check)?;
    }
    let key = String::from_utf8(pem).ok().map(Secret::new);
    Some(Certificate { certificate, key_path, key })
}

/// The key must be the one that the certificate was made for.
fn fits(pem: &[u8], key: rustls_pki_types::PrivateKeyDer<'static>, tls: &Tls, check: &mut Check<'_>) -> Option<()> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let chain = file::chain(pem).ok()?;
    let (certificate, written) = (tls.certificate.0.as_ref()?, tls.key.0.as_ref()?);
    let problem = match rustls::sign::CertifiedKey::from_der(chain, key, &provider) {
        Ok(_) => return Some(()),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let cause = format!("`{}` is not the key of the certificate `{}`", written.value, certificate.value);
            Problem::at(written.place, cause).other(certificate.place, "the certificate").help(
                "name the pair that was made together; the certificate of the server itself stands first in its file",
            )
        }
        Err(_) => {
            Problem::at(written.place, format!("the key in `{}` is of a kind that TLS cannot use", written.value))
                .help("use an ECDSA (P-256), Ed25519 or RSA (2048 bits and more) key")
        }
    };
    check.add(problem);
    None
}

/// The private listener; it must not be one of the public ones.
pub(super) fn admin(document: &Document, check: &mut Check<'_>) -> Option<SocketAddr> {
    let written = document.admin.as_ref().and_then(|admin| admin.address.0.as_ref());
    let address = match (&document.admin, written) {
        (None, _) => ADMIN,
        (Some(_), Some(written)) => written.value,
        (Some(_), None) => return None,
    };
    let listeners = document.listen.0.iter().flatten().filter_map(|listener| listener.address.0.as_ref());
    for listener in listeners {
        if !clash(listener.value, address) {
            continue;
        }
        let problem = match written {
            Some(written) => Problem::at(written.place, format!("`{address}` is a public listener already"))
                .other(listener.place, "this one"),
            None => Problem::at(
                listener.place,
                format!("`{address}` is where the private listener is unless `admin` says otherwise"),
            ),
        };
        check.add(
            problem.help("metrics and decisions must not be public: write another `admin: {address: 127.0.0.1:PORT}`"),
        );
    }
    if let Some(written) = written.filter(|written| !written.value.ip().is_loopback()) {
        let named = document.admin.as_ref().is_some_and(|admin| admin.has("operators"));
        let text = if named {
            "the private listener can be reached from other machines, in clear; keep it off the internet, and reach it by a \
             tunnel or a proxy with TLS"
        } else {
            "the private listener can be reached from other machines; keep it off the internet. Without `operators` it shows \
             health and metrics there, and no console, decisions or reload"
        };
        check.warn(written.place, text);
    }
    Some(address)
}

/// Who may log in to the private listener.
pub(super) fn operators(document: &Document, check: &mut Check<'_>) -> Vec<Operator> {
    let written = document.admin.as_ref().and_then(|admin| admin.operators.as_deref()).unwrap_or_default();
    let rules = Passwords { min: 15, min_with_second_factor: 15, blocked: None };
    let mut operators: Vec<Operator> = Vec::new();
    for one in written {
        let password = one.password.0.as_ref().and_then(|written| password::of_user(written, &rules, check));
        let Some(name) = &one.name.0 else { continue };
        if name.value.contains(':') {
            let cause = "the name of an operator has no `:` (RFC 7617 section 2)";
            check.add(Problem::at(name.place, cause).help("write a plain name, for example `olga`"));
        }
        if operators.iter().any(|known| known.name == name.value) {
            let cause = format!("there are two operators `{}`", name.value);
            check.add(Problem::at(name.place, cause).help("give one of them another name"));
        }
        // Without files, passwords are not there.
        if let Some(Some(password)) = password {
            operators.push(Operator { name: name.value.clone(), password });
        }
    }
    operators
}

/// Both cannot be opened. Port 0 is whatever is free; `[::]` is every address of both families.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |all: SocketAddr, one: SocketAddr| all.ip().is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    let shared = one.ip() == other.ip() || covers(one, other) || covers(other, one);
    one.port() == other.port() && one.port() != 0 && shared
}

//! `shared`: where Redis or Valkey is, and how it is reached.

use std::time::Duration;

use rustls_pki_types::pem::PemObject as _;

use super::{Check, file, secret, text};
use crate::config::document::Document;
use crate::config::document::shared::{Shared as Written, SharedTls as WrittenTls};
use crate::config::place::{At, Place};
use crate::config::plan::NamedFile;
use crate::config::plan::shared::{Address, Kind, Shared, SharedTls};
use crate::config::problem::Problem;
use crate::ground::Secret;

/// How long a request waits unless the file says otherwise.
const WAIT: Duration = Duration::from_millis(50);

/// `None`: there is none, or a problem was noted.
pub(super) fn shared(document: &Document, check: &mut Check<'_>) -> Option<Shared> {
    let written = document.shared.as_ref()?;
    let address = address(written, check);
    let tls = written.tls.as_ref().map(|tls| self::tls(tls, check)).unwrap_or_default();
    let wait = text::span(written.wait.as_ref(), WAIT, check);
    let fleet = fleet(written.fleet.as_ref(), check);
    let address = address?;
    if let (Some(address), Some(tls)) = (&address, &written.tls)
        && !address.tls
    {
        let help = "let the address begin with `rediss://`, or remove `tls`";
        check.add(Problem::at(tls.place, "`tls` does nothing: the address is one without TLS").help(help));
    }
    Some(Shared { address, tls, fleet, wait })
}

/// `None`: a problem is noted. `Some(None)`: variables and files are not looked at.
fn address(written: &Written, check: &mut Check<'_>) -> Option<Option<Address>> {
    let place = written.redis.0.as_ref().map(|secret| secret.place);
    let text = written.redis.0.as_ref().and_then(|redis| secret::known(redis, check));
    let password = match &written.password {
        Some(password) => Some(secret::known(password, check)?),
        None => None,
    };
    let (Some(text), Some(place)) = (text?, place) else { return Some(None) };
    let mut address = match parse(text.expose()) {
        Ok(address) => address,
        Err(cause) => {
            check.add(Problem::at(place, format!("the address of Redis {cause}")).help(FORMS));
            return None;
        }
    };
    login(written, password.flatten(), &mut address, check);
    in_clear(&address, place, check);
    Some(Some(address))
}

const FORMS: &str = "it is `redis://USER:PASSWORD@HOST:6379/0`, `redis+sentinel://HOST:26379,HOST:26379/MASTER` or \
                     `redis+cluster://HOST:6379,HOST:6379`, with `rediss` for TLS; special characters of a password are \
                     percent-encoded";

/// User and password that stand beside the address.
fn login(written: &Written, password: Option<Secret>, address: &mut Address, check: &mut Check<'_>) {
    let twice = |what: &str, place: Place| {
        Problem::at(place, format!("the address of Redis names a {what} as well")).help("keep one of them")
    };
    if let Some(user) = &written.user {
        if address.user.is_some() {
            check.add(twice("user", user.place));
        }
        if written.password.is_none() && address.password.is_none() {
            let cause = "a user without a password opens nothing";
            check.add(Problem::at(user.place, cause).help("add `password: {env: REDIS_PASSWORD}`"));
        }
        address.user = Some(user.value.clone());
    }
    if let (Some(place), Some(password)) = (written.password.as_ref().map(|it| it.place), password) {
        if address.password.is_some() {
            check.add(twice("password", place));
        }
        address.password = Some(password);
    }
}

/// A password that everybody on the way can read is worth a word.
fn in_clear(address: &Address, place: Place, check: &mut Check<'_>) {
    let here = |host: &str| host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if !address.tls && address.password.is_some() && !address.hosts.iter().all(|(host, _)| here(host)) {
        check.warn(place, "the password of Redis goes over the network in clear; `rediss://` is the address with TLS");
    }
}

fn fleet(written: Option<&At<String>>, check: &mut Check<'_>) -> String {
    let Some(name) = written else { return "portcullis".to_owned() };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.value.len() > 64 || !name.value.bytes().all(plain) {
        let cause = "this cannot be the name of a fleet";
        check.add(Problem::at(name.place, cause).help("use up to 64 letters, digits, `-`, `_` and `.`"));
    }
    name.value.clone()
}

fn tls(written: &WrittenTls, check: &mut Check<'_>) -> SharedTls {
    let ca = written.ca.as_ref().and_then(|at| check.certificates(at, "the authorities"));
    let identity = match (&written.certificate, &written.key) {
        (Some(certificate), Some(key)) => identity(certificate, key, check),
        (Some(alone), None) | (None, Some(alone)) => {
            let problem = Problem::at(alone.place, "a certificate and its key belong together");
            check.add(problem.help("write both `certificate` and `key`, or neither"));
            None
        }
        (None, None) => None,
    };
    SharedTls { ca, identity }
}

fn identity(certificate: &At<String>, key: &At<String>, check: &mut Check<'_>) -> Option<(NamedFile, Option<Secret>)> {
    let named = check.certificates(certificate, "the certificate");
    let Some(pem) = check.read(key, "the private key")? else { return Some((named?, None)) };
    let named = named?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let fits = file::key(&pem).and_then(|parsed| {
        let chain = rustls_pki_types::CertificateDer::pem_slice_iter(&named.contents).collect::<Result<_, _>>();
        let chain = chain.map_err(|_| "the certificate is damaged".to_owned())?;
        rustls::sign::CertifiedKey::from_der(chain, parsed, &provider)
            .map(drop)
            .map_err(|_| format!("it is not the key of the certificate `{}`", certificate.value))
    });
    if let Err(cause) = fits {
        let cause = format!("`{}` cannot be used as the private key: {cause}", key.value);
        check.add(Problem::at(key.place, cause).help("name the pair that was made together; PEM without a passphrase"));
        return None;
    }
    Some((named, String::from_utf8(pem).ok().map(Secret::new)))
}

/// Reads an address. The error goes on behind `the address of Redis` and repeats nothing of it: it may hold a password.
fn parse(text: &str) -> Result<Address, String> {
    let (scheme, rest) = text.split_once("://").ok_or("has no `redis://` in front")?;
    let (tls, how) = scheme_of(scheme)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if rest.contains('#') || query.contains('#') {
        return Err("has a fragment: `#` and what follows it have no meaning here".to_owned());
    }
    let (before, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = before.rsplit_once('@').map_or((None, before), |(login, hosts)| (Some(login), hosts));
    let mut path = path.split('/').filter(|part| !part.is_empty());
    let kind = match how {
        "" => Kind::Alone,
        "cluster" => Kind::Cluster,
        _ => Kind::Sentinel { master: decoded(path.next().ok_or("names no master behind the sentinels")?)? },
    };
    let database =
        path.next().map_or(Ok(0), |number| number.parse::<u32>().map_err(|_| "has no number as database"))?;
    if path.next().is_some() {
        return Err("has a longer path than it can have".to_owned());
    }
    if kind == Kind::Cluster && database != 0 {
        return Err("names a database, and a cluster has none but the first".to_owned());
    }
    let port = if matches!(kind, Kind::Sentinel { .. }) { 26379 } else { 6379 };
    let hosts = hosts.split(',').map(|host| self::host(host, port)).collect::<Result<Vec<_>, _>>()?;
    if kind == Kind::Alone && hosts.len() > 1 {
        return Err("names several servers, and says neither `+sentinel` nor `+cluster`".to_owned());
    }
    let (user, password) = match login {
        None => (None, None),
        Some(login) => {
            let (user, password) = login.split_once(':').ok_or("has a user and no password")?;
            (Some(decoded(user)?).filter(|user| !user.is_empty()), Some(Secret::new(decoded(password)?)))
        }
    };
    let mut address =
        Address { kind, tls, hosts, user, password, sentinel_user: None, sentinel_password: None, database };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match (pair.split_once('='), &address.kind) {
            (Some(("sentinel_user", user)), Kind::Sentinel { .. }) => address.sentinel_user = Some(decoded(user)?),
            (Some(("sentinel_password", password)), Kind::Sentinel { .. }) => {
                address.sentinel_password = Some(Secret::new(decoded(password)?));
            }
            _ => return Err("has a parameter that is not `sentinel_user` or `sentinel_password`".to_owned()),
        }
    }
    Ok(address)
}

/// Whether it is TLS, and how servers stand together.
fn scheme_of(scheme: &str) -> Result<(bool, &str), String> {
    let (name, how) = scheme.split_once('+').unwrap_or((scheme, ""));
    let tls = match name {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => return Err("does not begin with `redis://` or `rediss://`".to_owned()),
    };
    match how {
        "" | "sentinel" | "cluster" => Ok((tls, how)),
        _ => Err("says neither `+sentinel` nor `+cluster` behind `redis`".to_owned()),
    }
}

fn host(text: &str, usual: u16) -> Result<(String, u16), String> {
    let port = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let port = text.parse::<u16>().ok().filter(|port| plain && *port > 0);
        port.ok_or_else(|| "has a port that is none".to_owned())
    };
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) => (name, usual),
        Some((name, rest)) => (name, port(rest.trim_start_matches(':'))?),
        None => match text.rsplit_once(':') {
            Some((name, number)) => (name, port(number)?),
            None => (text, usual),
        },
    };
    if name.is_empty() || name.contains([' ', '/', '@']) || name.contains(':') != text.starts_with('[') {
        return Err("names no host".to_owned());
    }
    Ok((name.to_owned(), port))
}

/// Without its percent-encoding.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push(high << 4 | low),
            _ => return Err("has a `%` without two hexadecimal digits; write `%25` for a percent sign".to_owned()),
        }
    }
    String::from_utf8(bytes).map_err(|_| "is no UTF-8 text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How, whether by TLS, where, and which database; or a part of why not.
    type Expected<'a> = Result<(&'a str, bool, &'a [(&'a str, u16)], u32), &'a str>;

    fn check(text: &str, expected: Expected<'_>) {
        let seen = parse(text);
        match (&seen, expected) {
            (Ok(address), Ok((kind, tls, hosts, database))) => {
                let shown = match &address.kind {
                    Kind::Alone => "alone".to_owned(),
                    Kind::Sentinel { master } => master.clone(),
                    Kind::Cluster => "cluster".to_owned(),
                };
                let own: Vec<(&str, u16)> = address.hosts.iter().map(|(host, port)| (host.as_str(), *port)).collect();
                assert_eq!(
                    (shown.as_str(), address.tls, own.as_slice(), address.database),
                    (kind, tls, hosts, database),
                    "{text}"
                );
            }
            (Err(cause), Err(part)) => assert!(cause.contains(part) && !cause.contains("hunter2"), "{text}: {cause}"),
            _ => panic!("{text}: {seen:?}"),
        }
    }

    #[test]
    fn an_address_says_where_and_how() {
        check("redis://localhost", Ok(("alone", false, &[("localhost", 6379)], 0)));
        check("rediss://me:hunter2@cache.example:7000/3", Ok(("alone", true, &[("cache.example", 7000)], 3)));
        check("valkey://[::1]:6380", Ok(("alone", false, &[("::1", 6380)], 0)));
        check("redis+sentinel://a,b:26380/mymaster/2", Ok(("mymaster", false, &[("a", 26379), ("b", 26380)], 2)));
        check("valkeys+cluster://a:1,b:2,c:3", Ok(("cluster", true, &[("a", 1), ("b", 2), ("c", 3)], 0)));
        check("localhost:6379", Err("has no `redis://`"));
        check("http://me:hunter2@a", Err("does not begin with"));
        check("redis+ring://a", Err("neither `+sentinel` nor `+cluster`"));
        check("redis://a,b", Err("names several servers"));
        check("redis+sentinel://a", Err("names no master"));
        check("redis+cluster://a/1", Err("a cluster has none but the first"));
        check("redis://a/x", Err("has no number as database"));
        check("redis://a:0", Err("a port that is none"));
        check("redis://a:+1", Err("a port that is none"));
        check("redis://:hunter2%2@a", Err("two hexadecimal digits"));
        check("redis://hunter2@a", Err("a user and no password"));
        check("redis://", Err("names no host"));
        check("rediss://a#insecure", Err("has a fragment"));
        check("redis://a?ssl=true", Err("a parameter that is not"));
    }

    #[test]
    fn a_login_may_hold_any_character() {
        let address = parse("redis://me:p%40ss%3A%2Fw@a").unwrap();
        assert_eq!((address.user.as_deref(), address.password.unwrap().expose()), (Some("me"), "p@ss:/w"));
        let address = parse("redis://:x@a").unwrap();
        assert_eq!((address.user, address.password.unwrap().expose()), (None, "x"));
        let address = parse("redis+sentinel://a/m?sentinel_user=s&sentinel_password=t").unwrap();
        assert_eq!((address.sentinel_user.as_deref(), address.sentinel_password.unwrap().expose()), (Some("s"), "t"));
    }
}

//! `store`: where it is, and what its connection string says.

use std::net::IpAddr;
use std::time::Duration;

use super::{Check, listen, secret, text};
use crate::config::document::Document;
use crate::config::document::secret::{Form, Secret as Written};
use crate::config::document::store::{Postgres as WrittenPostgres, Store as WrittenStore};
use crate::config::place::{At, Place};
use crate::config::plan::{Postgres, Store};
use crate::config::problem::Problem;
use crate::ground::Secret;

/// Connections of one gateway beyond which there is something wrong.
const MOST_CONNECTIONS: u32 = 1_000;

/// Nobody waits longer for a log-in.
const LONGEST: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_millis(100);

/// What to do instead of naming files in the connection string.
const TLS_KEYS: &str = "put the files under `store.postgres`: `tls: {ca: ca.pem, client: {certificate: gateway.pem, key: \
                        gateway.key}}`";

pub(super) fn store(document: &Document, check: &mut Check<'_>) -> Option<Store> {
    let Some(written) = &document.store else { return Some(Store::Sqlite(check.base.join("portcullis.db"))) };
    match (&written.sqlite, &written.postgres) {
        (Some(path), None) if !written.has("postgres") => Some(Store::Sqlite(check.path(path))),
        (None, Some(connection)) if !written.has("sqlite") => postgres(&connection.0, check),
        _ => {
            one_alone(written, check);
            None
        }
    }
}

fn one_alone(written: &WrittenStore, check: &mut Check<'_>) {
    match (written.place_of("sqlite"), written.place_of("postgres")) {
        (Some(sqlite), Some(postgres)) => {
            let problem =
                Problem::at(postgres, "there is one store, and two stand here").other(sqlite, "the other one");
            check.add(problem.help("keep `sqlite` for one gateway, `postgres` for a fleet"));
        }
        (None, None) => {
            let cause = "`store` says nothing of where it is";
            let help = "write `{sqlite: portcullis.db}` for one gateway, `{postgres: {env: DATABASE_URL}}` for a fleet";
            check.add(Problem::at(written.place, cause).help(help));
        }
        // It could not be read, and that is said.
        (Some(_), None) | (None, Some(_)) => {}
    }
}

fn postgres(written: &WrittenPostgres, check: &mut Check<'_>) -> Option<Store> {
    let (ca, client) = written.tls.as_ref().map_or((None, None), |tls| (tls.ca.as_ref(), tls.client.as_ref()));
    let ca = ca.and_then(|at| check.certificates(at, "the authorities of PostgreSQL"));
    let identity = client.and_then(|tls| listen::certificate(tls, check));
    let connections = bounded(written.connections.as_ref(), check);
    let timeout = text::span(written.timeout.as_ref(), Duration::from_secs(5), check);
    if let Some(at) = written.timeout.as_ref().filter(|at| is_odd(at.value)) {
        let cause = "this is no time that a store should take";
        check.add(Problem::at(at.place, cause).help("write something from `100ms` to `60s`"));
    }
    let found = secret::known(&reference(written, check)?, check)?;
    let address = match &found {
        Some(url) => Some(address(url.expose(), written, check)?),
        None => None,
    };
    let encrypted = address.as_ref().is_some_and(|address| address.encrypted);
    if address.is_some() && !encrypted && written.tls.is_some() {
        let cause = "`tls` does nothing here: the connection string says `sslmode=disable`";
        check.add(Problem::at(written.place, cause).help("take that out of the string, or `tls` out of the file"));
    }
    Some(Store::Postgres(Box::new(Postgres {
        shown: address.as_ref().map(|address| address.shown.clone()).unwrap_or_default(),
        url: address.map(|address| address.url),
        encrypted,
        ca,
        identity,
        connections,
        timeout,
    })))
}

/// Zero is a problem of its own.
fn is_odd(timeout: Duration) -> bool {
    !timeout.is_zero() && !(SHORTEST..=LONGEST).contains(&timeout)
}

/// Where the connection string is.
fn reference(written: &WrittenPostgres, check: &mut Check<'_>) -> Option<Written> {
    let form = match (&written.env, &written.file) {
        (Some(name), None) => Form::Env(name.clone()),
        (None, Some(path)) => Form::File(path.clone()),
        (None, None) | (Some(_), Some(_)) => {
            let cause = "`postgres` has exactly one of `env` and `file`";
            check.add(Problem::at(written.place, cause).help("keep the one that holds the connection string"));
            return None;
        }
    };
    Some(Written { place: written.place, form })
}

fn bounded(written: Option<&At<u32>>, check: &mut Check<'_>) -> usize {
    if let Some(at) = written.filter(|at| at.value == 0 || at.value > MOST_CONNECTIONS) {
        let cause = format!("a gateway can have 1 to {MOST_CONNECTIONS} connections");
        check.add(Problem::at(at.place, cause).help("each core of the database serves a few; `16` is plenty for most"));
    }
    written.map_or(16, |at| usize::try_from(at.value).unwrap_or(1))
}

/// A connection string, read as far as it is ours to decide.
struct Address {
    url: Secret,
    shown: String,
    encrypted: bool,
}

/// What is wrong with a connection string. Nothing of it is repeated: any part may be the password.
fn address(url: &str, written: &WrittenPostgres, check: &mut Check<'_>) -> Option<Address> {
    let parts = match Parts::of(url) {
        Ok(parts) => parts,
        Err(cause) => {
            let help = "write `postgres://user:password@host:5432/database`, with `%` and two hexadecimal digits for each \
                        special character of the password";
            check.add(Problem::at(written.place, cause).help(help));
            return None;
        }
    };
    let mode = parts.mode(written.place, check)?;
    let is_local = parts.hosts().iter().all(|host| is_local(host));
    let wanted = written.tls.is_some() || !is_local;
    let encrypted = match mode {
        Mode::Off => false,
        Mode::On => true,
        Mode::Unsaid => wanted,
    };
    if !encrypted && !is_local {
        let text = "the connection to PostgreSQL is not encrypted (`sslmode=disable`): whoever sees the network sees its \
                    password, and every session and key";
        check.warn(written.place, text);
    }
    Some(Address { url: Secret::new(parts.url()), shown: parts.shown(), encrypted })
}

/// The pieces of `postgres://[user@]host[,host]/database[?name=value&...]`.
struct Parts<'u> {
    user: Option<&'u str>,
    hosts: &'u str,
    path: &'u str,
    parameters: Vec<(&'u str, &'u str)>,
}

enum Mode {
    Off,
    On,
    Unsaid,
}

impl<'u> Parts<'u> {
    fn of(url: &'u str) -> Result<Self, &'static str> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let rest =
            rest.ok_or("this is not the connection string of a PostgreSQL: it does not begin with `postgres://`")?;
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = before.split_once('/').unwrap_or((before, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        if query.contains(['@', '/']) && !query.contains("host=") || path.contains(['@', '/']) {
            return Err(
                "the connection string cannot be read: its password has a character that must be written as `%..`",
            );
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let parts = Self {
            user,
            hosts,
            path,
            parameters: pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect(),
        };
        if parts.hosts().is_empty() {
            return Err("the connection string names no host");
        }
        if path.is_empty() {
            return Err("the connection string names no database");
        }
        Ok(parts)
    }

    /// Names, addresses or folders of sockets.
    fn hosts(&self) -> Vec<&'u str> {
        let named = self.parameters.iter().filter(|(name, _)| *name == "host" || *name == "hostaddr");
        let listed = self.hosts.split(',').filter(|host| !host.is_empty()).map(bare);
        listed.chain(named.flat_map(|(_, value)| value.split(','))).collect()
    }

    fn mode(&self, place: Place, check: &mut Check<'_>) -> Option<Mode> {
        let mut mode = Mode::Unsaid;
        for (name, value) in &self.parameters {
            match *name {
                "sslmode" => match *value {
                    "disable" => mode = Mode::Off,
                    // Whoever asks for less than we do gets what we do.
                    "allow" | "prefer" => {}
                    "require" | "verify-ca" | "verify-full" => mode = Mode::On,
                    _ => {
                        let cause = "the connection string has a `sslmode` that nobody knows";
                        let help = "leave it out to have the server verified, or write `sslmode=disable`";
                        check.add(Problem::at(place, cause).help(help));
                        return None;
                    }
                },
                "sslrootcert" | "sslcert" | "sslkey" | "sslpassword" | "sslcrl" => {
                    let cause = format!("the connection string has `{name}`, which is not read from there");
                    check.add(Problem::at(place, cause).help(TLS_KEYS));
                    return None;
                }
                name if KNOWN.contains(&name) => {}
                name => {
                    let shown = if name.chars().all(|c| c.is_ascii_alphabetic() || c == '_') { name } else { "?" };
                    let cause =
                        format!("the connection string has the parameter `{shown}`, which PostgreSQL does not have");
                    let help = "parameters of other programs (`schema`, `pgbouncer`, `connection_limit`) do not belong \
                                there: take it out";
                    check.add(Problem::at(place, cause).help(help));
                    return None;
                }
            }
        }
        Some(mode)
    }

    /// The string without what is decided here.
    fn url(&self) -> String {
        let user = self.user.map(|user| format!("{user}@")).unwrap_or_default();
        let ours = ["sslmode", "target_session_attrs"];
        let left = self.parameters.iter().filter(|(name, _)| !ours.contains(name));
        let left: Vec<String> = left.map(|(name, value)| format!("{name}={value}")).collect();
        let query = if left.is_empty() { String::new() } else { format!("?{}", left.join("&")) };
        format!("postgres://{user}{}/{}{query}", self.hosts, self.path)
    }

    fn shown(&self) -> String {
        let hosts = if self.hosts.is_empty() { self.hosts().join(",") } else { self.hosts.to_owned() };
        format!("{hosts}/{}", self.path)
    }
}

/// Parameters that the client knows.
const KNOWN: [&str; 18] = [
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "sslnegotiation",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
];

/// A host without its port.
fn bare(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    }
}

/// On this machine: a socket, or a loopback address.
fn is_local(host: &str) -> bool {
    let is_loopback = host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    host == "localhost" || is_loopback || host.starts_with('/') || host.to_ascii_lowercase().starts_with("%2f")
}

//! `store` and `admin`.

use std::net::SocketAddr;

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::listen::Tls;
use super::read::{Must, Read};
use super::secret::Secret;
use crate::config::node::{Kind, Node};
use crate::config::place::At;
use crate::config::problem::{Problem, Problems};

section! {
    /// Where the gateway keeps what must survive a restart; exactly one of the keys.
    Store ("`store`") {
        /// File of the embedded database, relative to the configuration. Default: `portcullis.db`.
        sqlite: Option<At<String>>,
        /// The database of a fleet, shared by all its gateways. Example: `{env: DATABASE_URL}`.
        postgres: Option<Connection>,
    }
    instead [
        url: "the key is `postgres`: `{env: NAME}` names the variable that holds the connection string",
        postgresql: "the key is `postgres`",
        path: "the key is `sqlite`"
    ]
}

section! {
    /// A PostgreSQL database, and how it is used. The connection string comes from one of `env` and `file`:
    /// `postgres://user:password@host:5432/database`, with several hosts behind each other where one of them may take over
    /// (`host1:5432,host2:5432`). Connections are encrypted and the server is verified, unless it is on this machine or the
    /// string says `?sslmode=disable`.
    Postgres ("`store.postgres`") {
        /// Name of an environment variable that holds the connection string.
        env: Option<At<String>>,
        /// File that holds it, relative to the configuration; a line break at its end does not count.
        file: Option<At<String>>,
        /// Connections at most, beside one that listens for what other gateways change. Default: `16`.
        connections: Option<At<u32>>,
        /// How long anything that the store is asked for may take before it counts as failed. Default: `5s`.
        timeout: Option<At<Duration>>,
        /// Whom to trust, and who we are.
        tls: Option<PostgresTls>,
    }
    instead [
        url: "the connection string holds a password: name where it is, by `env` or `file`",
        hash: "the gateway has to know the connection string itself: use `env` or `file`",
        pool: "the key is `connections`",
        pool_size: "the key is `connections`",
        ca: "put it under `tls`: `tls: {ca: ca.pem}`",
        sslmode: "it stands in the connection string; leave it out to have the server verified"
    ]
}

section! {
    /// How connections to PostgreSQL are encrypted. The server is always verified, by chain and name.
    PostgresTls ("the `tls` of PostgreSQL") {
        /// PEM file with the authorities to trust instead of the system's.
        ca: Option<At<String>>,
        /// Certificate and key to show, for servers that ask for one (`clientcert=verify-full`, `cert`).
        client: Option<Tls>,
    }
    instead [
        certificate: "put it under `client`: `client: {certificate: gateway.pem, key: gateway.key}`",
        key: "put it under `client`: `client: {certificate: gateway.pem, key: gateway.key}`",
        verify: "the server is always verified; `ca` names other authorities than the system's"
    ]
}

/// `store.postgres`, looked at with care: who writes a connection string in clear has written a password.
#[derive(Clone, Debug, Default)]
pub struct Connection(pub Postgres);

impl Read for Connection {
    fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let help = "name an environment variable (`{env: DATABASE_URL}`) or a file (`{file: path}`) that holds it";
        match &node.kind {
            Kind::Text(_) | Kind::Number(_) | Kind::Bool(..) => {
                problems.mask(node.place);
                let help = format!("{help}; and change its password, because whoever has seen the file knows it");
                problems.add(Problem::at(node.place, "a connection string stands here in clear").help(help));
                return None;
            }
            Kind::Map(entries) => {
                let looks_like_one = |node: &Node| matches!(&node.kind, Kind::Text(text) if text.contains("://"));
                entries.iter().filter(|(_, node)| looks_like_one(node)).for_each(|(_, node)| problems.mask(node.place));
            }
            Kind::Null | Kind::List(_) => {}
        }
        Postgres::read(node, problems).map(Self)
    }
}

impl JsonSchema for Connection {
    fn schema_name() -> Cow<'static, str> {
        Postgres::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Postgres::json_schema(generator)
    }
}

section! {
    /// The private listener for metrics, health and decisions. Never make it public.
    Admin ("`admin`") {
        /// Address and port. Default: `127.0.0.1:9090`.
        address: Must<At<SocketAddr>>,
        /// Who may see the console, the decisions, and reload. Needed where the address is not one of this machine alone;
        /// health and metrics stay open. Default: none.
        operators: Option<Vec<Operator>>,
    }
}

section! {
    /// Somebody who may log in to the private listener.
    Operator ("an operator") {
        /// What they log in with.
        name: Must<At<String>>,
        /// Their password, as a hash (`{hash: ...}`) or by reference to the clear text (`{env: NAME}`, `{file: path}`).
        password: Must<Secret>,
    }
}

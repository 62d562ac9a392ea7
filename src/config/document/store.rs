//! `store` and `admin`.

use std::net::SocketAddr;

use super::read::Must;
use super::secret::Secret;
use crate::config::place::At;

section! {
    /// Where the gateway keeps what must survive a restart.
    Store ("`store`") {
        /// File of the embedded database, relative to the configuration. Default: `portcullis.db`.
        sqlite: Must<At<String>>,
    }
    later [postgres]
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

//! `store` and `admin`.

use std::net::SocketAddr;

use super::read::Must;
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
    }
}
